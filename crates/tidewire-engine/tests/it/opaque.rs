//! Lists that only the server can evaluate: asked for as they stand, asked for again once a burst of
//! changes is over, and not at all once the server refused.

use std::time::Duration;

use tidewire_cache::{Interest, StaleReason, Target, Trust, Wanted};
use tidewire_engine::{Command, CommandError, OwnBackend, Reply, Term};
use tidewire_model::Query;
use tidewire_protocol::{Class, FetchWhat, RequestError, ServerMessage, SubscribeResult};

use crate::basic_bench::{basic_settings, basic_with, by_client, person_row};
use crate::bench::{Bench, created, customers, events, row};

const MEMBERS: Trust = Trust::Stale(StaleReason::MembersUnknown);

const NEAR_ME: &str = r#"opaque (near = "me") limit 2"#;

fn near_me() -> Query {
    Query::parse(customers(), NEAR_ME).expect("a good query")
}

/// A live windowed stream at 5 with a list of c2 and c1, of three.
fn live() -> Bench {
    let mut bench = Bench::windowed();
    bench.watch_list(NEAR_ME);
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 5, 5);
    assert_eq!(
        bench.fetch_sent().what,
        FetchWhat::Query(near_me().limit(18))
    );
    bench.page(5, vec![row("c2", 20, 2), row("c1", 10, 1)], Some(3), false);
    assert_eq!(bench.ids(&near_me()), ["c2", "c1"]);
    assert_eq!(bench.trust(&near_me()), Trust::Live);
    bench.sent.clear();
    bench
}

fn create(bench: &mut Bench, at: u64) {
    let id = format!("n{at}");
    bench.tell(ServerMessage::Events(events(
        at - 1,
        at,
        vec![created(&id, 1, at)],
    )));
    bench.settle();
}

#[test]
fn coverage_a6_a_burst_of_creations_is_said_at_once_and_asked_about_once_when_it_is_over() {
    let mut bench = live();
    for at in 6..18 {
        create(&mut bench, at);
        assert_eq!(bench.trust(&near_me()), MEMBERS);
    }
    bench.run_for(Duration::from_millis(900));
    assert!(bench.fetches_sent().is_empty());
    bench.run_for(Duration::from_millis(200));
    assert_eq!(bench.fetches_sent().len(), 1);
    bench.page(
        17,
        vec![row("n17", 1, 17), row("c2", 20, 2)],
        Some(15),
        false,
    );
    assert_eq!(bench.ids(&near_me()), ["n17", "c2"]);
    assert_eq!(bench.trust(&near_me()), Trust::Live);
    bench.run_for(Duration::from_secs(20));
    assert_eq!(bench.fetches_sent().len(), 1);
}

#[test]
fn coverage_b5_a_stream_of_changes_without_a_pause_does_not_starve_the_list() {
    let mut bench = live();
    let began = bench.now.tick;
    let mut asked = Vec::new();
    for at in 6..130 {
        create(&mut bench, at);
        bench.run_for(Duration::from_millis(100));
        if !bench.fetches_sent().is_empty() {
            asked.push((bench.now.tick - began).as_secs());
            bench.page(at, vec![row("c2", 20, 2)], Some(1), true);
            bench.sent.clear();
        }
    }
    assert_eq!(asked, [5, 10], "every five seconds, never later");
}

#[test]
fn a_refusal_is_told_and_the_list_is_not_asked_for_in_a_circle() {
    let mut bench = Bench::windowed();
    bench.watch_list(NEAR_ME);
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 5, 5);
    let fetch = bench.fetch_sent();
    bench.tell(ServerMessage::FetchError(RequestError {
        id: fetch.id,
        code: "unsupported".to_owned(),
        class: Class::Permanent,
        retry_after_ms: None,
    }));
    bench.settle();
    for at in 6..20 {
        create(&mut bench, at);
        bench.run_for(Duration::from_secs(2));
    }
    assert_eq!(bench.fetches_sent().len(), 1);
    assert_eq!(bench.trust(&near_me()), Trust::Unknown);
    let [(_, Some(Wanted::Page { query, .. }), code, Term::ForGood)] = &bench.refused[..] else {
        panic!("one page was refused: {:?}", bench.refused);
    };
    assert_eq!(
        (query, code.as_str()),
        (&near_me().limit(18), "unsupported")
    );
}

#[test]
fn in_the_basic_dialect_the_applications_own_fetch_is_asked() {
    let own = OwnBackend {
        fetch: true,
        ..OwnBackend::default()
    };
    let mut bench = basic_with(
        basic_settings(own),
        by_client(Interest::Windowed),
        Vec::new(),
    );
    bench.watch_list(NEAR_ME);
    bench.basic_up();
    for _ in 0..2 {
        bench.fetched(vec![person_row("c2", "B", 1), person_row("c1", "A", 1)]);
        bench.run_for(Duration::from_secs(3));
    }
    assert_eq!(bench.ids(&near_me()), ["c2", "c1"]);
    assert_eq!(bench.trust(&near_me()), Trust::Fresh);
    bench.asked.clear();
    bench.push_created("c3", "C", 1);
    bench.settle();
    assert_eq!(bench.trust(&near_me()), MEMBERS);
    assert!(bench.asked.is_empty());
    bench.run_for(Duration::from_millis(1_500));
    let [(_, FetchWhat::Query(query))] = &bench.asked[..] else {
        panic!("the list is asked for: {:?}", bench.asked);
    };
    assert_eq!(*query, near_me().limit(18));
}

#[test]
fn where_nothing_can_be_asked_for_such_a_list_is_refused_at_once() {
    let own = OwnBackend::default();
    let mut bench = basic_with(
        basic_settings(own),
        by_client(Interest::PushesOnly),
        Vec::new(),
    );
    let reply = bench.command(Command::Watch(Target::List(near_me())));
    assert_eq!(reply, Reply::Refused(CommandError::OpaqueQuery));
}
