//! The seam between messages and bytes.
//!
//! A dialect turns messages into frames and back. It holds no state of a connection.

use std::fmt::Debug;

use crate::{ClientMessage, DecodeError, ServerMessage, Want};

/// A frame as it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A text frame, known to be UTF-8.
    Text(&'a str),
    /// A binary frame.
    Binary(&'a [u8]),
}

/// A frame to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
}

impl Encoded {
    /// The frame as it comes in at the other end.
    #[must_use]
    pub fn as_payload(&self) -> Payload<'_> {
        match self {
            Self::Text(text) => Payload::Text(text),
            Self::Binary(bytes) => Payload::Binary(bytes),
        }
    }

    /// The frame's length, in bytes.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// Messages to bytes and back.
///
/// Every method is pure. Decoding never panics and never allocates more than a small multiple of
/// the frame.
pub trait Dialect: Debug + Send + Sync {
    /// The WebSocket subprotocol that names this dialect, if it has one.
    fn subprotocol(&self) -> Option<&'static str>;

    /// Bytes of a client's message; `None` where the dialect has no words for it.
    fn encode_client(&self, message: &ClientMessage) -> Option<Encoded>;

    /// A client's message from bytes, on the server's side.
    ///
    /// # Errors
    /// The frame is not a message of this dialect.
    fn decode_client(&self, payload: Payload<'_>) -> Result<ClientMessage, DecodeError>;

    /// Bytes of a server's message for a subscription of kind `want`; `None` where the dialect
    /// has no words for it. With `Want::Snapshot`, updates and deletions leave out the images.
    fn encode_server(&self, message: &ServerMessage, want: Want) -> Option<Encoded>;

    /// A server's message from bytes, on the client's side.
    ///
    /// # Errors
    /// The frame is not a message of this dialect.
    fn decode_server(&self, payload: Payload<'_>) -> Result<ServerMessage, DecodeError>;
}
