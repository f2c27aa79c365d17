//! One page of a query, by looking at every row: the plainest evaluation there is.

use tidewire_model::{EntityId, Offset, Query, Record, Start, Value};

use crate::{BackendError, ID_FIELD, ReadAnswer};

/// Reads one page out of all rows of its type.
pub(crate) fn read(
    query: &Query,
    rows: Vec<(Record, Offset)>,
    as_of: Offset,
) -> Result<ReadAnswer, BackendError> {
    let Some(filter) = query.as_filter() else {
        return Err(BackendError::Unsupported(
            "only its maker can evaluate an opaque query".to_owned(),
        ));
    };
    let mut matching: Vec<(Record, EntityId, Offset)> = rows
        .into_iter()
        .filter(|(record, _)| filter.matches(record))
        .filter_map(|(record, version)| {
            let id = record.entity_id(ID_FIELD).ok()?;
            Some((record, id, version))
        })
        .collect();
    let sort = query.sort();
    matching.sort_by(|left, right| sort.compare((&left.0, &left.1), (&right.0, &right.1)));
    let count = matching.len();
    let start = match query.start() {
        Start::Offset(rows) => usize::try_from(*rows).unwrap_or(usize::MAX).min(count),
        Start::After(cursor) => {
            let place = sort.position_of(cursor);
            matching.partition_point(|(record, id, _)| sort.position(record, id) <= place)
        }
    };
    let most = query.row_limit().map_or(usize::MAX, |rows| {
        usize::try_from(rows).unwrap_or(usize::MAX)
    });
    let end = start.saturating_add(most).min(count);
    let before = start.checked_sub(1).map(|place| &matching[place]);
    Ok(ReadAnswer {
        as_of,
        start_key: before.map(|(record, id, _)| (sort_values(query, record, id), id.clone())),
        rows: matching[start..end]
            .iter()
            .map(|(record, _, version)| (record.clone(), *version))
            .collect(),
        missing: Vec::new(),
        total_count: Some(count as u64),
        end: end == count,
    })
}

fn sort_values(query: &Query, record: &Record, id: &EntityId) -> Vec<Value> {
    query
        .sort()
        .position(record, id)
        .values()
        .cloned()
        .collect()
}
