//! Reads: entities by id, and pages of a query. Each in one cut, so that rows, total and point belong together.
//!
//! A page costs one pass over the stream's rows, whatever the query: filter and order are the model's own, so that
//! client and server can never disagree. Only the rows up to the window's end are held in memory.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};

use tidewire_hub::{ID_FIELD, ReadAnswer, ReadRequest};
use tidewire_model::{
    Cursor, EntityId, EntityType, Filter, Matcher, Offset, Query, Record, Sort, SortPosition, Start,
};

use super::entities;
use super::error::Trouble;
use super::prepared::Prepared;
use super::reader::Turn;
use super::streams;

/// The most bytes of rows in memory for one read, those before its window included.
const READ_BYTES: usize = 32 * 1024 * 1024;

/// Answers a read.
pub(super) fn read(
    prepared: &mut Prepared<'_>,
    turn: &mut Turn<'_>,
    request: &ReadRequest,
) -> Result<ReadAnswer, Trouble> {
    prepared.in_one_cut(|prepared| match request {
        ReadRequest::Ids { entity_type, ids } => by_id(prepared, turn, entity_type, ids),
        ReadRequest::Page { query } => page(prepared, turn, query),
    })
}

fn by_id(
    prepared: &mut Prepared<'_>,
    turn: &mut Turn<'_>,
    entity_type: &EntityType,
    ids: &[EntityId],
) -> Result<ReadAnswer, Trouble> {
    let as_of = streams::load(prepared, entity_type)?.head;
    let mut asked = BTreeSet::new();
    let mut rows = Vec::new();
    let mut missing = Vec::new();
    let mut bytes = 0;
    for id in ids.iter().filter(|id| asked.insert(*id)) {
        turn.row()?;
        match entities::load(prepared, entity_type, id)? {
            Some((record, version)) => {
                bytes += record.approximate_bytes();
                within(bytes, READ_BYTES)?;
                rows.push((record, version));
            }
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

fn page(
    prepared: &mut Prepared<'_>,
    turn: &mut Turn<'_>,
    query: &Query,
) -> Result<ReadAnswer, Trouble> {
    let entity_type = query.entity_type();
    let as_of = streams::load(prepared, entity_type)?.head;
    let mut page = Page::of(query, READ_BYTES);
    let mut rows = prepared
        .get("SELECT version, body, id FROM entities WHERE type = ?1 ORDER BY id")?
        .query([entity_type.as_str()])?;
    while let Some(row) = rows.next()? {
        turn.row()?;
        let (record, version) = entities::read(entity_type, row)?;
        let id = record
            .entity_id(ID_FIELD)
            .map_err(|error| Trouble::content("an entity", &error))?;
        let row = Row {
            sort: query.sort(),
            id,
            record,
            version,
        };
        page.take(row, |bytes| turn.look(bytes))?;
    }
    page.answer(as_of, || turn.row())
}

fn within(bytes: usize, bound: usize) -> Result<(), Trouble> {
    if bytes > bound {
        return Err(Trouble::TooLarge { bound });
    }
    Ok(())
}

/// A page being put together, row by row in any order.
struct Page<'q> {
    query: &'q Query,
    /// What an opaque query has none of.
    filter: Option<Matcher>,
    /// Where the window begins, for one that begins behind a row.
    after: Option<SortPosition>,
    /// The first rows of the list, or the first behind `after`; the last of them on top.
    kept: BinaryHeap<Row<'q>>,
    /// The most rows to keep: those before the window, where they are counted, and those in it.
    room: usize,
    /// The bytes of the rows kept, and the most there may be.
    bytes: usize,
    most_bytes: usize,
    /// The last row that is not behind `after`.
    before: Option<Row<'q>>,
    /// How many rows match.
    total: u64,
    /// How many of them are behind `after`.
    behind: u64,
}

impl<'q> Page<'q> {
    fn of(query: &'q Query, most_bytes: usize) -> Self {
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
            filter: query.as_filter().map(Filter::prepare),
            after,
            kept: BinaryHeap::new(),
            room,
            bytes: 0,
            most_bytes,
            before: None,
            total: 0,
            behind: 0,
        }
    }

    /// Takes a row in; `look` is asked before the bytes of it are looked at.
    fn take(
        &mut self,
        row: Row<'q>,
        look: impl FnMut(usize) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let Some(filter) = &self.filter else {
            return Ok(());
        };
        if !filter.matches(&row.record, look)? {
            return Ok(());
        }
        self.total += 1;
        if let Some(after) = &self.after
            && row.position() <= *after
        {
            if self.before.as_ref().is_none_or(|before| *before < row) {
                self.before = Some(row);
            }
            return Ok(());
        }
        self.behind += 1;
        let bytes = row.record.approximate_bytes();
        if self.kept.len() < self.room {
            self.bytes += bytes;
            self.kept.push(row);
        } else if let Some(mut last) = self.kept.peek_mut()
            && row < *last
        {
            self.bytes = self.bytes + bytes - last.record.approximate_bytes();
            *last = row;
        }
        within(self.bytes, self.most_bytes)
    }

    /// The window. `next` is asked before each row that is put in order: that takes its time too.
    fn answer(
        self,
        as_of: Offset,
        mut next: impl FnMut() -> Result<(), Trouble>,
    ) -> Result<ReadAnswer, Trouble> {
        let Self {
            query,
            mut kept,
            mut before,
            total,
            behind,
            ..
        } = self;
        let last = kept.len() as u64;
        let skipped = match query.start() {
            Start::Offset(skipped) => usize::try_from(*skipped).unwrap_or(usize::MAX),
            Start::After(_) => 0,
        };
        // The last one is on top. What stands before the window need not be in order, but for the last of it.
        let mut rows = Vec::with_capacity(kept.len().saturating_sub(skipped));
        while kept.len() > skipped {
            next()?;
            rows.extend(kept.pop());
        }
        rows.reverse();
        if skipped > 0 {
            before = kept.pop();
        }
        Ok(ReadAnswer {
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
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a hundred rows, the last of them first, a query takes before it has too much.
    fn taken(query: &Query) -> usize {
        let mut page = Page::of(query, 10 * 1024);
        (0..100)
            .take_while(|number| {
                let row = Row {
                    sort: query.sort(),
                    id: EntityId::integer(1000 - number),
                    record: Record::new().with("text", "x".repeat(1000)),
                    version: Offset::ZERO,
                };
                page.take(row, |_| Ok(())).is_ok()
            })
            .count()
    }

    #[test]
    fn a_page_is_bounded_in_bytes_with_what_stands_before_it() {
        let query = || Query::new(EntityType::new("c").unwrap());
        assert_eq!(taken(&query().limit(5)), 100);
        assert_eq!(taken(&query().limit(50)), 9);
        assert_eq!(taken(&query().offset(1_000_000).limit(1)), 9);
        let after = Cursor {
            values: Vec::new(),
            id: EntityId::integer(1),
        };
        assert_eq!(taken(&query().after(after).limit(5)), 100);
    }
}
