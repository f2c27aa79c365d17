//! The dialect v1 in JSON text frames, subprotocol `tidewire.v1.json`.
//!
//! Each message is decoded in one pass, straight into its value; where the frame does not begin with its `type`, one
//! look through the frame for it comes first. Nothing here knows what a message leads to.

mod names;
mod ops;
mod parts;
mod read_client;
mod read_server;
mod write_client;
mod write_server;

use serde::Serialize;

use crate::frame::Frame;
use crate::version::SUBPROTOCOL_V1_JSON;
use crate::wire::FromWire;
use crate::{ClientMessage, DecodeError, Dialect, Encoded, Limits, Payload, ServerMessage, Want};

/// The dialect v1 in JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct V1Json {
    limits: Limits,
}

impl V1Json {
    /// The dialect with the bounds of [`Limits::DEFAULT`].
    pub const DEFAULT: Self = Self::new(Limits::DEFAULT);

    /// The dialect with the given bounds; of these it enforces the lengths of frames and their depth.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Dialect for V1Json {
    fn subprotocol(&self) -> Option<&'static str> {
        Some(SUBPROTOCOL_V1_JSON)
    }

    fn encode_client(&self, message: &ClientMessage) -> Option<Encoded> {
        encoded(&write_client::ClientFrame(message))
    }

    fn decode_client(&self, payload: Payload<'_>) -> Result<ClientMessage, DecodeError> {
        let frame = Frame::open(payload, self.limits.frame_from_client_bytes)?
            .within_depth(self.limits.depth)?;
        read_client::message(&frame)
    }

    fn encode_server(&self, message: &ServerMessage, want: Want) -> Option<Encoded> {
        encoded(&write_server::ServerFrame { message, want })
    }

    fn decode_server(&self, payload: Payload<'_>) -> Result<ServerMessage, DecodeError> {
        let frame = Frame::open(payload, self.limits.frame_from_server_bytes)?;
        read_server::message(&frame)
    }
}

/// The frame of a message. Names are text and numbers are finite, so that the one thing that cannot be written is a
/// message this dialect has no words for.
fn encoded(frame: &impl Serialize) -> Option<Encoded> {
    serde_json::to_string(frame).ok().map(Encoded::Text)
}

/// Reads the whole frame as one kind of message.
fn read<T: FromWire>(frame: &Frame<'_>, name: &'static str) -> Result<T, DecodeError> {
    T::from_wire(frame.read::<T::Fields>(name)?).map_err(|fault| fault.of(name))
}
