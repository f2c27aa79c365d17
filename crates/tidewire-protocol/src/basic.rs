//! The basic dialect: four pushes and two requests in JSON text frames, for any backend that can send JSON.
//!
//! Every push says what happened to entities of one type, and none says where in a stream. Points are made by whoever
//! receives it. Nothing here knows how an application names its id and version fields.

mod read;
mod write;

use crate::frame::Frame;
use crate::{
    ClientMessage, DecodeError, Dialect, Encoded, Limits, Payload, RequestId, ServerMessage,
    Subscribe, Unsubscribe, Want,
};

/// The `type` of every message of this dialect.
mod names {
    pub(super) const SUBSCRIBE: &str = "SUBSCRIBE";
    pub(super) const UNSUBSCRIBE: &str = "UNSUBSCRIBE";
    pub(super) const CREATED: &str = "ENTITY_CREATED";
    pub(super) const UPDATED: &str = "ENTITY_UPDATED";
    pub(super) const DELETED: &str = "ENTITY_DELETED";
    pub(super) const BULK: &str = "BULK_UPDATE";
}

/// The basic dialect.
///
/// It has words for [`ClientMessage::Subscribe`] and [`ClientMessage::Unsubscribe`], without their numbers, and for
/// [`ServerMessage::Push`]. A push of several ops fits into one frame only where all of them are updates; give others
/// one at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Basic {
    limits: Limits,
}

impl Basic {
    /// The dialect with the bounds of [`Limits::DEFAULT`].
    pub const DEFAULT: Self = Self::new(Limits::DEFAULT);

    /// The dialect with the given bounds; of these it enforces the lengths of frames, their depth, and the number of
    /// updates in a `BULK_UPDATE` that is taken item by item.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Dialect for Basic {
    fn subprotocol(&self) -> Option<&'static str> {
        None
    }

    fn encode_client(&self, message: &ClientMessage) -> Option<Encoded> {
        match message {
            ClientMessage::Subscribe(message) => {
                write::request(names::SUBSCRIBE, &message.entity_type)
            }
            ClientMessage::Unsubscribe(message) => {
                write::request(names::UNSUBSCRIBE, &message.entity_type)
            }
            _ => None,
        }
    }

    /// Requests have no numbers here: each gets the number 0, and is answered by nothing.
    fn decode_client(&self, payload: Payload<'_>) -> Result<ClientMessage, DecodeError> {
        let frame = Frame::open(payload, self.limits.frame_from_client_bytes)?
            .within_depth(self.limits.depth)?;
        Ok(match &*frame.name {
            names::SUBSCRIBE => ClientMessage::Subscribe(Subscribe {
                id: RequestId(0),
                entity_type: read::request(&frame, names::SUBSCRIBE)?,
                want: Want::Changes,
                resume: None,
            }),
            names::UNSUBSCRIBE => ClientMessage::Unsubscribe(Unsubscribe {
                id: RequestId(0),
                entity_type: read::request(&frame, names::UNSUBSCRIBE)?,
            }),
            _ => ClientMessage::Unknown {
                name: frame.skipped()?,
            },
        })
    }

    fn encode_server(&self, message: &ServerMessage, _want: Want) -> Option<Encoded> {
        match message {
            ServerMessage::Push(push) => write::push(push),
            _ => None,
        }
    }

    fn decode_server(&self, payload: Payload<'_>) -> Result<ServerMessage, DecodeError> {
        let frame = Frame::open(payload, self.limits.frame_from_server_bytes)?;
        Ok(match &*frame.name {
            names::UPDATED => ServerMessage::Push(read::updated(&frame)?),
            names::CREATED => ServerMessage::Push(read::created(&frame)?),
            names::DELETED => ServerMessage::Push(read::deleted(&frame)?),
            names::BULK => ServerMessage::Push(read::bulk(&frame, self.limits.bulk_items)?),
            _ => ServerMessage::Unknown {
                name: frame.skipped()?,
            },
        })
    }
}
