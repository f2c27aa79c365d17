//! What a connection is asked for with.
//! Holds address, offers and limits. Never opens anything, and never shows a header's value or the query of the URL when
//! printed.

use std::fmt;

/// Where to connect, what to offer, and how much to bear.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectRequest {
    /// The address; for WebSocket `ws://` or `wss://`.
    pub url: String,
    /// Subprotocols to offer, the preferred one first.
    pub subprotocols: Vec<String>,
    /// Headers to send along, name and value. Left out when the request is printed: values may be secret.
    pub headers: Vec<(String, String)>,
    /// What this side bears.
    pub limits: Limits,
}

impl ConnectRequest {
    /// A request for `url` without offers, headers, and with the default limits.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            subprotocols: Vec::new(),
            headers: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Offers one more subprotocol, less preferred than those before it.
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// Sends one more header along.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets what this side bears.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ConnectRequest")
            .field("url", &without_query(&self.url))
            .field("subprotocols", &self.subprotocols)
            .field("headers", &names)
            .field("limits", &self.limits)
            .finish()
    }
}

/// A URL as it may be shown: what stands behind its path may be secret.
pub(crate) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// How much one side of a connection bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest frame that is received, in bytes; a larger one ends the connection. Default 1 MiB.
    pub max_frame_bytes: usize,
    /// The largest frame that is sent, in bytes, and about how much is held while the peer does not read.
    /// Default 1 MiB.
    pub max_write_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_bytes: 1 << 20,
            max_write_bytes: 1 << 20,
        }
    }
}
