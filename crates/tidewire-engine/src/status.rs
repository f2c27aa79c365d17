//! What an application is told about the connection.

use std::fmt;

use tidewire_model::Tick;

/// The connection as an application sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where the connection stands.
    pub connection: Connection,
    /// Why it is not connected, in words for people; empty while all is well.
    pub reason: String,
    /// When the next attempt is made, while one is planned.
    pub next_attempt: Option<Tick>,
}

/// What the server said that was skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Messages of a type this client does not know.
    pub unknown: u64,
    /// Frames, and changes inside of pushes, that made no sense.
    pub malformed: u64,
}

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connection {
    /// The server has greeted this client; streams are live or on their way.
    Connected,
    /// An attempt is under way.
    Connecting,
    /// No connection; another attempt is planned, or the application switched it off.
    Disconnected,
    /// No connection, and no attempt will be made until the application acts.
    Stopped,
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connected => "Live",
            Self::Connecting => "Connecting...",
            Self::Disconnected => "Offline",
            Self::Stopped => "Stopped",
        })
    }
}
