//! The room that all connections share for rows that were read and not yet sent, and who makes way where it is full.
//!
//! What one connection may hold is its outbox's affair.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewire_model::Tick;
use tidewire_protocol::{Class, RequestId};

use super::Hub;
use super::fetch::RETRY_MS;
use crate::ConnectionId;
use crate::connection::{Client, Connection, Waiting};

/// Where all room is taken, a connection makes way whose socket has taken nothing for so long, in milliseconds.
const PATIENCE_MS: u64 = 100;

/// Who holds how much of the room.
#[derive(Debug, Default)]
pub(super) struct Room {
    bytes: usize,
    holders: BTreeMap<ConnectionId, usize>,
}

impl Room {
    /// Notes how much one holds now.
    pub(super) fn note(&mut self, id: ConnectionId, bytes: usize) {
        let before = match bytes {
            0 => self.holders.remove(&id),
            _ => self.holders.insert(id, bytes),
        };
        self.bytes = self.bytes + bytes - before.unwrap_or(0);
    }

    /// How much all hold.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Hub {
    /// Notes how much a connection holds, after it may have changed.
    pub(super) fn note_held(&mut self, id: ConnectionId) {
        let connection = self.connections.get(&id);
        let bytes = connection.map_or(0, |connection| connection.outbox.answer_bytes());
        self.room.note(id, bytes);
    }

    /// Whether a connection may hold so many bytes more. Those make way whose sockets take nothing, the one that took
    /// nothing for longest first: nobody who reads is refused for long because of those who do not.
    pub(super) fn make_room(&mut self, id: ConnectionId, bytes: usize) -> bool {
        let most = self.settings.answers_bytes.max(self.settings.answer_bytes);
        if self.room.bytes + bytes <= most {
            return true;
        }
        let now = self.now.tick;
        let stuck_since = |id: &ConnectionId| {
            let since = self.connections.get(id)?.stuck_since()?;
            (since + Duration::from_millis(PATIENCE_MS) <= now).then_some(since)
        };
        if stuck_since(&id).is_some() {
            return false;
        }
        let mut stuck: Vec<(Tick, ConnectionId, usize)> = self
            .room
            .holders
            .iter()
            .filter_map(|(id, bytes)| Some((stuck_since(id)?, *id, *bytes)))
            .collect();
        let to_gain: usize = stuck.iter().map(|(_, _, bytes)| bytes).sum();
        if self.room.bytes + bytes > most + to_gain {
            return false;
        }
        stuck.sort_unstable();
        for (_, other, _) in stuck {
            self.drop_answers(other);
            if self.room.bytes + bytes <= most {
                return true;
            }
        }
        false
    }

    /// Refuses the fetches whose rows wait for a socket; they are to be asked for again.
    fn drop_answers(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let mut requests = connection.outbox.take_all_answers();
        requests.extend(connection.take_held_answers());
        for waiting in self.take_waiting(id, |what| matches!(what, Waiting::Fetch { .. })) {
            if let Waiting::Fetch { request, .. } = waiting {
                requests.push(request);
            }
        }
        self.note_held(id);
        for request in requests {
            self.counts.limited += 1;
            self.end_fetch(id, request, ("slow", Class::Retry), Some(RETRY_MS));
        }
    }
}

impl Connection {
    /// Since when the socket has something of which it has taken nothing.
    fn stuck_since(&self) -> Option<Tick> {
        let clocks = &self.clocks;
        let has_some = self.outbox.is_with_shell();
        has_some.then(|| clocks.taken_at.max(clocks.handed_at))
    }

    /// Takes out the answers to fetches that wait for a snapshot.
    fn take_held_answers(&mut self) -> Vec<RequestId> {
        let feeds = self
            .client_mut()
            .map(|client: &mut Client| &mut client.feeds);
        let held: Vec<_> = feeds
            .into_iter()
            .flat_map(|feeds| feeds.values_mut())
            .filter_map(|feed| feed.held_mut())
            .flat_map(std::mem::take)
            .collect();
        for answer in &held {
            self.outbox.release_answer(answer.bytes);
        }
        held.into_iter().map(|answer| answer.request).collect()
    }
}
