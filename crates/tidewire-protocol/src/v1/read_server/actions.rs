//! Answers to actions.

use std::collections::BTreeMap;

use tidewire_model::{ActionId, EntityType, Lane, Point};

use crate::error::Fault;
use crate::fields::fields;
use crate::v1::parts::{Replaced, whole, word};
use crate::v1::read_server::answers::PointFields;
use crate::wire::{FromWire, List, Whole, Word, list, need};
use crate::{Ack, AckResult, ActionSync, AnswerRow, Class, Reject, SyncReason};

fields! {
    AckFields {
        id: "id" => ActionId,
        seq: "seq" => Whole,
        result: "result" => Word<AckResult>,
        as_of: "as_of" => BTreeMap<EntityType, PointFields>,
        rows: "rows" => List<AnswerRow>,
        replaced: "replaced" => Replaced,
    }
}

impl FromWire for Ack {
    type Fields = AckFields;

    fn from_wire(fields: AckFields) -> Result<Self, Fault> {
        Ok(Self {
            id: need(fields.id, "id")?,
            seq: whole(fields.seq, "seq")?,
            result: word(fields.result, "result")?,
            as_of: points(need(fields.as_of, "as_of")?)?,
            rows: list(fields.rows, "rows")?,
            replaced: fields.replaced.unwrap_or_default(),
        })
    }
}

fn points(fields: BTreeMap<EntityType, PointFields>) -> Result<BTreeMap<EntityType, Point>, Fault> {
    let points = fields.into_iter().map(|(entity_type, fields)| {
        let point = Point::from_wire(fields)
            .map_err(|fault| fault.under(entity_type.as_str()).under("as_of"))?;
        Ok((entity_type, point))
    });
    points.collect()
}

fields! {
    RejectFields {
        id: "id" => ActionId,
        seq: "seq" => Whole,
        class: "class" => Word<Class>,
        code: "code" => String,
        message: "message" => String,
        retry_after_ms: "retry_after_ms" => Whole,
        rows: "rows" => List<AnswerRow>,
    }
}

impl FromWire for Reject {
    type Fields = RejectFields;

    fn from_wire(fields: RejectFields) -> Result<Self, Fault> {
        Ok(Self {
            id: need(fields.id, "id")?,
            seq: whole(fields.seq, "seq")?,
            class: word(fields.class, "class")?,
            code: need(fields.code, "code")?,
            message: need(fields.message, "message")?,
            retry_after_ms: fields.retry_after_ms.map(|time| time.0),
            rows: list(fields.rows, "rows")?,
        })
    }
}

fields! {
    ActionSyncFields {
        lane: "lane" => Lane,
        last_seq: "last_seq" => Whole,
        reason: "reason" => Word<SyncReason>,
    }
}

impl FromWire for ActionSync {
    type Fields = ActionSyncFields;

    fn from_wire(fields: ActionSyncFields) -> Result<Self, Fault> {
        Ok(Self {
            lane: need(fields.lane, "lane")?,
            last_seq: whole(fields.last_seq, "last_seq")?,
            reason: word(fields.reason, "reason")?,
        })
    }
}
