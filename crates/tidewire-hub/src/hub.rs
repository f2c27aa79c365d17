//! The hub: one way in, one way out.
//!
//! Holds what is there and hands each input to the concern it belongs to. Decides nothing itself.

mod actions;
mod answers;
mod closing;
mod courier;
mod fetch;
mod handshake;
mod held;
mod resume;
mod room;
mod send;
mod snapshot;
mod subscribe;
mod time;
mod turns;
mod write_line;
mod writes;

use std::collections::{BTreeMap, VecDeque};

use tidewire_model::{EntityType, Epoch, Now};
use tidewire_protocol::{
    Bye, ClientMessage, DecodeError, Encoded, Payload, RequestId, ServerMessage, Want,
};

use crate::connection::bucket::Allowed;
use crate::connection::outbox::Item;
use crate::connection::{Client, Connection, Phase};
use crate::stream::{LogBounds, Streams};
use crate::timers::Timers;
use crate::{ConnectionId, Fact, Frame, Input, Opened, Output, Settings, Stats, Ticket};

use closing::Closing;
use room::Room;
use write_line::WriteLine;

/// A server's fan-out as one state machine: connections, streams with their newest commits,
/// subscriptions, and what waits for each socket.
///
/// It asks the shell for everything it cannot do itself and never waits: [`Hub::handle`] takes in
/// what happened, [`Hub::poll`] gives out what is to be done. The same inputs give the same
/// outputs, byte for byte.
#[derive(Debug)]
pub struct Hub {
    settings: Settings,
    epoch: Epoch,
    now: Now,
    connections: BTreeMap<ConnectionId, Connection>,
    /// The newest connection of each client, by principal and the client's id.
    clients: BTreeMap<(String, String), ConnectionId>,
    streams: Streams,
    /// Questions to the backend that somebody waits for.
    asked: BTreeMap<Ticket, Asked>,
    writes: WriteLine,
    /// Who holds rows that were read and not yet sent.
    room: Room,
    timers: Timers,
    /// Connections that may have something to hand out.
    line: VecDeque<ConnectionId>,
    outputs: VecDeque<Output>,
    drain: Drain,
    /// Counts tickets, subscriptions and sessions.
    counter: u64,
    counts: Stats,
}

/// Who waits for an answer of the backend.
#[derive(Clone, Debug)]
enum Asked {
    Fetch {
        connection: ConnectionId,
        request: RequestId,
        entity_type: EntityType,
    },
    Journal {
        connection: ConnectionId,
        entity_type: EntityType,
    },
    Snapshot {
        connection: ConnectionId,
        entity_type: EntityType,
    },
}

impl Asked {
    fn connection(&self) -> ConnectionId {
        let (Self::Fetch { connection, .. }
        | Self::Journal { connection, .. }
        | Self::Snapshot { connection, .. }) = self;
        *connection
    }
}

/// Whether the server is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drain {
    No,
    UnderWay,
    Done,
}

impl Hub {
    /// A hub over what a backend holds.
    #[must_use]
    pub fn new(settings: Settings, opened: Opened) -> Self {
        let bounds = LogBounds {
            commits: settings.log_commits,
            bytes: settings.log_bytes,
            total_bytes: settings.logs_bytes,
        };
        Self {
            settings,
            epoch: opened.epoch,
            now: Now::default(),
            connections: BTreeMap::new(),
            clients: BTreeMap::new(),
            streams: Streams::new(opened.heads, bounds),
            asked: BTreeMap::new(),
            writes: WriteLine::default(),
            room: Room::default(),
            timers: Timers::default(),
            line: VecDeque::new(),
            outputs: VecDeque::new(),
            drain: Drain::No,
            counter: 0,
            counts: Stats::default(),
        }
    }

    /// Takes in one thing that happened. Call [`Hub::poll`] afterwards until it gives `None`.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now;
        match input {
            Input::Opened {
                connection,
                subprotocol,
            } => self.on_opened(connection, subprotocol.as_deref()),
            Input::Frame {
                connection,
                payload,
            } => self.on_frame(connection, &payload),
            Input::Writable { connection, bytes } => self.on_writable(connection, bytes),
            Input::Closed { connection } => {
                self.forget(connection, None);
            }
            Input::Time => self.timers.woken(),
            Input::Authenticated { connection, result } => {
                self.on_authenticated(connection, result);
            }
            Input::Greeted { connection, result } => self.on_greeted(connection, result),
            Input::Written { result } => self.on_written(result),
            Input::ReadDone { ticket, result } => self.on_read_done(ticket, result),
            Input::SnapshotOpened { ticket, as_of } => self.on_snapshot_opened(ticket, as_of),
            Input::SnapshotRows { ticket, rows } => self.on_snapshot_rows(ticket, rows),
            Input::SnapshotFailed { ticket, error } => self.on_snapshot_failed(ticket, &error),
            Input::JournalRead { ticket, result } => self.on_journal_read(ticket, result),
            Input::Publish { caller, writes } => self.on_publish(caller, writes),
            Input::RightsChanged { principal } => self.on_rights_changed(principal.as_deref()),
            Input::Drain { in_ms } => self.on_drain(in_ms),
        }
        self.on_time();
        self.start_writing();
        self.check_drained();
    }

    /// The next thing to do, if there is one.
    ///
    /// Frames are drawn from the logs here, a window per connection in turn, so that no more of
    /// them exist than the shell takes.
    pub fn poll(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if let Some(connection) = self.line.pop_front() {
                self.hand_out(connection);
                self.note_held(connection);
                continue;
            }
            return self
                .timers
                .poll_wake()
                .map(|(at, reason)| Output::WakeAt { at, reason });
        }
    }

    /// The connection that waits for the answer to a question, if it still does. A shell may give up
    /// a question that nobody waits for, and need not answer it.
    #[must_use]
    pub fn asker(&self, ticket: Ticket) -> Option<ConnectionId> {
        self.asked.get(&ticket).map(Asked::connection)
    }

    /// What the hub holds and has done.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.counts.clone();
        let count = |number: usize| number as u64;
        stats.connections = count(self.connections.len());
        stats.streams = count(self.streams.len());
        stats.log_bytes = count(self.streams.bytes());
        stats.waiting_writes = count(self.writes.len());
        for connection in self.connections.values() {
            stats.waiting_frames += count(connection.outbox.frames());
            stats.waiting_bytes += count(connection.outbox.bytes());
            stats.answer_bytes += count(connection.outbox.answer_bytes());
            if let Some(client) = connection.client() {
                stats.clients += 1;
                stats.subscriptions += count(client.feeds.len());
            }
        }
        debug_assert_eq!(stats.answer_bytes, count(self.room.bytes()));
        stats
    }

    fn on_frame(&mut self, id: ConnectionId, payload: &Encoded) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        self.counts.frames_in += 1;
        connection.clocks.heard_at = self.now.tick;
        let payload = match payload {
            Encoded::Text(text) => Payload::Text(text),
            Encoded::Binary(bytes) => Payload::Binary(bytes),
        };
        let message = match self.settings.dialects[connection.dialect].decode_client(payload) {
            Ok(message) => message,
            Err(DecodeError::BadRequest { id: request, .. })
                if matches!(connection.phase, Phase::Ready(_)) =>
            {
                self.counts.malformed += 1;
                return self.on_bad_request(id, request);
            }
            Err(error) => {
                self.counts.malformed += 1;
                return self.close(id, &Closing::bad_frame(&error));
            }
        };
        match (&connection.phase, message) {
            (Phase::Ready(_), message) => self.on_command(id, message),
            (Phase::Silent, ClientMessage::Hello(hello)) => self.on_hello(id, hello),
            (Phase::Silent, _) => self.close(
                id,
                &Closing::hello_required("the first message must be HELLO"),
            ),
            (
                _,
                ClientMessage::Ping(_) | ClientMessage::Pong(_) | ClientMessage::Unknown { .. },
            ) => {
                if connection.bucket.take(self.now.tick) == Allowed::No {
                    self.close(id, &Closing::too_fast());
                }
            }
            (_, _) => self.close(
                id,
                &Closing::violation("nothing may be asked for before WELCOME"),
            ),
        }
    }

    /// The client of a connection, once it was let in.
    fn client(&mut self, id: ConnectionId) -> Option<&mut Client> {
        self.connections
            .get_mut(&id)
            .and_then(Connection::client_mut)
    }

    /// A number that was not given out before.
    fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Asks the backend on behalf of a connection.
    fn ask(&mut self, id: ConnectionId, asked: Asked) -> Ticket {
        let ticket = Ticket(self.next_number());
        self.asked.insert(ticket, asked);
        if let Some(client) = self.client(id) {
            client.asked.insert(ticket);
        }
        ticket
    }

    /// Ends a question, because it was answered or because nobody waits for it any more.
    fn stop_asking(&mut self, ticket: Ticket) -> Option<Asked> {
        let asked = self.asked.remove(&ticket)?;
        if let Some(client) = self.client(asked.connection()) {
            client.asked.remove(&ticket);
        }
        Some(asked)
    }

    fn encode(&self, id: ConnectionId, message: &ServerMessage) -> Option<Frame> {
        let connection = self.connections.get(&id)?;
        self.settings.dialects[connection.dialect]
            .encode_server(message, Want::Snapshot)
            .map(Frame::new)
    }

    /// Sends a message after everything that the streams contain by now.
    fn send(&mut self, id: ConnectionId, message: &ServerMessage) {
        if let Some(frame) = self.encode(id, message) {
            self.push(id, Item::Frame(frame));
        }
    }

    fn push(&mut self, id: ConnectionId, item: Item) {
        let after = self.streams.serial();
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match connection.outbox.push(after, item) {
            Ok(()) => {
                self.note_held(id);
                self.enqueue(id);
            }
            Err(_) => self.close(id, &Closing::slow()),
        }
    }

    /// Puts a connection into the line of those that may have something to hand out.
    fn enqueue(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !connection.in_line
        {
            connection.in_line = true;
            self.line.push_back(id);
        }
    }

    /// Says good-bye and closes.
    fn close(&mut self, id: ConnectionId, closing: &Closing) {
        let bye = ServerMessage::Bye(Bye {
            code: closing.code,
            reason: closing.reason.clone(),
            class: closing.class,
            retry_after_ms: closing.retry_after_ms,
        });
        if let Some(frame) = self.encode(id, &bye) {
            self.transmit(id, frame);
        }
        if self.forget(id, Some(closing.code)).is_some() {
            self.emit_close(id, closing);
        }
    }

    fn emit_close(&mut self, id: ConnectionId, closing: &Closing) {
        *self.counts.closed.entry(closing.code).or_default() += 1;
        let reason = closing.short_reason();
        self.outputs.push_back(Output::Close {
            connection: id,
            code: closing.code,
            reason,
        });
    }

    /// Drops everything that is held for a connection.
    fn forget(&mut self, id: ConnectionId, code: Option<u16>) -> Option<Connection> {
        let mut connection = self.connections.remove(&id)?;
        self.note_held(id);
        if let Some(at) = connection.clocks.wake_at.take() {
            self.timers.clear(at, id);
        }
        if let Phase::Ready(client) = &mut connection.phase {
            // Its client has no answer and sends them again; nobody waits for the writes of one that is gone.
            self.writes.forget(id, &client.principal.name);
            for ticket in std::mem::take(&mut client.asked) {
                if let Some(Asked::Snapshot { .. }) = self.asked.remove(&ticket) {
                    self.outputs.push_back(Output::DropSnapshot { ticket });
                }
            }
            for entity_type in client.feeds.keys() {
                self.streams.detach(entity_type, id);
            }
            for waiting in &client.waiting {
                self.streams
                    .stop_waiting(&waiting.entity_type, waiting.until, id);
            }
            let name = (client.principal.name.clone(), client.info.id.clone());
            if self.clients.get(&name) == Some(&id) {
                self.clients.remove(&name);
            }
            self.outputs.push_back(Output::Notify(Fact::ClientGone {
                connection: id,
                principal: client.principal.name.clone(),
                session: connection.session.clone(),
                code,
            }));
        }
        Some(connection)
    }

    /// Notes that something happened which must not.
    fn incident(&mut self, what: String) {
        self.counts.incidents += 1;
        self.outputs
            .push_back(Output::Notify(Fact::Incident { what }));
    }
}
