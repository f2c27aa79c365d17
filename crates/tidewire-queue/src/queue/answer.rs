//! Answers: accepted, refused, lost; and refusals of this side.
//!
//! An answer counts once, for the number it names. Never drops an action that was not accepted.

use std::sync::Arc;
use std::time::Duration;

use tidewire_model::{ActionId, EntityKey, Lane, WallTime};

use super::{Connection, Queue};
use crate::action::{Action, ActionState};
use crate::changes::Changes;
use crate::outcome::{Accepted, Fate, Outcome, Wait};
use crate::refusal::{Refusal, RefusalClass};
use crate::shelf::Flight;

impl Queue {
    /// The server did the action, now or at an earlier attempt. It leaves the queue, its temporary ids are replaced in
    /// every other action, and what waited for it may go, all in one transaction.
    ///
    /// `seq` is the number the answer names. An answer to an action that is not there, was never sent or has another
    /// number by now changes nothing; so does a repeated one.
    pub fn on_accepted(&mut self, id: ActionId, seq: u64, accepted: &Accepted) -> Outcome {
        let Some(number) = self.answered_number(id, seq) else {
            return Outcome::default();
        };
        let Some(entry) = self.shelf.remove(number) else {
            return Outcome::default();
        };
        let mut changes = Changes::default();
        let action = entry.action;
        self.leave_lane(&action.lane, seq, number);
        if let Some(lane) = self.lanes.get_mut(&action.lane) {
            lane.note_answer(seq);
            lane.note_used(seq);
            changes.lanes.insert(action.lane.clone());
        }
        changes.removed.insert(number);
        changes.fates.push((number, id, Fate::Accepted));
        let dependants = self.shelf.dependants(id);
        self.rename(&accepted.replaced, &mut changes);
        for dependant in dependants {
            let was_named = self.shelf.release(dependant, id);
            let rebased = self
                .shelf
                .entry_mut(dependant)
                .is_some_and(|entry| rebase(&mut entry.action, accepted));
            if was_named || rebased {
                changes.written.insert(dependant);
            }
        }
        self.outcome(changes)
    }

    /// The server refused the action.
    ///
    /// - `Permanent`, `Conflict`: it is parked with everything that depends on it; its number is used up.
    /// - `Session`: it is parked with everything that depends on it. Where the server had used its number up before, or
    ///   another copy of it went out on this connection, it may be done all the same: then it becomes uncertain.
    /// - `Retry`: it keeps its number; its lane waits for [`resume`](Self::resume), across connections too.
    /// - `Auth`: nothing is offered until [`on_authorized`](Self::on_authorized) or the next connection; the attempt
    ///   does not count.
    ///
    /// `seq` is the number the answer names. An answer to an action that is not there, was never sent or has another
    /// number by now changes nothing; so does a repeated one.
    pub fn on_refused(
        &mut self,
        now: WallTime,
        id: ActionId,
        seq: u64,
        refusal: Refusal,
        retry_after: Option<Duration>,
    ) -> Outcome {
        let Some(number) = self.answered_number(id, seq) else {
            return Outcome::default();
        };
        let Some(action) = self.shelf.action(id) else {
            return Outcome::default();
        };
        let lane_name = action.lane.clone();
        let mut changes = Changes::default();
        let may_be_done = self.take_copy(number) | self.is_used_up(&lane_name, seq);
        if let Some(lane) = self.lanes.get_mut(&lane_name) {
            lane.note_answer(seq);
        }
        match refusal.class {
            RefusalClass::Retry => return self.put_off(number, retry_after),
            RefusalClass::Auth => {
                self.pause(number);
                return Outcome::default();
            }
            RefusalClass::Session if may_be_done => {
                self.make_uncertain(number, &mut changes);
                return self.outcome(changes);
            }
            RefusalClass::Session => {
                if let Some(lane) = self.lanes.get_mut(&lane_name) {
                    lane.note_hole(seq);
                }
            }
            RefusalClass::Permanent | RefusalClass::Conflict | RefusalClass::Dependency(_) => {
                if let Some(lane) = self.lanes.get_mut(&lane_name) {
                    lane.note_used(seq);
                    changes.lanes.insert(lane_name);
                }
            }
        }
        self.park_tree(now, number, refusal, &mut changes);
        self.outcome(changes)
    }

    /// The answer will never come, and asking again could do the action twice: it becomes uncertain and blocks its
    /// lane. For executors that do not honour an idempotency key.
    pub fn on_answer_lost(&mut self, id: ActionId, seq: u64) -> Outcome {
        let Some(number) = self.answered_number(id, seq) else {
            return Outcome::default();
        };
        if self.shelf.action(id).map(|action| &action.state) != Some(&ActionState::PossiblySent) {
            return Outcome::default();
        }
        let mut changes = Changes::default();
        self.make_uncertain(number, &mut changes);
        self.outcome(changes)
    }

    /// Refuses an action on this side, with everything that depends on it: one that nobody here knows how to send, or
    /// that is larger than the server takes. Only where it was never sent; any other changes nothing.
    pub fn park(&mut self, now: WallTime, id: ActionId, refusal: Refusal) -> Outcome {
        let Some(action) = self.shelf.action(id) else {
            return Outcome::default();
        };
        if action.state != ActionState::Waiting {
            return Outcome::default();
        }
        let number = action.number;
        let mut changes = Changes::default();
        self.park_tree(now, number, refusal, &mut changes);
        self.outcome(changes)
    }

    /// Counts the answer to one copy. Whether others may be under way.
    fn take_copy(&mut self, number: u64) -> bool {
        let Some(entry) = self.shelf.entry_mut(number) else {
            return false;
        };
        entry.copies = entry.copies.saturating_sub(1);
        entry.copies > 0
    }

    /// Whether the server said of a number that it is used up.
    fn is_used_up(&self, lane: &Lane, seq: u64) -> bool {
        self.lanes.get(lane).is_some_and(|lane| seq <= lane.used)
    }

    fn make_uncertain(&mut self, number: u64, changes: &mut Changes) {
        let Some(entry) = self.shelf.entry_mut(number) else {
            return;
        };
        entry.flight = Flight::None;
        let id = entry.action.id;
        self.shelf.set_state(number, ActionState::Uncertain);
        changes.written.insert(number);
        changes.fates.push((number, id, Fate::Uncertain));
    }

    /// The submission number of an action that an answer can be about.
    fn answered_number(&self, id: ActionId, seq: u64) -> Option<u64> {
        let action = self.shelf.action(id)?;
        let is_open = matches!(
            action.state,
            ActionState::PossiblySent | ActionState::Uncertain
        );
        (is_open && action.seq == seq).then_some(action.number)
    }

    /// The same again, later: the lane waits, and what was sent behind the action is offered again after it.
    fn put_off(&mut self, number: u64, retry_after: Option<Duration>) -> Outcome {
        let entry = self.shelf.entry_mut(number);
        let Some(entry) = entry.filter(|entry| entry.is_in_flight()) else {
            return Outcome::default();
        };
        entry.flight = Flight::None;
        let (name, seq) = (entry.action.lane.clone(), entry.action.seq);
        self.rewind(&name, seq);
        let Some(lane) = self.lanes.get_mut(&name) else {
            return Outcome::default();
        };
        lane.waits = true;
        lane.wait_times = lane.wait_times.saturating_add(1);
        let wait = Wait {
            lane: name,
            times: lane.wait_times,
            retry_after,
        };
        Outcome {
            wait: Some(wait),
            ..Outcome::default()
        }
    }

    fn pause(&mut self, number: u64) {
        let entry = self.shelf.entry_mut(number);
        let Some(entry) = entry.filter(|entry| entry.is_in_flight()) else {
            return;
        };
        entry.flight = Flight::None;
        let action = Arc::make_mut(&mut entry.action);
        action.attempts = action.attempts.saturating_sub(1);
        let (name, seq) = (action.lane.clone(), action.seq);
        self.rewind(&name, seq);
        if self.connection == Connection::Ready {
            self.connection = Connection::Unauthorized;
        }
    }

    /// Parks an action, and everything never sent that depends on it.
    pub(super) fn park_tree(
        &mut self,
        now: WallTime,
        number: u64,
        refusal: Refusal,
        changes: &mut Changes,
    ) {
        self.park_one(now, number, refusal, changes);
        let Some(id) = self.shelf.entry(number).map(|entry| entry.action.id) else {
            return;
        };
        self.park_dependants(now, id, changes);
    }

    /// Parks everything never sent that depends on an action, directly or not. What is uncertain stays so: it may have
    /// been done all the same.
    pub(super) fn park_dependants(&mut self, now: WallTime, id: ActionId, changes: &mut Changes) {
        let mut parents = vec![id];
        while let Some(parent) = parents.pop() {
            for dependant in self.shelf.dependants(parent) {
                let Some(action) = self.shelf.entry(dependant).map(|entry| &entry.action) else {
                    continue;
                };
                if action.state == ActionState::Waiting {
                    parents.push(action.id);
                    self.park_one(now, dependant, Refusal::dependency(parent), changes);
                }
            }
        }
    }

    fn park_one(&mut self, now: WallTime, number: u64, refusal: Refusal, changes: &mut Changes) {
        let Some(entry) = self.shelf.entry_mut(number) else {
            return;
        };
        entry.flight = Flight::None;
        entry.copies = 0;
        let action = Arc::make_mut(&mut entry.action);
        action.changed = now;
        let (id, name, seq) = (action.id, action.lane.clone(), action.seq);
        self.leave_lane(&name, seq, number);
        self.shelf.set_state(number, ActionState::Parked(refusal));
        changes.written.insert(number);
        changes.fates.push((number, id, Fate::Parked));
    }
}

/// One's own accepted write is the base of the next one. Whether it was for this one.
fn rebase(action: &mut Arc<Action>, accepted: &Accepted) -> bool {
    if matches!(
        action.state,
        ActionState::PossiblySent | ActionState::Uncertain
    ) || action.base.is_none()
    {
        return false;
    }
    let (Some(entity_type), Some(id)) = (&action.entity_type, &action.entity_id) else {
        return false;
    };
    let key = EntityKey::new(entity_type.clone(), id.clone());
    let Some(version) = accepted.versions.get(&key) else {
        return false;
    };
    Arc::make_mut(action).base = Some(*version);
    true
}
