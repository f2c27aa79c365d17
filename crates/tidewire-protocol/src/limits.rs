//! Every bound of the protocol (protocol rule 15), with its default.
//!
//! A decoder enforces the bounds of a frame, its depth and its ids. The others are kept here so that they have one
//! place and one name; they are enforced by whoever holds the connection.

use crate::AnnouncedLimits;

/// The largest frame a server takes from a client, in bytes.
pub const FRAME_FROM_CLIENT_BYTES: usize = 64 * 1024;
/// The largest frame a client takes from a server, in bytes.
pub const FRAME_FROM_SERVER_BYTES: usize = 1024 * 1024;
/// The deepest nesting of objects and arrays in a frame from a client, the message itself counted as one. In frames
/// from a server the model bounds each value it keeps, [`tidewire_model::MAX_DEPTH`].
pub const DEPTH: usize = 32;
/// The longest entity id, in bytes. The model holds every name to it.
pub const ID_BYTES: usize = tidewire_model::MAX_NAME_BYTES;
/// The longest name that a client gives itself or its action, in bytes.
pub const NAME_BYTES: usize = tidewire_model::MAX_NAME_BYTES;
/// The most optional features a client names.
pub const FEATURES: usize = 64;
/// The most streams one connection holds.
pub const SUBSCRIPTIONS: usize = 128;
/// The most lanes one client uses.
pub const LANES: usize = 64;
/// The most actions one client has sent without an answer.
pub const PENDING_ACTIONS: usize = 1024;
/// The messages a client may send in a second, in the long run.
pub const COMMANDS_PER_SECOND: u32 = 100;
/// The messages a client may send at once.
pub const COMMAND_BURST: u32 = 200;
/// `HELLO` comes within this time after the connection stands, in milliseconds.
pub const HELLO_WITHIN_MS: u64 = 10_000;
/// What waits for one connection to take it, in bytes.
pub const OUTBOUND_BYTES: usize = 1024 * 1024;
/// What waits for one connection to take it, in frames.
pub const OUTBOUND_FRAMES: usize = 4096;
/// The largest `BULK_UPDATE` of the basic dialect that is applied item by item.
pub const BULK_ITEMS: usize = 256;

/// The bounds one side keeps. [`Limits::DEFAULT`] has the values of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest frame a server takes from a client, in bytes.
    pub frame_from_client_bytes: usize,
    /// The largest frame a client takes from a server, in bytes.
    pub frame_from_server_bytes: usize,
    /// The deepest nesting of objects and arrays in a frame from a client.
    pub depth: usize,
    /// The most streams one connection holds.
    pub subscriptions: usize,
    /// The most lanes one client uses.
    pub lanes: usize,
    /// The most actions one client has sent without an answer.
    pub pending_actions: usize,
    /// The messages a client may send in a second, in the long run.
    pub commands_per_second: u32,
    /// The messages a client may send at once.
    pub command_burst: u32,
    /// `HELLO` comes within this time, in milliseconds.
    pub hello_within_ms: u64,
    /// What waits for one connection to take it, in bytes.
    pub outbound_bytes: usize,
    /// What waits for one connection to take it, in frames.
    pub outbound_frames: usize,
    /// The largest `BULK_UPDATE` of the basic dialect that is applied item by item.
    pub bulk_items: usize,
}

impl Limits {
    /// The bounds of protocol rule 15.
    pub const DEFAULT: Self = Self {
        frame_from_client_bytes: FRAME_FROM_CLIENT_BYTES,
        frame_from_server_bytes: FRAME_FROM_SERVER_BYTES,
        depth: DEPTH,
        subscriptions: SUBSCRIPTIONS,
        lanes: LANES,
        pending_actions: PENDING_ACTIONS,
        commands_per_second: COMMANDS_PER_SECOND,
        command_burst: COMMAND_BURST,
        hello_within_ms: HELLO_WITHIN_MS,
        outbound_bytes: OUTBOUND_BYTES,
        outbound_frames: OUTBOUND_FRAMES,
        bulk_items: BULK_ITEMS,
    };

    /// What a server with these bounds says of them in `WELCOME`.
    #[must_use]
    pub const fn announced(&self) -> AnnouncedLimits {
        AnnouncedLimits {
            max_frame_bytes: self.frame_from_client_bytes as u64,
            max_depth: self.depth as u64,
            max_id_bytes: ID_BYTES as u64,
            max_subscriptions: self.subscriptions as u64,
            max_lanes: self.lanes as u64,
            max_pending_actions: self.pending_actions as u64,
            commands_per_second: self.commands_per_second as u64,
            command_burst: self.command_burst as u64,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
