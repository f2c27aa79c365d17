//! Whether the peer of a connection is still there.
//!
//! A socket can be dead without a word: whoever waits for the next message waits for ever. A dialect
//! with heartbeats says how long silence may last. Elsewhere this side asks after a while: by a ping
//! of the transport, whose answer must come, or where there is none by a probe, which has no answer
//! and so ends nothing, but brings what was missed. Knows no socket and no message.

use std::time::Duration;

use tidewire_model::Tick;

/// How long silence may last where the dialect has no heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Silence after which the peer is asked.
    pub(crate) idle: Duration,
    /// How long the answer to a ping may take.
    pub(crate) answer: Duration,
}

/// The signs of life of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Liveness {
    heard: Tick,
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The peer speaks without being asked.
    Heartbeats { silence: Duration },
    /// The transport pings.
    Pings {
        patience: Patience,
        asked: Option<Tick>,
    },
    /// The transport cannot.
    Probes { idle: Duration, asked: Tick },
}

/// What is to be done about silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Rest,
    /// The peer is to be pinged.
    Ping,
    /// What is held is to be subscribed and refreshed again.
    Probe,
    /// The peer is gone.
    Dead,
}

impl Liveness {
    /// The peer speaks at least this often.
    pub(crate) fn heartbeats(now: Tick, silence: Duration) -> Self {
        Self {
            heard: now,
            way: Way::Heartbeats { silence },
        }
    }

    /// The peer may have nothing to say.
    pub(crate) fn asking(now: Tick, patience: Patience) -> Self {
        let asked = None;
        Self {
            heard: now,
            way: Way::Pings { patience, asked },
        }
    }

    /// A frame came, or the answer to a ping.
    pub(crate) fn on_heard(&mut self, now: Tick) {
        self.heard = now;
        if let Way::Pings { asked, .. } = &mut self.way {
            *asked = None;
        }
    }

    /// The transport cannot ping.
    pub(crate) fn on_no_ping(&mut self, now: Tick) -> Verdict {
        let Way::Pings { patience, .. } = self.way else {
            return Verdict::Rest;
        };
        self.way = Way::Probes {
            idle: patience.idle,
            asked: now,
        };
        Verdict::Probe
    }

    /// When the peer is to be asked, if it stays silent.
    pub(crate) fn ask_at(&self) -> Option<Tick> {
        match self.way {
            Way::Heartbeats { .. } | Way::Pings { asked: Some(_), .. } => None,
            Way::Pings { patience, .. } => Some(self.heard + patience.idle),
            Way::Probes { idle, asked } => Some(self.heard.max(asked) + idle),
        }
    }

    /// When the peer counts as gone, if it stays silent.
    pub(crate) fn dead_at(&self) -> Option<Tick> {
        match self.way {
            Way::Heartbeats { silence } => Some(self.heard + silence),
            Way::Pings { patience, asked } => asked.map(|asked| asked + patience.answer),
            Way::Probes { .. } => None,
        }
    }

    /// A deadline may have passed.
    pub(crate) fn on_due(&mut self, now: Tick) -> Verdict {
        if self.dead_at().is_some_and(|at| at <= now) {
            return Verdict::Dead;
        }
        if self.ask_at().is_none_or(|at| at > now) {
            return Verdict::Rest;
        }
        match &mut self.way {
            Way::Heartbeats { .. } => Verdict::Rest,
            Way::Pings { asked, .. } => {
                *asked = Some(now);
                Verdict::Ping
            }
            Way::Probes { asked, .. } => {
                *asked = now;
                Verdict::Probe
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        idle: Duration::from_secs(25),
        answer: Duration::from_secs(10),
    };

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn with_heartbeats_silence_is_death_and_nobody_asks() {
        let mut liveness = Liveness::heartbeats(at(0), Duration::from_secs(35));
        assert_eq!(liveness.ask_at(), None);
        assert_eq!(liveness.on_due(at(34)), Verdict::Rest);
        liveness.on_heard(at(34));
        assert_eq!(liveness.on_due(at(68)), Verdict::Rest);
        assert_eq!(liveness.on_due(at(69)), Verdict::Dead);
    }

    #[test]
    fn a_ping_follows_silence_and_silence_after_it_is_death() {
        let mut liveness = Liveness::asking(at(0), PATIENCE);
        assert_eq!(liveness.on_due(at(24)), Verdict::Rest);
        assert_eq!(liveness.on_due(at(25)), Verdict::Ping);
        assert_eq!(
            (liveness.ask_at(), liveness.dead_at()),
            (None, Some(at(35)))
        );
        assert_eq!(liveness.on_due(at(34)), Verdict::Rest, "asked once");
        assert_eq!(liveness.on_due(at(35)), Verdict::Dead);
    }

    #[test]
    fn any_word_after_a_ping_is_life() {
        let mut liveness = Liveness::asking(at(0), PATIENCE);
        liveness.on_due(at(25));
        liveness.on_heard(at(34));
        assert_eq!(
            (liveness.ask_at(), liveness.dead_at()),
            (Some(at(59)), None)
        );
    }

    #[test]
    fn without_pings_probes_repeat_and_end_nothing() {
        let mut liveness = Liveness::asking(at(0), PATIENCE);
        assert_eq!(liveness.on_due(at(25)), Verdict::Ping);
        assert_eq!(liveness.on_no_ping(at(25)), Verdict::Probe);
        assert_eq!(liveness.on_no_ping(at(25)), Verdict::Rest, "once is enough");
        assert_eq!(
            (liveness.ask_at(), liveness.dead_at()),
            (Some(at(50)), None)
        );
        assert_eq!(liveness.on_due(at(50)), Verdict::Probe);
        liveness.on_heard(at(60));
        assert_eq!(liveness.on_due(at(84)), Verdict::Rest);
        assert_eq!(liveness.on_due(at(85)), Verdict::Probe);
    }
}
