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
    /// What creates the one entity whose id the application chooses, in order of submission.
    pub(super) makers: Vec<ActionId>,
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
        self.makers.retain(|maker| *maker != action.id);
        match action
            .entity_id
            .as_ref()
            .filter(|_| action.name == "create")
        {
            Some(id) if id.is_temporary() => {
                self.creators.insert(id.clone(), action.id);
            }
            Some(_) => self.makers.push(action.id),
            None => {}
        }
    }

    /// The creation that a write on the entity of the chosen id must wait for, where the write has this submission
    /// number.
    pub(super) fn maker(&self, queue: &Queue, number: u64) -> Option<ActionId> {
        let is_open = |maker: &Action| !maker.is_parked() && maker.number < number;
        let mut makers = self.makers.iter().rev();
        makers
            .find(|maker| queue.get(**maker).is_some_and(is_open))
            .copied()
    }

    /// At its new place a write depends on the creation before that place, and on no other.
    fn move_behind(&mut self, action: &Action, queue: &Queue) {
        if action.entity_id.as_ref().is_none_or(EntityId::is_temporary) {
            return;
        }
        let maker = self.maker(queue, action.number);
        let makers = std::mem::take(&mut self.makers);
        let parents = self.parents.entry(action.id).or_default();
        let named = |parent: &ActionId| action.after.contains(parent);
        parents.retain(|parent| !makers.contains(parent) || named(parent));
        parents.extend(maker);
        self.makers = makers;
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
                    if let Some(place) = self.makers.iter().position(|maker| *maker == id) {
                        self.makers[place..].rotate_left(1);
                    }
                    let action = queue.get(id).expect("a revived action is there");
                    self.order.entry(action.lane.clone()).or_default().push(id);
                    self.move_behind(action, queue);
                }
                Fate::Parked | Fate::Uncertain | Fate::Resumed => {}
            }
        }
    }
}
