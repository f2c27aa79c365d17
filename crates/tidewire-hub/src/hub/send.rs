//! From what waits to what the shell sends: a window per connection, in turn.

use tidewire_model::EntityType;

use super::courier::{Courier, Step};
use super::subscribe::unsubscribed;
use super::{Asked, Hub};
use crate::connection::Phase;
use crate::connection::outbox::Answer;
use crate::{ConnectionId, Frame, Output, Ticket};

impl Hub {
    /// Hands out what waits for a connection, as far as its window goes.
    pub(super) fn hand_out(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.in_line = false;
        }
        loop {
            let Some(connection) = self.connections.get_mut(&id) else {
                return;
            };
            if !connection.outbox.has_room() {
                return;
            }
            let dialect = connection.dialect;
            let outbox = &mut connection.outbox;
            let step = match &mut connection.phase {
                Phase::Ready(client) => Courier {
                    client,
                    outbox,
                    dialect,
                    settings: &self.settings,
                    streams: &mut self.streams,
                    outputs: &mut self.outputs,
                    counts: &mut self.counts,
                }
                .step(),
                _ => Step::Idle,
            };
            match step {
                Step::Frame(frame) => self.transmit(id, frame),
                Step::Ping(frame) => {
                    connection.clocks.pinged_at = Some(self.now.tick);
                    self.transmit(id, frame);
                }
                Step::Again => {}
                Step::Lost {
                    entity_type,
                    code,
                    again,
                } => {
                    if code == "slow" {
                        self.counts.slow_subscriptions += 1;
                    } else {
                        self.incident(format!(
                            "{entity_type} has something that is too large for a frame"
                        ));
                    }
                    self.end_feed(id, &entity_type);
                    if let Some(frame) = self.encode(id, &unsubscribed(&entity_type, code, again)) {
                        self.transmit(id, frame);
                    }
                }
                Step::SnapshotOver {
                    frame,
                    entity_type,
                    ticket,
                    held,
                } => {
                    self.transmit(id, frame);
                    self.finish_snapshot(id, &entity_type, ticket, held);
                }
                Step::Idle => return,
            }
        }
    }

    pub(super) fn transmit(&mut self, id: ConnectionId, frame: Frame) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if !connection.outbox.is_with_shell() {
            connection.clocks.handed_at = self.now.tick;
        }
        connection.outbox.handed_out(frame.len());
        self.counts.frames_out += 1;
        self.counts.bytes_out += frame.len() as u64;
        self.outputs.push_back(Output::Transmit {
            connection: id,
            frame,
        });
    }

    fn finish_snapshot(
        &mut self,
        id: ConnectionId,
        entity_type: &EntityType,
        ticket: Ticket,
        held: Vec<Answer>,
    ) {
        if let Some(Asked::Snapshot { .. }) = self.stop_asking(ticket) {
            self.outputs.push_back(Output::DropSnapshot { ticket });
        }
        if let Some(client) = self.client(id) {
            client.snapshots.remove(entity_type);
        }
        for answer in held {
            self.release_held(id, answer);
        }
        self.release_answers(id);
        self.open_snapshots(id);
    }
}
