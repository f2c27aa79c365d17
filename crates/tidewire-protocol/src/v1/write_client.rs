//! What a client says, from messages to fields. The other way is in `read_client.rs`.

use serde::{Serialize, Serializer};

use super::names;
use crate::fields::object;
use crate::wire::{Out, Word};
use crate::{
    ActionMessage, ClientInfo, ClientMessage, Fetch, FetchWhat, Hello, Resume, Subscribe,
    Unsubscribe, VersionRange,
};

/// A client's message as a frame.
pub(super) struct ClientFrame<'a>(pub(super) &'a ClientMessage);

impl Serialize for ClientFrame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ClientMessage::Hello(message) => Out(message).serialize(serializer),
            ClientMessage::Subscribe(message) => Out(message).serialize(serializer),
            ClientMessage::Unsubscribe(message) => Out(message).serialize(serializer),
            ClientMessage::Fetch(message) => Out(message).serialize(serializer),
            ClientMessage::Action(message) => Out(message).serialize(serializer),
            ClientMessage::Ping(n) => object!(serializer, {
                "type" => names::PING,
                "n" => n,
            }),
            ClientMessage::Pong(n) => object!(serializer, {
                "type" => names::PONG,
                "n" => n,
            }),
            ClientMessage::Unknown { .. } => Err(serde::ser::Error::custom(
                "a message without a word in this dialect",
            )),
        }
    }
}

impl Serialize for Out<'_, Hello> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::HELLO,
            "protocol" => Out(&self.0.protocol),
            "features" => self.0.features,
            "client" => Out(&self.0.client),
            "token" =>? self.0.token,
            "confirmed" => self.0.confirmed,
            "receive" => Receive { max_frame: self.0.max_frame_bytes },
        })
    }
}

#[derive(Serialize)]
struct Receive {
    max_frame: u64,
}

impl Serialize for Out<'_, VersionRange> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "min" => self.0.min,
            "max" => self.0.max,
        })
    }
}

impl Serialize for Out<'_, ClientInfo> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "id" => self.0.id,
            "incarnation" => self.0.incarnation,
            "run" => self.0.run,
            "sent" =>? self.0.may_have_sent.then_some(true),
            "app" => self.0.app,
            "version" => self.0.version,
        })
    }
}

impl Serialize for Out<'_, Subscribe> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::SUBSCRIBE,
            "id" => self.0.id.0,
            "entityType" => self.0.entity_type,
            "want" => Word(self.0.want),
            "resume" =>? self.0.resume.as_ref().map(Out),
        })
    }
}

impl Serialize for Out<'_, Resume> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "epoch" => self.0.epoch,
            "offset" => self.0.offset,
            "view" => self.0.view,
        })
    }
}

impl Serialize for Out<'_, Unsubscribe> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::UNSUBSCRIBE,
            "id" => self.0.id.0,
            "entityType" => self.0.entity_type,
        })
    }
}

impl Serialize for Out<'_, Fetch> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (ids, query) = match &self.0.what {
            FetchWhat::Ids(ids) => (Some(ids), None),
            FetchWhat::Query(query) => (None, Some(query.to_string())),
        };
        object!(serializer, {
            "type" => names::FETCH,
            "id" => self.0.id.0,
            "entityType" => self.0.entity_type,
            "ids" =>? ids,
            "query" =>? query,
        })
    }
}

impl Serialize for Out<'_, ActionMessage> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::ACTION,
            "id" => self.0.id,
            "lane" => self.0.lane,
            "seq" => self.0.seq,
            "previous" => self.0.previous,
            "name" => self.0.name,
            "entityType" =>? self.0.entity_type,
            "entityId" =>? self.0.entity_id,
            "payload" => self.0.payload,
            "base" =>? self.0.base,
            "hash" => self.0.hash,
        })
    }
}
