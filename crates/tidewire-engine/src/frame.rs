//! Frames to messages, outside of any lock.
//!
//! Reading a frame is the largest part of taking it in, and needs nothing of the engine but which
//! dialect is spoken. A driver reads frames with this before it takes the engine's lock.

use tidewire_protocol::{Basic, DecodeError, Dialect, Payload, ServerMessage, V1Json};

use crate::session::Generation;

/// The dialect in use on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaking {
    V1,
    Basic,
}

impl Speaking {
    pub(crate) fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::V1 => &V1Json::DEFAULT,
            Self::Basic => &Basic::DEFAULT,
        }
    }
}

/// Reads the frames of one connection.
#[derive(Clone, Copy, Debug)]
pub struct FrameReader {
    pub(crate) generation: Generation,
    pub(crate) speaking: Speaking,
}

impl FrameReader {
    /// What a frame says, or what is wrong with it.
    #[must_use]
    pub fn read(&self, payload: Payload<'_>) -> Incoming {
        let bytes = match payload {
            Payload::Text(text) => text.len(),
            Payload::Binary(bytes) => bytes.len(),
        };
        let message = self.speaking.dialect().decode_server(payload);
        Incoming {
            generation: self.generation,
            bytes,
            message,
        }
    }
}

/// A frame that was read.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub(crate) generation: Generation,
    /// The length of the frame, as it came.
    pub(crate) bytes: usize,
    pub(crate) message: Result<ServerMessage, DecodeError>,
}
