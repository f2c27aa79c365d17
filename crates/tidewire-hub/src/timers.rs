//! When which connection has to be looked at.
//!
//! Knows times, not what they are for.

use std::collections::BTreeMap;

use tidewire_model::Tick;

use crate::{ConnectionId, WakeReason};

/// One time per connection.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<(Tick, ConnectionId), WakeReason>,
    /// The time the shell knows of.
    announced: Option<Tick>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Tick, connection: ConnectionId, reason: WakeReason) {
        self.due.insert((at, connection), reason);
    }

    pub(crate) fn clear(&mut self, at: Tick, connection: ConnectionId) {
        self.due.remove(&(at, connection));
    }

    /// The next connection whose time has come.
    pub(crate) fn pop_due(&mut self, now: Tick) -> Option<ConnectionId> {
        let (&(at, connection), _) = self.due.first_key_value()?;
        if at > now {
            return None;
        }
        self.due.remove(&(at, connection));
        Some(connection)
    }

    /// Forgets what was announced: the shell has woken up and asks what is next. A shell that wakes
    /// too early is told again.
    pub(crate) fn woken(&mut self) {
        self.announced = None;
    }

    /// The next time, if the shell does not know of it yet.
    pub(crate) fn poll_wake(&mut self) -> Option<(Tick, WakeReason)> {
        let (&(at, _), &reason) = self.due.first_key_value()?;
        if self.announced == Some(at) {
            return None;
        }
        self.announced = Some(at);
        Some((at, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_is_told_of_each_next_time_once() {
        let at = Tick::from_micros;
        let mut timers = Timers::default();
        timers.set(at(20), ConnectionId(1), WakeReason::Heartbeat);
        assert_eq!(timers.poll_wake(), Some((at(20), WakeReason::Heartbeat)));
        assert_eq!(timers.poll_wake(), None);
        timers.woken();
        assert_eq!(timers.poll_wake(), Some((at(20), WakeReason::Heartbeat)));
        timers.set(at(10), ConnectionId(2), WakeReason::Handshake);
        assert_eq!(timers.poll_wake(), Some((at(10), WakeReason::Handshake)));
        timers.woken();
        assert_eq!(timers.pop_due(at(15)), Some(ConnectionId(2)));
        assert_eq!(timers.pop_due(at(15)), None);
        assert_eq!(timers.poll_wake(), Some((at(20), WakeReason::Heartbeat)));
        timers.clear(at(20), ConnectionId(1));
        assert_eq!(timers.poll_wake(), None);
    }
}
