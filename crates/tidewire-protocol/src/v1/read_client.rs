//! What a client says, from fields to messages. The other way is in `write_client.rs`.

use tidewire_model::{ActionId, EntityId, EntityType, Epoch, Lane, Offset, Query, Record, Version};

use super::parts::{Beat, lanes, request_id, whole, word};
use super::{names, read};
use crate::error::Fault;
use crate::fields::fields;
use crate::frame::Frame;
use crate::limits::{FEATURES, FRAME_FROM_SERVER_BYTES};
use crate::wire::{FromWire, Numbers, Whole, Word, name, need, nested, note};
use crate::{
    ActionMessage, ClientInfo, ClientMessage, DecodeError, Fetch, FetchWhat, Hello, Resume,
    Subscribe, Unsubscribe, VersionRange, Want,
};

/// The message that a frame from a client holds.
pub(super) fn message(frame: &Frame<'_>) -> Result<ClientMessage, DecodeError> {
    Ok(match &*frame.name {
        names::ACTION => ClientMessage::Action(read(frame, names::ACTION)?),
        names::FETCH => ClientMessage::Fetch(read(frame, names::FETCH)?),
        names::PONG => ClientMessage::Pong(read::<Beat>(frame, names::PONG)?.0),
        names::PING => ClientMessage::Ping(read::<Beat>(frame, names::PING)?.0),
        names::SUBSCRIBE => ClientMessage::Subscribe(read(frame, names::SUBSCRIBE)?),
        names::UNSUBSCRIBE => ClientMessage::Unsubscribe(read(frame, names::UNSUBSCRIBE)?),
        names::HELLO => ClientMessage::Hello(read(frame, names::HELLO)?),
        _ => ClientMessage::Unknown {
            name: frame.skipped_unless_critical()?,
        },
    })
}

fields! {
    HelloFields {
        protocol: "protocol" => RangeFields,
        features: "features" => Vec<String>,
        client: "client" => ClientFields,
        token: "token" => String,
        confirmed: "confirmed" => Numbers<Lane>,
        receive: "receive" => ReceiveFields,
    }
}

fields! {
    RangeFields {
        min: "min" => u32,
        max: "max" => u32,
    }
}

fields! {
    ClientFields {
        id: "id" => String,
        incarnation: "incarnation" => Whole,
        run: "run" => Whole,
        sent: "sent" => bool,
        app: "app" => String,
        version: "version" => String,
    }
}

fields! {
    ReceiveFields {
        max_frame: "max_frame" => Whole,
    }
}

impl FromWire for Hello {
    type Fields = HelloFields;

    fn from_wire(fields: HelloFields) -> Result<Self, Fault> {
        let max_frame_bytes = fields.receive.and_then(|receive| receive.max_frame);
        Ok(Self {
            protocol: need(nested(fields.protocol, "protocol")?, "protocol")?,
            features: names_of_features(fields.features)?,
            client: need(nested(fields.client, "client")?, "client")?,
            token: fields.token,
            confirmed: lanes(fields.confirmed),
            max_frame_bytes: max_frame_bytes
                .map_or(FRAME_FROM_SERVER_BYTES as u64, |bytes| bytes.0),
        })
    }
}

fn names_of_features(features: Option<Vec<String>>) -> Result<Vec<String>, Fault> {
    let features = features.unwrap_or_default();
    if features.len() > FEATURES {
        return Err(Fault::bad(
            "features",
            &format_args!("{} of them, at most {FEATURES} are taken", features.len()),
        ));
    }
    features
        .into_iter()
        .map(|feature| name(Some(feature), "features"))
        .collect()
}

impl FromWire for VersionRange {
    type Fields = RangeFields;

    fn from_wire(fields: RangeFields) -> Result<Self, Fault> {
        let range = Self {
            min: need(fields.min, "min")?,
            max: need(fields.max, "max")?,
        };
        if range.min > range.max {
            Err(Fault::bad("max", &"it is below min"))
        } else {
            Ok(range)
        }
    }
}

impl FromWire for ClientInfo {
    type Fields = ClientFields;

    fn from_wire(fields: ClientFields) -> Result<Self, Fault> {
        Ok(Self {
            id: name(fields.id, "id")?,
            incarnation: whole(fields.incarnation, "incarnation")?,
            run: whole(fields.run, "run")?,
            may_have_sent: fields.sent.unwrap_or(false),
            app: note(fields.app, "app")?,
            version: note(fields.version, "version")?,
        })
    }
}

fields! {
    SubscribeFields {
        id: "id" => Whole,
        entity_type: "entityType" => EntityType,
        want: "want" => Word<Want>,
        resume: "resume" => ResumeFields,
    }
}

fields! {
    ResumeFields {
        epoch: "epoch" => Epoch,
        offset: "offset" => Offset,
        view: "view" => String,
    }
}

impl FromWire for Subscribe {
    type Fields = SubscribeFields;

    fn from_wire(fields: SubscribeFields) -> Result<Self, Fault> {
        Ok(Self {
            id: request_id(fields.id)?,
            entity_type: need(fields.entity_type, "entityType")?,
            want: word(fields.want, "want")?,
            resume: nested(fields.resume, "resume")?,
        })
    }
}

impl FromWire for Resume {
    type Fields = ResumeFields;

    fn from_wire(fields: ResumeFields) -> Result<Self, Fault> {
        Ok(Self {
            epoch: need(fields.epoch, "epoch")?,
            offset: need(fields.offset, "offset")?,
            view: note(fields.view, "view")?,
        })
    }
}

fields! {
    UnsubscribeFields {
        id: "id" => Whole,
        entity_type: "entityType" => EntityType,
    }
}

impl FromWire for Unsubscribe {
    type Fields = UnsubscribeFields;

    fn from_wire(fields: UnsubscribeFields) -> Result<Self, Fault> {
        Ok(Self {
            id: request_id(fields.id)?,
            entity_type: need(fields.entity_type, "entityType")?,
        })
    }
}

fields! {
    FetchFields {
        id: "id" => Whole,
        entity_type: "entityType" => EntityType,
        ids: "ids" => Vec<EntityId>,
        query: "query" => String,
    }
}

impl FromWire for Fetch {
    type Fields = FetchFields;

    fn from_wire(fields: FetchFields) -> Result<Self, Fault> {
        let id = request_id(fields.id)?;
        let entity_type = need(fields.entity_type, "entityType")?;
        let what = match (fields.ids, fields.query) {
            (Some(ids), None) => FetchWhat::Ids(ids),
            (None, Some(text)) => {
                let query = Query::parse(entity_type.clone(), &text)
                    .map_err(|error| Fault::bad("query", &error).of_request(id))?;
                FetchWhat::Query(query)
            }
            (None, None) => return Err(Fault::missing("ids")),
            (Some(_), Some(_)) => {
                return Err(Fault::bad(
                    "query",
                    &"it stands beside ids; one fetch has one of them",
                ));
            }
        };
        Ok(Self {
            id,
            entity_type,
            what,
        })
    }
}

fields! {
    ActionFields {
        id: "id" => ActionId,
        lane: "lane" => Lane,
        seq: "seq" => Whole,
        previous: "previous" => Whole,
        name: "name" => String,
        entity_type: "entityType" => EntityType,
        entity_id: "entityId" => EntityId,
        payload: "payload" => Record,
        base: "base" => Version,
        hash: "hash" => String,
    }
}

impl FromWire for ActionMessage {
    type Fields = ActionFields;

    fn from_wire(fields: ActionFields) -> Result<Self, Fault> {
        let seq = whole(fields.seq, "seq")?;
        let previous = whole(fields.previous, "previous")?;
        if previous >= seq {
            return Err(Fault::bad(
                "previous",
                &format_args!("it is not below seq, which is {seq}"),
            ));
        }
        Ok(Self {
            id: need(fields.id, "id")?,
            lane: need(fields.lane, "lane")?,
            seq,
            previous,
            name: name(fields.name, "name")?,
            entity_type: fields.entity_type,
            entity_id: fields.entity_id,
            payload: need(fields.payload, "payload")?,
            base: fields.base,
            hash: name(fields.hash, "hash")?,
        })
    }
}
