//! Lists of complete collections: answered locally, in step with every change.

use serde_json::json;
use tidewire_cache::{Attached, DetachReason, StaleReason, Target, Trust, Wanted};
use tidewire_model::{Cursor, Query, Value, field};

use crate::support::{
    Rig, by_n, commit, complete, create, id, merge, put, remove, row, set, stale, things,
};

fn rig() -> Rig {
    Rig::snapped(
        vec![
            row("a", 1, 1),
            row("b", 2, 2),
            row("c", 3, 3),
            row("d", 4, 4),
        ],
        5,
    )
}

#[test]
fn a_complete_stream_answers_every_query_without_a_request() {
    let mut rig = rig();
    let query = Query::new(things())
        .filter(field("n").ge(2))
        .sort_desc("n")
        .limit(2);
    let unwatched = rig.list(&query);
    rig.cache.watch(Target::List(query.clone()));
    rig.flush();
    let watched = rig.list(&query);
    for list in [&unwatched, &watched] {
        let names: Vec<&str> = list.rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(names, ["d", "c"]);
        assert_eq!(
            (list.total_count, list.total_exact, list.complete),
            (Some(3), true, true)
        );
        assert_eq!((list.trust, list.known), (Trust::Live, true));
    }
    assert_eq!(rig.wants(), Vec::new());
}

#[test]
fn nothing_is_known_of_a_list_before_the_snapshot() {
    let mut rig = Rig::new(complete());
    rig.cache.watch(Target::List(by_n(9)));
    rig.subscribe(Attached::Snapshot, 5, 5);
    rig.flush();
    let list = rig.list(&by_n(9));
    assert_eq!((list.known, list.trust), (false, Trust::Unknown));
    assert_eq!(rig.wants(), Vec::new(), "the snapshot is on its way");
}

#[test]
fn law_9_the_four_transitions() {
    let mut rig = rig();
    let query = Query::new(things())
        .filter(field("n").lt(10))
        .sort_asc("n")
        .limit(3);
    let watcher = rig.cache.watch(Target::List(query.clone()));
    rig.flush();
    let mut to = 5;
    let mut expect = |rig: &mut Rig, change, ids: &str, total| {
        to += 1;
        rig.commit(to, vec![change]);
        let woken = rig.flush();
        assert_eq!(
            (rig.ids(&query).as_str(), rig.list(&query).total_count),
            (ids, Some(total))
        );
        woken.contains(&watcher)
    };
    assert!(
        expect(&mut rig, put("b", 5, 6), "a c d", 4),
        "in to in, moved behind the window"
    );
    assert!(
        expect(&mut rig, merge("a", json!({"name": "x"}), 7, 1), "a c d", 4),
        "in to in, in place"
    );
    assert!(
        expect(&mut rig, put("c", 50, 8), "a d b", 3),
        "in to out, and the next row moves up"
    );
    assert!(expect(&mut rig, put("e", 0, 9), "e a d", 4), "out to in");
    assert!(
        !expect(&mut rig, put("c", 60, 10), "e a d", 4),
        "out to out wakes nobody"
    );
    assert!(
        !expect(
            &mut rig,
            merge("b", json!({"name": "x"}), 11, 6),
            "e a d",
            4
        ),
        "nor does a row below the window"
    );
    assert!(expect(&mut rig, remove("e", 12), "a d b", 3));
}

#[test]
fn law_2_a_list_and_a_detail_never_disagree() {
    let mut rig = rig();
    rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    rig.commit(6, vec![merge("b", json!({"n": 9}), 6, 2)]);
    rig.add(1, vec![set("c", json!({"n": 0}))]);
    rig.flush();
    let list = rig.list(&by_n(9));
    assert_eq!(list.rows.len(), 4);
    for row in &list.rows {
        let reading = rig.get(row.id.as_str());
        assert_eq!(reading.presence.record(), Some(&row.record));
        assert_eq!(
            (reading.version, reading.pending),
            (row.version, row.pending)
        );
    }
}

#[test]
fn pages_of_one_list_share_one_run() {
    let mut rig = rig();
    let (first, second) = (by_n(2), by_n(2).offset(2));
    let one = rig.cache.watch(Target::List(first.clone()));
    let two = rig.cache.watch(Target::List(second.clone()));
    rig.flush();
    assert_eq!(rig.cache.stats().runs, 1);
    assert_eq!(
        (rig.ids(&first).as_str(), rig.ids(&second).as_str()),
        ("a b", "c d")
    );
    rig.commit(6, vec![remove("a", 6)]);
    assert_eq!(rig.flush(), [one, two]);
    assert_eq!(
        (rig.ids(&first).as_str(), rig.ids(&second).as_str()),
        ("b c", "d"),
        "filled from the next page"
    );
    rig.commit(7, vec![merge("d", json!({"name": "x"}), 7, 4)]);
    assert_eq!(rig.flush(), [two], "a row of page 2 concerns page 2");
}

#[test]
fn a_window_after_a_row_of_a_complete_stream_is_local_too() {
    let mut rig = rig();
    let after = by_n(2).after(Cursor {
        values: vec![Value::from(2)],
        id: id("b"),
    });
    rig.cache.watch(Target::List(after.clone()));
    rig.flush();
    assert_eq!(rig.ids(&after), "c d");
    rig.commit(6, vec![put("bb", 2, 6)]);
    rig.flush();
    assert_eq!(
        (rig.ids(&after).as_str(), rig.list(&after).total_count),
        ("bb c", Some(5))
    );
}

#[test]
fn pending_writes_count_in_lists_and_totals() {
    let mut rig = rig();
    rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    rig.add(1, vec![create("new", 0)]);
    rig.add(
        2,
        vec![crate::support::effect(
            "b",
            tidewire_model::EffectBody::Remove,
        )],
    );
    let list = rig.list(&by_n(9));
    assert_eq!(
        (
            rig.ids(&by_n(9)).as_str(),
            list.total_count,
            list.total_exact
        ),
        ("new a c d", Some(4), true)
    );
    assert!(list.rows[0].pending && !list.rows[1].pending);
    rig.refuse(2).expect("it was pending");
    assert_eq!(rig.ids(&by_n(9)), "new a b c d");
}

#[test]
fn a_doubtful_entity_makes_every_list_of_a_complete_stream_doubtful_until_it_is_fetched() {
    let mut rig = rig();
    let query = by_n(9).filter(field("n").gt(100));
    rig.cache.watch(Target::List(query.clone()));
    rig.flush();
    rig.commit(6, vec![stale("a")]);
    rig.flush();
    assert_eq!(rig.list(&query).trust, Trust::Stale(StaleReason::Marked));
    let wanted = rig.want();
    assert_eq!(
        wanted,
        Wanted::Entities {
            entity_type: things(),
            ids: vec![id("a")]
        }
    );
    let ticket = rig.begin(&wanted);
    rig.entities(
        ticket,
        Some(crate::support::point(6)),
        vec![row("a", 101, 6)],
        &[],
    );
    rig.flush();
    assert_eq!(
        (rig.ids(&query).as_str(), rig.list(&query).trust),
        ("a", Trust::Live)
    );
}

#[test]
fn a_stale_complete_stream_wants_its_snapshot_again_once() {
    let mut rig = rig();
    rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    let stale_all = tidewire_cache::Commit {
        stale_all: true,
        ..commit(6, Vec::new())
    };
    rig.take(tidewire_cache::Intake::Commit(stale_all));
    rig.flush();
    assert_eq!(rig.list(&by_n(9)).trust, Trust::Stale(StaleReason::Marked));
    assert_eq!(rig.ids(&by_n(9)), "a b c d", "nothing goes blank");
    let wanted = rig.want();
    assert_eq!(
        wanted,
        Wanted::Snapshot {
            entity_type: things()
        }
    );
    rig.begin(&wanted);
    assert_eq!(rig.wants(), Vec::new());
    rig.snapshot(vec![row("a", 9, 6)], 6);
    rig.flush();
    assert_eq!(
        (rig.ids(&by_n(9)).as_str(), rig.list(&by_n(9)).trust),
        ("a", Trust::Live)
    );
    assert_eq!((rig.wants(), rig.cache.stats().requests), (Vec::new(), 0));
}

#[test]
fn a_list_opened_while_a_batch_is_worked_misses_nothing() {
    let mut rig = rig();
    rig.commit(6, vec![put("e", 5, 6), put("f", 6, 6)]);
    assert_eq!(rig.cache.work(rig.now, 1), tidewire_cache::Progress::More);
    let watcher = rig.cache.watch(Target::List(by_n(9)));
    rig.commit(7, vec![put("g", 7, 7)]);
    let woken = rig.flush();
    assert!(woken.contains(&watcher));
    assert_eq!(rig.ids(&by_n(9)), "a b c d e f g");
    // A write between the watch and the opening of its run wakes it too.
    let other = by_n(9).filter(field("n").gt(5));
    let late = rig.cache.watch(Target::List(other.clone()));
    let step = rig.add(1, vec![create("h", 8)]);
    assert!(step.woken.contains(&late));
    assert_eq!(rig.ids(&other), "f g h");
    rig.flush();
    assert_eq!(rig.ids(&other), "f g h");
}

#[test]
fn a_collection_that_grows_too_large_becomes_windowed_as_a_whole() {
    let settings = tidewire_cache::CollectionSettings {
        interest: tidewire_cache::Interest::Complete { max_rows: 4 },
        ..tidewire_cache::CollectionSettings::default()
    };
    let mut rig = Rig::new(settings.clone());
    let query = by_n(3).filter(field("n").lt(9));
    rig.cache.watch(Target::List(query.clone()));
    rig.snapshot(
        vec![
            row("a", 1, 1),
            row("b", 2, 2),
            row("c", 3, 3),
            row("d", 4, 4),
        ],
        5,
    );
    rig.flush();
    rig.commit(6, vec![put("e", 0, 6)]);
    rig.flush();
    assert_eq!(
        rig.cache.interest(&things()),
        tidewire_cache::Interest::Windowed
    );
    let list = rig.list(&query);
    assert_eq!(
        (rig.ids(&query).as_str(), list.total_count, list.trust),
        ("e a b", Some(5), Trust::Live)
    );
    rig.commit(7, vec![remove("a", 7)]);
    rig.flush();
    assert_eq!(
        (rig.ids(&query).as_str(), rig.list(&query).total_count),
        ("e b c", Some(4))
    );

    let mut rig = Rig::new(settings);
    rig.subscribe(Attached::Snapshot, 5, 5);
    let rows = (0..5).map(|n| row(&format!("r{n}"), n, 1)).collect();
    assert_eq!(rig.snapshot_rows(rows, 5), tidewire_cache::Taken::TooLarge);
    assert_eq!(
        rig.snapshot_end(5, Vec::new()),
        tidewire_cache::Taken::NotHeld
    );
    rig.flush();
    assert_eq!(
        rig.cache.interest(&things()),
        tidewire_cache::Interest::Windowed
    );
    assert_eq!(
        (rig.cache.stats().entities, rig.cache.staged_rows()),
        (0, 0)
    );
}

#[test]
fn a_collection_demoted_while_its_snapshot_came_reloads_its_windows() {
    let settings = tidewire_cache::CollectionSettings {
        interest: tidewire_cache::Interest::Complete { max_rows: 4 },
        ..tidewire_cache::CollectionSettings::default()
    };
    let mut rig = Rig::new(settings);
    rig.cache.watch(Target::List(by_n(2)));
    rig.snapshot(vec![row("gone", 0, 1), row("a", 1, 1), row("b", 2, 2)], 5);
    rig.flush();
    rig.subscribe(Attached::Snapshot, 9, 9);
    let rows = ["a", "b", "c", "d", "e"].into_iter().zip(1..);
    rig.snapshot_rows(rows.map(|(name, n)| row(name, n, 1)).collect(), 9);
    rig.subscribe(Attached::Now, 9, 9);
    rig.flush();
    assert_eq!(rig.ids(&by_n(2)), "gone a", "nothing goes blank");
    assert!(matches!(rig.list(&by_n(2)).trust, Trust::Stale(_)));
    rig.serve_page(9, vec![row("a", 1, 1), row("b", 2, 2)], 5, false);
    assert_eq!(
        (rig.ids(&by_n(2)).as_str(), rig.list(&by_n(2)).trust),
        ("a b", Trust::Live)
    );
}

/// A complete collection of at most four, with three of them at 5.
fn small() -> Rig {
    let mut rig = Rig::new(tidewire_cache::CollectionSettings {
        interest: tidewire_cache::Interest::Complete { max_rows: 4 },
        ..complete()
    });
    rig.snapshot(vec![row("a", 1, 1), row("b", 2, 2), row("c", 3, 3)], 5);
    rig.flush();
    rig
}

/// Two rows more than `small` may hold.
fn grow(rig: &mut Rig, to: u64) {
    rig.commit(to, vec![put("d", 4, to), put("e", 5, to)]);
    rig.flush();
    let interest = rig.cache.interest(&things());
    assert_eq!(interest, tidewire_cache::Interest::Windowed);
}

#[test]
fn a_demoted_collection_keeps_a_row_whose_pending_change_is_cancelled() {
    let mut rig = small();
    rig.add(1, vec![set("a", json!({"n": 9}))]);
    rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    grow(&mut rig, 6);
    assert_eq!(rig.ids(&by_n(9)), "b c d e a");
    rig.refuse(1);
    let list = rig.list(&by_n(9));
    assert_eq!(
        (rig.ids(&by_n(9)).as_str(), list.total_count, list.trust),
        ("a b c d e", Some(5), Trust::Live)
    );
}

#[test]
fn a_demoted_collection_vouches_for_no_more_than_it_did_before() {
    // An entity that may belong anywhere, and a mark on everything.
    for all in [false, true] {
        let mut rig = small();
        rig.cache.watch(Target::List(by_n(9)));
        let mut doubt = commit(6, if all { Vec::new() } else { vec![stale("a")] });
        doubt.stale_all = all;
        rig.take(tidewire_cache::Intake::Commit(doubt));
        rig.flush();
        assert!(matches!(rig.list(&by_n(9)).trust, Trust::Stale(_)));
        grow(&mut rig, 7);
        let list = rig.list(&by_n(9));
        assert_eq!(list.rows.len(), 5, "nothing goes blank");
        assert!(matches!(list.trust, Trust::Stale(_)), "all: {all}");
        assert!(!list.total_exact);
        rig.pass(1);
        assert!(
            rig.wants()
                .iter()
                .any(|wanted| matches!(wanted, Wanted::Page { .. }))
        );
    }
}

#[test]
fn a_collection_demoted_over_a_hole_counts_nothing_twice() {
    let mut rig = small();
    rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    rig.detach(DetachReason::Disconnected);
    // A snapshot begins, a commit behind the hole is applied, and the snapshot is too large.
    rig.subscribe(Attached::Snapshot, 9, 9);
    rig.commit(10, vec![put("x", 0, 10)]);
    let rows = (0..5).map(|n| row(&format!("r{n}"), n, 1)).collect();
    assert_eq!(rig.snapshot_rows(rows, 9), tidewire_cache::Taken::TooLarge);
    rig.flush();
    // It is resumed where it was left after all.
    rig.subscribe(Attached::Resumed, 5, 10);
    for to in 6..10 {
        rig.commit(to, Vec::new());
    }
    rig.commit(10, vec![put("x", 0, 10)]);
    rig.flush();
    let list = rig.list(&by_n(9));
    assert!(
        !list.total_exact || list.total_count == Some(4),
        "{:?}",
        list.total_count
    );
}

#[test]
fn absent_marks_do_not_make_a_complete_collection_too_large() {
    let mut rig = small();
    for to in 6..12 {
        let name = format!("e{to}");
        rig.commit(to, vec![put(&name, 0, to), remove(&name, to)]);
    }
    rig.flush();
    let interest = rig.cache.interest(&things());
    assert_eq!(interest, tidewire_cache::Interest::Complete { max_rows: 4 });
}

#[test]
fn a_window_after_a_row_keeps_no_whole_run_once_the_collection_is_demoted() {
    let mut rig = small();
    let cursor = Cursor {
        values: vec![Value::from(1)],
        id: id("a"),
    };
    let after = by_n(2).after(cursor);
    let watcher = rig.cache.watch(Target::List(after));
    rig.cache.watch(Target::List(by_n(2)));
    rig.flush();
    grow(&mut rig, 6);
    rig.subscribe(Attached::Now, 9, 9);
    rig.flush();
    let refill = tidewire_cache::Settings::default().refill_rows;
    let limits: Vec<Option<u64>> = rig
        .wants()
        .iter()
        .map(|wanted| match wanted {
            Wanted::Page { query, .. } => query.row_limit(),
            _ => None,
        })
        .collect();
    assert_eq!(limits, [Some(2 + refill), Some(2 + refill)]);
    rig.cache.unwatch(watcher);
    rig.flush();
    assert_eq!(rig.cache.stats().runs, 1);
}
