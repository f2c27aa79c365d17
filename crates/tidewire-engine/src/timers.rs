//! The times at which the engine wants to be called, each with its reason.
//!
//! The set of reasons is closed, so that a busy loop can be named from outside.

use tidewire_model::Tick;

/// Why the engine wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerReason {
    /// The next connection attempt is due.
    Connect,
    /// The peer did not finish the handshake in time.
    Handshake,
    /// Nothing was heard from the peer for too long.
    Silence,
    /// Nothing was heard from the peer for a while: it is asked for a sign of life.
    Probe,
    /// The window of the batch under way ends.
    Batch,
    /// A batch is longer than one slice.
    Work,
    /// A stream that nobody holds any more is to be given back.
    Linger,
    /// A stream that was refused, or whose request was not answered, is to be asked for again.
    Resubscribe,
    /// What could not be fetched, or was not answered, is to be asked for again.
    Refetch,
    /// Something may have to be asked for, and a caller should not wait for the looking.
    Ask,
    /// The server allows the next command.
    Pace,
    /// What is watched is refreshed a second time after a reconnect without answers.
    Settle,
    /// An action that was put off is to be sent again.
    Retry,
    /// Something watched becomes too old to be trusted.
    Ageing,
    /// Changes have come to rest, or came for long: lists that only the server can evaluate are to be
    /// asked for again.
    Requery,
    /// Pushes were held back for a creation under way as long as they may be.
    Hold,
}

const REASONS: [TimerReason; 16] = [
    TimerReason::Connect,
    TimerReason::Handshake,
    TimerReason::Silence,
    TimerReason::Probe,
    TimerReason::Batch,
    TimerReason::Work,
    TimerReason::Linger,
    TimerReason::Resubscribe,
    TimerReason::Refetch,
    TimerReason::Ask,
    TimerReason::Pace,
    TimerReason::Settle,
    TimerReason::Retry,
    TimerReason::Ageing,
    TimerReason::Requery,
    TimerReason::Hold,
];

/// One deadline for each reason.
#[derive(Debug, Default)]
pub(crate) struct Timers([Option<Tick>; REASONS.len()]);

impl Timers {
    pub(crate) fn set(&mut self, reason: TimerReason, at: Option<Tick>) {
        self.0[reason as usize] = at;
    }

    /// The same where a deadline that has passed and was not taken yet stands: a caller's command comes between, and
    /// who is asked for the next deadline after `now` does not name it any more.
    pub(crate) fn set_behind_due(&mut self, reason: TimerReason, now: Tick, at: Option<Tick>) {
        if self.0[reason as usize].is_none_or(|due| due > now) {
            self.set(reason, at);
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<(Tick, TimerReason)> {
        REASONS
            .iter()
            .filter_map(|&reason| Some((self.0[reason as usize]?, reason)))
            .min()
    }

    /// Takes the reasons whose deadline has passed.
    pub(crate) fn take_due(&mut self, now: Tick) -> Vec<TimerReason> {
        let mut due = Vec::new();
        for reason in REASONS {
            if self.0[reason as usize].is_some_and(|at| at <= now) {
                self.0[reason as usize] = None;
                due.push(reason);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_reasons_are_taken_once_and_the_earliest_is_named() {
        let mut timers = Timers::default();
        timers.set(TimerReason::Silence, Some(Tick::from_micros(30)));
        timers.set(TimerReason::Batch, Some(Tick::from_micros(10)));
        assert_eq!(
            timers.next(),
            Some((Tick::from_micros(10), TimerReason::Batch))
        );
        assert_eq!(timers.take_due(Tick::from_micros(9)), []);
        assert_eq!(timers.take_due(Tick::from_micros(10)), [TimerReason::Batch]);
        assert_eq!(timers.take_due(Tick::from_micros(10)), []);
        assert_eq!(
            timers.next(),
            Some((Tick::from_micros(30), TimerReason::Silence))
        );
    }

    #[test]
    fn what_is_due_is_not_put_off_before_it_is_taken() {
        let [now, later] = [10, 30].map(Tick::from_micros);
        let mut timers = Timers::default();
        timers.set_behind_due(TimerReason::Refetch, now, Some(now));
        timers.set_behind_due(TimerReason::Refetch, now, Some(later));
        assert_eq!(timers.next(), Some((now, TimerReason::Refetch)));
        assert_eq!(timers.take_due(now), [TimerReason::Refetch]);
        timers.set_behind_due(TimerReason::Refetch, now, Some(later));
        timers.set_behind_due(TimerReason::Refetch, now, None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn every_reason_has_its_own_place() {
        for (index, reason) in REASONS.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }
}
