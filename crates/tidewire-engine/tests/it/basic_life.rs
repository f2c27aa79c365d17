//! Silence in the basic dialect: a socket can be dead without a word, and readings grow old.

use std::time::Duration;

use tidewire_cache::{CollectionSettings, Interest, StaleReason, Target, Trust};
use tidewire_engine::{Connection, Input, OwnBackend};
use tidewire_protocol::FetchWhat;

use crate::basic_bench::{OWN, basic, basic_settings, basic_with, by_client, person_row};
use crate::bench::{Bench, customers, key};

/// Connected, with one entity watched and known, and everything refreshed that a connection brings.
fn quiet() -> Bench {
    let mut bench = basic(OWN);
    bench.watch(Target::Entity(key("c1")));
    bench.basic_up();
    bench.fetched(vec![person_row("c1", "A", 1)]);
    bench.run_for(Duration::from_secs(3));
    bench.fetched(vec![person_row("c1", "A", 1)]);
    bench.asked.clear();
    bench.push_created("c2", "B", 1);
    bench
}

fn connection(bench: &Bench) -> Connection {
    bench.engine.status().connection
}

fn pong(bench: &mut Bench) {
    bench.handle(Input::Pong {
        generation: bench.generation,
    });
}

#[test]
fn coverage_b9_a_half_open_socket_is_pinged_and_then_left() {
    let mut bench = quiet();
    bench.run_for(Duration::from_secs(24));
    assert_eq!(bench.pings, 0);
    bench.run_for(Duration::from_secs(1));
    assert_eq!(bench.pings, 1);
    bench.run_for(Duration::from_secs(9));
    assert_eq!(connection(&bench), Connection::Connected);
    assert_eq!(bench.pings, 1);
    bench.run_for(Duration::from_secs(1));
    assert_eq!(bench.disconnects.len(), 1);
    assert_eq!(connection(&bench), Connection::Disconnected);
    bench.wait_for_attempt(Duration::from_secs(1));
}

#[test]
fn a_peer_that_answers_pings_is_kept_however_long_it_has_nothing_to_say() {
    let mut bench = quiet();
    for pings in 1..=20 {
        bench.run_for(Duration::from_secs(25));
        assert_eq!(bench.pings, pings);
        pong(&mut bench);
    }
    assert_eq!(connection(&bench), Connection::Connected);
    assert_eq!(bench.subscribes_sent(), 1);
    assert!(bench.asked.is_empty(), "a ping costs no request");
}

#[test]
fn a_push_is_a_sign_of_life_too_even_one_that_makes_no_sense() {
    let mut bench = quiet();
    bench.run_for(Duration::from_secs(30));
    assert_eq!(bench.pings, 1);
    bench.tell_text("nonsense");
    bench.run_for(Duration::from_secs(24));
    assert_eq!(
        (bench.pings, connection(&bench)),
        (1, Connection::Connected)
    );
}

#[test]
fn the_answer_to_a_ping_of_an_older_connection_is_no_sign_of_life() {
    let mut bench = quiet();
    let old = bench.generation;
    bench.cut();
    bench.basic_up();
    bench.run_for(Duration::from_secs(26));
    assert_eq!(bench.pings, 1);
    bench.handle(Input::Pong { generation: old });
    bench.run_for(Duration::from_secs(10));
    assert_eq!(bench.disconnects.len(), 1);
}

#[test]
fn where_the_transport_cannot_ping_an_idle_probe_subscribes_and_refreshes() {
    let mut bench = quiet();
    bench.run_for(Duration::from_secs(25));
    assert_eq!((bench.pings, bench.asked.len()), (1, 0));
    bench.handle(Input::PingUnsupported {
        generation: bench.generation,
    });
    for probes in 1..=3 {
        assert_eq!(bench.subscribes_sent(), 1 + probes);
        assert_eq!(bench.asked.len(), probes);
        bench.fetched(vec![person_row("c1", "A", 1)]);
        bench.run_for(Duration::from_secs(25));
    }
    assert_eq!(bench.pings, 1, "it was told once");
    assert_eq!(connection(&bench), Connection::Connected);
}

#[test]
fn a_probe_without_a_way_to_ask_leaves_readings_as_they_are() {
    let kept = by_client(Interest::PushesOnly);
    let mut bench = basic_with(basic_settings(OwnBackend::default()), kept, Vec::new());
    let all = bench.watch_list("");
    bench.basic_up();
    bench.push_created("c1", "A", 1);
    bench.run_for(Duration::from_secs(25));
    bench.handle(Input::PingUnsupported {
        generation: bench.generation,
    });
    assert_eq!(bench.subscribes_sent(), 2);
    assert_eq!(bench.trust(&all), Trust::Fresh);
}

const AGE: Duration = Duration::from_secs(10);

/// Connected, nothing watched, readings good for ten seconds.
fn ageing(interest: Interest, own: OwnBackend) -> Bench {
    let kept = CollectionSettings {
        stale_after: Some(AGE),
        ..by_client(interest)
    };
    let mut bench = basic_with(basic_settings(own), kept, Vec::new());
    bench.basic_up();
    bench.run_for(Duration::from_secs(3));
    bench
}

#[test]
fn an_aged_page_wakes_its_watchers_and_is_asked_for_again() {
    let mut bench = ageing(Interest::Windowed, OWN);
    let query = tidewire_model::Query::parse(customers(), "").expect("a good query");
    let watch = bench.watch(Target::List(query.clone()));
    bench.settle();
    bench.fetched(vec![person_row("c1", "A", 1)]);
    assert_eq!(bench.trust(&query), Trust::Fresh);
    bench.woken.clear();
    bench.asked.clear();
    bench.run_for(AGE - Duration::from_micros(1));
    assert_eq!((bench.woken.len(), bench.asked.len()), (0, 0));
    bench.run_for(Duration::from_micros(1));
    assert_eq!(bench.trust(&query), Trust::Stale(StaleReason::Aged));
    assert_eq!(bench.woken, [watch], "once");
    assert_eq!(bench.asked.len(), 1);
    bench.fetched(vec![person_row("c1", "A", 1)]);
    assert_eq!(bench.trust(&query), Trust::Fresh);
    bench.run_for(AGE);
    assert_eq!(bench.asked.len(), 2, "and again");
}

#[test]
fn an_aged_entity_wakes_its_watchers_and_a_confirmed_one_does_not() {
    let mut bench = ageing(Interest::Windowed, OWN);
    let first = bench.watch(Target::Entity(key("c1")));
    bench.fetched(vec![person_row("c1", "A", 1)]);
    bench.watch(Target::Entity(key("c2")));
    bench.fetched(vec![person_row("c2", "B", 1)]);
    bench.run_for(Duration::from_secs(5));
    bench.push_updated("c2", "C", Some(2));
    bench.asked.clear();
    bench.woken.clear();
    bench.run_for(Duration::from_secs(5));
    assert_eq!(bench.woken, [first]);
    let ids = vec![key("c1").id];
    assert_eq!(bench.asked.len(), 1);
    assert_eq!(bench.asked[0].1, FetchWhat::Ids(ids));
}

#[test]
fn a_call_at_the_moment_of_ageing_does_not_swallow_it() {
    let mut bench = ageing(Interest::Windowed, OWN);
    let watch = bench.watch(Target::Entity(key("c1")));
    bench.fetched(vec![person_row("c1", "A", 1)]);
    bench.now.tick += AGE;
    bench.asked.clear();
    bench.woken.clear();
    bench.watch(Target::Entity(key("c2")));
    bench.settle();
    assert_eq!(bench.woken, [watch]);
    assert_eq!(bench.asked.len(), 1, "one request for both");
}

#[test]
fn what_nobody_watches_grows_old_without_a_timer() {
    let mut bench = ageing(Interest::Windowed, OWN);
    let watch = bench.watch(Target::Entity(key("c1")));
    bench.fetched(vec![person_row("c1", "A", 1)]);
    bench.command(tidewire_engine::Command::Unwatch(watch));
    bench.asked.clear();
    bench.woken.clear();
    bench.run_for(AGE);
    assert_eq!((bench.woken.len(), bench.asked.len()), (0, 0));
    assert_eq!(bench.get("c1").trust, Trust::Unknown, "and is forgotten");
}

#[test]
fn without_a_way_to_ask_watchers_are_woken_all_the_same() {
    let mut bench = ageing(Interest::PushesOnly, OwnBackend::default());
    let watch = bench.watch(Target::Entity(key("c1")));
    bench.push_created("c1", "A", 1);
    bench.woken.clear();
    bench.run_for(AGE);
    assert_eq!(bench.woken, [watch]);
    assert_eq!(bench.get("c1").trust, Trust::Stale(StaleReason::Aged));
}
