//! One word for what a client says of its connection and of what it shows; lines and events of the page use the same.

use tidewire::{Connection, Trust};

/// How a client is connected.
pub(crate) fn connection(connection: Connection) -> &'static str {
    match connection {
        Connection::Connected => "live",
        Connection::Connecting => "connecting",
        Connection::Stopped => "stopped",
        _ => "offline",
    }
}

/// How far a page can be trusted.
pub(crate) fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Live => "live",
        Trust::Fresh => "fresh",
        Trust::Stale(_) => "stale",
        Trust::Unknown => "unknown",
    }
}
