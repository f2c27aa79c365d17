//! The limits of a queue, each with what happens at it.

/// The limits of a queue. At each of them a submission is refused with an error that names the limit; nothing that
/// is already in the queue is ever dropped for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Most actions in the queue, parked, uncertain and unreadable ones included.
    pub max_actions: usize,
    /// Most bytes of all actions together, as they are stored.
    pub max_bytes: usize,
    /// Most bytes of one action, as it is stored. Values above [`Settings::MAX_ROW_BYTES`] count as that.
    pub max_action_bytes: usize,
    /// Most lanes of one client.
    pub max_lanes: usize,
    /// Most actions of one lane that are sent and unanswered. At it the next one of the lane is not offered until an
    /// answer comes; 0 counts as 1. An executor that keeps no numbers is given one of a lane at a time, whatever this
    /// says.
    pub max_in_flight: usize,
}

impl Settings {
    /// The largest row that is read back from a store, in bytes.
    pub const MAX_ROW_BYTES: usize = 16 * 1024 * 1024;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_actions: 10_000,
            max_bytes: 64 * 1024 * 1024,
            max_action_bytes: 1024 * 1024,
            max_lanes: 64,
            max_in_flight: 16,
        }
    }
}
