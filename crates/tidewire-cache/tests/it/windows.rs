//! Windowed lists: stretches asked for page by page, kept in step between requests.

use serde_json::json;
use tidewire_cache::{
    Attached, Cache, DetachReason, Settings, StaleReason, Taken, Target, Trust, Wanted, WatchId,
};
use tidewire_model::{Cursor, Query, Row, Start, Value, field};

use crate::support::{
    Rig, by_n, create, effect, id, key, merge, merge_told, point, put, record, remove, remove_told,
    row, set, stale, things, windowed,
};

/// A windowed list of the three lowest, of which the server has six.
fn rig() -> (Rig, WatchId) {
    let mut rig = Rig::with(
        Settings {
            refill_rows: 1,
            ..Settings::default()
        },
        windowed(),
    );
    rig.subscribe(Attached::Now, 5, 5);
    let watcher = rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    rig.serve_page(5, rows(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]), 6, false);
    (rig, watcher)
}

fn rows(things: &[(&str, i64)]) -> Vec<Row> {
    things.iter().map(|(name, n)| row(name, *n, 1)).collect()
}

fn shows(rig: &Rig, ids: &str, total: u64) {
    let list = rig.list(&by_n(3));
    assert_eq!(
        (rig.ids(&by_n(3)).as_str(), list.total_count),
        (ids, Some(total))
    );
    assert_eq!((list.trust, list.total_exact), (Trust::Live, true));
}

#[test]
fn a_window_is_asked_for_with_a_little_more_than_needed() {
    let mut rig = Rig::with(
        Settings {
            refill_rows: 1,
            ..Settings::default()
        },
        windowed(),
    );
    rig.subscribe(Attached::Now, 5, 5);
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    assert!(!rig.list(&by_n(3)).known);
    let Wanted::Page { query, run, .. } = rig.want() else {
        panic!("a page is wanted")
    };
    assert_eq!((query, run.query()), (by_n(4), &by_n(0).unlimited()));
}

#[test]
fn a_page_of_data_sets_run_total_and_as_of() {
    let (rig, _) = rig();
    shows(&rig, "a b c", 6);
    let list = rig.list(&by_n(3));
    assert!(list.complete && list.known);
    assert_eq!(rig.wants(), Vec::new());
    assert_eq!(rig.n("d"), Some(4), "its rows are known one by one too");
}

#[test]
fn law_9_an_op_with_both_images_known_makes_the_four_transitions() {
    let (mut rig, watcher) = rig();
    rig.commit(6, vec![merge_told("b", (2, 0), 6, 1)]);
    assert_eq!(rig.flush(), [watcher]);
    shows(&rig, "b a c", 6);
    rig.commit(7, vec![remove_told("a", 1, 7)]);
    rig.flush();
    shows(&rig, "b c d", 5);
    rig.commit(8, vec![put("new", 1, 8)]);
    rig.flush();
    shows(&rig, "b new c", 6);
    // An insertion behind the bound counts, and comes in only when it is asked for.
    rig.commit(9, vec![put("far", 90, 9)]);
    rig.flush();
    shows(&rig, "b new c", 7);
    // The images are sent, so it matters not that the entity is not held.
    rig.commit(10, vec![merge_told("e", (5, 2), 10, 1)]);
    rig.flush();
    shows(&rig, "b new e", 7);
    rig.commit(11, vec![remove_told("f", 6, 11)]);
    rig.flush();
    shows(&rig, "b new e", 6);
}

#[test]
fn a_run_that_gets_short_admits_it_and_is_refilled_behind_its_bound() {
    let (mut rig, _) = rig();
    rig.commit(6, vec![remove("a", 6)]);
    rig.flush();
    shows(&rig, "b c d", 5);
    rig.commit(7, vec![remove("b", 7)]);
    rig.flush();
    let list = rig.list(&by_n(3));
    assert_eq!(
        (rig.ids(&by_n(3)).as_str(), list.total_count, list.complete),
        ("c d", Some(4), false)
    );
    assert_eq!(
        list.trust,
        Trust::Live,
        "what is shown is right, and it says that it is not all"
    );
    let wanted = rig.want();
    let Wanted::Page { query, .. } = &wanted else {
        panic!("a page is wanted")
    };
    let bound = Cursor {
        values: vec![Value::from(4)],
        id: id("d"),
    };
    assert_eq!(
        (query.start(), query.row_limit()),
        (&Start::After(Box::new(bound)), Some(2))
    );
    let ticket = rig.begin(&wanted);
    rig.page(
        ticket,
        Some(point(7)),
        rows(&[("e", 5), ("f", 6)]),
        Some(4),
        true,
    );
    rig.flush();
    shows(&rig, "c d e", 4);
    assert!(rig.list(&by_n(3)).complete);
    assert_eq!(rig.wants(), Vec::new());
    // The end is known now: a row at the end comes in at once.
    rig.commit(8, vec![put("z", 99, 8), remove("c", 8), remove("d", 8)]);
    rig.flush();
    shows(&rig, "e f z", 3);
}

#[test]
fn law_6_changes_since_the_request_count_on_top_of_the_page() {
    let mut rig = Rig::attached(5);
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    // The page speaks for 7; what came before it is in it, what comes after is not.
    rig.commit(6, vec![put("six", 0, 6)]);
    rig.commit(7, vec![remove_told("old", 9, 7)]);
    rig.commit(8, vec![put("new", 1, 8)]);
    let page = vec![row("six", 0, 6), row("a", 2, 1), row("b", 3, 1)];
    rig.page(ticket, Some(point(7)), page, Some(10), false);
    rig.flush();
    shows(&rig, "six new a", 11);
    assert_eq!(rig.wants(), Vec::new());
}

#[test]
fn law_6_what_is_learnt_since_the_request_and_is_newer_than_the_page_is_in_the_list() {
    let mut rig = Rig::attached(5);
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    // The stream breaks off; the answer to an own write comes all the same.
    rig.detach(DetachReason::Gap);
    let _ = rig.add(1, vec![create("tmp_1", 1)]);
    let _ = rig.rename("tmp_1", "new");
    rig.answer(1, Some(7), vec![row("new", 1, 7)]);
    rig.flush();
    rig.page(ticket, Some(point(5)), rows(&[("a", 2)]), Some(1), true);
    rig.flush();
    assert_eq!(rig.ids(&by_n(3)), "new a");
    rig.subscribe(Attached::Resumed, 5, 7);
    rig.commit(6, vec![put("b", 3, 6)]);
    rig.commit(7, vec![put("new", 1, 7)]);
    rig.flush();
    shows(&rig, "new a b", 3);
}

#[test]
fn an_unclear_change_during_the_request_makes_it_asked_exactly_once_more() {
    let mut rig = Rig::attached(5);
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    rig.commit(6, vec![remove("unknown", 6)]);
    rig.flush();
    assert_eq!(rig.wants(), Vec::new(), "it is still on its way");
    rig.page(ticket, Some(point(5)), rows(&[("a", 1)]), Some(7), true);
    rig.flush();
    let list = rig.list(&by_n(3));
    assert_eq!(
        (list.trust, list.total_exact),
        (Trust::Stale(StaleReason::Marked), false)
    );
    rig.serve_page(6, rows(&[("a", 1)]), 1, true);
    let list = rig.list(&by_n(3));
    assert_eq!(
        (list.trust, list.total_count, list.total_exact),
        (Trust::Live, Some(1), true)
    );
    assert_eq!(rig.wants(), Vec::new());
}

#[test]
fn images_unknown_and_fields_disjoint_is_nothing_to_the_list() {
    let (mut rig, _) = rig();
    rig.commit(6, vec![merge("unheld", json!({"name": "x"}), 6, 3)]);
    rig.flush();
    shows(&rig, "a b c", 6);
}

#[test]
fn images_unknown_and_fields_in_common_makes_the_list_stale_and_its_total_inexact() {
    let (mut rig, watcher) = rig();
    rig.commit(6, vec![merge("unheld", json!({"n": 1}), 6, 3)]);
    assert_eq!(rig.flush(), [watcher]);
    let list = rig.list(&by_n(3));
    assert_eq!(
        (list.trust, list.total_exact),
        (Trust::Stale(StaleReason::Marked), false)
    );
    assert_eq!(rig.ids(&by_n(3)), "a b c", "what is shown stays");
    rig.serve_page(6, rows(&[("unheld", 1), ("a", 1), ("b", 2)]), 6, false);
    assert_eq!(
        rig.list(&by_n(3)).trust,
        Trust::Stale(StaleReason::OtherOrder),
        "a comes before unheld"
    );
    rig.commit(7, vec![stale("unheld")]);
    rig.flush();
    rig.serve_page(
        7,
        rows(&[("a", 1), ("unheld", 1), ("b", 2), ("c", 3)]),
        6,
        false,
    );
    shows(&rig, "a unheld b", 6);
}

#[test]
fn total_count_falls_only_where_the_entity_counted() {
    let mut rig = Rig::attached(5);
    let query = Query::new(things()).filter(field("n").lt(3)).limit(9);
    rig.cache.watch(Target::List(query.clone()));
    rig.flush();
    rig.serve_page(5, rows(&[("a", 1), ("b", 2)]), 2, true);
    rig.commit(6, vec![remove_told("other", 7, 6)]);
    rig.flush();
    assert_eq!(rig.list(&query).total_count, Some(2));
    rig.commit(7, vec![remove_told("a", 1, 7)]);
    rig.flush();
    assert_eq!(rig.list(&query).total_count, Some(1));
}

#[test]
fn a_row_learnt_elsewhere_shows_its_content_and_never_moves_the_total() {
    let (mut rig, _) = rig();
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    let ticket = rig.ask(&["b", "new"]);
    let named = Row {
        record: record(json!({"id": "b", "n": 2, "name": "x"})),
        ..row("b", 2, 6)
    };
    rig.entities(ticket, Some(point(7)), vec![named], &[]);
    rig.flush();
    let list = rig.list(&by_n(3));
    assert_eq!(
        list.rows[1]
            .record
            .get("name")
            .and_then(|name| name.as_text()),
        Some("x")
    );
    assert_eq!(list.total_count, Some(6));
    assert_eq!(
        list.trust,
        Trust::Stale(StaleReason::Disconnected),
        "its place is the same"
    );
    let ticket = rig.ask(&["b"]);
    rig.entities(ticket, Some(point(8)), vec![row("b", 9, 8)], &[]);
    rig.flush();
    let list = rig.list(&by_n(3));
    assert_eq!(
        (rig.ids(&by_n(3)).as_str(), list.total_count),
        ("a c d", Some(6))
    );
    assert_eq!(
        list.trust,
        Trust::Stale(StaleReason::Marked),
        "its place changed, and the list is not live"
    );
}

#[test]
fn an_answer_older_than_the_page_cannot_bring_in_a_row_the_page_does_not_have() {
    let mut rig = Rig::attached(5);
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    let early = rig.ask(&["gone"]);
    let page = rig.begin(&rig.want());
    rig.commit(6, Vec::new());
    rig.page(page, Some(point(6)), rows(&[("a", 1)]), Some(1), true);
    rig.entities(early, Some(point(5)), rows(&[("gone", 0)]), &[]);
    rig.flush();
    shows(&rig, "a", 1);
}

#[test]
fn what_a_page_does_not_have_any_more_leaves_the_list_and_is_doubtful() {
    let (mut rig, _) = rig();
    rig.cache.watch(Target::Entity(key("b")));
    rig.detach(DetachReason::Disconnected);
    rig.subscribe(Attached::Now, 9, 9);
    rig.flush();
    let page = rig
        .wants()
        .into_iter()
        .find(|wanted| matches!(wanted, Wanted::Page { .. }))
        .unwrap();
    let ticket = rig.begin(&page);
    rig.page(
        ticket,
        Some(point(9)),
        rows(&[("a", 1), ("c", 3), ("d", 4), ("e", 5)]),
        Some(5),
        false,
    );
    rig.flush();
    shows(&rig, "a c d", 5);
    assert_eq!(rig.trust("b"), Trust::Stale(StaleReason::Marked));
    assert_eq!(
        rig.want(),
        Wanted::Entities {
            entity_type: things(),
            ids: vec![id("b")]
        }
    );
}

#[test]
fn pending_writes_show_in_a_window_and_in_its_total() {
    let (mut rig, _) = rig();
    rig.add(1, vec![set("c", json!({"n": 0}))]);
    shows(&rig, "c a b", 6);
    let temporary = tidewire_model::EntityId::temporary(crate::support::action(2));
    rig.add(2, vec![create(temporary.as_str(), 1)]);
    let list = rig.list(&by_n(3));
    assert_eq!(
        (list.total_count, list.total_exact),
        (Some(7), true),
        "a temporary id is new for sure"
    );
    rig.add(3, vec![create("mine", 1)]);
    let list = rig.list(&by_n(3));
    assert_eq!(
        (list.total_count, list.total_exact),
        (Some(8), false),
        "the server may have this one already"
    );
    // A page that comes now is placed under the pending writes.
    rig.commit(6, vec![stale("d")]);
    rig.flush();
    rig.serve_page(6, rows(&[("a", 1), ("b", 2), ("c", 3), ("e", 5)]), 5, false);
    assert_eq!(rig.ids(&by_n(3)), format!("c a mine"));
    assert_eq!(rig.list(&by_n(3)).total_count, Some(7));
}

#[test]
fn a_list_opened_over_pending_writes_counts_them() {
    let mut rig = Rig::attached(5);
    let temporary = tidewire_model::EntityId::temporary(crate::support::action(1));
    rig.add(1, vec![create(temporary.as_str(), 1)]);
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    rig.serve_page(5, rows(&[("a", 1), ("b", 2)]), 2, true);
    shows(&rig, &format!("a {temporary} b"), 3);
    rig.refuse(1).expect("it was pending");
    shows(&rig, "a b", 2);
}

#[test]
fn a_list_that_grows_at_its_front_does_not_grow_without_limit() {
    let (mut rig, _) = rig();
    for to in 6..200_u64 {
        rig.commit(
            to,
            vec![put(&format!("n{to}"), -i64::try_from(to).unwrap(), to)],
        );
        rig.flush();
    }
    assert!(
        rig.cache.stats().run_rows <= 3 + 2,
        "{} rows are kept",
        rig.cache.stats().run_rows
    );
    shows(&rig, "n199 n198 n197", 200);
    assert_eq!(rig.wants(), Vec::new());
}

#[test]
fn a_window_after_a_row_is_a_run_of_its_own() {
    let mut rig = Rig::attached(5);
    let cursor = Cursor {
        values: vec![Value::from(50)],
        id: id("m"),
    };
    let far = by_n(2).after(cursor);
    rig.cache.watch(Target::List(far.clone()));
    rig.flush();
    rig.serve_page(5, rows(&[("n", 51), ("o", 52), ("p", 53)]), 90, false);
    assert_eq!(
        (rig.ids(&far).as_str(), rig.list(&far).total_count),
        ("n o", Some(90))
    );
    rig.commit(6, vec![put("front", 1, 6)]);
    rig.flush();
    assert_eq!(
        (rig.ids(&far).as_str(), rig.list(&far).total_count),
        ("n o", Some(91))
    );
    rig.commit(7, vec![put("mm", 50, 7)]);
    rig.flush();
    assert_eq!(
        (rig.ids(&far).as_str(), rig.list(&far).trust),
        ("mm n", Trust::Live)
    );
}

#[test]
fn a_longer_window_asks_for_the_rest_only() {
    let (mut rig, _) = rig();
    let longer = by_n(6);
    rig.cache.watch(Target::List(longer.clone()));
    rig.flush();
    assert_eq!(
        (rig.ids(&longer).as_str(), rig.list(&longer).complete),
        ("a b c d", false)
    );
    let Wanted::Page { query, .. } = rig.want() else {
        panic!("a page is wanted")
    };
    assert_eq!(query.row_limit(), Some(3), "two and one more");
    assert!(matches!(query.start(), Start::After(_)));
    rig.serve_page(5, rows(&[("e", 5), ("f", 6)]), 6, true);
    assert_eq!(
        (rig.ids(&longer).as_str(), rig.list(&longer).complete),
        ("a b c d e f", true)
    );
}

#[test]
fn a_page_for_a_bound_that_moved_is_learnt_from_and_asked_again() {
    let (mut rig, _) = rig();
    rig.cache.watch(Target::List(by_n(6)));
    rig.flush();
    let extension = rig.want();
    let ticket = rig.begin(&extension);
    // Meanwhile the run is loaded anew and ends elsewhere.
    rig.commit(6, vec![stale("a")]);
    rig.flush();
    rig.cache.fail_fetch(rig.now, ticket);
    let anew = rig.begin(&rig.want());
    rig.page(
        anew,
        Some(point(6)),
        rows(&[("a", 1), ("b", 2)]),
        Some(6),
        false,
    );
    let late = rig.cache.begin_fetch(rig.now, &extension);
    rig.page(late, Some(point(6)), rows(&[("e", 5)]), Some(6), true);
    rig.flush();
    assert_eq!(rig.ids(&by_n(6)), "a b", "no hole is shown");
    assert_eq!(rig.n("e"), Some(5));
    assert!(matches!(rig.want(), Wanted::Page { .. }));
}

#[test]
fn law_18_when_the_last_watcher_goes_the_run_goes() {
    let (mut rig, watcher) = rig();
    let second = rig.cache.watch(Target::List(by_n(2)));
    rig.flush();
    rig.cache.unwatch(watcher);
    rig.flush();
    assert_eq!(rig.cache.stats().runs, 1);
    rig.cache.unwatch(second);
    rig.flush();
    let stats = rig.cache.stats();
    assert_eq!((stats.runs, stats.run_rows, stats.watchers), (0, 0, 0));
    assert!(!rig.list(&by_n(3)).known);
    assert_eq!(rig.cache.watched_types().count(), 0);
}

#[test]
fn an_answer_for_a_run_nobody_watches_any_more_is_let_go() {
    let mut rig = Rig::attached(5);
    let watcher = rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    rig.cache.unwatch(watcher);
    rig.flush();
    assert_eq!(
        rig.page(ticket, Some(point(5)), rows(&[("a", 1)]), Some(1), true),
        Taken::NotHeld
    );
    assert_eq!(rig.cache.stats().requests, 0);
}

#[test]
fn what_a_page_forgets_to_end_does_not_make_a_loop() {
    let mut rig = Rig::attached(5);
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    rig.serve_page(5, Vec::new(), 0, false);
    assert_eq!(rig.wants(), Vec::new());
    assert_eq!(rig.list(&by_n(3)).total_count, Some(0));
}

#[test]
fn more_changes_than_are_remembered_make_the_page_asked_once_more() {
    let mut cache = Cache::new(Settings {
        max_logged_changes: 2,
        ..Settings::default()
    });
    cache.define(things(), windowed()).unwrap();
    let reader = cache.reader();
    let mut rig = Rig {
        cache,
        reader,
        now: tidewire_model::Tick::ZERO,
    };
    rig.subscribe(Attached::Now, 5, 5);
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    rig.commit(6, vec![put("a", 1, 6), put("b", 2, 6), put("c", 3, 6)]);
    rig.page(ticket, Some(point(5)), Vec::new(), Some(0), true);
    rig.flush();
    assert_eq!(rig.list(&by_n(3)).trust, Trust::Stale(StaleReason::Marked));
    rig.serve_page(6, rows(&[("a", 1), ("b", 2), ("c", 3)]), 3, true);
    shows(&rig, "a b c", 3);
}

#[test]
fn a_write_that_comes_while_a_page_is_installed_costs_no_row_when_it_is_refused() {
    for slices in 0..12 {
        let mut rig = Rig::attached(5);
        rig.cache.watch(Target::List(by_n(9)));
        rig.flush();
        let ticket = rig.begin(&rig.want());
        rig.commit(6, vec![put("new", 1, 6)]);
        rig.flush();
        rig.page(ticket, Some(point(5)), rows(&[("a", 2)]), Some(1), true);
        for _ in 0..slices {
            rig.cache.work(rig.now, 1);
        }
        rig.add(1, vec![set("new", json!({"n": 5}))]);
        rig.flush();
        rig.refuse(1);
        let list = rig.list(&by_n(9));
        assert_eq!(
            (rig.ids(&by_n(9)).as_str(), list.total_count, list.trust),
            ("new a", Some(2), Trust::Live),
            "after {slices} slices"
        );
    }
}

#[test]
fn law_19_no_count_of_a_peer_is_too_large() {
    let mut rig = Rig::attached(5);
    rig.cache.watch(Target::List(by_n(1)));
    rig.flush();
    let most = u64::try_from(i64::MAX).unwrap();
    let ticket = rig.begin(&rig.want());
    rig.commit(6, vec![put("b", 2, 6)]);
    rig.page(ticket, Some(point(5)), rows(&[("a", 1)]), Some(most), false);
    rig.flush();
    rig.commit(7, vec![put("c", 3, 7)]);
    rig.add(1, vec![create("mine", 0)]);
    rig.flush();
    assert_eq!(rig.list(&by_n(1)).total_count, Some(most));
}

#[test]
fn a_list_about_a_temporary_id_is_opened_though_the_server_names_it_first() {
    for slices in 0..4 {
        let mut rig = Rig::attached(5);
        let query = Query::new(things())
            .filter(field("of").eq("tmp_0"))
            .limit(9);
        let watcher = rig.cache.watch(Target::List(query.clone()));
        for _ in 0..slices {
            rig.cache.work(rig.now, 1);
        }
        rig.rename("tmp_0", "r0").expect("it is new");
        rig.flush();
        rig.serve_page(5, Vec::new(), 0, true);
        let list = rig.list(&query);
        assert_eq!((list.trust, list.known), (Trust::Live, true), "{slices}");
        let mine = record(json!({"id": "a", "of": "r0"}));
        rig.add(1, vec![effect("a", tidewire_model::EffectBody::Put(mine))]);
        assert_eq!(rig.ids(&query), "a");
        assert_eq!(rig.refuse(1).unwrap().woken, [watcher]);
        rig.cache.unwatch(watcher);
        rig.flush();
        assert_eq!(rig.cache.stats().runs, 0);
    }
}
