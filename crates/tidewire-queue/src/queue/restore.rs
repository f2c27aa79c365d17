//! A queue from what was stored.
//!
//! Keeps everything: what cannot be read stays in the store and is reported, what contradicts itself is set right on
//! the cautious side. Never trusts a row, never fails, never removes one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidewire_model::{ActionId, EntityId, Lane};
use tidewire_store::{Row, Table};

use super::Queue;
use crate::action::{Action, ActionState};
use crate::changes::Changes;
use crate::client::Renewal;
use crate::error::Problem;
use crate::lane::LaneState;
use crate::mention;
use crate::refusal::{Refusal, RefusalClass};
use crate::settings::Settings;
use crate::shelf::{Entry, Flight};
use crate::stored::{
    ACTIONS, CLIENT, CLIENT_KEY, LANES, StoredAction, StoredClient, StoredLane, WORN_NUMBER,
    action_number,
};

impl Queue {
    /// The queue that the stored rows describe, in any order; rows of other tables are left alone. `random` is used
    /// where the client needs a new name, see [`new`](Self::new).
    ///
    /// Nothing is dropped: a row that cannot be read stays where it is and is [listed](Self::unreadable); an action
    /// that waits for one that is not there is parked; without the numbers of a lane its actions become uncertain.
    /// Numbers that come to the end of their range begin anew: what may have been sent under them becomes uncertain.
    /// The problems say so. What is set right is stored with the next transaction.
    pub fn restore(
        settings: Settings,
        random: [u8; 16],
        rows: impl IntoIterator<Item = Row>,
    ) -> (Self, Vec<Problem>) {
        let mut restoring = Restoring::new(Self::new(settings, random));
        let mut actions = BTreeMap::new();
        for Row { table, key, value } in rows {
            if table == ACTIONS {
                actions.insert(key, value);
            } else if table == LANES {
                restoring.read_lane(key, &value);
            } else if table == CLIENT && key == CLIENT_KEY {
                restoring.read_client(key, &value);
            }
        }
        for (key, value) in actions {
            restoring.read_action(key, &value);
        }
        restoring.finish()
    }
}

struct Restoring {
    queue: Queue,
    changes: Changes,
    problems: Vec<Problem>,
    /// Lanes whose numbers are gone.
    lost: BTreeSet<Lane>,
    /// Whether numbers were lost, so that the server's memory of this client cannot be used.
    is_broken: bool,
}

impl Restoring {
    fn new(queue: Queue) -> Self {
        Self {
            queue,
            changes: Changes::default(),
            problems: Vec::new(),
            lost: BTreeSet::new(),
            is_broken: false,
        }
    }

    fn read_client(&mut self, key: Vec<u8>, value: &[u8]) {
        match StoredClient::read(value) {
            Ok(client) => {
                self.queue.has_client_row = true;
                let is_worn = client.run.max(client.incarnation) > WORN_NUMBER;
                self.queue.client = client;
                if is_worn {
                    self.name_anew(key);
                }
            }
            Err(why) => {
                self.report(CLIENT, key, format!("{why}; the client takes a new name"));
                self.is_broken = true;
                self.changes.client = true;
            }
        }
    }

    /// A server counts the runs of a name, so that only another one can begin anew.
    fn name_anew(&mut self, key: Vec<u8>) {
        let why = "its counters are used up; the client takes a new name";
        self.report(CLIENT, key, why.to_owned());
        self.queue.client = self.queue.client.named_anew(self.queue.random);
        self.is_broken = true;
        self.changes.client = true;
    }

    fn read_lane(&mut self, key: Vec<u8>, value: &[u8]) {
        let name = std::str::from_utf8(&key)
            .ok()
            .and_then(|name| Lane::new(name).ok());
        let Some(name) = name else {
            return self.report(LANES, key, "its key is no name of a lane".to_owned());
        };
        match StoredLane::read(value) {
            Ok(lane) => {
                if lane.next > WORN_NUMBER {
                    let why = "its numbers are used up; the client begins anew with the server";
                    self.report(LANES, key, why.to_owned());
                    self.is_broken = true;
                }
                self.queue.lanes.insert(name, lane);
            }
            Err(why) => {
                self.report(
                    LANES,
                    key,
                    format!("{why}; the actions of the lane become uncertain"),
                );
                self.is_broken = true;
                self.changes.lanes.insert(name.clone());
                self.lost.insert(name);
            }
        }
    }

    fn read_action(&mut self, key: Vec<u8>, value: &[u8]) {
        let number = action_number(&key);
        let read = number.ok_or_else(|| "its key is no submission number".to_owned());
        let read = read
            .and_then(|number| StoredAction::read(number, value))
            .and_then(|action| self.admit(action));
        let is_read = read.is_ok();
        // A row that stays unread for good and stands too high would make the numbers begin anew at each start.
        if let Some(number) = number.filter(|number| is_read || *number <= WORN_NUMBER) {
            self.queue.next_number = self.queue.next_number.max(number + 1);
        }
        let (mut action, temporaries) = match read {
            Ok(read) => read,
            Err(why) => {
                let bytes = key.len() + value.len();
                self.report(
                    ACTIONS,
                    key.clone(),
                    format!("{why}; it is kept and not sent"),
                );
                if let Some(problem) = self.problems.last() {
                    self.queue.unreadable.insert(key, (problem.clone(), bytes));
                }
                return;
            }
        };
        self.forget_accepted_makers(&mut action);
        self.find_state(&mut action, &key);
        self.find_parents(&mut action, &key);
        let number = action.number;
        if !action.is_parked()
            && let Some(lane) = self.queue.lanes.get_mut(&action.lane)
        {
            lane.line.insert(action.seq, number);
        }
        let mut entry = Entry::new(action, key.len() + value.len(), 0, temporaries);
        if entry.action.state == ActionState::PossiblySent {
            entry.flight = Flight::Lost;
        }
        self.queue.shelf.insert(entry);
    }

    /// What an action mentions, or why it cannot be one of this queue.
    fn admit(&self, action: Action) -> Result<(Action, BTreeSet<EntityId>), String> {
        if self.queue.shelf.number(action.id).is_some() {
            return Err(format!("repeats the id {} of another action", action.id));
        }
        let temporaries = mention::temporaries(&action).map_err(|error| error.to_string())?;
        Ok((action, temporaries))
    }

    /// Whether a waiting action was possibly sent, and whether its place in its lane makes sense.
    fn find_state(&mut self, action: &mut Action, key: &[u8]) {
        if action.is_parked() {
            return;
        }
        if !self.queue.lanes.contains_key(&action.lane) && self.lost.insert(action.lane.clone()) {
            self.report(
                ACTIONS,
                key.to_vec(),
                "its lane has no numbers; it becomes uncertain".to_owned(),
            );
        }
        if self.lost.contains(&action.lane) {
            return self.lose_lane(action);
        }
        let Some(lane) = self.queue.lanes.get(&action.lane) else {
            return;
        };
        let last = lane.line.keys().next_back().copied().unwrap_or(0);
        if action.seq <= last || action.seq >= lane.next {
            let why = format!(
                "its number {} does not follow {last} in its lane; it is parked",
                action.seq
            );
            self.report(ACTIONS, key.to_vec(), why.clone());
            self.park(action, Refusal::new(RefusalClass::Session, "damaged", &why));
        } else if action.state == ActionState::Waiting && action.seq <= lane.sent {
            action.state = ActionState::PossiblySent;
            action.after.clear();
            action.behind.clear();
        }
    }

    /// Without the numbers of its lane nobody can say whether an action was sent.
    fn lose_lane(&mut self, action: &mut Action) {
        self.is_broken = true;
        action.state = ActionState::Uncertain;
        self.changes.written.insert(action.number);
        let lane = self
            .queue
            .lanes
            .entry(action.lane.clone())
            .or_insert_with(LaneState::new);
        action.seq = lane.next;
        lane.next += 1;
        self.changes.lanes.insert(action.lane.clone());
    }

    /// A creation that is not there was accepted, unless it is among what could not be read. What is not waiting was
    /// written again when that happened.
    fn forget_accepted_makers(&self, action: &mut Action) {
        let shelf = &self.queue.shelf;
        if action.state == ActionState::Waiting && self.queue.unreadable.is_empty() {
            action.behind.retain(|maker| shelf.number(*maker).is_some());
        }
    }

    /// What waits for an action that is not there, or that is parked, must not run.
    fn find_parents(&mut self, action: &mut Action, key: &[u8]) {
        let shelf = &self.queue.shelf;
        if action.state != ActionState::Waiting {
            return;
        }
        let bad = |parent: &ActionId| shelf.action(*parent).is_none_or(Action::is_parked);
        let found = action.parents().find(bad);
        if let Some(parent) = found {
            let why = format!("it waits for action {parent}, which cannot be done; it is parked");
            self.report(ACTIONS, key.to_vec(), why);
            self.park(action, Refusal::dependency(parent));
        }
    }

    fn park(&mut self, action: &mut Action, refusal: Refusal) {
        action.state = ActionState::Parked(refusal);
        self.changes.written.insert(action.number);
    }

    fn report(&mut self, table: Table, key: Vec<u8>, detail: String) {
        self.problems.push(Problem { table, key, detail });
    }

    fn finish(mut self) -> (Queue, Vec<Problem>) {
        let was_connected = self.queue.may_have_sent();
        if was_connected && !self.queue.has_client_row && !self.is_broken {
            let detail = "is missing; the client takes a new name".to_owned();
            self.report(CLIENT, CLIENT_KEY.to_vec(), detail);
            self.is_broken = true;
        }
        self.number_anew();
        if self.is_broken {
            let mut changes = std::mem::take(&mut self.changes);
            self.queue.renew(Renewal::Unknown, &mut changes);
            self.changes = changes;
        }
        self.queue.repairs = self.changes;
        (self.queue, self.problems)
    }

    /// Gives all actions submission numbers from 1 on, in the same order, if those are used up; and what is parked and
    /// has a used up number in its lane the lowest: at a retry it gets the next one there is.
    fn number_anew(&mut self) {
        let actions = self.queue.shelf.iter();
        let seqs = actions.filter(|action| action.is_parked() && action.seq > WORN_NUMBER);
        for number in seqs.map(|action| action.number).collect::<Vec<_>>() {
            self.queue.shelf.rewrite(number, |action| action.seq = 1);
            self.changes.written.insert(number);
        }
        if self.queue.next_number <= WORN_NUMBER {
            return;
        }
        self.queue.next_number = 1;
        let old: Vec<u64> = self
            .queue
            .shelf
            .iter()
            .map(|action| action.number)
            .collect();
        for old in old {
            let new = self.queue.take_number();
            if new != old {
                self.renumber(old, new);
            }
        }
    }

    /// Moves an action to a lower submission number that nothing has.
    fn renumber(&mut self, old: u64, new: u64) {
        let Some(mut entry) = self.queue.shelf.remove(old) else {
            return;
        };
        let action = Arc::make_mut(&mut entry.action);
        action.number = new;
        let lane = self.queue.lanes.get_mut(&action.lane);
        if let Some(place) = lane.and_then(|lane| lane.line.get_mut(&action.seq))
            && *place == old
        {
            *place = new;
        }
        self.queue.shelf.insert(entry);
        self.changes.removed.insert(old);
        self.changes.written.insert(new);
    }
}
