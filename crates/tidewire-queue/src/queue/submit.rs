//! Taking actions in: limits, dependencies, a number.
//!
//! A draft is refused before anything changes. Never sends.

use std::collections::BTreeSet;

use tidewire_model::{ActionId, EntityId, Lane, WallTime};
use tidewire_store::Txn;

use super::Queue;
use crate::action::{Action, ActionState, Draft};
use crate::changes::Changes;
use crate::error::SubmitError;
use crate::mention;
use crate::settings::Settings;
use crate::shelf::Entry;
use crate::stored;

impl Queue {
    /// Takes an action. It gets the next number of its lane, and waits for the actions it names, for the creators of
    /// the temporary ids it mentions, and for those of the entities it writes. It is offered for sending once [`on_durable`](Self::on_durable) says that the
    /// transaction is stored.
    ///
    /// # Errors
    /// A limit is reached, the id is in the queue, an action it depends on is parked, or the content could not be read
    /// back from a store. Nothing was changed.
    pub fn submit(
        &mut self,
        now: WallTime,
        id: ActionId,
        draft: Draft,
    ) -> Result<Txn, SubmitError> {
        if self.shelf.number(id).is_some() {
            return Err(SubmitError::DuplicateId { id });
        }
        if self.shelf.len() + self.unreadable.len() >= self.settings.max_actions {
            return Err(SubmitError::Full {
                limit: self.settings.max_actions,
            });
        }
        self.check_lane(&draft.lane)?;
        let (action, temporaries) = self.prepare(now, id, draft)?;
        let bytes = self.check_size(&action, 0)?;
        let mut changes = Changes::default();
        self.enter(action, temporaries, bytes, &mut changes);
        Ok(self.store(changes).expect("a new action is a change"))
    }

    /// A draft as an action that has no number yet, with the temporary ids it mentions.
    pub(super) fn prepare(
        &self,
        now: WallTime,
        id: ActionId,
        draft: Draft,
    ) -> Result<(Action, BTreeSet<EntityId>), SubmitError> {
        if draft.name.is_empty() || draft.name.len() > Draft::MAX_NAME_BYTES {
            return Err(SubmitError::Name {
                bytes: draft.name.len(),
            });
        }
        let mut action = Action {
            id,
            number: 0,
            lane: draft.lane,
            seq: 0,
            name: draft.name,
            entity_type: draft.entity_type,
            entity_id: draft.entity_id,
            payload: draft.payload,
            effects: draft.effects,
            base: draft.base,
            after: Vec::new(),
            behind: Vec::new(),
            submitted: now,
            changed: now,
            attempts: 0,
            state: ActionState::Waiting,
        };
        let temporaries = mention::temporaries(&action)?;
        let creators = temporaries
            .iter()
            .filter_map(|temporary| self.shelf.creator(temporary));
        let parents: BTreeSet<ActionId> = draft
            .after
            .into_iter()
            .chain(creators)
            .filter(|parent| *parent != id)
            .collect();
        for parent in parents {
            match self.shelf.action(parent) {
                Some(found) if found.is_parked() => {
                    return Err(SubmitError::DependsOnParked { id: parent });
                }
                Some(_) => action.after.push(parent),
                None => {}
            }
        }
        action.behind = self.makers(&action);
        // A creation that was refused, and of which nobody has decided yet.
        if let Some(id) = self.first_parked(action.behind.iter().copied()) {
            return Err(SubmitError::DependsOnParked { id });
        }
        Ok((action, temporaries))
    }

    /// The creations, other than itself, that must be accepted before an action writes what it writes: before that,
    /// the entity of that id is not the one that was meant.
    pub(super) fn makers(&self, action: &Action) -> Vec<ActionId> {
        let keys = mention::written_keys(action);
        let makers = keys
            .iter()
            .filter_map(|key| self.shelf.maker(key, action.id));
        let makers: BTreeSet<ActionId> = makers.map(|maker| maker.id).collect();
        makers
            .into_iter()
            .filter(|maker| !self.waits_itself(*maker, action.id))
            .collect()
    }

    /// The first of these that is parked.
    pub(super) fn first_parked(&self, ids: impl IntoIterator<Item = ActionId>) -> Option<ActionId> {
        let is_parked = |id: &ActionId| self.shelf.action(*id).is_some_and(Action::is_parked);
        ids.into_iter().find(is_parked)
    }

    /// Whether a creation waits for the action that is to wait for it: that can only be one that is uncertain.
    fn waits_itself(&self, maker: ActionId, id: ActionId) -> bool {
        let state = self.shelf.action(maker).map(|maker| &maker.state);
        state == Some(&ActionState::Uncertain) && self.depends_on(maker, id)
    }

    /// Whether a lane is there or may be made.
    pub(super) fn check_lane(&self, lane: &Lane) -> Result<(), SubmitError> {
        let limit = self.settings.max_lanes.min(self.server_lanes);
        let known = self.lanes.contains_key(lane);
        if known || self.lanes.len() < limit {
            Ok(())
        } else {
            Err(SubmitError::TooManyLanes { limit })
        }
    }

    /// The bytes an action takes, where `freed` others make room for it.
    pub(super) fn check_size(&self, action: &Action, freed: usize) -> Result<usize, SubmitError> {
        let bytes = stored::action_key(0).len() + stored::action_row(action).len();
        let limit = self
            .settings
            .max_action_bytes
            .min(Settings::MAX_ROW_BYTES / 2);
        if bytes > limit {
            return Err(SubmitError::TooLarge { bytes, limit });
        }
        let unreadable: usize = self.unreadable.values().map(|(_, bytes)| bytes).sum();
        let limit = self.settings.max_bytes;
        if self.shelf.bytes() - freed + unreadable + bytes > limit {
            return Err(SubmitError::FullBytes { limit });
        }
        Ok(bytes)
    }

    /// Puts a prepared action at the end.
    pub(super) fn enter(
        &mut self,
        mut action: Action,
        temporaries: BTreeSet<EntityId>,
        bytes: usize,
        changes: &mut Changes,
    ) {
        action.number = self.take_number();
        action.seq = self.join_lane(&action.lane, action.number, action.seq, changes);
        changes.written.insert(action.number);
        self.shelf.insert(Entry::new(action, bytes, 1, temporaries));
    }
}
