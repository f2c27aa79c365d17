//! Temporary ids that the server has replaced by its own.
//!
//! Rewrites queued actions. Content that may have gone out under its number stays as it was sent; its prediction follows the
//! new id.

use std::collections::BTreeMap;

use tidewire_model::EntityId;
use tidewire_store::Txn;

use super::Queue;
use crate::action::{Action, ActionState};
use crate::changes::Changes;
use crate::mention;

impl Queue {
    /// An echo told the real ids before the answer did. `None`: no action mentions them.
    pub fn renamed(&mut self, replaced: &BTreeMap<EntityId, EntityId>) -> Option<Txn> {
        let mut changes = Changes::default();
        self.rename(replaced, &mut changes);
        self.store(changes)
    }

    pub(super) fn rename(
        &mut self,
        replaced: &BTreeMap<EntityId, EntityId>,
        changes: &mut Changes,
    ) {
        let named = replaced
            .iter()
            .filter(|(temporary, real)| temporary.is_temporary() && temporary != real);
        let replaced: BTreeMap<EntityId, EntityId> = named
            .map(|(temporary, real)| (temporary.clone(), real.clone()))
            .collect();
        for number in self.shelf.mentioning(replaced.keys()) {
            let was_sent = self.may_have_been_sent(number);
            let mut changed = false;
            self.shelf.rewrite(number, |action| {
                changed = rename_action(action, &replaced, was_sent);
            });
            if changed {
                changes.written.insert(number);
            }
        }
    }

    /// Whether an action may have gone out under the number it has. One that is uncertain only since its store was copied,
    /// or since the server forgot this client, has not.
    fn may_have_been_sent(&self, number: u64) -> bool {
        let Some(action) = self.shelf.entry(number).map(|entry| &entry.action) else {
            return false;
        };
        let lane = self.lanes.get(&action.lane);
        match action.state {
            ActionState::Waiting | ActionState::Parked(_) => false,
            ActionState::PossiblySent => true,
            ActionState::Uncertain => lane.is_some_and(|lane| action.seq <= lane.sent),
        }
    }
}

fn rename_action(
    action: &mut Action,
    replaced: &BTreeMap<EntityId, EntityId>,
    was_sent: bool,
) -> bool {
    if was_sent {
        return mention::replace_in_effects(&mut action.effects, replaced);
    }
    // What makes an entity and was never sent goes on asking for a new one: an echo of it comes from another copy of the
    // store.
    let mut others = replaced.clone();
    for own in mention::created(action) {
        others.remove(own);
    }
    // Of one that is uncertain the echo says what became of it, and the view shows that once.
    let shown = match action.state {
        ActionState::Uncertain => replaced,
        _ => &others,
    };
    let mut changed = mention::replace_in_effects(&mut action.effects, shown);
    if let Some(real) = action.entity_id.as_ref().and_then(|id| others.get(id)) {
        action.entity_id = Some(real.clone());
        changed = true;
    }
    changed | mention::replace_in_record(&mut action.payload, &others)
}
