//! Promises about reads.

use tidewire_model::{Cursor, Offset, Query, Record, Value, field};

use super::{ASKER, Desk, PEOPLE, Subject, TASKS, create, delete, id, kind, offset, update};
use crate::memory::page;
use crate::{BackendError, ReadRequest, Write};

/// What is there comes with its version, the rest is named as missing.
pub async fn entities_are_read_by_id(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    desk.publish(vec![create(TASKS, "a", 1), create(TASKS, "b", 1)])
        .await;
    desk.publish(vec![update(TASKS, "b", 2), create(PEOPLE, "c", 1)])
        .await;
    desk.publish(vec![delete(TASKS, "a")]).await;
    let answer = desk.ids(TASKS, &["a", "b", "c"]).await;
    assert_eq!(answer.as_of, offset(3));
    let found: Vec<_> = answer
        .rows
        .iter()
        .map(|(row, version)| (row.entity_id("id"), *version))
        .collect();
    assert_eq!(found, [(Ok(id("b")), offset(2))]);
    assert_eq!(answer.missing, [id("a"), id("c")]);
}

/// Rows, count, place and end of every page are what looking at every row gives.
pub async fn a_page_is_what_its_query_says(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    for number in 0..24 {
        desk.publish(mixed(number)).await;
    }
    let (as_of, rows) = desk.rows(TASKS).await;
    for selection in selections() {
        let whole = page::read(&selection, rows.clone(), as_of).expect("it is no opaque query");
        for query in windows(&selection, &whole.rows) {
            let expected = page::read(&query, rows.clone(), as_of).expect("it is no opaque query");
            let request = ReadRequest::Page {
                query: query.clone(),
            };
            let mut found = desk
                .backend
                .read(ASKER, request)
                .await
                .expect("storage works");
            // A count may be left out; if it is there, it is exact.
            found.total_count = found.total_count.or(expected.total_count);
            assert_eq!(found, expected, "{query}");
        }
    }
}

/// An entity unlike the others: equal values, null and missing ones among them.
fn mixed(number: i64) -> Vec<Write> {
    let name = format!("e{number:02}");
    let status = ["open", "done", "Open", ""][usize::try_from(number % 4).unwrap_or(0)];
    let rank = if number % 3 == 0 {
        Value::Null
    } else {
        Value::from(number % 5)
    };
    let changes = Record::new().with("status", status).with("rank", rank);
    let update = Write::Update {
        entity_type: kind(TASKS),
        id: id(&name),
        changes,
        unset: vec![],
    };
    vec![create(TASKS, &name, (number * 7) % 10), update]
}

fn selections() -> Vec<Query> {
    let all = || Query::new(kind(TASKS));
    let open_or_without_rank = field("status").eq("open").or(field("rank").is_null());
    let low = field("status")
        .one_of(["open", "done"])
        .and(field("score").lt(8));
    let folded = field("status").contains_ignoring_case("OPEN");
    vec![
        all(),
        all().filter(field("score").ge(5)).sort_desc("score"),
        all()
            .filter(open_or_without_rank)
            .sort_asc("rank")
            .sort_desc("score"),
        all().filter(folded).sort_desc("name"),
        all().filter(low).sort_asc("status"),
        all().filter(field("nothing").eq(1)),
    ]
}

/// Windows by place and by key, beyond the end and of no rows.
fn windows(selection: &Query, rows: &[(Record, Offset)]) -> Vec<Query> {
    let all = || selection.clone();
    let mut windows = vec![all(), all().limit(0), all().offset(500).limit(5)];
    windows.extend((0..8).map(|number| all().offset(number * 3).limit(4)));
    for (row, _) in rows.iter().step_by(3) {
        let id = row.entity_id("id").expect("every row has one");
        let values = selection
            .sort()
            .position(row, &id)
            .values()
            .cloned()
            .collect();
        windows.push(all().after(Cursor { values, id }).limit(3));
    }
    windows
}

/// Nobody guesses what parameters mean.
pub async fn an_opaque_query_is_unsupported(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let query = Query::new(kind(TASKS))
        .opaque("search", "something")
        .limit(5);
    let answer = desk.backend.read(ASKER, ReadRequest::Page { query }).await;
    assert!(
        matches!(answer, Err(BackendError::Unsupported(_))),
        "{answer:?}"
    );
}
