//! What a list may show: never a row that does not belong, and when it is live exactly what the
//! truth holds (laws 2 and 9).

use std::collections::BTreeMap;

use tidewire_cache::{ListReading, Presence, Snapshot, Trust};
use tidewire_model::{EntityId, EntityKey, Query, Record, Start};

use super::{Look, same};
use crate::broken::Broken;
use crate::hits::{Hit, Hits};
use crate::twin::{Seen, Sight};

/// Looks at one list.
pub(super) fn look(
    sight: &Sight<'_>,
    look: &Look<'_>,
    snapshot: &Snapshot<'_>,
    query: &Query,
    hits: &mut Hits,
) -> Result<(), Broken> {
    let list = snapshot.list(look.now, query);
    let checked = one_copy(look, snapshot, query, &list)
        .and_then(|()| sound(query, &list))
        .and_then(|()| exact(sight, look, snapshot, query, &list, hits));
    checked.map_err(|broken| broken.of(format!("list \"{query}\" {sight} {}", shown(&list))))
}

/// List and detail never disagree (law 2).
fn one_copy(
    look: &Look<'_>,
    snapshot: &Snapshot<'_>,
    query: &Query,
    list: &ListReading,
) -> Result<(), Broken> {
    for row in &list.rows {
        let key = EntityKey::new(query.entity_type().clone(), row.id.clone());
        let detail = snapshot.get(look.now, &key);
        let agree = detail.presence == Presence::Present(row.record.clone())
            && detail.version == row.version
            && detail.pending == row.pending;
        if !agree {
            return Err(Broken::law(
                2,
                format!("its row {} reads {detail:?} alone", row.id),
            ));
        }
    }
    Ok(())
}

/// Rows belong, stand in order, and are no more than the window.
fn sound(query: &Query, list: &ListReading) -> Result<(), Broken> {
    if let Some(row) = list
        .rows
        .iter()
        .find(|row| query.matches(&row.record) != Some(true))
    {
        return Err(Broken::law(
            9,
            format!("row {} does not pass the filter", row.id),
        ));
    }
    let sort = query.sort();
    let is_behind = |pair: &[tidewire_cache::ListRow]| {
        sort.compare(
            (&pair[0].record, &pair[0].id),
            (&pair[1].record, &pair[1].id),
        )
        .is_ge()
    };
    if list.rows.windows(2).any(is_behind) {
        return Err(Broken::law(9, "its rows are not in order".to_owned()));
    }
    if query
        .row_limit()
        .is_some_and(|limit| list.rows.len() as u64 > limit)
    {
        return Err(Broken::law(9, "it shows more than its window".to_owned()));
    }
    Ok(())
}

/// A live list is what the query comes to at the applied point (law 9).
fn exact(
    sight: &Sight<'_>,
    look: &Look<'_>,
    snapshot: &Snapshot<'_>,
    query: &Query,
    list: &ListReading,
    hits: &mut Hits,
) -> Result<(), Broken> {
    if list.trust != Trust::Live {
        return Ok(());
    }
    if !sight.live {
        return Err(Broken::law(
            16,
            "the list is live and its stream is not".to_owned(),
        ));
    }
    let Some(view) = look.twin.view(sight) else {
        return Ok(());
    };
    let is_unknown = |id: EntityId| {
        let key = EntityKey::new(sight.entity_type.clone(), id);
        snapshot.get(look.now, &key).presence == Presence::Unknown
    };
    if look.twin.ids(sight.entity_type).into_iter().any(is_unknown) {
        // A pending change of an entity that is not held cannot be shown before it is fetched.
        return Ok(());
    }
    let is_pending = list.rows.iter().any(|row| row.pending);
    hits.note(
        match (is_pending, look.complete.contains(&sight.entity_type)) {
            (true, _) => Hit::PendingListCompared,
            (false, true) => Hit::CompleteListCompared,
            (false, false) => Hit::WindowListCompared,
        },
    );
    let all = evaluate(query, &view);
    let window = window(query, &all);
    let fits = list.rows.len() <= window.len()
        && (!list.complete || list.rows.len() == window.len())
        && list.rows.iter().zip(window).all(|(row, (id, seen))| {
            row.id == **id
                && row.pending == seen.pending
                && same(look.history, Some(&row.record), seen.record.as_ref())
        });
    if !fits {
        return Err(Broken::law(
            9,
            format!("the list is live and should be {:?}", brief(window)),
        ));
    }
    if list.total_exact && list.total_count != Some(all.len() as u64) {
        return Err(Broken::law(
            9,
            format!("its exact total should be {}", all.len()),
        ));
    }
    Ok(())
}

type Row<'a> = (&'a EntityId, &'a Seen);

/// All rows of a query, without its window.
fn evaluate<'a>(query: &Query, view: &'a BTreeMap<EntityId, Seen>) -> Vec<Row<'a>> {
    let matches = |seen: &Seen| {
        seen.record
            .as_ref()
            .is_some_and(|record| query.matches(record) == Some(true))
    };
    let mut rows: Vec<Row<'a>> = view.iter().filter(|(_, seen)| matches(seen)).collect();
    let nothing = Record::new();
    let record = |row: &Row<'a>| row.1.record.clone().unwrap_or_else(|| nothing.clone());
    rows.sort_by(|left, right| {
        query
            .sort()
            .compare((&record(left), left.0), (&record(right), right.0))
    });
    rows
}

fn window<'a, 'b>(query: &Query, rows: &'b [Row<'a>]) -> &'b [Row<'a>] {
    let start = match query.start() {
        Start::Offset(start) => usize::try_from(*start)
            .unwrap_or(usize::MAX)
            .min(rows.len()),
        Start::After(_) => 0,
    };
    let rows = &rows[start..];
    let limit = query.row_limit().map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    &rows[..limit.min(rows.len())]
}

fn brief(rows: &[Row<'_>]) -> Vec<String> {
    let brief = |(id, seen): &Row<'_>| {
        format!(
            "{id}{} {:?}",
            if seen.pending { "*" } else { "" },
            seen.record
        )
    };
    rows.iter().map(brief).collect()
}

fn shown(list: &ListReading) -> String {
    let rows: Vec<String> = list
        .rows
        .iter()
        .map(|row| {
            format!(
                "{}{} {:?}",
                row.id,
                if row.pending { "*" } else { "" },
                row.record
            )
        })
        .collect();
    let exact = if list.total_exact { "exactly" } else { "about" };
    let whole = if list.complete { "whole" } else { "not whole" };
    format!(
        "is {}, {whole}, of {exact} {:?}: {rows:?}",
        list.trust, list.total_count
    )
}
