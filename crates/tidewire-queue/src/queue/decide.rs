//! Decisions of the application: cancel, retry, discard, edit.
//!
//! What was possibly sent is never taken back here. A retried or edited action goes to the end of its lane under a new
//! number, and what was parked only because of it comes back behind it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidewire_model::{ActionId, WallTime};

use super::Queue;
use crate::action::{Action, ActionState, Draft};
use crate::changes::Changes;
use crate::error::{CancelError, DecideError};
use crate::mention;
use crate::outcome::{Fate, Outcome};
use crate::refusal::{Refusal, RefusalClass};
use crate::shelf::Entry;

impl Queue {
    /// Takes back an action that was never sent, or is parked. What depends on it is parked.
    ///
    /// # Errors
    /// It is not in the queue, or may have been sent. Nothing was changed.
    pub fn cancel(&mut self, now: WallTime, id: ActionId) -> Result<Outcome, CancelError> {
        match self.shelf.action(id).map(|action| &action.state) {
            None => Err(CancelError::NotFound(id)),
            Some(ActionState::PossiblySent) => Err(CancelError::PossiblySent(id)),
            Some(ActionState::Uncertain) => Err(CancelError::Uncertain(id)),
            Some(ActionState::Waiting | ActionState::Parked(_)) => Ok(self.give_up(now, id)),
        }
    }

    /// Gives up a parked or uncertain action. What depends on it stays parked, or is parked now, and names it.
    ///
    /// # Errors
    /// It is not in the queue, or on its way. Nothing was changed.
    pub fn discard(&mut self, now: WallTime, id: ActionId) -> Result<Outcome, DecideError> {
        match self.shelf.action(id).map(|action| &action.state) {
            None => Err(DecideError::NotFound(id)),
            Some(ActionState::Waiting | ActionState::PossiblySent) => {
                Err(DecideError::NotParked(id))
            }
            Some(ActionState::Uncertain | ActionState::Parked(_)) => Ok(self.give_up(now, id)),
        }
    }

    /// Asks again. A parked action goes to the end of its lane under a new number, and what was parked only because of
    /// it follows; it waits for creations of what it writes that were submitted since. An uncertain action is sent again
    /// in its old place, at the risk that it is done twice. Actions that were only to come before it and are gone are no
    /// longer waited for; creations of what it writes are, unless a newer one waits in the queue.
    ///
    /// # Errors
    /// It is not in the queue, or on its way, or depends on a parked action, or on a creation that was given up, or its
    /// lane cannot be made again. Nothing was changed.
    pub fn retry(&mut self, now: WallTime, id: ActionId) -> Result<Outcome, DecideError> {
        let action = self.shelf.action(id).ok_or(DecideError::NotFound(id))?;
        if matches!(
            action.state,
            ActionState::Waiting | ActionState::PossiblySent
        ) {
            return Err(DecideError::NotParked(id));
        }
        if let Some(parent) = self.parked_parent(action) {
            return Err(DecideError::DependsOnParked(parent));
        }
        if let Some(creation) = self.never_made(action) {
            return Err(DecideError::NeverCreated(creation));
        }
        self.check_lane(&action.lane)?;
        let (number, was_uncertain) = (action.number, action.state == ActionState::Uncertain);
        let mut changes = Changes::default();
        self.forget_gone_parents(number);
        if !was_uncertain {
            self.move_to_end(now, number, ActionState::Waiting, &mut changes);
            self.revive_dependants(now, id, &mut changes);
        } else if self.waits_for_later(number) {
            self.resume_behind(now, number, &mut changes);
        } else {
            self.resume_in_place(now, number, &mut changes);
        }
        Ok(self.outcome(changes))
    }

    /// Gives a parked action other content, then asks again: at the end of the draft's lane, under a new number. What
    /// was parked only because of it follows. [`on_durable`](Self::on_durable) is to be called for it once more.
    ///
    /// # Errors
    /// It is not in the queue, on its way or uncertain, or the draft is refused as a submission would be. Nothing was
    /// changed.
    pub fn edit(
        &mut self,
        now: WallTime,
        id: ActionId,
        draft: Draft,
    ) -> Result<Outcome, DecideError> {
        let action = self.shelf.action(id).ok_or(DecideError::NotFound(id))?;
        match action.state {
            ActionState::Parked(_) => {}
            ActionState::Uncertain => return Err(DecideError::Uncertain(id)),
            ActionState::Waiting | ActionState::PossiblySent => {
                return Err(DecideError::NotParked(id));
            }
        }
        let (number, seq, submitted) = (action.number, action.seq, action.submitted);
        self.check_lane(&draft.lane)?;
        let (mut edited, temporaries) = self.prepare(now, id, draft)?;
        if let Some(parent) = edited
            .after
            .iter()
            .find(|parent| self.depends_on(**parent, id))
        {
            return Err(DecideError::DependsOnParked(*parent));
        }
        edited.submitted = submitted;
        edited.seq = seq;
        let freed = self.shelf.entry(number).map_or(0, |entry| entry.bytes);
        let bytes = self.check_size(&edited, freed)?;
        let mut changes = Changes::default();
        let unstored = self.shelf.remove(number).map_or(0, |entry| entry.unstored);
        changes.removed.insert(number);
        self.enter(edited, temporaries, bytes, &mut changes);
        if let Some(number) = self.shelf.number(id) {
            if let Some(entry) = self.shelf.entry_mut(number) {
                entry.unstored += unstored;
            }
            changes.fates.push((number, id, Fate::Revived));
        }
        self.revive_dependants(now, id, &mut changes);
        Ok(self.outcome(changes))
    }

    fn give_up(&mut self, now: WallTime, id: ActionId) -> Outcome {
        let mut changes = Changes::default();
        if let Some(entry) = self
            .shelf
            .number(id)
            .and_then(|number| self.shelf.remove(number))
        {
            let action = &entry.action;
            self.leave_lane(&action.lane, action.seq, action.number);
            if let Some(lane) = self.lanes.get_mut(&action.lane)
                && action.state == ActionState::Uncertain
            {
                lane.note_hole(action.seq);
            }
            changes.removed.insert(action.number);
            changes.fates.push((action.number, id, Fate::Gone));
            self.park_dependants(now, id, &mut changes);
        }
        self.outcome(changes)
    }

    fn parked_parent(&self, action: &Action) -> Option<ActionId> {
        self.first_parked(action.parents().chain(self.makers(action)))
    }

    /// The creation of something that an action writes or mentions, if that was given up: the entity was never made, and
    /// whoever has its id by now is not the one that was meant.
    fn never_made(&self, action: &Action) -> Option<ActionId> {
        let gone = |ids: &[ActionId]| {
            let mut ids = ids.iter();
            ids.find(|id| self.shelf.number(**id).is_none()).copied()
        };
        let is_made_anew = || {
            let mut keys = mention::written_keys(action);
            // What it makes itself, it needs from nobody.
            for key in mention::created_keys(action) {
                keys.remove(&key);
            }
            let is_made = |key| self.shelf.maker(key, action.id).is_some();
            // One that is uncertain keeps its place, which may be before the newer creation.
            keys.is_empty() || (action.is_parked() && keys.iter().all(is_made))
        };
        let creation = gone(&action.behind).filter(|_| !is_made_anew());
        creation
            .or_else(|| gone(&action.after).filter(|_| self.shelf.mentions_unmade(action.number)))
    }

    /// Whether an action waits for another, directly or not.
    pub(super) fn depends_on(&self, id: ActionId, other: ActionId) -> bool {
        let mut seen = BTreeSet::from([other]);
        let mut open = vec![other];
        while let Some(parent) = open.pop() {
            for number in self.shelf.dependants(parent) {
                let Some(dependant) = self.shelf.entry(number).map(|entry| entry.action.id) else {
                    continue;
                };
                if seen.insert(dependant) {
                    open.push(dependant);
                }
            }
        }
        id != other && seen.contains(&id)
    }

    fn forget_gone_parents(&mut self, number: u64) {
        let Some(entry) = self.shelf.entry(number) else {
            return;
        };
        let is_gone = |parent: &ActionId| self.shelf.number(*parent).is_none();
        let gone: Vec<ActionId> = entry.action.parents().filter(is_gone).collect();
        for parent in gone {
            self.shelf.release(number, parent);
        }
    }

    /// Brings back what was parked only because an action was, and what was parked because of that, in order.
    fn revive_dependants(&mut self, now: WallTime, id: ActionId, changes: &mut Changes) {
        let mut candidates: BTreeSet<(u64, ActionId)> = self.parked_because_of(id).collect();
        while let Some((number, id)) = candidates.pop_first() {
            let Some(entry) = self.shelf.entry(number) else {
                continue;
            };
            let missing = entry
                .action
                .parents()
                .find(|parent| self.shelf.action(*parent).is_none_or(Action::is_parked));
            let missing = missing.or_else(|| self.first_parked(self.makers(&entry.action)));
            if let Some(parent) = missing {
                // Still not to be sent, for another reason than before.
                self.shelf
                    .set_state(number, ActionState::Parked(Refusal::dependency(parent)));
                changes.written.insert(number);
                continue;
            }
            if self.check_lane(&entry.action.lane).is_err() {
                continue;
            }
            self.move_to_end(now, number, ActionState::Waiting, changes);
            candidates.extend(self.parked_because_of(id).collect::<Vec<_>>());
        }
    }

    fn parked_because_of(&self, id: ActionId) -> impl Iterator<Item = (u64, ActionId)> {
        let reason = RefusalClass::Dependency(id);
        self.shelf.dependants(id).into_iter().filter_map(move |number| {
            let action = &self.shelf.entry(number)?.action;
            let is_because = matches!(&action.state, ActionState::Parked(refusal) if refusal.class == reason);
            is_because.then_some((number, action.id))
        })
    }

    /// Puts an action behind everything, under a new submission number and a new number in its lane.
    fn move_to_end(
        &mut self,
        now: WallTime,
        number: u64,
        state: ActionState,
        changes: &mut Changes,
    ) {
        let Some(mut entry): Option<Entry> = self.shelf.remove(number) else {
            return;
        };
        entry.copies = 0;
        changes.removed.insert(number);
        self.leave_lane(&entry.action.lane, entry.action.seq, number);
        let makers = self.makers(&entry.action);
        let action = Arc::make_mut(&mut entry.action);
        action.number = self.take_number();
        action.seq = self.join_lane(&action.lane, action.number, action.seq, changes);
        action.changed = now;
        action.attempts = 0;
        action.state = state;
        // At its new place it may stand behind creations that it did not know of at the old one.
        action.behind = makers;
        changes.written.insert(action.number);
        changes
            .fates
            .push((action.number, action.id, Fate::Revived));
        self.shelf.insert(entry);
    }

    fn resume_in_place(&mut self, now: WallTime, number: u64, changes: &mut Changes) {
        let Some(entry) = self.shelf.entry_mut(number) else {
            return;
        };
        let action = Arc::make_mut(&mut entry.action);
        action.changed = now;
        let (id, seq) = (action.id, action.seq);
        let is_sent = self
            .lanes
            .get(&action.lane)
            .is_some_and(|lane| seq <= lane.sent);
        let state = if is_sent {
            ActionState::PossiblySent
        } else {
            ActionState::Waiting
        };
        self.shelf.set_state(number, state);
        changes.written.insert(number);
        changes.fates.push((number, id, Fate::Resumed));
    }

    /// Whether an action waits for one that was submitted, or retried, after it. In its old place it could stand in
    /// the way of what it waits for.
    fn waits_for_later(&self, number: u64) -> bool {
        let Some(entry) = self.shelf.entry(number) else {
            return false;
        };
        entry.action.parents().any(|parent| {
            self.shelf
                .number(parent)
                .is_some_and(|parent| parent > number)
        })
    }

    /// Puts an uncertain action behind what it waits for, and behind it everything in line that waits for it.
    fn resume_behind(&mut self, now: WallTime, number: u64, changes: &mut Changes) {
        let mut moved = BTreeSet::from([number]);
        let mut open = vec![number];
        while let Some(number) = open.pop() {
            let Some(id) = self.shelf.entry(number).map(|entry| entry.action.id) else {
                continue;
            };
            for dependant in self.shelf.dependants(id) {
                let is_in_line = self
                    .shelf
                    .entry(dependant)
                    .is_some_and(|entry| !entry.action.is_parked());
                if is_in_line && moved.insert(dependant) {
                    open.push(dependant);
                }
            }
        }
        let Some(first) = self.shelf.entry(number).map(|entry| entry.action.id) else {
            return;
        };
        for number in moved {
            let Some(action) = self.shelf.entry(number).map(|entry| &entry.action) else {
                continue;
            };
            let state = if action.id == first {
                ActionState::Waiting
            } else {
                action.state.clone()
            };
            self.move_to_end(now, number, state, changes);
        }
    }
}
