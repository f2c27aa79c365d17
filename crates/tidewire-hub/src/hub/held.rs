//! Answers to actions on their way out, in one order: what speaks of a stream does not overtake the snapshot of it that
//! is on its way, nor the events behind it (protocol rule 1).
//!
//! Decides nothing about what an answer says.

use tidewire_model::{EntityType, Offset};
use tidewire_protocol::{AnswerRow, ServerMessage};

use super::Hub;
use super::closing::Closing;
use crate::connection::outbox::Item;
use crate::connection::{Client, HeldAnswer};
use crate::{ConnectionId, Frame};

impl Hub {
    /// Sends the answer to an action, behind those before it. `speaks_of` is what it includes, by
    /// stream. While it waits, its action counts as one without an answer, which bounds how many
    /// wait.
    pub(super) fn send_answer(
        &mut self,
        id: ConnectionId,
        mut message: ServerMessage,
        speaks_of: Vec<(EntityType, Offset)>,
    ) {
        let Some(client) = self.client(id) else {
            return;
        };
        let behind: Vec<_> = speaks_of
            .iter()
            .filter_map(|(entity_type, offset)| {
                let feed = client.feeds.get(entity_type)?;
                let waits = feed.is_behind(*offset);
                waits.then(|| (entity_type.clone(), feed.key, *offset))
            })
            .collect();
        let is_next = behind.is_empty() && client.held.is_empty();
        if is_next {
            client.pending_actions = client.pending_actions.saturating_sub(1);
        }
        let has_rows = rows_of(&mut message).is_some_and(|rows| !rows.is_empty());
        let whole = (is_next && has_rows)
            .then(|| self.encode(id, &message))
            .flatten();
        if let Some(rows) = rows_of(&mut message) {
            // What a held answer would show may be out of date, or out of sight, when it goes out.
            rows.clear();
        }
        let Some(frame) = self.encode(id, &message) else {
            return;
        };
        match whole {
            Some(whole) => {
                let types = speaks_of.into_iter().map(|(entity_type, _)| entity_type);
                let (frame, bare, types) = (whole, frame, types.collect());
                self.push(id, Item::Rows { frame, bare, types });
            }
            None if is_next => self.push(id, Item::Frame(frame)),
            None => self.hold(id, frame, behind),
        }
    }

    fn hold(&mut self, id: ConnectionId, frame: Frame, behind: Vec<(EntityType, u64, Offset)>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.outbox.hold_frame(frame.len()).is_err() {
            return self.close(id, &Closing::slow());
        }
        if let Some(client) = connection.client_mut() {
            client.held.push_back(HeldAnswer { frame, behind });
        }
    }

    /// Lets the answers go that wait for nothing any more, in their order.
    pub(super) fn release_answers(&mut self, id: ConnectionId) {
        while let Some(answer) = self.client(id).and_then(Client::next_answer) {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.outbox.release_frame(answer.frame.len());
            }
            self.push(id, Item::Frame(answer.frame));
        }
    }
}

/// The rows of an answer to an action, where it can have any.
fn rows_of(message: &mut ServerMessage) -> Option<&mut Vec<AnswerRow>> {
    match message {
        ServerMessage::Ack(ack) => Some(&mut ack.rows),
        ServerMessage::Reject(reject) => Some(&mut reject.rows),
        _ => None,
    }
}

impl Client {
    /// The first answer that was held, if nothing holds it any more.
    fn next_answer(&mut self) -> Option<HeldAnswer> {
        let waits = |(entity_type, key, offset): &(EntityType, u64, Offset)| {
            let feed = self.feeds.get(entity_type);
            feed.is_some_and(|feed| feed.key == *key && feed.is_behind(*offset))
        };
        if self.held.front()?.behind.iter().any(waits) {
            return None;
        }
        self.pending_actions = self.pending_actions.saturating_sub(1);
        self.held.pop_front()
    }
}
