//! Reads: entities by id, and pages of a query. Each in one cut, so that rows, total and point belong together.
//!
//! A page costs one pass over the stream's rows, whatever the query: filter and order are the model's own, so that
//! client and server can never disagree. Only the rows up to the window's end are held in memory.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};

use tidewire_hub::{ID_FIELD, ReadAnswer, ReadRequest};
use tidewire_model::{
    Cursor, EntityId, EntityType, Offset, Query, Record, Sort, SortPosition, Start,
};

use super::entities;
use super::error::Trouble;
use super::prepared::Prepared;
use super::streams;

/// Answers a read.
pub(super) fn read(
    prepared: &mut Prepared<'_>,
    request: &ReadRequest,
) -> Result<ReadAnswer, Trouble> {
    prepared.in_one_cut(|prepared| match request {
        ReadRequest::Ids { entity_type, ids } => by_id(prepared, entity_type, ids),
        ReadRequest::Page { query } => page(prepared, query),
    })
}

fn by_id(
    prepared: &mut Prepared<'_>,
    entity_type: &EntityType,
    ids: &[EntityId],
) -> Result<ReadAnswer, Trouble> {
    let as_of = streams::load(prepared, entity_type)?.head;
    let mut asked = BTreeSet::new();
    let mut rows = Vec::new();
    let mut missing = Vec::new();
    for id in ids.iter().filter(|id| asked.insert(*id)) {
        match entities::load(prepared, entity_type, id)? {
            Some(row) => rows.push(row),
            None => missing.push(id.clone()),
        }
    }
    Ok(ReadAnswer {
        as_of,
        rows,
        missing,
        total_count: None,
        start_key: None,
        end: true,
    })
}

fn page(prepared: &mut Prepared<'_>, query: &Query) -> Result<ReadAnswer, Trouble> {
    let entity_type = query.entity_type();
    let as_of = streams::load(prepared, entity_type)?.head;
    let mut page = Page::of(query);
    let mut rows = prepared
        .get("SELECT version, body FROM entities WHERE type = ?1 ORDER BY id")?
        .query([entity_type.as_str()])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        let (record, version) = entities::read(row.get(0)?, body)?;
        let id = record
            .entity_id(ID_FIELD)
            .map_err(|error| Trouble::content("an entity", &error))?;
        page.take(Row {
            sort: query.sort(),
            id,
            record,
            version,
        });
    }
    Ok(page.answer(as_of))
}

/// A page being put together, row by row in any order.
struct Page<'q> {
    query: &'q Query,
    /// Where the window begins, for one that begins behind a row.
    after: Option<SortPosition>,
    /// The first rows of the list, or the first behind `after`; the last of them on top.
    kept: BinaryHeap<Row<'q>>,
    /// The most rows to keep: those before the window, where they are counted, and those in it.
    room: usize,
    /// The last row that is not behind `after`.
    before: Option<Row<'q>>,
    /// How many rows match.
    total: u64,
    /// How many of them are behind `after`.
    behind: u64,
}

impl<'q> Page<'q> {
    fn of(query: &'q Query) -> Self {
        let (skipped, after) = match query.start() {
            Start::Offset(rows) => (*rows, None),
            Start::After(cursor) => (0, Some(query.sort().position_of(cursor))),
        };
        let room = query
            .row_limit()
            .map_or(u64::MAX, |limit| limit.saturating_add(skipped));
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        Self {
            query,
            after,
            kept: BinaryHeap::new(),
            room,
            before: None,
            total: 0,
            behind: 0,
        }
    }

    fn take(&mut self, row: Row<'q>) {
        if self.query.matches(&row.record) != Some(true) {
            return;
        }
        self.total += 1;
        if let Some(after) = &self.after
            && row.position() <= *after
        {
            if self.before.as_ref().is_none_or(|before| *before < row) {
                self.before = Some(row);
            }
            return;
        }
        self.behind += 1;
        if self.kept.len() < self.room {
            self.kept.push(row);
        } else if let Some(mut last) = self.kept.peek_mut()
            && row < *last
        {
            *last = row;
        }
    }

    fn answer(self, as_of: Offset) -> ReadAnswer {
        let Self {
            query,
            kept,
            before,
            total,
            behind,
            ..
        } = self;
        let mut rows = kept.into_sorted_vec();
        let mut before = before;
        let mut last = rows.len() as u64;
        if let Start::Offset(skipped @ 1..) = query.start() {
            let skipped = usize::try_from(*skipped)
                .unwrap_or(usize::MAX)
                .min(rows.len());
            let window = rows.split_off(skipped);
            before = rows.pop();
            rows = window;
            last = (skipped + rows.len()) as u64;
        }
        ReadAnswer {
            as_of,
            rows: rows
                .into_iter()
                .map(|row| (row.record, row.version))
                .collect(),
            missing: Vec::new(),
            total_count: Some(total),
            start_key: before
                .map(|row| row.position().cursor())
                .map(|Cursor { values, id }| (values, id)),
            end: last == behind,
        }
    }
}

/// A row in the order of its query.
struct Row<'q> {
    sort: &'q Sort,
    id: EntityId,
    record: Record,
    version: Offset,
}

impl Row<'_> {
    fn position(&self) -> SortPosition {
        self.sort.position(&self.record, &self.id)
    }
}

impl Ord for Row<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort
            .compare((&self.record, &self.id), (&other.record, &other.id))
    }
}

impl PartialOrd for Row<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Row<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Row<'_> {}
