//! Pages of a query against a twin that sorts everything and cuts.

use proptest::prelude::*;
use tidewire_hub::{Backend, ReadAnswer, ReadRequest};
use tidewire_model::{
    Cursor, Direction, EntityId, Filter, Offset, Query, Record, Sort, Value, field,
};
use tidewire_server::SqliteBackend;

use crate::support::*;

/// The page as anybody would work it out by hand.
fn by_hand(rows: &[(Record, Offset)], as_of: Offset, query: &Query) -> ReadAnswer {
    let mut list: Vec<_> = rows
        .iter()
        .filter(|(entity, _)| query.matches(entity) == Some(true))
        .map(|(entity, version)| {
            let id = entity.entity_id("id").unwrap();
            (
                query.position(entity, &id).unwrap(),
                entity.clone(),
                *version,
            )
        })
        .collect();
    list.sort_by(|left, right| left.0.cmp(&right.0));
    let begin = match query.start() {
        tidewire_model::Start::Offset(rows) => usize::try_from(*rows).unwrap().min(list.len()),
        tidewire_model::Start::After(cursor) => {
            let after = query.sort().position_of(cursor);
            list.iter()
                .take_while(|(position, ..)| *position <= after)
                .count()
        }
    };
    let length = query
        .row_limit()
        .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap());
    let end = begin.saturating_add(length).min(list.len());
    ReadAnswer {
        as_of,
        rows: list[begin..end]
            .iter()
            .map(|(_, entity, version)| (entity.clone(), *version))
            .collect(),
        missing: Vec::new(),
        total_count: Some(list.len() as u64),
        start_key: begin.checked_sub(1).map(|before| {
            let Cursor { values, id } = list[before].0.cursor();
            (values, id)
        }),
        end: end == list.len(),
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..4i64).prop_map(Value::from),
        (-3..4i64).prop_map(|n| Value::Float(n as f64 / 2.0)),
        "[a-c]{0,2}".prop_map(Value::from),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof![
        Just(Filter::All),
        value().prop_map(|value| field("a").eq(value)),
        value().prop_map(|value| field("a").ge(value)),
        "[a-c]".prop_map(|text| field("b").contains(&text)),
        (value(), value()).prop_map(|(a, b)| field("a").lt(a).or(field("b").ne(b))),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let direction = prop_oneof![Just(Direction::Ascending), Just(Direction::Descending)];
    let keys = prop::collection::vec(
        (prop_oneof![Just("a"), Just("b"), Just("id")], direction),
        0..3,
    );
    let start = prop_oneof![
        (0..12u64).prop_map(Ok),
        (prop::collection::vec(value(), 2), 0..20i64).prop_map(|(values, id)| Err((values, id))),
    ];
    (filter(), keys, start, prop::option::of(0..8u64)).prop_map(|(filter, keys, start, limit)| {
        let sort = keys.iter().fold(Sort::by_id(), |sort, (path, direction)| {
            sort.then(path, *direction)
        });
        let mut query = Query::new(stream("c")).filter(filter).sorted(sort);
        query = match start {
            Ok(rows) => query.offset(rows),
            Err((mut values, id)) => {
                values.truncate(keys.len());
                values.resize(keys.len(), Value::Null);
                query.after(Cursor {
                    values,
                    id: EntityId::text(&format!("{id:02}")).unwrap(),
                })
            }
        };
        match limit {
            Some(rows) => query.limit(rows),
            None => query,
        }
    })
}

/// An eighth of the usual cases, since each makes files. `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.div_ceil(8),
        failure_persistence: None,
        ..usual
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_page_is_what_sorting_everything_gives(
        entities in prop::collection::vec((value(), value()), 0..16),
        queries in prop::collection::vec(query(), 8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let backend = SqliteBackend::open(directory.path().join("app.db")).unwrap();
            let writes = entities.iter().enumerate().map(|(n, (a, b))| tidewire_hub::Write::Create {
                entity_type: stream("c"),
                id: Some(id(&format!("{n:02}"))),
                entity: Record::new().with("a", a.clone()).with("b", b.clone()),
            });
            let commit = publish(&backend, writes.collect()).await.unwrap();
            let as_of = commit.map_or(Offset::ZERO, |commit| commit.streams[0].to);
            let all = backend.snapshot(&stream("c")).await.unwrap().next(100).await.unwrap();
            for query in queries {
                let answer = backend.read(ASKER, ReadRequest::Page { query: query.clone() }).await.unwrap();
                assert_eq!(answer, by_hand(&all, as_of, &query), "{query}");
            }
        });
    }
}

#[tokio::test]
async fn ids_are_answered_once_each_and_what_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(directory.path().join("app.db")).unwrap();
    publish(
        &backend,
        vec![create("c", "1", "{}"), create("c", "2", "{}")],
    )
    .await
    .unwrap();
    let ids = ["2", "none", "1", "2"].map(id).to_vec();
    let answer = backend
        .read(
            ASKER,
            ReadRequest::Ids {
                entity_type: stream("c"),
                ids,
            },
        )
        .await
        .unwrap();
    assert_eq!(answer.as_of, offset(1));
    assert_eq!(
        answer
            .rows
            .iter()
            .map(|(entity, _)| json(entity)["id"].clone())
            .collect::<Vec<_>>(),
        ["2", "1"]
    );
    assert_eq!(answer.missing, [id("none")]);
}

#[tokio::test]
async fn a_query_that_only_the_application_understands_is_unsupported() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(directory.path().join("app.db")).unwrap();
    let query = Query::new(stream("c")).opaque("near", "me");
    let error = backend
        .read(ASKER, ReadRequest::Page { query })
        .await
        .unwrap_err();
    assert!(
        matches!(error, tidewire_hub::BackendError::Unsupported(_)),
        "{error}"
    );
}
