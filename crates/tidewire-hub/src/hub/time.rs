//! What happens because time passes: handshakes that take too long, heartbeats, tokens that run out, and the end.

use std::time::Duration;

use tidewire_model::Tick;
use tidewire_protocol::{Drain as DrainMessage, ServerMessage};

use super::closing::Closing;
use super::{Drain, Hub};
use crate::connection::outbox::Item;
use crate::connection::{Connection, Phase};
use crate::{ConnectionId, Output, Settings, WakeReason};

/// A number that looks like chance and is the same for the same two numbers (the finaliser of splitmix64).
pub(super) fn mix(seed: u64, number: u64) -> u64 {
    let mut value = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// The closes of a server that stops need not be further apart than this, in milliseconds: the clients spread themselves
/// as well, and a server with few of them is not kept.
const CLOSES_APART_MS: u64 = 5;

impl Hub {
    /// Looks at every connection whose time has come.
    pub(super) fn on_time(&mut self) {
        while let Some(id) = self.timers.pop_due(self.now.tick) {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.clocks.wake_at = None;
                self.on_due(id);
                self.arm(id);
            }
        }
    }

    fn on_due(&mut self, id: ConnectionId) {
        let now = self.now.tick;
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let due = |at: Option<Tick>| at.is_some_and(|at| at <= now);
        if due(connection.clocks.close_at) {
            return self.close(id, &Closing::shutdown());
        }
        if due(connection.clocks.token_at) {
            return self.close(id, &Closing::token_expired());
        }
        match connection.phase {
            Phase::Silent if due(Some(handshake_end(connection, &self.settings))) => {
                self.close(id, &Closing::hello_required("HELLO did not come in time"));
            }
            Phase::Authenticating(_) | Phase::Greeting(..)
                if due(Some(handshake_end(connection, &self.settings))) =>
            {
                self.close(
                    id,
                    &Closing::internal("the server did not answer HELLO in time"),
                );
            }
            Phase::Ready(_) if due(Some(silence_end(connection, &self.settings))) => {
                self.close(id, &Closing::silent());
            }
            Phase::Ready(_) if due(Some(connection.clocks.ping_at)) => {
                connection.clocks.ping_at = now + Duration::from_millis(self.settings.heartbeat_ms);
                if !connection.outbox.has_ping() {
                    self.push(id, Item::Ping);
                }
            }
            _ => {}
        }
    }

    /// Sets the connection's next time.
    pub(super) fn arm(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let (at, reason) = next_due(connection, &self.settings);
        if let Some(before) = connection.clocks.wake_at.replace(at) {
            self.timers.clear(before, id);
        }
        self.timers.set(at, id, reason);
    }

    pub(super) fn on_writable(&mut self, id: ConnectionId, bytes: usize) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.outbox.given_back(bytes);
        connection.clocks.taken_at = self.now.tick;
        self.enqueue(id);
    }

    pub(super) fn on_drain(&mut self, in_ms: u64) {
        if self.drain != Drain::No {
            return;
        }
        self.drain = Drain::UnderWay;
        let jitter_ms = self.settings.reconnect_jitter_ms;
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        let enough_ms = CLOSES_APART_MS.saturating_mul(ids.len() as u64);
        let spread_over_ms = jitter_ms.min(enough_ms).max(1);
        for id in ids {
            let spread_ms = mix(self.settings.seed, id.0) % spread_over_ms;
            if let Some(connection) = self.connections.get_mut(&id) {
                let close_in = Duration::from_millis(in_ms.saturating_add(spread_ms));
                connection.clocks.close_at = Some(self.now.tick + close_in);
            }
            if self.client(id).is_some() {
                self.send(id, &ServerMessage::Drain(DrainMessage { in_ms, jitter_ms }));
            }
            self.arm(id);
        }
    }

    /// Says so, once, when nothing is left to be waited for.
    pub(super) fn check_drained(&mut self) {
        if self.drain == Drain::UnderWay && self.connections.is_empty() && self.writes.len() == 0 {
            self.drain = Drain::Done;
            self.outputs.push_back(Output::Drained);
        }
    }
}

fn handshake_end(connection: &Connection, settings: &Settings) -> Tick {
    connection.clocks.opened_at + Duration::from_millis(settings.limits.hello_within_ms)
}

/// When the connection counts as dead, if nothing is heard until then.
fn silence_end(connection: &Connection, settings: &Settings) -> Tick {
    let clocks = &connection.clocks;
    let silence = Duration::from_millis(settings.heartbeat_ms.saturating_add(settings.grace_ms));
    let grace = Duration::from_millis(settings.grace_ms);
    // It cannot answer a ping that it has not got; that it takes what goes before is sign of life enough.
    let taken = connection
        .outbox
        .has_ping()
        .then(|| clocks.taken_at + silence);
    let answer = clocks.pinged_at.map(|at| at + grace);
    [taken, answer]
        .into_iter()
        .flatten()
        .fold(clocks.heard_at + silence, Tick::max)
}

fn next_due(connection: &Connection, settings: &Settings) -> (Tick, WakeReason) {
    let clocks = &connection.clocks;
    let by_phase = match connection.phase {
        Phase::Ready(_) => (
            clocks.ping_at.min(silence_end(connection, settings)),
            WakeReason::Heartbeat,
        ),
        _ => (handshake_end(connection, settings), WakeReason::Handshake),
    };
    let token = clocks.token_at.map(|at| (at, WakeReason::Token));
    let close = clocks.close_at.map(|at| (at, WakeReason::Drain));
    [Some(by_phase), token, close]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(by_phase)
}
