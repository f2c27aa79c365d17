//! What a server says, from fields to messages. The other way is in `write_server.rs`.

mod actions;
mod answers;
mod session;
mod streams;

use super::parts::Beat;
use super::{names, read};
use crate::frame::Frame;
use crate::{DecodeError, ServerMessage};

/// The message that a frame from a server holds.
pub(super) fn message(frame: &Frame<'_>) -> Result<ServerMessage, DecodeError> {
    Ok(match &*frame.name {
        names::EVENTS => ServerMessage::Events(read(frame, names::EVENTS)?),
        names::SNAPSHOT => ServerMessage::Snapshot(read(frame, names::SNAPSHOT)?),
        names::SNAPSHOT_END => ServerMessage::SnapshotEnd(read(frame, names::SNAPSHOT_END)?),
        names::DATA => ServerMessage::Data(read(frame, names::DATA)?),
        names::FETCH_ERROR => ServerMessage::FetchError(read(frame, names::FETCH_ERROR)?),
        names::ACK => ServerMessage::Ack(read(frame, names::ACK)?),
        names::REJECT => ServerMessage::Reject(read(frame, names::REJECT)?),
        names::ACTION_SYNC => ServerMessage::ActionSync(read(frame, names::ACTION_SYNC)?),
        names::PING => ServerMessage::Ping(read(frame, names::PING)?),
        names::PONG => ServerMessage::Pong(read::<Beat>(frame, names::PONG)?.0),
        names::SUBSCRIBED => ServerMessage::Subscribed(read(frame, names::SUBSCRIBED)?),
        names::SUBSCRIBE_ERROR => {
            ServerMessage::SubscribeError(read(frame, names::SUBSCRIBE_ERROR)?)
        }
        names::UNSUBSCRIBED => ServerMessage::Unsubscribed(read(frame, names::UNSUBSCRIBED)?),
        names::WELCOME => ServerMessage::Welcome(read(frame, names::WELCOME)?),
        names::DRAIN => ServerMessage::Drain(read(frame, names::DRAIN)?),
        names::BYE => ServerMessage::Bye(read(frame, names::BYE)?),
        _ => ServerMessage::Unknown {
            name: frame.skipped_unless_critical()?,
        },
    })
}
