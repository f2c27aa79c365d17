//! Why a connection is closed, and what its client is told.

use tidewire_protocol::{Class, DecodeError, close};

/// The longest reason of a close frame, in bytes.
const REASON_BYTES: usize = 123;
/// The WebSocket's own code for a message that is too long.
const TOO_BIG: u16 = 1009;

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) code: u16,
    pub(crate) class: Class,
    pub(crate) reason: String,
    pub(crate) retry_after_ms: Option<u64>,
}

impl Closing {
    /// The client made a mistake; the same again would be refused again.
    pub(crate) fn stop(code: u16, reason: impl Into<String>) -> Self {
        Self {
            code,
            class: Class::Permanent,
            reason: reason.into(),
            retry_after_ms: None,
        }
    }

    /// Trouble of the moment.
    pub(crate) fn later(code: u16, reason: impl Into<String>, retry_after_ms: u64) -> Self {
        Self {
            code,
            class: Class::Retry,
            reason: reason.into(),
            retry_after_ms: Some(retry_after_ms),
        }
    }

    /// A frame that means nothing.
    pub(crate) fn bad_frame(error: &DecodeError) -> Self {
        let code = match error {
            DecodeError::TooLarge { .. } => TOO_BIG,
            DecodeError::UnknownCritical { .. } => close::UNSUPPORTED,
            _ => close::BAD_FRAME,
        };
        Self::stop(code, error.to_string())
    }

    pub(crate) fn hello_required(reason: &str) -> Self {
        Self::stop(close::HELLO_REQUIRED, reason)
    }

    pub(crate) fn violation(reason: &str) -> Self {
        Self::stop(close::PROTOCOL_VIOLATION, reason)
    }

    pub(crate) fn slow() -> Self {
        Self::later(
            close::SLOW_CONSUMER,
            "the client reads more slowly than it asks",
            1000,
        )
    }

    pub(crate) fn silent() -> Self {
        Self::later(
            close::SILENT,
            "the client was silent for longer than heartbeat and grace",
            0,
        )
    }

    pub(crate) fn too_fast() -> Self {
        Self::later(
            close::RATE,
            "the client sends commands faster than the limit announced to it",
            1000,
        )
    }

    pub(crate) fn too_many_connections() -> Self {
        Self::later(
            close::CONNECTION_LIMIT,
            "the server holds as many connections as it may",
            5000,
        )
    }

    pub(crate) fn internal(reason: &str) -> Self {
        Self::later(close::INTERNAL, reason, 1000)
    }

    pub(crate) fn shutdown() -> Self {
        Self::later(close::SHUTDOWN, "the server is stopping", 0)
    }

    /// Another run of the same client is at work.
    pub(crate) fn taken_over(reason: &str) -> Self {
        Self {
            code: close::TAKEN_OVER,
            class: Class::Session,
            reason: reason.to_owned(),
            retry_after_ms: None,
        }
    }

    pub(crate) fn token_expired() -> Self {
        Self {
            code: close::TOKEN_EXPIRED,
            class: Class::Auth,
            reason: "the token ran out".to_owned(),
            retry_after_ms: None,
        }
    }

    /// The client is not let in.
    pub(crate) fn not_let_in(refused: &crate::Refused) -> Self {
        let code = match refused.class {
            Class::Auth if refused.code == "token_expired" => close::TOKEN_EXPIRED,
            Class::Auth => close::BAD_TOKEN,
            Class::Retry => close::OVERLOADED,
            Class::Session => close::TAKEN_OVER,
            Class::Permanent | Class::Conflict => close::FORBIDDEN,
        };
        let retry_after_ms = (refused.class == Class::Retry).then_some(1000);
        Self {
            code,
            class: refused.class,
            reason: refused.message.clone(),
            retry_after_ms,
        }
    }

    /// The reason, as short as a close frame needs it.
    pub(crate) fn short_reason(&self) -> String {
        self.reason[..self.reason.floor_char_boundary(REASON_BYTES)].to_owned()
    }
}
