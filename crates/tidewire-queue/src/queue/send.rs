//! Offering actions for sending: in lane order, after what they depend on, within the window.
//!
//! Decides what may go out. Never transmits.

use std::sync::Arc;

use tidewire_model::{ActionId, Lane};

use super::{Connection, Pipeline, Queue};
use crate::action::{Action, ActionState};
use crate::changes::Changes;
use crate::lane::LaneState;
use crate::outcome::Sending;
use crate::shelf::Flight;

impl Queue {
    /// The action that [`poll_send`](Self::poll_send) would offer next, to be looked at before it counts as possibly
    /// sent: one that cannot be sent at all is then [parked](Self::park).
    pub fn peek_send(&self) -> Option<&Action> {
        self.next_to_send()
            .and_then(|number| self.shelf.entry(number))
            .map(|entry| &*entry.action)
    }

    /// The next action that may go out, the earliest submitted of all lanes. It counts as under way from here on;
    /// its content and its number stay as they are, at this and at every later attempt.
    ///
    /// `None` until an answer, a resumed lane, a stored action or a connection changes something.
    pub fn poll_send(&mut self) -> Option<Sending> {
        let number = self.next_to_send()?;
        let flight = match self.pipeline {
            Pipeline::Window => Flight::Sent,
            Pipeline::OneByOne => Flight::Executing,
        };
        let entry = self.shelf.entry_mut(number)?;
        entry.flight = flight;
        if flight == Flight::Sent {
            entry.copies = entry.copies.saturating_add(1);
        }
        let action = Arc::make_mut(&mut entry.action);
        action.attempts = action.attempts.saturating_add(1);
        let (name, seq) = (action.lane.clone(), action.seq);
        let lane = self.lanes.get_mut(&name)?;
        let previous = lane.previous(seq);
        lane.sent = lane.sent.max(seq);
        let is_marked = seq <= lane.marked;
        self.shelf.set_state(number, ActionState::PossiblySent);
        let mut changes = Changes::default();
        if !is_marked {
            changes.lanes.insert(name);
        }
        let txn = self.store(changes);
        let action = Arc::clone(&self.shelf.entry(number)?.action);
        Some(Sending {
            action,
            previous,
            txn,
        })
    }

    /// An action that was offered for an executor was not given to it after all: it is offered again. Changes nothing
    /// for any other.
    pub fn on_withheld(&mut self, id: ActionId) {
        let number = self.shelf.number(id);
        if let Some(entry) = number.and_then(|number| self.shelf.entry_mut(number))
            && entry.flight == Flight::Executing
        {
            entry.flight = Flight::None;
        }
    }

    /// The possibly sent actions whose answer will never come, in order of submission: their connection was lost, or
    /// the program that sent them has ended.
    pub fn lost(&self) -> impl Iterator<Item = &Action> {
        self.shelf.lost()
    }

    /// A lane's waiting time is over: its first action is offered again.
    pub fn resume(&mut self, lane: &Lane) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.waits = false;
        }
    }

    /// The lanes that wait to be resumed.
    pub fn waiting_lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes
            .iter()
            .filter(|(_, lane)| lane.waits)
            .map(|(name, _)| name)
    }

    /// A new token was taken: lifts the pause that a refusal for lack of rights brought.
    pub fn on_authorized(&mut self) {
        if self.connection == Connection::Unauthorized {
            self.connection = Connection::Ready;
        }
    }

    fn next_to_send(&self) -> Option<u64> {
        if self.connection != Connection::Ready {
            return None;
        }
        self.lanes.values().filter_map(|lane| self.head(lane)).min()
    }

    /// The first action of a lane that is not under way, if it may go out.
    fn head(&self, lane: &LaneState) -> Option<u64> {
        if lane.waits {
            return None;
        }
        let window = match self.pipeline {
            Pipeline::Window => self.settings.max_in_flight.max(1),
            Pipeline::OneByOne => 1,
        };
        for (place, &number) in lane.line.values().enumerate() {
            if place >= window {
                return None;
            }
            let entry = self.shelf.entry(number)?;
            if entry.is_in_flight() {
                continue;
            }
            let is_ready = entry.unstored == 0
                && entry.action.parents().next().is_none()
                && matches!(
                    entry.action.state,
                    ActionState::Waiting | ActionState::PossiblySent
                );
            return is_ready.then_some(number);
        }
        None
    }

    /// Takes back what is under way in a lane, from a number on, so that it is offered again; what an executor is at
    /// stays under way. Whether there was any.
    pub(super) fn rewind(&mut self, name: &Lane, from: u64) -> bool {
        let Some(lane) = self.lanes.get(name) else {
            return false;
        };
        let mut any = false;
        for &number in lane.line.range(from..).map(|(_, number)| number) {
            if let Some(entry) = self.shelf.entry_mut(number)
                && entry.flight == Flight::Sent
            {
                entry.flight = Flight::None;
                any = true;
            }
        }
        any
    }
}
