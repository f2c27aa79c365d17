//! From an open socket to a client that was let in.

use std::collections::BTreeMap;

use tidewire_model::Lane;
use tidewire_protocol::{
    ClientMessage, Hello, RequestId, ServerMessage, Welcome, close, limits, negotiate,
};

use super::closing::Closing;
use super::{Drain, Hub};
use crate::connection::bucket::{Allowed, Bucket};
use crate::connection::outbox::{Outbox, OutboxBounds};
use crate::connection::{Client, Clocks, Connection, Phase};
use crate::{BackendError, ConnectionId, Fact, Greeting, Output, Principal, Refused};

impl Hub {
    pub(super) fn on_opened(&mut self, id: ConnectionId, subprotocol: Option<&str>) {
        if self.connections.contains_key(&id) {
            return self.incident(format!("connection {} was opened twice", id.0));
        }
        self.counts.opened += 1;
        let known = |name| {
            self.settings
                .dialects
                .iter()
                .position(|dialect| dialect.subprotocol() == Some(name))
        };
        let Some(dialect) = subprotocol.and_then(known) else {
            let offer: Vec<_> = self
                .settings
                .dialects
                .iter()
                .filter_map(|dialect| dialect.subprotocol())
                .collect();
            let reason = format!("offer one of the subprotocols {}", offer.join(", "));
            return self.emit_close(id, &Closing::stop(close::UNSUPPORTED, reason));
        };
        if self.drain != Drain::No {
            return self.emit_close(id, &Closing::shutdown());
        }
        if self.connections.len() >= self.settings.connections {
            self.counts.limited += 1;
            return self.emit_close(id, &Closing::too_many_connections());
        }
        let session = self.next_session();
        let limits = &self.settings.limits;
        let bounds = OutboxBounds {
            frames: limits.outbound_frames,
            bytes: limits.outbound_bytes,
            answer_bytes: self.settings.answer_bytes,
            window_bytes: self.settings.window_bytes,
        };
        let now = self.now.tick;
        let connection = Connection {
            dialect,
            session,
            phase: Phase::Silent,
            clocks: Clocks {
                opened_at: now,
                heard_at: now,
                taken_at: now,
                handed_at: now,
                pinged_at: None,
                ping_at: now,
                token_at: None,
                close_at: None,
                wake_at: None,
            },
            bucket: Bucket::full(now, limits.command_burst, limits.commands_per_second),
            outbox: Outbox::new(bounds),
            in_line: false,
        };
        self.connections.insert(id, connection);
        self.arm(id);
    }

    pub(super) fn on_hello(&mut self, id: ConnectionId, mut hello: Hello) {
        // Each lane costs the backend a look-up, and no client has been let into more.
        let most = self.settings.limits.lanes.max(limits::LANES);
        hello.confirmed.retain(|_, seq| *seq > 0);
        if hello.confirmed.len() > most {
            let reason = format!("HELLO confirms more than {most} lanes");
            return self.close(id, &Closing::violation(&reason));
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if negotiate(hello.protocol).is_none() {
            let reason = "the client speaks no protocol version that the server speaks";
            return self.close(id, &Closing::stop(close::UNSUPPORTED, reason));
        }
        let least = self.settings.chunk_bytes as u64;
        if hello.max_frame_bytes < least {
            let reason = format!("the client must take frames of {least} bytes");
            return self.close(id, &Closing::stop(close::UNSUPPORTED, reason));
        }
        self.outputs.push_back(Output::Authenticate {
            connection: id,
            token: hello.token.clone(),
            client: hello.client.clone(),
        });
        connection.phase = Phase::Authenticating(Box::new(hello));
    }

    pub(super) fn on_authenticated(
        &mut self,
        id: ConnectionId,
        result: Result<Principal, Refused>,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Phase::Authenticating(_) = connection.phase else {
            return;
        };
        let principal = match result {
            Ok(principal) => principal,
            Err(refused) => return self.close(id, &Closing::not_let_in(&refused)),
        };
        let Phase::Authenticating(hello) = std::mem::replace(&mut connection.phase, Phase::Silent)
        else {
            return;
        };
        if let Some(ms) = principal.token_expires_ms {
            connection.clocks.token_at = Some(self.now.tick + std::time::Duration::from_millis(ms));
        }
        self.outputs.push_back(Output::Greet {
            connection: id,
            principal: principal.name.clone(),
            client: hello.client.clone(),
            confirmed: hello.confirmed.clone(),
        });
        connection.phase = Phase::Greeting(hello, principal);
    }

    pub(super) fn on_greeted(&mut self, id: ConnectionId, result: Result<Greeting, BackendError>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Phase::Greeting(..) = connection.phase else {
            return;
        };
        match result {
            Ok(Greeting::Known(lanes)) => self.let_in(id, Some(lanes)),
            Ok(Greeting::Unknown) => self.let_in(id, None),
            Ok(Greeting::Fenced) => {
                self.close(
                    id,
                    &Closing::taken_over("fenced: a newer run of this client was here"),
                );
            }
            Err(error) => {
                self.incident(format!("a client could not be greeted: {error}"));
                self.close(id, &Closing::internal("the server's storage failed"));
            }
        }
    }

    fn let_in(&mut self, id: ConnectionId, last_seq: Option<BTreeMap<Lane, u64>>) {
        let now = self.now.tick;
        let heartbeat = std::time::Duration::from_millis(self.settings.heartbeat_ms);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Phase::Greeting(hello, principal) =
            std::mem::replace(&mut connection.phase, Phase::Silent)
        else {
            return;
        };
        let protocol = negotiate(hello.protocol).unwrap_or(tidewire_protocol::PROTOCOL_VERSION);
        let client = hello.client.clone();
        let token_left = connection.clocks.token_at.map(|at| at - now);
        connection.clocks.ping_at = now + heartbeat;
        connection.phase = Phase::Ready(Box::new(Client::new(
            principal.clone(),
            *hello,
            last_seq.clone().unwrap_or_default(),
        )));
        let session = connection.session.clone();
        let welcome = ServerMessage::Welcome(Welcome {
            protocol,
            features: Vec::new(),
            principal: principal.name.clone(),
            session: session.clone(),
            node: self.settings.node.clone(),
            heartbeat_ms: self.settings.heartbeat_ms,
            grace_ms: self.settings.grace_ms,
            limits: self.settings.limits.announced(),
            last_seq,
            token_expires_ms: token_left
                .map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            reconnect_jitter_ms: self.settings.reconnect_jitter_ms,
        });
        self.send(id, &welcome);
        self.outputs.push_back(Output::Notify(Fact::ClientCame {
            connection: id,
            principal: principal.name.clone(),
            session,
            client: client.clone(),
        }));
        self.arm(id);
        self.take_over(
            id,
            (principal.name, client.id),
            (client.incarnation, client.run),
        );
    }

    /// Of two connections of one client, the one with the lower run is closed.
    fn take_over(&mut self, id: ConnectionId, name: (String, String), run: (u64, u64)) {
        let other = self.clients.get(&name).copied();
        let other_run = other
            .and_then(|other| self.client(other))
            .map(|client| (client.info.incarnation, client.info.run));
        let reason = "a newer run of this client connected";
        match (other, other_run) {
            (Some(_), Some(newer)) if newer > run => self.close(id, &Closing::taken_over(reason)),
            (Some(other), Some(_)) => {
                self.clients.insert(name, id);
                self.close(other, &Closing::taken_over(reason));
            }
            _ => {
                self.clients.insert(name, id);
            }
        }
    }

    /// A message of a client that was let in.
    /// Counts a command against what a client may send; `None` if the connection is over. Else how long the client has
    /// to wait, where it does.
    fn admit(&mut self, id: ConnectionId) -> Option<Option<u64>> {
        let now = self.now.tick;
        let connection = self.connections.get_mut(&id)?;
        match connection.bucket.take(now) {
            Allowed::No => {
                self.close(id, &Closing::too_fast());
                None
            }
            Allowed::Later { retry_after_ms } => {
                self.counts.limited += 1;
                Some(Some(retry_after_ms))
            }
            Allowed::Yes => Some(None),
        }
    }

    /// A fetch that can be named and not be understood: the next one may be better.
    pub(super) fn on_bad_request(&mut self, id: ConnectionId, request: RequestId) {
        match self.admit(id) {
            Some(None) => self.refuse_bad_fetch(id, request),
            Some(Some(wait_ms)) => self.rate_fetch(id, request, wait_ms),
            None => {}
        }
    }

    pub(super) fn on_command(&mut self, id: ConnectionId, message: ClientMessage) {
        let Some(wait_ms) = self.admit(id) else {
            return;
        };
        match (message, wait_ms) {
            (ClientMessage::Subscribe(subscribe), None) => self.on_subscribe(id, subscribe),
            (ClientMessage::Subscribe(subscribe), Some(wait)) => {
                self.rate_subscribe(id, subscribe.id, wait);
            }
            (ClientMessage::Fetch(fetch), None) => self.on_fetch(id, fetch),
            (ClientMessage::Fetch(fetch), Some(wait)) => self.rate_fetch(id, fetch.id, wait),
            (ClientMessage::Action(action), None) => self.on_action(id, action),
            (ClientMessage::Action(action), Some(wait)) => self.rate_action(id, &action, wait),
            // Giving back costs the server nothing and is never refused.
            (ClientMessage::Unsubscribe(unsubscribe), _) => self.on_unsubscribe(id, &unsubscribe),
            (ClientMessage::Ping(n), None) => self.send(id, &ServerMessage::Pong(n)),
            (ClientMessage::Ping(_), Some(_)) | (ClientMessage::Pong(_), _) => {}
            (ClientMessage::Unknown { .. }, _) => self.counts.unknown_messages += 1,
            (ClientMessage::Hello(_), _) => {
                self.close(id, &Closing::violation("HELLO may be said only once"));
            }
        }
    }

    fn next_session(&mut self) -> String {
        let number = self.next_number();
        format!("{:016x}", super::time::mix(self.settings.seed, number))
    }
}
