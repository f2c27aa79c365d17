//! The engine and its connection: what the steps of the session's table mean.

use std::time::Duration;

use tidewire_cache::DetachReason;
use tidewire_protocol::{
    ClientInfo, ClientMessage, Hello, PROTOCOL_VERSION, VersionRange, Welcome, close,
    version::SUBPROTOCOL_V1_JSON,
};

use super::Engine;
use crate::frame::Speaking;
use crate::input::Trouble;
use crate::output::{Output, Problem, Stage};
use crate::pace::Pace;
use crate::persistence::{Next, StoreTicket, Then};
use crate::session::{Event, Generation, Loss, Manners, Opening, Step};
use crate::settings::Dialects;
use crate::subscriptions::Answers;
use crate::timers::TimerReason;

impl Engine {
    pub(super) fn session_event(&mut self, event: Event) {
        let steps = self.session.on(self.now.tick, event, &mut self.random);
        for step in steps {
            match step {
                Step::Prepare => self.prepare(),
                Step::Connect => self.connect(),
                Step::Greet => self.greet(),
                Step::Ping => {
                    let generation = self.session.generation();
                    self.outputs.push_back(Output::Ping { generation });
                }
                Step::Probe => self.probe(),
                Step::Disconnect(code, reason) => {
                    let generation = self.session.generation();
                    self.outputs.push_back(Output::Disconnect {
                        generation,
                        code,
                        reason,
                    });
                }
                Step::Up => self.on_up(),
                Step::Down => self.on_down(),
            }
        }
    }

    /// The run must be durable before the connection, or a copied store could not be told from
    /// the original (protocol rule 13).
    fn prepare(&mut self) {
        let txn = self.queue.bump_run();
        let generation = self.session.generation();
        self.persistence.push(txn, Some(Then::Connect(generation)));
    }

    fn connect(&mut self) {
        let subprotocols = match self.settings.dialects {
            Dialects::V1 | Dialects::V1OrBasic => vec![SUBPROTOCOL_V1_JSON],
            Dialects::Basic => Vec::new(),
        };
        self.unwritten_bytes = 0;
        self.unwritten_pong = 0;
        self.pace = Pace::default();
        let generation = self.session.generation();
        self.outputs.push_back(Output::Connect {
            generation,
            subprotocols,
        });
    }

    pub(super) fn on_connected(
        &mut self,
        generation: Generation,
        subprotocol: Option<&str>,
        token: Option<String>,
    ) {
        if generation != self.session.generation() {
            return;
        }
        self.token = token;
        match (self.settings.dialects, subprotocol) {
            (Dialects::V1 | Dialects::V1OrBasic, Some(SUBPROTOCOL_V1_JSON)) => {
                self.speaking = Speaking::V1;
                self.session_event(Event::Connected(Opening::Greeting));
            }
            (Dialects::V1OrBasic | Dialects::Basic, None) => {
                self.speaking = Speaking::Basic;
                self.session_event(Event::Connected(Opening::None));
            }
            (Dialects::V1, None) => self.session_event(Event::Fatal(format!(
                "the server does not speak {SUBPROTOCOL_V1_JSON}; check the address, or choose the basic dialect"
            ))),
            (_, Some(other)) => self.session_event(Event::Fatal(format!(
                "the server chose the subprotocol {other:?}, which was not offered; check the address"
            ))),
        }
    }

    pub(super) fn on_connect_failed(
        &mut self,
        generation: Generation,
        reason: String,
        trouble: Trouble,
    ) {
        if generation != self.session.generation() {
            return;
        }
        let retry_after = match trouble {
            Trouble::Lasting if !self.session.is_proven() => {
                return self.session_event(Event::Fatal(reason));
            }
            Trouble::Busy(wait) => Some(wait),
            Trouble::Passing | Trouble::Lasting => None,
        };
        self.session_event(Event::Lost(Loss {
            code: None,
            reason,
            retry_after,
        }));
    }

    pub(super) fn on_disconnected(
        &mut self,
        generation: Generation,
        code: Option<u16>,
        reason: String,
    ) {
        if generation == self.session.generation() {
            self.session_event(Event::Lost(Loss {
                code,
                reason,
                retry_after: None,
            }));
        }
    }

    fn greet(&mut self) {
        let client = self.queue.client();
        let hello = Hello {
            protocol: VersionRange {
                min: PROTOCOL_VERSION,
                max: PROTOCOL_VERSION,
            },
            features: Vec::new(),
            client: ClientInfo {
                id: client.id.clone(),
                incarnation: client.incarnation,
                run: client.run,
                may_have_sent: self.queue.may_have_sent(),
                app: self.settings.app.clone(),
                version: self.settings.app_version.clone(),
            },
            token: self.token.take(),
            confirmed: self.queue.confirmed(),
            max_frame_bytes: self.settings.max_frame_bytes,
        };
        self.transmit(&ClientMessage::Hello(hello));
    }

    /// Nothing is sent or shown before the server confirms the principal (protocol rule 16).
    pub(super) fn on_welcome(&mut self, welcome: &Welcome) {
        if welcome.protocol != PROTOCOL_VERSION {
            let reason = format!(
                "the server wants protocol version {}, this client speaks {PROTOCOL_VERSION}",
                welcome.protocol
            );
            return self.session_event(Event::Fatal(reason));
        }
        // Both what the application says and what the store says, so that neither can make another
        // user's writes its own.
        let owners = [&self.settings.identity, &self.queue.client().principal];
        let other = owners
            .into_iter()
            .flatten()
            .find(|owner| **owner != welcome.principal);
        if let Some(expected) = other {
            let reason = format!(
                "the server takes this client for {:?}, but its data belongs to {expected:?}; sign in as {expected:?} or use another store",
                welcome.principal
            );
            return self.session_event(Event::Fatal(reason));
        }
        if let Some(txn) = self.queue.set_principal(&welcome.principal) {
            self.persistence.push(txn, None);
        }
        self.server_max_frame_bytes =
            usize::try_from(welcome.limits.max_frame_bytes).unwrap_or(usize::MAX);
        self.server_max_depth = usize::try_from(welcome.limits.max_depth).unwrap_or(usize::MAX);
        let lanes = usize::try_from(welcome.limits.max_lanes).unwrap_or(usize::MAX);
        self.queue.limit_lanes(lanes);
        self.pace = Pace::new(
            self.now.tick,
            welcome.limits.commands_per_second,
            welcome.limits.command_burst,
        );
        self.queue.on_authorized();
        self.session_event(Event::Welcomed(Manners {
            silence: Duration::from_millis(welcome.heartbeat_ms.saturating_add(welcome.grace_ms)),
            jitter: Duration::from_millis(welcome.reconnect_jitter_ms),
        }));
        let outcome = self.queue.on_connected(welcome.last_seq.as_ref());
        self.after_queue(outcome);
    }

    fn on_up(&mut self) {
        let answers = match self.speaking {
            Speaking::V1 => Answers::Yes,
            Speaking::Basic => Answers::No,
        };
        if self.speaking == Speaking::Basic {
            self.give_up_lost_answers();
            self.queue.on_executor_ready();
            self.timers.set(
                TimerReason::Settle,
                Some(self.now.tick + self.settings.settle),
            );
        }
        self.subscriptions.on_up(answers);
        self.send_streams();
        self.wants_changed = true;
    }

    fn on_down(&mut self) {
        // What came whole before the loss counts.
        self.release();
        for entity_type in self.subscriptions.on_down() {
            self.detach(&entity_type, DetachReason::Disconnected);
        }
        self.assembly.clear();
        let snapshots = std::mem::take(&mut self.snapshots).into_values();
        for ticket in self.refetch.on_down().into_iter().chain(snapshots) {
            self.cache.fail_fetch(self.now.tick, ticket);
        }
        self.queue.on_disconnected();
        self.unanswered_ping = None;
        self.timers.set(TimerReason::Settle, None);
    }

    /// Sends a message if the dialect has words for it.
    pub(super) fn transmit(&mut self, message: &ClientMessage) {
        if let Some(frame) = self.speaking.dialect().encode_client(message) {
            self.unwritten_bytes += frame.byte_len();
            match message {
                ClientMessage::Subscribe(_)
                | ClientMessage::Unsubscribe(_)
                | ClientMessage::Fetch(_) => self.pace.on_sent(self.now.tick),
                // An action is counted when it is taken from the queue; the others are free.
                _ => {}
            }
            let generation = self.session.generation();
            self.outputs
                .push_back(Output::Transmit { generation, frame });
        }
    }

    /// Answers the latest sign of life, once the answer before it is written and the transport takes
    /// it: a peer that sends many and reads none gets one.
    pub(super) fn answer_ping(&mut self) {
        if self.may_transmit()
            && self.unwritten_pong == 0
            && let Some(n) = self.unanswered_ping.take()
        {
            self.transmit(&ClientMessage::Pong(n));
            // What is written is written in order.
            self.unwritten_pong = self.unwritten_bytes;
        }
    }

    /// So many bytes of frames are written.
    pub(super) fn on_written(&mut self, bytes: usize) {
        self.unwritten_bytes = self.unwritten_bytes.saturating_sub(bytes);
        self.unwritten_pong = self.unwritten_pong.saturating_sub(bytes);
    }

    /// Whether a command may go out now: the transport takes it, and the server too.
    pub(super) fn may_speak(&self) -> bool {
        self.may_transmit() && self.pace.next(self.now.tick).is_none()
    }

    /// Whether the transport takes more than what must go out.
    pub(super) fn may_transmit(&self) -> bool {
        self.session.is_ready() && self.unwritten_bytes < self.settings.transmit_window_bytes
    }

    /// The peer broke the rules: the connection is made anew, and resumes where this one stopped.
    pub(super) fn break_off(&mut self, code: u16, problem: Problem) {
        let reason = problem.to_string();
        self.report(problem);
        self.session_event(Event::Broken(code, reason));
    }

    pub(super) fn broken_peer(&mut self, fault: &str) {
        self.break_off(
            close::PROTOCOL_VIOLATION,
            Problem::BadPeer(fault.to_owned()),
        );
    }

    /// Gives the store what has formed, and goes on with what waited for nothing.
    pub(super) fn store(&mut self) {
        loop {
            match self.persistence.next() {
                Next::Nothing => return,
                Next::AtOnce(waiting) => self.go_on(waiting),
                Next::Store(ticket, group) => {
                    self.outputs.push_back(Output::Store { ticket, group });
                    return;
                }
            }
        }
    }

    pub(super) fn on_stored(&mut self, ticket: StoreTicket, result: Result<(), String>) {
        match result {
            Ok(()) => {
                let waiting = self.persistence.on_stored(ticket);
                self.go_on(waiting);
            }
            Err(reason) => {
                let dropped = self.persistence.on_failed(ticket, &reason);
                for then in dropped {
                    if let Then::Durable(id) = then {
                        self.stage(id, Stage::NotDurable(reason.clone()));
                    }
                }
                self.report(Problem::Store(reason.clone()));
                self.session_event(Event::Fatal(format!("the store failed: {reason}")));
            }
        }
    }

    fn go_on(&mut self, waiting: Vec<Then>) {
        for then in waiting {
            match then {
                Then::Durable(id) => {
                    self.queue.on_durable(id);
                    self.stage(id, Stage::Durable);
                }
                Then::Send(generation, action, previous) => {
                    self.send(generation, *action, previous);
                }
                Then::Connect(generation) => {
                    if generation == self.session.generation() {
                        self.session_event(Event::Prepared);
                    }
                }
            }
        }
    }
}
