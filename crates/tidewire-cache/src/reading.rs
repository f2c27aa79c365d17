//! What a reader gets: an entity or a list, and how far to trust it.

use std::time::Duration;

use tidewire_model::{EntityId, Record, Revision, Version};

use crate::trust::Trust;

/// One entity as it is seen at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Whether it is there, and with which fields.
    pub presence: Presence,
    /// The version the server gave to what it confirmed last.
    pub version: Option<Version>,
    /// The revision it was read at.
    pub revision: Revision,
    /// How far to trust it.
    pub trust: Trust,
    /// How long ago it was last known to be so. Zero while live; nothing while unknown.
    pub age: Option<Duration>,
    /// Whether pending actions shaped it.
    pub pending: bool,
}

/// Whether an entity is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is, with these fields.
    Present(Record),
    /// It is known to be deleted or out of sight.
    Absent,
    /// Nothing is known.
    Unknown,
}

impl Presence {
    /// The record, if the entity is there.
    pub fn record(&self) -> Option<&Record> {
        if let Self::Present(record) = self {
            Some(record)
        } else {
            None
        }
    }
}

/// One window of a list as it is seen at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListReading {
    /// The rows in order; never more than the window, and without a hole.
    pub rows: Vec<ListRow>,
    /// How many rows the whole list has, as far as known.
    pub total_count: Option<u64>,
    /// Whether that number is exact.
    pub total_exact: bool,
    /// Whether the window is filled, or the end of the list is in it.
    pub complete: bool,
    /// How far to trust it.
    pub trust: Trust,
    /// The revision it was read at.
    pub revision: Revision,
    /// Whether anything is known of this list. If not, it holds nothing but what own pending
    /// actions put into it.
    pub known: bool,
}

/// One row of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// The entity.
    pub id: EntityId,
    /// Its fields.
    pub record: Record,
    /// The version the server gave to what it confirmed last.
    pub version: Option<Version>,
    /// Whether pending actions shaped it.
    pub pending: bool,
}
