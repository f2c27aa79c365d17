//! The book of one client: what every action should have come to, noted by the test and not by the queue.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_model::{ActionId, EntityId, Lane};
use tidewire_queue::{Action, Fate, Queue};

/// What every action should have come to, as one client knows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    pub(super) live: BTreeSet<ActionId>,
    pub(super) accepted: BTreeSet<ActionId>,
    pub(super) gone: BTreeSet<ActionId>,
    /// Taken back; must never take effect.
    pub(super) cancelled: BTreeSet<ActionId>,
    pub(super) order: BTreeMap<Lane, Vec<ActionId>>,
    pub(super) parents: BTreeMap<ActionId, BTreeSet<ActionId>>,
    pub(super) creators: BTreeMap<EntityId, ActionId>,
    /// Retried though what they depended on is gone.
    pub(super) insisted: BTreeSet<ActionId>,
}

impl Book {
    pub(super) fn enter(&mut self, action: &Action, parents: BTreeSet<ActionId>) {
        self.live.insert(action.id);
        self.leave_line(action.id);
        self.order
            .entry(action.lane.clone())
            .or_default()
            .push(action.id);
        self.parents.insert(action.id, parents);
        if action.name == "create"
            && let Some(temporary) = &action.entity_id
        {
            self.creators.insert(temporary.clone(), action.id);
        }
    }

    fn leave_line(&mut self, id: ActionId) {
        for line in self.order.values_mut() {
            line.retain(|other| *other != id);
        }
    }

    pub(super) fn note(&mut self, queue: &Queue, fates: &[(ActionId, Fate)]) {
        for &(id, fate) in fates {
            match fate {
                Fate::Accepted | Fate::Gone => {
                    self.live.remove(&id);
                    self.leave_line(id);
                    let past = if fate == Fate::Accepted {
                        &mut self.accepted
                    } else {
                        &mut self.gone
                    };
                    past.insert(id);
                }
                Fate::Revived => {
                    self.leave_line(id);
                    let name = queue
                        .get(id)
                        .expect("a revived action is there")
                        .lane
                        .clone();
                    self.order.entry(name).or_default().push(id);
                }
                Fate::Parked | Fate::Uncertain | Fate::Resumed => {}
            }
        }
    }
}
