//! The clocks of the shell: the one place outside the backend that asks what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidewire_model::{Now, Tick, WallTime};
use tokio::time::Instant;

/// Ticks since the server was started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// The time for the hub.
    pub(crate) fn now(&self) -> Now {
        let tick = micros(self.started.elapsed());
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Now::new(Tick::from_micros(tick), WallTime::from_unix_millis(wall_ms))
    }

    /// The moment of a tick; far away where there is none.
    pub(crate) fn instant(&self, tick: Tick) -> Instant {
        const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        self.started + Duration::from_micros(tick.as_micros()).min(self.started.elapsed() + FAR)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
