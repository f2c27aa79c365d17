//! A page as one line of JSON.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use tidewire::{Page, PageRow, Record, Status};

use super::field_name;
use crate::words;

/// The name under which an entity's version is added to its fields, none of which has it.
const VERSION: &str = "_version";
/// The name under which an entity's id is found in its fields.
const ID: &str = "id";

#[derive(Serialize)]
pub(super) struct Line<'a> {
    revision: u64,
    status: &'static str,
    trust: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    pending: usize,
    total_count: Option<u64>,
    total_exact: bool,
    items: Items<'a>,
}

impl<'a> Line<'a> {
    pub(super) fn new(status: &Status, page: &'a Page<Record>) -> Self {
        Self {
            revision: page.revision().get(),
            status: words::connection(status.connection),
            trust: words::trust(page.trust()),
            reason: page.reason(),
            pending: page.pending_count(),
            total_count: page.total_count(),
            total_exact: page.total_count().is_some() && page.total_is_exact(),
            items: Items(page.rows()),
        }
    }
}

/// A line without its first field. Some revisions of a view change nothing on this page, and say nothing
/// to whoever reads it.
pub(super) fn without_revision(line: &str) -> &str {
    line.split_once(',').map_or(line, |(_, rest)| rest)
}

struct Items<'a>(&'a [PageRow<Record>]);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut items = serializer.serialize_seq(Some(self.0.len()))?;
        for row in self.0 {
            items.serialize_element(&Item(row))?;
        }
        items.end()
    }
}

/// The fields of one entity, its id among them, and its version.
struct Item<'a>(&'a PageRow<Record>);

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = &self.0.record;
        let mut item = serializer.serialize_map(None)?;
        if record.get(ID).is_none() {
            item.serialize_entry(ID, &self.0.id)?;
        }
        for (name, value) in record.fields() {
            item.serialize_entry(&field_name(name), &value)?;
        }
        item.serialize_entry(VERSION, &self.0.version)?;
        item.end()
    }
}
