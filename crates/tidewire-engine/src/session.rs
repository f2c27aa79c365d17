//! The connection: one total table of states and events.
//!
//! It decides when to connect, whom to greet, when a peer is dead and what follows a loss. It holds
//! no socket, reads no clock, and knows nothing of streams or actions.

use std::time::Duration;

use tidewire_model::Tick;
use tidewire_protocol::{CloseClass, close_class};

use crate::backoff::{Backoff, BackoffSettings, as_asked};
use crate::liveness::{Liveness, Patience, Verdict};
use crate::random::Random;
use crate::status::{Connection, Status};

/// The number of a connection attempt. Whatever comes from an older one is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// How long the peer may take, and how it may stay silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// From the start of an attempt to the server's greeting.
    pub handshake_timeout: Duration,
    /// Where the dialect has no heartbeats: after this long without a word the server is asked for
    /// a sign of life. By a ping where the transport can, else what is held is subscribed again and
    /// what is watched refreshed.
    pub idle_ping: Duration,
    /// How long the answer to a ping may take; silence beyond it ends the connection.
    pub pong_timeout: Duration,
    /// Bounds of the wait between attempts, and between two requests for one stream.
    pub backoff: BackoffSettings,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            idle_ping: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            backoff: BackoffSettings::default(),
        }
    }
}

/// Whether the dialect begins with a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// `HELLO` and `WELCOME` come first.
    Greeting,
    /// Nothing comes first, and the peer need not speak.
    None,
}

/// What a server said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manners {
    /// Silence longer than this is death.
    pub(crate) silence: Duration,
    /// Attempts after a loss are spread over this time.
    pub(crate) jitter: Duration,
}

/// How a connection ended, or was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// The close code, where the peer sent one.
    pub(crate) code: Option<u16>,
    /// Why, in words for people.
    pub(crate) reason: String,
    /// What the peer asked for, where it said more than the code.
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Debug)]
enum State {
    /// The application switched the connection off.
    Offline,
    /// Until the next attempt.
    Waiting { until: Tick, reason: String },
    /// The attempt's number is becoming durable.
    Preparing,
    /// The transport is at work.
    Connecting { since: Tick },
    /// `HELLO` is out.
    Greeting { since: Tick },
    /// Messages flow.
    Ready { since: Tick, liveness: Liveness },
    /// The application must act.
    Stopped { reason: String },
}

/// What happened, as far as the connection is concerned.
#[derive(Debug)]
pub(crate) enum Event {
    /// The application switched the connection on.
    SwitchedOn,
    /// The application switched the connection off.
    SwitchedOff,
    /// A deadline has passed.
    Due,
    /// The attempt's number is durable.
    Prepared,
    /// The transport has a connection.
    Connected(Opening),
    /// The server greeted this client.
    Welcomed(Manners),
    /// A frame came, or the answer to a ping.
    Heard,
    /// The transport cannot ping.
    NoPing,
    /// The transport has none any more, or could not make one.
    Lost(Loss),
    /// This side found fault: the close code, and why.
    Broken(u16, String),
    /// Nothing will ever work as it is: why.
    Fatal(String),
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make the attempt's number durable, then say so.
    Prepare,
    /// Connect.
    Connect,
    /// Send `HELLO`.
    Greet,
    /// Ask the peer for a sign of life, by the transport.
    Ping,
    /// Ask the peer for a sign of life, by what the dialect has.
    Probe,
    /// Close the transport.
    Disconnect(u16, String),
    /// Messages flow from now on.
    Up,
    /// Messages flow no more.
    Down,
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Session {
    settings: SessionSettings,
    state: State,
    generation: Generation,
    backoff: Backoff,
    jitter: Duration,
    /// Messages flowed once, so the address is right.
    proven: bool,
}

/// Silence counts as death after an hour at most, whatever a server says of its heartbeats, and after this at least.
const SILENCE_MAX: Duration = Duration::from_secs(60 * 60);
const SILENCE_MIN: Duration = Duration::from_millis(100);
const NORMAL: u16 = 1000;

impl Session {
    pub(crate) fn new(settings: SessionSettings) -> Self {
        Self {
            settings,
            state: State::Offline,
            generation: Generation::default(),
            backoff: Backoff::new(settings.backoff),
            jitter: Duration::ZERO,
            proven: false,
        }
    }

    /// The attempt under way or last made.
    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// Whether there ever was a connection on which messages flowed.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether there is a connection whose frames count.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Greeting { .. } | State::Ready { .. })
    }

    pub(crate) fn status(&self) -> Status {
        let (connection, reason, next_attempt) = match &self.state {
            State::Offline => (Connection::Disconnected, "switched off", None),
            State::Waiting { until, reason } => {
                (Connection::Disconnected, reason.as_str(), Some(*until))
            }
            State::Preparing | State::Connecting { .. } | State::Greeting { .. } => {
                (Connection::Connecting, "", None)
            }
            State::Ready { .. } => (Connection::Connected, "", None),
            State::Stopped { reason } => (Connection::Stopped, reason.as_str(), None),
        };
        Status {
            connection,
            reason: reason.into(),
            next_attempt,
        }
    }

    /// When a deadline of the present state passes: for the next attempt, the handshake, asking for
    /// a sign of life, silence.
    pub(crate) fn deadlines(&self) -> Deadlines {
        let mut deadlines = Deadlines::default();
        match &self.state {
            State::Offline | State::Preparing | State::Stopped { .. } => {}
            State::Waiting { until, .. } => deadlines.connect = Some(*until),
            State::Connecting { since } | State::Greeting { since } => {
                deadlines.handshake = Some(*since + self.settings.handshake_timeout);
            }
            State::Ready { liveness, .. } => {
                deadlines.probe = liveness.ask_at();
                deadlines.silence = liveness.dead_at();
            }
        }
        deadlines
    }

    /// Moves through the table.
    pub(crate) fn on(&mut self, now: Tick, event: Event, random: &mut Random) -> Vec<Step> {
        match event {
            Event::SwitchedOn => self.on_switched_on(now),
            Event::SwitchedOff => self.leave(State::Offline, NORMAL, "switched off"),
            Event::Due => self.on_due(now, random),
            Event::Prepared => self.on_prepared(now),
            Event::Connected(opening) => self.on_connected(now, opening),
            Event::Welcomed(manners) => self.on_welcomed(now, manners),
            Event::Heard => self.on_heard(now),
            Event::NoPing => self.on_no_ping(now),
            Event::Lost(loss) => self.on_lost(now, &loss, random),
            Event::Broken(code, reason) => self.on_broken(now, code, &reason, random),
            Event::Fatal(reason) => self.leave(
                State::Stopped {
                    reason: reason.clone(),
                },
                NORMAL,
                &reason,
            ),
        }
    }

    fn on_switched_on(&mut self, now: Tick) -> Vec<Step> {
        match self.state {
            State::Offline | State::Stopped { .. } | State::Waiting { .. } => {
                self.backoff.reset();
                self.attempt(now)
            }
            State::Preparing
            | State::Connecting { .. }
            | State::Greeting { .. }
            | State::Ready { .. } => Vec::new(),
        }
    }

    fn on_due(&mut self, now: Tick, random: &mut Random) -> Vec<Step> {
        match &mut self.state {
            State::Offline | State::Preparing | State::Stopped { .. } => Vec::new(),
            State::Waiting { until, .. } if *until <= now => self.attempt(now),
            State::Connecting { since } | State::Greeting { since }
                if *since + self.settings.handshake_timeout <= now =>
            {
                self.on_broken(now, NORMAL, "the server did not answer in time", random)
            }
            State::Ready { liveness, .. } => match liveness.on_due(now) {
                Verdict::Dead => self.on_broken(now, NORMAL, "the server fell silent", random),
                verdict => asked(verdict),
            },
            State::Waiting { .. } | State::Connecting { .. } | State::Greeting { .. } => Vec::new(),
        }
    }

    fn on_prepared(&mut self, now: Tick) -> Vec<Step> {
        match self.state {
            State::Preparing => {
                self.state = State::Connecting { since: now };
                vec![Step::Connect]
            }
            State::Offline
            | State::Waiting { .. }
            | State::Connecting { .. }
            | State::Greeting { .. }
            | State::Ready { .. }
            | State::Stopped { .. } => Vec::new(),
        }
    }

    fn on_connected(&mut self, now: Tick, opening: Opening) -> Vec<Step> {
        match (&self.state, opening) {
            (State::Connecting { since }, Opening::Greeting) => {
                self.state = State::Greeting { since: *since };
                vec![Step::Greet]
            }
            (State::Connecting { .. }, Opening::None) => {
                let patience = Patience {
                    idle: self.settings.idle_ping,
                    answer: self.settings.pong_timeout,
                };
                self.proven = true;
                self.state = State::Ready {
                    since: now,
                    liveness: Liveness::asking(now, patience),
                };
                vec![Step::Up]
            }
            (
                State::Offline
                | State::Waiting { .. }
                | State::Preparing
                | State::Greeting { .. }
                | State::Ready { .. }
                | State::Stopped { .. },
                _,
            ) => Vec::new(),
        }
    }

    fn on_welcomed(&mut self, now: Tick, manners: Manners) -> Vec<Step> {
        match self.state {
            State::Greeting { .. } => {
                self.proven = true;
                self.jitter = as_asked(Some(manners.jitter));
                self.state = State::Ready {
                    since: now,
                    liveness: Liveness::heartbeats(
                        now,
                        manners.silence.clamp(SILENCE_MIN, SILENCE_MAX),
                    ),
                };
                vec![Step::Up]
            }
            // A second greeting says nothing new.
            State::Offline
            | State::Waiting { .. }
            | State::Preparing
            | State::Connecting { .. }
            | State::Ready { .. }
            | State::Stopped { .. } => Vec::new(),
        }
    }

    fn on_heard(&mut self, now: Tick) -> Vec<Step> {
        match &mut self.state {
            State::Ready { liveness, .. } => liveness.on_heard(now),
            State::Offline
            | State::Waiting { .. }
            | State::Preparing
            | State::Connecting { .. }
            | State::Greeting { .. }
            | State::Stopped { .. } => {}
        }
        Vec::new()
    }

    fn on_no_ping(&mut self, now: Tick) -> Vec<Step> {
        match &mut self.state {
            State::Ready { liveness, .. } => asked(liveness.on_no_ping(now)),
            State::Offline
            | State::Waiting { .. }
            | State::Preparing
            | State::Connecting { .. }
            | State::Greeting { .. }
            | State::Stopped { .. } => Vec::new(),
        }
    }

    fn on_lost(&mut self, now: Tick, loss: &Loss, random: &mut Random) -> Vec<Step> {
        match self.state {
            State::Offline | State::Waiting { .. } | State::Preparing | State::Stopped { .. } => {
                Vec::new()
            }
            State::Connecting { .. } | State::Greeting { .. } | State::Ready { .. } => {
                let steps = self.down();
                self.after_loss(now, loss, random);
                steps
            }
        }
    }

    fn on_broken(&mut self, now: Tick, code: u16, reason: &str, random: &mut Random) -> Vec<Step> {
        match self.state {
            State::Offline | State::Waiting { .. } | State::Preparing | State::Stopped { .. } => {
                Vec::new()
            }
            State::Connecting { .. } | State::Greeting { .. } | State::Ready { .. } => {
                let mut steps = vec![Step::Disconnect(code, reason.into())];
                steps.extend(self.down());
                self.after_loss(
                    now,
                    &Loss {
                        code: None,
                        reason: reason.into(),
                        retry_after: None,
                    },
                    random,
                );
                steps
            }
        }
    }

    /// Leaves whatever there is for a state without a connection.
    fn leave(&mut self, state: State, code: u16, reason: &str) -> Vec<Step> {
        let mut steps = Vec::new();
        match self.state {
            State::Offline | State::Waiting { .. } | State::Preparing | State::Stopped { .. } => {}
            State::Connecting { .. } | State::Greeting { .. } | State::Ready { .. } => {
                steps.push(Step::Disconnect(code, reason.into()));
                steps.extend(self.down());
            }
        }
        self.state = state;
        steps
    }

    fn attempt(&mut self, _now: Tick) -> Vec<Step> {
        self.generation = Generation(self.generation.0 + 1);
        self.state = State::Preparing;
        vec![Step::Prepare]
    }

    fn down(&self) -> Vec<Step> {
        if self.is_ready() {
            vec![Step::Down]
        } else {
            Vec::new()
        }
    }

    /// What follows a loss is decided by the close code's class (protocol rule 12). A server that
    /// asks to come back at once, and did so before, is not asked at once again.
    fn after_loss(&mut self, now: Tick, loss: &Loss, random: &mut Random) {
        let healthy = match self.state {
            State::Ready { since, .. } => self.backoff.on_ended(now, since),
            _ => false,
        };
        let wait = match (close_class(loss.code), healthy) {
            (CloseClass::Stop, _) => {
                self.state = State::Stopped {
                    reason: loss.reason.clone(),
                };
                return;
            }
            (CloseClass::Reconnect, true) => self.spread(random),
            (CloseClass::BackOff, _) | (CloseClass::Reconnect, false) => {
                self.backoff.next_wait(random).max(self.spread(random))
            }
        };
        let wait = wait.max(as_asked(loss.retry_after));
        self.state = State::Waiting {
            until: now + wait,
            reason: loss.reason.clone(),
        };
    }

    fn spread(&self, random: &mut Random) -> Duration {
        let micros = u64::try_from(self.jitter.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(random.up_to(micros))
    }
}

/// The deadlines of the present state.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Deadlines {
    pub(crate) connect: Option<Tick>,
    pub(crate) handshake: Option<Tick>,
    pub(crate) probe: Option<Tick>,
    pub(crate) silence: Option<Tick>,
}

/// How the peer is asked for a sign of life, if it is.
fn asked(verdict: Verdict) -> Vec<Step> {
    match verdict {
        Verdict::Rest | Verdict::Dead => Vec::new(),
        Verdict::Ping => vec![Step::Ping],
        Verdict::Probe => vec![Step::Probe],
    }
}

#[cfg(test)]
mod tests;
