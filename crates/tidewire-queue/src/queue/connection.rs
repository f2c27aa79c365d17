//! The server's word on numbers: at a connection, and when a lane does not follow. Renewal where the two sides cannot
//! agree.
//!
//! Compares numbers and starts over. Never asks for an answer twice under another number.

use std::collections::BTreeMap;

use tidewire_model::Lane;

use super::{Connection, Pipeline, Queue};
use crate::action::ActionState;
use crate::changes::Changes;
use crate::client::Renewal;
use crate::lane::LaneState;
use crate::outcome::{Fate, Outcome, Wait};
use crate::shelf::Flight;

/// So often in a row a server may call a lane out of order before the lane has to wait.
const OUT_OF_ORDER_LIMIT: u32 = 3;

/// Why an action does not follow what the server knows of its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncReason {
    /// A number between is missing.
    Order,
    /// The server does not know this client.
    Unknown,
    /// A newer run of this client exists.
    Fenced,
}

impl Queue {
    /// A server that keeps numbers is there: `last_seq` is the last number of each lane that it has used up, `None`
    /// where it does not know this client. Everything possibly sent is offered again, in order, under the same number
    /// and with the same content; the server repeats the answers it has stored.
    ///
    /// Where the server knows less than it once answered, or more than was ever sent, the client
    /// [renews](Self::new_incarnation) itself; then nothing is offered before the next connection.
    pub fn on_connected(&mut self, last_seq: Option<&BTreeMap<Lane, u64>>) -> Outcome {
        self.on_disconnected();
        match last_seq {
            None if self.may_have_sent() => {
                return self.new_incarnation(Renewal::Unknown);
            }
            None => {}
            Some(last_seq) => {
                if let Some(why) = self.disagreement(last_seq) {
                    return self.new_incarnation(why);
                }
                for (name, lane) in &mut self.lanes {
                    lane.used = last_seq.get(name).copied().unwrap_or(0);
                }
            }
        }
        for lane in self.lanes.values_mut() {
            // The run of this connection was stored before it, and with it every mark given out before.
            lane.marked = lane.sent;
        }
        self.connection = Connection::Ready;
        self.pipeline = Pipeline::Window;
        Outcome::default()
    }

    /// An executor that keeps no numbers is there. It is given one action of a lane at a time, since nothing but that
    /// keeps their effects in order. What it is at already is not offered again before its answer. Everything else
    /// possibly sent is; where that could do an action twice, say [`on_answer_lost`](Self::on_answer_lost) first for
    /// those that are [lost](Self::lost).
    pub fn on_executor_ready(&mut self) {
        self.on_disconnected();
        self.connection = Connection::Ready;
        self.pipeline = Pipeline::OneByOne;
    }

    /// Nobody is there any more. What was under way on the connection is offered again at the next one; what an
    /// executor is at stays under way, and its answer counts. A lane that waits goes on waiting.
    pub fn on_disconnected(&mut self) {
        self.connection = Connection::Away;
        for entry in self.shelf.entries_mut() {
            // Whatever came through was answered before the next connection is greeted.
            entry.copies = 0;
            if entry.flight == Flight::Sent {
                entry.flight = Flight::Lost;
            }
        }
        for lane in self.lanes.values_mut() {
            lane.out_of_order = 0;
        }
    }

    /// The server says that a lane does not follow what it knows.
    ///
    /// - `Order`: what is under way in the lane is offered again, behind what the server used up. When that does not
    ///   help a few times in a row, the lane waits until [`resume`](Self::resume), or what the server used up without
    ///   saying how becomes uncertain. A server that knows less than it answered, or more than was sent, leads to a
    ///   renewal.
    /// - `Unknown`: leads to a renewal.
    /// - `Fenced`: nothing is offered before the next connection. Whether the other run is a copy of this store, and
    ///   so calls for a [renewal](Self::new_incarnation), is for the caller to know.
    ///
    /// Changes nothing while nobody is there.
    pub fn on_sync(&mut self, lane: &Lane, last_seq: u64, reason: SyncReason) -> Outcome {
        if self.connection == Connection::Away {
            return Outcome::default();
        }
        match reason {
            SyncReason::Fenced => {
                self.on_disconnected();
                Outcome::default()
            }
            SyncReason::Unknown => self.new_incarnation(Renewal::Unknown),
            SyncReason::Order => match self
                .lanes
                .get(lane)
                .and_then(|state| state.disagreement(last_seq))
            {
                Some(why) => self.new_incarnation(why),
                None => self.reorder(lane, last_seq),
            },
        }
    }

    /// Begins anew as another client for the server: numbers restart at 1. What was possibly sent becomes uncertain,
    /// everything else is renumbered; with [`Renewal::Copied`] everything becomes uncertain and the client takes a new
    /// id. Parked actions stay parked. Nothing is offered before the next connection, which must say who the client is
    /// by then.
    pub fn new_incarnation(&mut self, why: Renewal) -> Outcome {
        let mut changes = Changes::default();
        self.renew(why, &mut changes);
        Outcome {
            renewed: true,
            ..self.outcome(changes)
        }
    }

    pub(super) fn renew(&mut self, why: Renewal, changes: &mut Changes) {
        self.on_disconnected();
        self.client.renew(why, self.random);
        changes.client = true;
        self.confirmed.clear();
        for (name, old) in std::mem::take(&mut self.lanes) {
            changes.lanes.insert(name.clone());
            let mut lane = LaneState::new();
            for number in old.line.into_values() {
                let seq = lane.join(number);
                self.renumber(number, seq, why, changes);
            }
            // A lane that nobody stands in has nothing left to say.
            if !lane.line.is_empty() {
                self.lanes.insert(name, lane);
            }
        }
    }

    fn renumber(&mut self, number: u64, seq: u64, why: Renewal, changes: &mut Changes) {
        self.shelf.rewrite(number, |action| action.seq = seq);
        changes.written.insert(number);
        let Some(action) = self.shelf.entry(number).map(|entry| &entry.action) else {
            return;
        };
        let is_open = match action.state {
            ActionState::PossiblySent => true,
            ActionState::Waiting => why == Renewal::Copied,
            ActionState::Uncertain | ActionState::Parked(_) => false,
        };
        if is_open {
            changes.fates.push((number, action.id, Fate::Uncertain));
            self.shelf.set_state(number, ActionState::Uncertain);
        }
    }

    /// Why what the server knows cannot be the other half of what is known here.
    fn disagreement(&self, last_seq: &BTreeMap<Lane, u64>) -> Option<Renewal> {
        let strangers = last_seq
            .iter()
            .filter(|(name, _)| !self.lanes.contains_key(*name));
        if strangers.into_iter().any(|(_, &last)| last > 0) {
            return Some(Renewal::Copied);
        }
        let known = self.lanes.iter();
        known
            .filter_map(|(name, lane)| lane.disagreement(last_seq.get(name).copied().unwrap_or(0)))
            .max()
    }

    fn reorder(&mut self, name: &Lane, last_seq: u64) -> Outcome {
        let any = self.rewind(name, 0);
        let Some(lane) = self.lanes.get_mut(name) else {
            return Outcome::default();
        };
        lane.used = last_seq;
        if !any {
            return Outcome::default();
        }
        lane.out_of_order += 1;
        if lane.out_of_order < OUT_OF_ORDER_LIMIT {
            return Outcome::default();
        }
        lane.out_of_order = 0;
        let used_up: Vec<u64> = lane
            .line
            .range(..=last_seq)
            .map(|(_, number)| *number)
            .collect();
        if !used_up.is_empty() {
            return self.forgotten(&used_up);
        }
        lane.waits = true;
        lane.wait_times = lane.wait_times.saturating_add(1);
        let wait = Wait {
            lane: name.clone(),
            times: lane.wait_times,
            retry_after: None,
        };
        Outcome {
            wait: Some(wait),
            ..Outcome::default()
        }
    }

    /// The server used these up and does not repeat what it answered: nobody can say what became of them.
    fn forgotten(&mut self, numbers: &[u64]) -> Outcome {
        let mut changes = Changes::default();
        for &number in numbers {
            let Some(action) = self.shelf.entry(number).map(|entry| &entry.action) else {
                continue;
            };
            if action.state == ActionState::PossiblySent {
                changes.fates.push((number, action.id, Fate::Uncertain));
                changes.written.insert(number);
                self.shelf.set_state(number, ActionState::Uncertain);
            }
        }
        self.outcome(changes)
    }
}

impl LaneState {
    fn disagreement(&self, last_seq: u64) -> Option<Renewal> {
        if last_seq > self.sent {
            Some(Renewal::Copied)
        } else if last_seq < self.answered {
            Some(Renewal::Unknown)
        } else {
            None
        }
    }
}
