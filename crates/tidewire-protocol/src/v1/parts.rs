//! What messages of both directions share: the closed lists of words, rows, numbers of requests, and maps by lane or id.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use tidewire_model::{EntityId, EntityType, Lane, Record, Version};

use crate::error::Fault;
use crate::fields::{fields, object};
use crate::wire::{FromWire, Numbers, Out, Whole, Word, Words, need};
use crate::{AckResult, AnswerRow, Class, RequestId, SubscribeResult, SyncReason, Want, WireRow};

impl Words for Want {
    const WHAT: &'static str = "what a subscription holds";
    const WORDS: &'static [(&'static str, Self)] =
        &[("snapshot", Self::Snapshot), ("changes", Self::Changes)];
}

impl Words for SubscribeResult {
    const WHAT: &'static str = "where a feed begins";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("resumed", Self::Resumed),
        ("snapshot", Self::Snapshot),
        ("now", Self::Now),
    ];
}

impl Words for Class {
    const WHAT: &'static str = "a class";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("permanent", Self::Permanent),
        ("conflict", Self::Conflict),
        ("retry", Self::Retry),
        ("auth", Self::Auth),
        ("session", Self::Session),
    ];
}

impl Words for AckResult {
    const WHAT: &'static str = "a result";
    const WORDS: &'static [(&'static str, Self)] =
        &[("applied", Self::Applied), ("duplicate", Self::Duplicate)];
}

impl Words for SyncReason {
    const WHAT: &'static str = "a reason";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("order", Self::Order),
        ("unknown", Self::Unknown),
        ("fenced", Self::Fenced),
    ];
}

/// The number of a request.
pub(super) fn request_id(id: Option<Whole>) -> Result<RequestId, Fault> {
    need(id, "id").map(|id| RequestId(id.0))
}

/// What a word stands for.
pub(super) fn word<T: Words>(word: Option<Word<T>>, name: &'static str) -> Result<T, Fault> {
    need(word, name).map(|word| word.0)
}

fields! {
    /// An entity with its version beside it.
    RowFields {
        entity: "entity" => Record,
        version: "version" => Version,
    }
}

impl FromWire for WireRow {
    type Fields = RowFields;

    fn from_wire(fields: RowFields) -> Result<Self, Fault> {
        Ok(Self {
            entity: need(fields.entity, "entity")?,
            version: Some(need(fields.version, "version")?),
        })
    }
}

impl Serialize for Out<'_, WireRow> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "entity" => self.0.entity,
            "version" =>? self.0.version,
        })
    }
}

fields! {
    /// The same in an answer to an action, with its entity type where it needs saying.
    AnswerRowFields {
        entity_type: "entityType" => EntityType,
        entity: "entity" => Record,
        version: "version" => Version,
    }
}

impl FromWire for AnswerRow {
    type Fields = AnswerRowFields;

    fn from_wire(fields: AnswerRowFields) -> Result<Self, Fault> {
        let AnswerRowFields {
            entity_type,
            entity,
            version,
        } = fields;
        Ok(Self {
            entity_type,
            row: WireRow::from_wire(RowFields { entity, version })?,
        })
    }
}

impl Serialize for Out<'_, AnswerRow> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "entityType" =>? self.0.entity_type,
            "entity" => self.0.row.entity,
            "version" =>? self.0.row.version,
        })
    }
}

/// Temporary ids, and the ids that stand for them now. As names the former are text, whatever they were before.
pub(super) type Replaced = BTreeMap<EntityId, EntityId>;

/// The same as it is written.
pub(super) struct ReplacedOut<'a>(&'a Replaced);

impl Serialize for ReplacedOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .iter()
                .map(|(temporary, real)| (temporary.as_str(), real)),
        )
    }
}

/// The same, left out where there are none.
pub(super) fn replaced_unless_empty(replaced: &Replaced) -> Option<ReplacedOut<'_>> {
    if replaced.is_empty() {
        None
    } else {
        Some(ReplacedOut(replaced))
    }
}

/// A `PONG`, and a `PING` from a client: a number to repeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat(pub(super) u64);

fields! {
    BeatFields {
        n: "n" => Whole,
    }
}

impl FromWire for Beat {
    type Fields = BeatFields;

    fn from_wire(fields: BeatFields) -> Result<Self, Fault> {
        need(fields.n, "n").map(|n| Self(n.0))
    }
}

/// A whole number that a message holds as it is.
pub(super) fn whole(number: Option<Whole>, name: &'static str) -> Result<u64, Fault> {
    need(number, name).map(|number| number.0)
}

/// Numbers by lane, as the messages hold them; absent means none.
pub(super) fn lanes(read: Option<Numbers<Lane>>) -> BTreeMap<Lane, u64> {
    read.unwrap_or_default()
        .into_iter()
        .map(|(lane, number)| (lane, number.0))
        .collect()
}
