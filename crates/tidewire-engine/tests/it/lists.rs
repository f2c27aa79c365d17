//! Windowed collections: pages by request, kept exact by the stream.

use tidewire_cache::{Trust, Wanted};
use tidewire_engine::{Command, Problem, Term};
use tidewire_model::{EntityId, Patch, RecordBuilder, Version};
use tidewire_protocol::{Class, FetchWhat, Op, RequestError, ServerMessage, SubscribeResult, Want};

use crate::bench::{Bench, created, customer, customers, events, row};

fn window() -> (Bench, tidewire_model::Query) {
    let mut bench = Bench::windowed();
    let top = bench.watch_list("sort score desc limit 2");
    bench.go_up();
    assert_eq!(bench.subscribe_sent().want, Want::Changes);
    bench.subscribed(SubscribeResult::Now, 5, 5);
    (bench, top)
}

#[test]
fn a_query_that_cannot_be_sent_is_refused_when_it_is_watched() {
    let mut bench = Bench::complete();
    let query = tidewire_model::Query::new(customers());
    let long = tidewire_model::field("name").eq("x".repeat(tidewire_model::MAX_QUERY_BYTES));
    let many =
        (0..=tidewire_model::MAX_SORT_KEYS).fold(query.clone(), |query, _| query.sort_asc("name"));
    let infinite = tidewire_model::field("score").lt(f64::INFINITY);
    for refused in [query.clone().filter(long), many, query.filter(infinite)] {
        let reply = bench.command(Command::Watch(tidewire_cache::Target::List(refused)));
        assert!(
            matches!(
                reply,
                tidewire_engine::Reply::Refused(tidewire_engine::CommandError::Query(_))
            ),
            "{reply:?}"
        );
    }
}

#[test]
fn nothing_is_fetched_before_the_feed_is_attached() {
    let mut bench = Bench::windowed();
    bench.watch_list("limit 2");
    bench.go_up();
    assert_eq!(bench.fetches_sent().len(), 0);
    bench.subscribed(SubscribeResult::Now, 5, 5);
    assert_eq!(bench.fetches_sent().len(), 1);
}

#[test]
fn a_page_is_fetched_and_live() {
    let (mut bench, top) = window();
    assert!(matches!(bench.fetch_sent().what, FetchWhat::Query(_)));
    bench.page(
        5,
        vec![row("c3", 30, 1), row("c2", 20, 1), row("c1", 10, 1)],
        Some(3),
        true,
    );
    assert_eq!(bench.ids(&top), ["c3", "c2"]);
    assert_eq!(bench.trust(&top), Trust::Live);
    assert_eq!(bench.list(&top).total_count, Some(3));
}

#[test]
fn coverage_b1_a_page_older_than_a_push_does_not_overwrite_it() {
    let (mut bench, top) = window();
    let update = Op::Updated {
        id: EntityId::text("c1").expect("a good id"),
        version: Version::new(6),
        base: Version::new(1),
        changes: Patch::new().set("score", 99),
        entity: Some(customer("c1", 99)),
        was: Some(RecordBuilder::new().field("score", 10).build()),
    };
    bench.tell(ServerMessage::Events(events(5, 6, vec![update])));
    bench.page(
        5,
        vec![row("c3", 30, 1), row("c2", 20, 1), row("c1", 10, 1)],
        Some(3),
        true,
    );
    assert_eq!(bench.ids(&top), ["c1", "c3"]);
    assert_eq!(bench.score("c1"), Some(99));
}

#[test]
fn coverage_b2_a_late_page_does_not_bring_a_deleted_entity_back() {
    let (mut bench, top) = window();
    let deleted = Op::Deleted {
        id: EntityId::text("c3").expect("a good id"),
        version: Version::new(6),
        was: Some(customer("c3", 30)),
    };
    bench.tell(ServerMessage::Events(events(5, 6, vec![deleted])));
    bench.page(
        5,
        vec![row("c3", 30, 1), row("c2", 20, 1), row("c1", 10, 1)],
        Some(3),
        true,
    );
    assert_eq!(bench.ids(&top), ["c2", "c1"]);
    assert_eq!(bench.list(&top).total_count, Some(2));
}

#[test]
fn a_window_that_gets_short_is_filled_in_the_background() {
    let mut bench = Bench::windowed();
    let top = bench.watch_list("sort score desc limit 30");
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 5, 5);
    let first: Vec<_> = (0..46)
        .map(|n| row(&format!("c{n:02}"), 1_000 - n, 1))
        .collect();
    bench.page(5, first, Some(1_000), false);
    bench.settle();
    assert_eq!(bench.list(&top).rows.len(), 30);
    let fetches = bench.fetches_sent().len();
    let gone = |n: u64, at| Op::Deleted {
        id: EntityId::text(&format!("c{n:02}")).expect("a good id"),
        version: Version::new(at),
        was: Some(customer(&format!("c{n:02}"), 1_000 - n.cast_signed())),
    };
    let ops = (0..20).map(|n| gone(n, 6)).collect();
    bench.tell(ServerMessage::Events(events(5, 6, ops)));
    bench.settle();
    let page = bench.list(&top);
    assert_eq!(page.rows.len(), 26);
    assert!(!page.complete, "a short window says so");
    assert_eq!(page.total_count, Some(980));
    assert_eq!(bench.fetches_sent().len(), fetches + 1);
    let more: Vec<_> = (46..66)
        .map(|n| row(&format!("c{n:02}"), 1_000 - n, 1))
        .collect();
    bench.page(6, more, Some(980), false);
    bench.settle();
    assert_eq!(bench.list(&top).rows.len(), 30);
    assert!(bench.list(&top).complete);
}

#[test]
fn an_entity_asked_for_that_is_missing_is_absent() {
    let mut bench = Bench::windowed();
    bench.watch(tidewire_cache::Target::Entity(crate::bench::key("c1")));
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 5, 5);
    let fetch = bench.fetch_sent();
    assert!(matches!(fetch.what, FetchWhat::Ids(_)));
    bench.tell(ServerMessage::Data(tidewire_protocol::Data {
        id: fetch.id,
        as_of: tidewire_model::Point {
            epoch: crate::bench::epoch(),
            offset: crate::bench::offset(5),
        },
        part: 0,
        more: false,
        rows: Vec::new(),
        missing: vec![EntityId::text("c1").expect("a good id")],
        total_count: None,
        start_key: None,
        end: true,
    }));
    let reading = bench.get("c1");
    assert_eq!(reading.presence, tidewire_cache::Presence::Absent);
    assert_eq!(reading.trust, Trust::Live);
}

#[test]
fn law_17_a_thousand_marks_are_one_request() {
    let (mut bench, _) = window();
    bench.page(5, vec![row("c1", 10, 1)], Some(1), true);
    let before = bench.fetches_sent().len();
    for _ in 0..1_000 {
        bench.command(Command::Invalidate {
            entity_type: customers(),
            ids: None,
        });
    }
    bench.run_for(std::time::Duration::from_secs(1));
    let after = bench.fetches_sent().len();
    assert!(after - before <= 2, "{} requests", after - before);
}

#[test]
fn a_request_refused_for_good_is_not_repeated_and_one_put_off_is() {
    let cases = [
        (Class::Permanent, 0, Term::ForGood),
        (Class::Retry, 1, Term::ForNow),
    ];
    for (class, repeats, told) in cases {
        let (mut bench, _) = window();
        let id = bench.fetch_sent().id;
        let error = RequestError {
            id,
            code: "no".into(),
            class,
            retry_after_ms: None,
        };
        bench.tell(ServerMessage::FetchError(error));
        assert!(matches!(bench.problems[..], [Problem::FetchRefused { .. }]));
        let [(_, Some(Wanted::Page { .. }), code, term)] = &bench.refused[..] else {
            panic!("{:?}", bench.refused)
        };
        assert_eq!((&**code, *term), ("no", told));
        let before = bench.fetches_sent().len();
        bench.run_for(std::time::Duration::from_secs(5));
        let after = bench.fetches_sent().len();
        assert_eq!(after - before, repeats, "{class:?}");
    }
}

#[test]
fn a_creation_beyond_what_is_known_is_not_shown_but_counted() {
    let mut bench = Bench::windowed();
    let top = bench.watch_list("sort score desc limit 2");
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 5, 5);
    let first: Vec<_> = (0..18)
        .map(|n| row(&format!("c{n:02}"), 1_000 - n, 1))
        .collect();
    bench.page(5, first, Some(100), false);
    bench.settle();
    bench.tell(ServerMessage::Events(events(
        5,
        6,
        vec![created("low", 1, 6), created("high", 5_000, 6)],
    )));
    assert_eq!(bench.ids(&top), ["high", "c00"]);
    assert_eq!(bench.list(&top).total_count, Some(102));
}

#[test]
fn coverage_b18_a_mark_on_every_list_asks_for_a_few_at_a_time() {
    let mut bench = Bench::windowed();
    for least in 0..20 {
        bench.watch_list(&format!("where score > {least} sort score desc"));
    }
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 5, 5);
    bench.settle();
    let most = crate::bench::settings().max_fetches;
    assert_eq!((bench.fetches_sent().len(), most), (4, 4), "the rest waits");
    let mut answered = 0;
    while answered < 20 {
        let sent = bench.fetches_sent();
        assert!(sent.len() <= answered + most, "{} beyond", sent.len());
        bench.page_for(&sent[answered], 5, vec![row("c1", 100, 1)], Some(1), true);
        bench.settle();
        answered += 1;
    }
    assert_eq!(bench.fetches_sent().len(), 20, "each list once");
    bench.command(Command::Invalidate {
        entity_type: customers(),
        ids: None,
    });
    bench.run_for(std::time::Duration::from_secs(1));
    assert_eq!(bench.fetches_sent().len(), 24, "a few at a time");
}

#[test]
fn an_entity_watched_by_many_is_one_request() {
    let mut bench = Bench::windowed();
    for _ in 0..50 {
        bench.watch(tidewire_cache::Target::Entity(crate::bench::key("c1")));
    }
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 5, 5);
    bench.settle();
    let requests = bench.fetches_sent().len();
    assert_eq!(requests, 1);
    let FetchWhat::Ids(ids) = bench.fetch_sent().what else {
        panic!("not asked by id")
    };
    assert_eq!(ids.len(), 1, "{ids:?}");
}
