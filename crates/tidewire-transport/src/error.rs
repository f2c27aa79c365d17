//! What can go wrong before there is a connection, and while sending on one.
//! Holds text that says who must do what. Never holds a header's value or a query string, which may be secret.

use std::time::Duration;

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be used. The program gives another one.
    #[error("the URL cannot be used: {detail}")]
    BadUrl {
        /// What is wrong and what would be right.
        detail: String,
    },
    /// A header or a subprotocol cannot be sent. The program gives another one.
    #[error("the connection cannot be asked for: {detail}")]
    BadRequest {
        /// What is wrong, by name; never by value.
        detail: String,
    },
    /// No connection to the host. Somebody starts the server, or the network comes back.
    #[error("cannot reach {address}: {detail}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the operating system said.
        detail: String,
    },
    /// No secure channel: a certificate that is expired, for another name, or signed by nobody known.
    #[error("no secure connection to {address}: {detail}")]
    Tls {
        /// Host and port.
        address: String,
        /// What was wrong.
        detail: String,
    },
    /// The server answered, and said no.
    #[error("{}", answered(*status, detail))]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// How long the server asks to wait before the next try, in milliseconds, if it said so.
        retry_after_ms: Option<u64>,
        /// The start of what the server wrote.
        detail: String,
    },
    /// The server answered something that is no WebSocket handshake.
    #[error("{address} does not speak WebSocket: {detail}; check host, port and path of the URL")]
    NotWebSocket {
        /// Host and port.
        address: String,
        /// What was wrong with the answer.
        detail: String,
    },
    /// The server chose a subprotocol that was not offered.
    #[error("the server chose the subprotocol {chosen:?}, which was not offered")]
    Subprotocol {
        /// What it chose.
        chosen: String,
    },
    /// It took too long.
    #[error("no connection to {address} within {after_ms} ms")]
    Timeout {
        /// Host and port.
        address: String,
        /// The time that was allowed, in milliseconds.
        after_ms: u64,
    },
}

/// What an answer by HTTP means for whoever asked for a WebSocket: who must do what, with the status.
fn answered(status: u16, detail: &str) -> String {
    match status {
        // What is there, such as a page, says nothing of why.
        200..=299 => format!(
            "something else than a WebSocket answered (status {status}), such as the login page of a network; \
             sign in to the network, or check host and path of the URL; a tidewire server is at /live"
        ),
        300..=399 => format!(
            "the answer leads elsewhere (status {status}): {detail}; sign in to the network if that is its login \
             page, else give the new address"
        ),
        401 => format!(
            "whoever answers wants to know who asks (status {status}: {detail}); give what it wants, or ask who \
             runs the server to let this path through"
        ),
        403 => format!(
            "whoever answers does not let this client in (status {status}: {detail}); ask who runs the server, or \
             the network"
        ),
        404 | 405 | 410 => format!(
            "there is no WebSocket at this path; a tidewire server is at /live (status {status}: {detail})"
        ),
        407 | 511 => format!(
            "the network lets nobody through who is not signed in (status {status}: {detail}); sign in to it"
        ),
        426 => format!(
            "the wish for a WebSocket did not come through (status {status}: {detail}); whoever runs the server \
             must let its proxy pass on the header Upgrade"
        ),
        408 | 425 | 429 | 500..=599 => {
            format!("the server takes no connection at present (status {status}: {detail})")
        }
        _ => format!("the server refused the connection with status {status}: {detail}"),
    }
}

impl ConnectError {
    /// Whether the very same request would fail again however often it is repeated, so that only a changed
    /// request (another URL, other headers, other subprotocols) or a changed server can help.
    ///
    /// Trouble of the network, certificates (they get renewed) and statuses that ask to try later are not permanent.
    /// Nor is what a network answers in the server's stead until somebody signs in to it: a page (2xx), the way to one
    /// (3xx), or 407.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::BadUrl { .. } | Self::BadRequest { .. } | Self::Subprotocol { .. } => true,
            Self::Rejected { status, .. } => {
                matches!(status, 400..=499) && !matches!(status, 407 | 408 | 425 | 429)
            }
            Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::NotWebSocket { .. }
            | Self::Timeout { .. } => false,
        }
    }

    /// How long whoever answered asks to wait before the next try, if it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected { retry_after_ms, .. } => retry_after_ms.map(Duration::from_millis),
            _ => None,
        }
    }
}

/// Why frames could not be handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection has ended; the receiving half says how.
    #[error("the connection is closed")]
    Closed,
    /// A frame is larger than may be written. Nothing of the call was sent and the connection stands.
    #[error("a frame of {bytes} bytes is over the limit of {limit} for writing; send less at once")]
    TooLarge {
        /// The bytes of the frame.
        bytes: usize,
        /// [`Limits::max_write_bytes`](crate::Limits::max_write_bytes).
        limit: usize,
    },
    /// This transport has no such thing.
    #[error("this transport cannot do that")]
    Unsupported,
}
