//! Reads in the basic dialect: by the application's own backend, at points that this client makes.

use std::time::Duration;

use tidewire_cache::{
    CollectionSettings, Interest, Presence, StaleReason, Target, Trust, Versions,
};
use tidewire_engine::{Command, OwnBackend, Problem, Stage};
use tidewire_model::Query;
use tidewire_protocol::FetchWhat;

use crate::basic_bench::{OWN, basic, basic_settings, basic_with, by_client, person_row, wrote};
use crate::bench::{Bench, customers, key};

/// Connected, with this list watched and its first page asked for; nothing of it known.
fn watching(query: &str) -> (Bench, Query) {
    let mut bench = basic(OWN);
    let query = bench.watch_list(query);
    bench.basic_up();
    (bench, query)
}

/// Connected, with `c1` at version 1 watched, and everything refreshed that a connection brings.
fn one(kept: CollectionSettings, own: OwnBackend) -> Bench {
    let mut bench = basic_with(basic_settings(own), kept, Vec::new());
    bench.watch(Target::Entity(key("c1")));
    bench.basic_up();
    bench.push_created("c1", "A", 1);
    for _ in 0..2 {
        if own.fetch {
            bench.fetched(vec![person_row("c1", "A", 1)]);
        }
        bench.run_for(Duration::from_secs(3));
    }
    bench.asked.clear();
    assert_eq!(bench.get("c1").trust, Trust::Fresh);
    bench
}

fn windowed() -> CollectionSettings {
    by_client(Interest::Windowed)
}

fn invalidate(bench: &mut Bench) {
    bench.command(Command::Invalidate {
        entity_type: customers(),
        ids: None,
    });
    bench.settle();
}

fn disputes(bench: &Bench) -> Vec<&str> {
    let problems = bench.problems.iter();
    let queries = problems.filter_map(|problem| match problem {
        Problem::OtherOrder { query } => Some(query.as_str()),
        _ => None,
    });
    queries.collect()
}

#[test]
fn a_page_sorted_otherwise_is_reported_once_and_the_list_says_so() {
    let (mut bench, query) = watching("sort name asc");
    bench.fetched(vec![person_row("c2", "B", 1), person_row("c1", "A", 1)]);
    assert_eq!(disputes(&bench), [query.cache_key()]);
    let otherwise = Trust::Stale(StaleReason::OtherOrder);
    assert_eq!(bench.trust(&query), otherwise);
    assert!(!bench.list(&query).total_exact);
    invalidate(&mut bench);
    bench.fetched(vec![person_row("c2", "B", 1), person_row("c1", "A", 1)]);
    assert_eq!(disputes(&bench).len(), 1, "it is known by now");
    bench.asked.clear();
    bench.run_for(Duration::from_secs(1));
    assert!(bench.asked.is_empty(), "asking again would not help");
    invalidate(&mut bench);
    bench.fetched(vec![person_row("c1", "A", 1), person_row("c2", "B", 1)]);
    assert_eq!(bench.trust(&query), Trust::Fresh);
}

#[test]
fn a_page_filtered_otherwise_is_reported() {
    let (mut bench, query) = watching(r#"where name = "A""#);
    bench.fetched(vec![person_row("c1", "A", 1), person_row("c2", "B", 1)]);
    assert_eq!(disputes(&bench), [query.cache_key()]);
    assert_eq!(bench.trust(&query), Trust::Stale(StaleReason::OtherOrder));
}

#[test]
fn a_page_as_the_client_would_make_it_is_no_news() {
    let (mut bench, query) = watching("sort name asc");
    bench.fetched(vec![person_row("c1", "A", 1), person_row("c2", "B", 1)]);
    assert_eq!(
        (disputes(&bench).len(), bench.trust(&query)),
        (0, Trust::Fresh)
    );
}

#[test]
fn the_point_of_a_fetch_is_the_counter_at_its_start() {
    let mut bench = basic(OWN);
    bench.watch(Target::Entity(key("c1")));
    bench.basic_up();
    bench.push_created("c1", "B", 2);
    bench.push_updated("c1", "C", None);
    bench.fetched(vec![person_row("c1", "B", 2)]);
    assert_eq!(
        bench.name("c1").as_deref(),
        Some("C"),
        "begun before the push"
    );
    invalidate(&mut bench);
    bench.fetched(vec![person_row("c1", "D", 2)]);
    assert_eq!(bench.name("c1").as_deref(), Some("D"), "begun after it");
}

#[test]
fn law_15_what_is_watched_is_refreshed_after_a_reconnect_and_once_more_after_a_while() {
    let mut bench = one(windowed(), OWN);
    bench.cut();
    bench.basic_up();
    assert_eq!(bench.asked.len(), 1, "at once");
    assert!(matches!(bench.get("c1").trust, Trust::Stale(_)));
    bench.fetched(vec![person_row("c1", "B", 2)]);
    assert_eq!(bench.name("c1").as_deref(), Some("B"));
    bench.run_for(Duration::from_millis(1_999));
    assert_eq!(bench.asked.len(), 1);
    bench.run_for(Duration::from_millis(1));
    assert_eq!(bench.asked.len(), 2, "SUBSCRIBE has no answer");
    bench.fetched(vec![person_row("c1", "C", 3)]);
    assert_eq!(bench.name("c1").as_deref(), Some("C"));
    bench.run_for(Duration::from_secs(20));
    assert_eq!(bench.asked.len(), 2, "not for ever");
}

#[test]
fn coverage_b2_a_creation_lifts_a_tombstone_and_an_update_neither_lifts_nor_creates() {
    let mut bench = one(windowed(), OWN);
    bench.push_deleted("c1");
    bench.push_updated("c1", "B", Some(9));
    bench.push_updated("c1", "B", None);
    assert_eq!(bench.get("c1").presence, Presence::Absent);
    bench.push_updated("c2", "B", Some(1));
    assert_eq!(bench.get("c2").presence, Presence::Unknown);
    bench.push_created("c1", "C", 1);
    assert_eq!(bench.name("c1").as_deref(), Some("C"));
}

#[test]
fn coverage_b3_a_missed_version_marks_the_entity_and_is_fetched_once() {
    let mut bench = one(windowed(), OWN);
    bench.push_updated("c1", "C", Some(3));
    assert_eq!(bench.name("c1").as_deref(), Some("C"));
    let missed = Trust::Stale(StaleReason::MissedVersion);
    assert_eq!(bench.get("c1").trust, missed);
    let ids = FetchWhat::Ids(vec![key("c1").id]);
    let asked = |bench: &Bench| -> Vec<FetchWhat> {
        bench.asked.iter().map(|(_, what)| what.clone()).collect()
    };
    assert_eq!(asked(&bench), [ids]);
    bench.push_updated("c1", "D", Some(4));
    assert_eq!(bench.asked.len(), 1, "the one that is under way is enough");
    bench.fetched(vec![person_row("c1", "D", 4)]);
    bench.run_for(Duration::from_secs(10));
    assert!(bench.asked.len() <= 2, "{:?}", bench.asked);
}

#[test]
fn a_missed_version_without_a_way_to_ask_is_marked_and_not_asked_for() {
    let mut bench = one(by_client(Interest::PushesOnly), OwnBackend::default());
    bench.push_updated("c1", "C", Some(3));
    assert_eq!(bench.name("c1").as_deref(), Some("C"));
    assert!(bench.asked.is_empty());
}

#[test]
fn versions_that_merely_rise_mark_and_ask_nothing() {
    let rising = CollectionSettings {
        versions: Versions::Rising,
        ..windowed()
    };
    let mut bench = one(rising, OWN);
    bench.push_updated("c1", "C", Some(30));
    assert_eq!(bench.get("c1").trust, Trust::Fresh);
    assert!(bench.asked.is_empty());
}

/// A bulk of `count` updates to `c1` and others, all with the version 2.
fn bulk(count: usize) -> String {
    let updates: Vec<String> = (1..=count)
        .map(|n| format!(r#"{{"entityId":"c{n}","changes":{{"name":"bulk"}},"version":2}}"#))
        .collect();
    let updates = updates.join(",");
    format!(r#"{{"type":"BULK_UPDATE","data":{{"entityType":"customers","updates":[{updates}]}}}}"#)
}

#[test]
fn coverage_a8_a_small_bulk_with_versions_is_one_step() {
    let mut bench = one(windowed(), OWN);
    bench.push_created("c2", "A", 1);
    let published = bench.published;
    bench.tell_text(&bulk(2));
    bench.settle();
    assert_eq!(bench.published, published + 1);
    for id in ["c1", "c2"] {
        assert_eq!(bench.name(id).as_deref(), Some("bulk"));
    }
    assert_eq!(bench.get("c1").trust, Trust::Fresh);
    assert!(bench.asked.is_empty());
}

#[test]
fn coverage_a8_any_other_bulk_is_one_mark_on_the_type() {
    let without_version = r#"{"type":"BULK_UPDATE","data":{"entityType":"customers","updates":[{"entityId":"c1","changes":{"name":"bulk"}}]}}"#;
    for frame in [bulk(257), without_version.to_owned(), bulk(0)] {
        let mut bench = one(windowed(), OWN);
        bench.tell_text(&frame);
        bench.settle();
        assert_eq!(
            bench.name("c1").as_deref(),
            Some("A"),
            "what is shown stays"
        );
        assert_eq!(bench.get("c1").trust, Trust::Stale(StaleReason::Marked));
        assert_eq!(bench.asked.len(), 1, "and is asked for once");
        assert!(bench.problems.is_empty());
    }
    let mut bench = one(windowed(), OWN);
    bench.tell_text(&bulk(256));
    bench.settle();
    assert_eq!(bench.name("c1").as_deref(), Some("bulk"), "at the limit");
}

#[test]
fn what_cannot_be_understood_is_counted() {
    let mut bench = one(windowed(), OWN);
    bench.tell_text("nonsense");
    bench.tell_text(r#"{"type":"ENTITY_UPDATED","data":{}}"#);
    bench.tell_text(
        r#"{"type":"ENTITY_CREATED","data":{"entityType":"customers","entity":{"id":1.5}}}"#,
    );
    bench.tell_text(r#"{"type":"SOMETHING_ELSE","data":{}}"#);
    bench.tell_text(
        r#"{"type":"ENTITY_UPDATED","more":1,"data":{"entityType":"customers","entityId":"c1","changes":{"name":"B"},"version":2,"more":1}}"#,
    );
    assert_eq!(bench.name("c1").as_deref(), Some("B"), "the rest goes on");
    let counts = bench.engine.skipped();
    assert_eq!((counts.malformed, counts.unknown), (3, 1));
    assert_eq!(bench.problems.len(), 3, "and what is malformed is reported");
}

#[test]
fn law_11_an_answer_without_the_entity_leads_to_a_fetch_begun_after_it() {
    let mut bench = one(windowed(), OWN);
    let id = bench.update("c1", 7);
    assert_eq!(bench.score("c1"), Some(7));
    bench.answer(id, Ok(wrote(Vec::new())));
    assert_eq!(bench.asked.len(), 1);
    assert_eq!(bench.score("c1"), Some(7), "the prediction waits for that");
    assert!(!bench.stages.contains(&(id, Stage::Visible)));
    bench.fetched(vec![person_row("c1", "B", 2)]);
    assert_eq!((bench.score("c1"), bench.get("c1").pending), (None, false));
    assert!(bench.stages.contains(&(id, Stage::Visible)));
}
