//! When time alone makes what is watched stale: up to when that was told, and whether the next time
//! has to be worked out anew.
//!
//! What grows old, and when, is the cache's affair.

use tidewire_model::Tick;

/// How far ageing was told.
#[derive(Debug)]
pub(crate) struct Ageing {
    told_until: Tick,
    changed: bool,
}

impl Ageing {
    pub(crate) fn new(now: Tick) -> Self {
        Self {
            told_until: now,
            changed: false,
        }
    }

    /// What is watched, or what is known of it, is not what it was.
    pub(crate) fn on_changed(&mut self) {
        self.changed = true;
    }

    /// Something is too old; gives the time since which nobody was told of such.
    pub(crate) fn on_due(&mut self, now: Tick) -> Tick {
        self.changed = true;
        std::mem::replace(&mut self.told_until, now)
    }

    /// Since when the next time has to be worked out, if it has to be. Time may have passed that
    /// nobody was told of yet.
    pub(crate) fn take_changed(&mut self) -> Option<Tick> {
        std::mem::take(&mut self.changed).then_some(self.told_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stretch_of_time_is_told_once() {
        let mut ageing = Ageing::new(Tick::from_micros(1));
        assert_eq!(ageing.take_changed(), None);
        assert_eq!(ageing.on_due(Tick::from_micros(5)), Tick::from_micros(1));
        assert_eq!(ageing.take_changed(), Some(Tick::from_micros(5)));
        assert_eq!(ageing.take_changed(), None);
        assert_eq!(ageing.on_due(Tick::from_micros(9)), Tick::from_micros(5));
    }
}
