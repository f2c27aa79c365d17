//! Streams: subscriptions, snapshots and commits.

use std::collections::BTreeMap;

use tidewire_model::{ActionId, EntityType, Epoch, Lane, Offset};

use crate::error::Fault;
use crate::fields::fields;
use crate::v1::parts::{Replaced, lanes, request_id, whole, word};
use crate::wire::{FromWire, List, Numbers, Whole, Word, list, need, nested};
use crate::{
    ActionEcho, CommitInfo, Events, Op, Snapshot, SnapshotEnd, SubscribeResult, Subscribed,
    Unsubscribed, WireRow,
};

fields! {
    SubscribedFields {
        id: "id" => Whole,
        entity_type: "entityType" => EntityType,
        result: "result" => Word<SubscribeResult>,
        epoch: "epoch" => Epoch,
        view: "view" => String,
        offset: "offset" => Offset,
        head: "head" => Offset,
    }
}

impl FromWire for Subscribed {
    type Fields = SubscribedFields;

    fn from_wire(fields: SubscribedFields) -> Result<Self, Fault> {
        Ok(Self {
            id: request_id(fields.id)?,
            entity_type: need(fields.entity_type, "entityType")?,
            result: word(fields.result, "result")?,
            epoch: need(fields.epoch, "epoch")?,
            view: need(fields.view, "view")?,
            offset: need(fields.offset, "offset")?,
            head: need(fields.head, "head")?,
        })
    }
}

fields! {
    SnapshotFields {
        entity_type: "entityType" => EntityType,
        part: "part" => Whole,
        as_of: "as_of" => Offset,
        rows: "rows" => List<WireRow>,
    }
}

impl FromWire for Snapshot {
    type Fields = SnapshotFields;

    fn from_wire(fields: SnapshotFields) -> Result<Self, Fault> {
        Ok(Self {
            entity_type: need(fields.entity_type, "entityType")?,
            part: whole(fields.part, "part")?,
            as_of: need(fields.as_of, "as_of")?,
            rows: list(Some(need(fields.rows, "rows")?), "rows")?,
        })
    }
}

fields! {
    SnapshotEndFields {
        entity_type: "entityType" => EntityType,
        as_of: "as_of" => Offset,
        count: "count" => Whole,
        actions: "actions" => Numbers<Lane>,
        head: "head" => Offset,
    }
}

impl FromWire for SnapshotEnd {
    type Fields = SnapshotEndFields;

    fn from_wire(fields: SnapshotEndFields) -> Result<Self, Fault> {
        let as_of = need(fields.as_of, "as_of")?;
        if fields.head.is_some_and(|head| head < as_of) {
            return Err(Fault::bad(
                "head",
                &format_args!("it is below as_of, which is {as_of}"),
            ));
        }
        Ok(Self {
            entity_type: need(fields.entity_type, "entityType")?,
            as_of,
            count: whole(fields.count, "count")?,
            actions: lanes(fields.actions),
            head: fields.head,
        })
    }
}

fields! {
    EventsFields {
        entity_type: "entityType" => EntityType,
        from: "from" => Offset,
        to: "to" => Offset,
        ops: "ops" => List<Op>,
        commit: "commit" => CommitFields,
        chunk: "chunk" => Vec<Whole>,
        actions: "actions" => List<ActionEcho>,
    }
}

impl FromWire for Events {
    type Fields = EventsFields;

    fn from_wire(fields: EventsFields) -> Result<Self, Fault> {
        let from = need(fields.from, "from")?;
        let to = need(fields.to, "to")?;
        if to < from {
            return Err(Fault::bad(
                "to",
                &format_args!("it is below from, which is {from}"),
            ));
        }
        Ok(Self {
            entity_type: need(fields.entity_type, "entityType")?,
            from,
            to,
            ops: list(Some(need(fields.ops, "ops")?), "ops")?,
            commit: nested(fields.commit, "commit")?,
            chunk: fields.chunk.as_deref().map(chunk).transpose()?,
            actions: list(fields.actions, "actions")?,
        })
    }
}

/// Which chunk, from 0, of how many.
fn chunk(numbers: &[Whole]) -> Result<(u64, u64), Fault> {
    match numbers {
        [Whole(place), Whole(count)] if place < count => Ok((*place, *count)),
        _ => Err(Fault::bad(
            "chunk",
            &"it must be a chunk's number from 0 and how many there are",
        )),
    }
}

fields! {
    CommitFields {
        id: "id" => String,
        offsets: "offsets" => BTreeMap<EntityType, Offset>,
    }
}

impl FromWire for CommitInfo {
    type Fields = CommitFields;

    fn from_wire(fields: CommitFields) -> Result<Self, Fault> {
        Ok(Self {
            id: need(fields.id, "id")?,
            offsets: need(fields.offsets, "offsets")?,
        })
    }
}

fields! {
    EchoFields {
        id: "id" => ActionId,
        replaced: "replaced" => Replaced,
    }
}

impl FromWire for ActionEcho {
    type Fields = EchoFields;

    fn from_wire(fields: EchoFields) -> Result<Self, Fault> {
        Ok(Self {
            id: need(fields.id, "id")?,
            replaced: fields.replaced.unwrap_or_default(),
        })
    }
}

fields! {
    UnsubscribedFields {
        id: "id" => Whole,
        entity_type: "entityType" => EntityType,
        code: "code" => String,
        resubscribe: "resubscribe" => bool,
    }
}

impl FromWire for Unsubscribed {
    type Fields = UnsubscribedFields;

    fn from_wire(fields: UnsubscribedFields) -> Result<Self, Fault> {
        Ok(Self {
            id: fields.id.map(|id| crate::RequestId(id.0)),
            entity_type: need(fields.entity_type, "entityType")?,
            code: need(fields.code, "code")?,
            resubscribe: need(fields.resubscribe, "resubscribe")?,
        })
    }
}
