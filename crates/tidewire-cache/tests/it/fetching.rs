//! What is wanted: watched, not known or out of date, and not on its way.

use tidewire_cache::{Attached, DetachReason, Settings, Taken, Target, Wanted};

use crate::support::{Rig, by_n, id, key, point, put, row, things, windowed};

fn entities(names: &[&str]) -> Wanted {
    Wanted::Entities {
        entity_type: things(),
        ids: names.iter().map(|name| id(name)).collect(),
    }
}

#[test]
fn what_is_watched_and_unknown_is_wanted_in_one_request_in_order_of_names() {
    let mut rig = Rig::attached(4);
    for name in ["c", "a", "b"] {
        rig.cache.watch(Target::Entity(key(name)));
    }
    rig.commit(5, vec![put("b", 1, 5)]);
    rig.flush();
    assert_eq!(rig.wants(), [entities(&["a", "c"])]);
    rig.begin(&entities(&["a"]));
    assert_eq!(rig.wants(), [entities(&["c"])]);
}

#[test]
fn what_nobody_watches_is_not_wanted() {
    let mut rig = Rig::attached(4);
    let watcher = rig.cache.watch(Target::Entity(key("a")));
    rig.cache.watch(Target::Stream(things()));
    rig.cache.unwatch(watcher);
    rig.flush();
    assert!(rig.wants().is_empty());
    assert_eq!(rig.cache.watched_types().collect::<Vec<_>>(), [things()]);
}

#[test]
fn a_request_names_a_bounded_number_of_ids() {
    let mut rig = Rig::with(
        Settings {
            max_fetch_ids: 2,
            ..Settings::default()
        },
        windowed(),
    );
    rig.subscribe(Attached::Now, 4, 4);
    for name in ["a", "b", "c"] {
        rig.cache.watch(Target::Entity(key(name)));
    }
    rig.flush();
    assert_eq!(rig.wants(), [entities(&["a", "b"]), entities(&["c"])]);
}

#[test]
fn a_page_asks_for_a_bounded_number_of_rows_and_then_for_the_rest() {
    let mut rig = Rig::with(
        Settings {
            max_page_rows: 2,
            ..Settings::default()
        },
        windowed(),
    );
    rig.subscribe(Attached::Now, 4, 4);
    let all = by_n(0).unlimited();
    rig.cache.watch(Target::List(all.clone()));
    rig.flush();
    rig.serve_page(4, vec![row("a", 1, 1), row("b", 2, 1)], 3, false);
    assert_eq!(
        (rig.ids(&all).as_str(), rig.list(&all).complete),
        ("a b", false)
    );
    rig.serve_page(4, vec![row("c", 3, 1)], 3, true);
    assert_eq!(
        (rig.ids(&all).as_str(), rig.list(&all).complete),
        ("a b c", true)
    );
    assert!(rig.wants().is_empty());
}

#[test]
fn a_failed_request_is_wanted_again() {
    let mut rig = Rig::attached(4);
    rig.cache.watch(Target::Entity(key("a")));
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    let wants = rig.wants();
    assert_eq!(wants.len(), 2);
    let tickets: Vec<_> = wants.iter().map(|wanted| rig.begin(wanted)).collect();
    assert!(rig.wants().is_empty());
    for ticket in tickets {
        rig.cache.fail_fetch(rig.now, ticket);
    }
    assert_eq!(rig.wants(), wants);
    assert_eq!(rig.cache.stats().requests, 0);
}

#[test]
fn an_answer_is_still_on_its_way_while_it_waits_to_be_worked() {
    let mut rig = Rig::attached(4);
    rig.cache.watch(Target::Entity(key("a")));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    rig.entities(ticket, Some(point(4)), vec![row("a", 1, 1)], &[]);
    assert!(rig.wants().is_empty());
    rig.flush();
    assert!(rig.wants().is_empty());
}

#[test]
fn a_temporary_id_is_never_asked_for() {
    let mut rig = Rig::attached(4);
    rig.cache.watch(Target::Entity(key("tmp_0")));
    rig.flush();
    assert!(rig.wants().is_empty());
    rig.rename("tmp_0", "real").expect("it is new");
    assert_eq!(rig.wants(), [entities(&["real"])]);
}

#[test]
fn an_answer_that_was_taken_in_is_worked_though_its_request_fails_behind_it() {
    let mut rig = Rig::attached(4);
    let watcher = rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    rig.page(ticket, Some(point(4)), vec![row("a", 1, 1)], Some(1), true);
    // Half of it is worked when the connection goes.
    rig.cache.work(rig.now, 2);
    rig.cache.fail_fetch(rig.now, ticket);
    rig.detach(DetachReason::Disconnected);
    assert!(rig.flush().contains(&watcher));
    let list = rig.list(&by_n(3));
    assert_eq!(
        (rig.ids(&by_n(3)).as_str(), list.known, list.total_count),
        ("a", true, Some(1))
    );
    assert_eq!(rig.cache.stats().requests, 0);
}

#[test]
fn a_request_is_answered_once() {
    let mut rig = Rig::attached(4);
    rig.cache.watch(Target::Entity(key("a")));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    rig.entities(ticket, Some(point(4)), vec![row("a", 1, 1)], &[]);
    let again = rig.entities(ticket, Some(point(4)), vec![row("a", 2, 1)], &[]);
    assert_eq!(again, Taken::NotHeld);
    rig.flush();
    assert_eq!(rig.n("a"), Some(1));
}

#[test]
fn law_4_what_was_asked_for_before_a_stream_was_given_back_is_not_believed_after_it() {
    let mut rig = Rig::attached(5);
    let watch = rig.cache.watch(Target::Entity(key("a")));
    let ticket = rig.ask(&["a"]);
    rig.commit(6, vec![put("a", 2, 6)]);
    rig.flush();
    assert_eq!(rig.n("a"), Some(2));
    rig.cache.unwatch(watch);
    rig.detach(DetachReason::Ended);
    rig.flush();
    assert_eq!(
        rig.entities(ticket, Some(point(5)), vec![row("a", 1, 5)], &[]),
        Taken::NotHeld
    );
    rig.flush();
    assert!(rig.is_unknown("a"));
}
