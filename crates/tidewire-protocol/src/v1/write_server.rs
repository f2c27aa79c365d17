//! What a server says, from messages to fields. The other way is in `read_server.rs`.

mod session;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use tidewire_model::{EntityId, EntityType, Point, Value};

use super::names;
use super::ops::OpsOut;
use super::parts::replaced_unless_empty;
use crate::fields::object;
use crate::wire::{Out, Word, unless_empty};
use crate::{
    Ack, ActionEcho, ActionSync, CommitInfo, Data, Events, Reject, RequestError, ServerMessage,
    Snapshot, SnapshotEnd, Subscribed, Unsubscribed, Want,
};

/// A server's message as a frame for subscriptions of one kind.
pub(super) struct ServerFrame<'a> {
    pub(super) message: &'a ServerMessage,
    pub(super) want: Want,
}

impl Serialize for ServerFrame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.message {
            ServerMessage::Welcome(message) => Out(message).serialize(serializer),
            ServerMessage::Subscribed(message) => Out(message).serialize(serializer),
            ServerMessage::SubscribeError(error) => {
                refused(error, names::SUBSCRIBE_ERROR, serializer)
            }
            ServerMessage::Snapshot(message) => Out(message).serialize(serializer),
            ServerMessage::SnapshotEnd(message) => Out(message).serialize(serializer),
            ServerMessage::Events(message) => events(message, self.want, serializer),
            ServerMessage::Unsubscribed(message) => Out(message).serialize(serializer),
            ServerMessage::Data(message) => Out(message).serialize(serializer),
            ServerMessage::FetchError(error) => refused(error, names::FETCH_ERROR, serializer),
            ServerMessage::Ack(message) => Out(message).serialize(serializer),
            ServerMessage::Reject(message) => Out(message).serialize(serializer),
            ServerMessage::ActionSync(message) => Out(message).serialize(serializer),
            ServerMessage::Ping(message) => Out(message).serialize(serializer),
            ServerMessage::Pong(n) => object!(serializer, {
                "type" => names::PONG,
                "n" => n,
            }),
            ServerMessage::Drain(message) => Out(message).serialize(serializer),
            ServerMessage::Bye(message) => Out(message).serialize(serializer),
            ServerMessage::Push(_) | ServerMessage::Unknown { .. } => Err(
                serde::ser::Error::custom("a message without a word in this dialect"),
            ),
        }
    }
}

fn refused<S: Serializer>(
    error: &RequestError,
    name: &str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    object!(serializer, {
        "type" => name,
        "id" => error.id.0,
        "code" => error.code,
        "class" => Word(error.class),
        "retry_after_ms" =>? error.retry_after_ms,
    })
}

fn events<S: Serializer>(message: &Events, want: Want, serializer: S) -> Result<S::Ok, S::Error> {
    object!(serializer, {
        "type" => names::EVENTS,
        "entityType" => message.entity_type,
        "from" => message.from,
        "to" => message.to,
        "ops" => OpsOut { ops: &message.ops, want },
        "commit" =>? message.commit.as_ref().map(Out),
        "chunk" =>? message.chunk,
        "actions" =>? unless_empty(&message.actions),
    })
}

impl Serialize for Out<'_, Subscribed> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::SUBSCRIBED,
            "id" => self.0.id.0,
            "entityType" => self.0.entity_type,
            "result" => Word(self.0.result),
            "epoch" => self.0.epoch,
            "view" => self.0.view,
            "offset" => self.0.offset,
            "head" => self.0.head,
        })
    }
}

impl Serialize for Out<'_, Snapshot> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::SNAPSHOT,
            "entityType" => self.0.entity_type,
            "part" => self.0.part,
            "as_of" => self.0.as_of,
            "rows" => Out(&*self.0.rows),
        })
    }
}

impl Serialize for Out<'_, SnapshotEnd> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::SNAPSHOT_END,
            "entityType" => self.0.entity_type,
            "as_of" => self.0.as_of,
            "count" => self.0.count,
            "actions" => self.0.actions,
            "head" =>? self.0.head,
        })
    }
}

impl Serialize for Out<'_, CommitInfo> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "id" => self.0.id,
            "offsets" => self.0.offsets,
        })
    }
}

impl Serialize for Out<'_, ActionEcho> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "id" => self.0.id,
            "replaced" =>? replaced_unless_empty(&self.0.replaced),
        })
    }
}

impl Serialize for Out<'_, Unsubscribed> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::UNSUBSCRIBED,
            "id" =>? self.0.id.map(|id| id.0),
            "entityType" => self.0.entity_type,
            "code" => self.0.code,
            "resubscribe" => self.0.resubscribe,
        })
    }
}

impl Serialize for Out<'_, Data> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::DATA,
            "id" => self.0.id.0,
            "as_of" => Out(&self.0.as_of),
            "part" => self.0.part,
            "more" => self.0.more,
            "rows" => Out(&*self.0.rows),
            "missing" => self.0.missing,
            "total_count" =>? self.0.total_count,
            "start_key" =>? self.0.start_key.as_ref().map(Out),
            "end" => self.0.end,
        })
    }
}

impl Serialize for Out<'_, Point> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "epoch" => self.0.epoch,
            "offset" => self.0.offset,
        })
    }
}

impl Serialize for Out<'_, (Vec<Value>, EntityId)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "values" => self.0.0,
            "id" => self.0.1,
        })
    }
}

/// Points by stream.
struct Points<'a>(&'a BTreeMap<EntityType, Point>);

impl Serialize for Points<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, point)| (name, Out(point))))
    }
}

impl Serialize for Out<'_, Ack> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::ACK,
            "id" => self.0.id,
            "seq" => self.0.seq,
            "result" => Word(self.0.result),
            "as_of" => Points(&self.0.as_of),
            "rows" =>? unless_empty(&self.0.rows),
            "replaced" =>? replaced_unless_empty(&self.0.replaced),
        })
    }
}

impl Serialize for Out<'_, Reject> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::REJECT,
            "id" => self.0.id,
            "seq" => self.0.seq,
            "class" => Word(self.0.class),
            "code" => self.0.code,
            "message" => self.0.message,
            "retry_after_ms" =>? self.0.retry_after_ms,
            "rows" =>? unless_empty(&self.0.rows),
        })
    }
}

impl Serialize for Out<'_, ActionSync> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::ACTION_SYNC,
            "lane" => self.0.lane,
            "last_seq" => self.0.last_seq,
            "reason" => Word(self.0.reason),
        })
    }
}
