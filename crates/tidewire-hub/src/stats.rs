//! What a hub counts.
//!
//! Numbers only; they decide nothing.

use std::collections::BTreeMap;

/// What a hub holds now, and what it has done since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were let in and are open.
    pub clients: u64,
    /// Streams that are held in memory.
    pub streams: u64,
    /// Subscriptions of all connections.
    pub subscriptions: u64,
    /// Finished frames that wait for a socket to take them.
    pub waiting_frames: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Bytes of rows that were read and are not yet sent.
    pub answer_bytes: u64,
    /// Bytes of all logs.
    pub log_bytes: u64,
    /// Items that wait to be written, those under way included.
    pub waiting_writes: u64,

    /// Connections that were opened.
    pub opened: u64,
    /// Frames received.
    pub frames_in: u64,
    /// Frames handed out.
    pub frames_out: u64,
    /// Bytes handed out.
    pub bytes_out: u64,
    /// Frames of events that were made; handed out they are counted once per socket.
    pub events_encoded: u64,
    /// Commits appended to streams.
    pub commits: u64,
    /// Actions done, and duplicates that were answered again.
    pub actions_accepted: u64,
    /// Actions refused for good.
    pub actions_refused: u64,
    /// Subscriptions that were resumed from memory.
    pub resumed: u64,
    /// Subscriptions that were resumed from the journal.
    pub resumed_from_journal: u64,
    /// Snapshots begun.
    pub snapshots: u64,
    /// Subscriptions that were ended because the client reads too slowly.
    pub slow_subscriptions: u64,
    /// Requests that were refused because of a limit.
    pub limited: u64,
    /// Frames that were no message of the dialect.
    pub malformed: u64,
    /// Messages of a type the hub does not know.
    pub unknown_messages: u64,
    /// Things that must not happen, and were contained.
    pub incidents: u64,
    /// Connections closed by the hub, by close code.
    pub closed: BTreeMap<u16, u64>,
}
