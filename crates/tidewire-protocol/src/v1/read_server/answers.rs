//! Answers to requests: pages of data, and refusals.

use tidewire_model::{EntityId, Epoch, Offset, Point, Value};

use crate::error::Fault;
use crate::fields::fields;
use crate::v1::parts::{request_id, whole, word};
use crate::wire::{FromWire, List, Whole, Word, list, need, nested};
use crate::{Class, Data, RequestError, WireRow};

fields! {
    DataFields {
        id: "id" => Whole,
        as_of: "as_of" => PointFields,
        part: "part" => Whole,
        more: "more" => bool,
        rows: "rows" => List<WireRow>,
        missing: "missing" => Vec<EntityId>,
        total_count: "total_count" => Whole,
        start_key: "start_key" => StartKeyFields,
        end: "end" => bool,
    }
}

fields! {
    PointFields {
        epoch: "epoch" => Epoch,
        offset: "offset" => Offset,
    }
}

impl FromWire for Point {
    type Fields = PointFields;

    fn from_wire(fields: PointFields) -> Result<Self, Fault> {
        Ok(Self {
            epoch: need(fields.epoch, "epoch")?,
            offset: need(fields.offset, "offset")?,
        })
    }
}

fields! {
    StartKeyFields {
        values: "values" => Vec<Value>,
        id: "id" => EntityId,
    }
}

/// Where a page begins in its query's order.
struct StartKey {
    values: Vec<Value>,
    id: EntityId,
}

impl FromWire for StartKey {
    type Fields = StartKeyFields;

    fn from_wire(fields: StartKeyFields) -> Result<Self, Fault> {
        Ok(Self {
            values: need(fields.values, "values")?,
            id: need(fields.id, "id")?,
        })
    }
}

impl FromWire for Data {
    type Fields = DataFields;

    fn from_wire(fields: DataFields) -> Result<Self, Fault> {
        Ok(Self {
            id: request_id(fields.id)?,
            as_of: need(nested(fields.as_of, "as_of")?, "as_of")?,
            part: whole(fields.part, "part")?,
            more: need(fields.more, "more")?,
            rows: list(Some(need(fields.rows, "rows")?), "rows")?,
            missing: fields.missing.unwrap_or_default(),
            total_count: fields.total_count.map(|count| count.0),
            start_key: nested::<StartKey>(fields.start_key, "start_key")?
                .map(|key| (key.values, key.id)),
            end: need(fields.end, "end")?,
        })
    }
}

fields! {
    RequestErrorFields {
        id: "id" => Whole,
        code: "code" => String,
        class: "class" => Word<Class>,
        retry_after_ms: "retry_after_ms" => Whole,
    }
}

impl FromWire for RequestError {
    type Fields = RequestErrorFields;

    fn from_wire(fields: RequestErrorFields) -> Result<Self, Fault> {
        Ok(Self {
            id: request_id(fields.id)?,
            code: need(fields.code, "code")?,
            class: word(fields.class, "class")?,
            retry_after_ms: fields.retry_after_ms.map(|time| time.0),
        })
    }
}
