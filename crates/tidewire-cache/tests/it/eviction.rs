//! What is let go at the bounds, and that nothing older is believed afterwards.

use tidewire_cache::{Attached, DetachReason, Settings, Target, Trust};

use crate::support::{
    Rig, by_n, complete, create, key, point, put, remove, room_for, row, windowed,
};

fn rig(bounds: Settings) -> Rig {
    let mut rig = Rig::with(bounds, windowed());
    rig.subscribe(Attached::Now, 4, 4);
    rig.flush();
    rig
}

#[test]
fn law_17_unpinned_entities_are_bounded_and_the_oldest_go() {
    let mut rig = rig(Settings {
        max_bytes: room_for(3),
        ..Settings::default()
    });
    for to in 5..50_u64 {
        rig.commit(to, vec![put(&format!("e{to}"), 1, to)]);
        rig.flush();
        assert!(rig.cache.stats().entities <= 3);
    }
    assert!(rig.is_unknown("e5"));
    assert_eq!(rig.n("e49"), Some(1));
}

#[test]
fn law_5_nothing_older_than_what_was_let_go_is_believed() {
    let mut rig = rig(Settings {
        max_bytes: room_for(2),
        max_absent: 1,
        ..Settings::default()
    });
    let early = rig.ask(&["a", "b"]);
    rig.commit(5, vec![remove("a", 5)]);
    rig.commit(6, vec![put("b", 6, 6)]);
    rig.commit(7, vec![remove("x", 7), put("y", 7, 7)]);
    rig.flush();
    assert!(
        rig.is_unknown("a") && rig.is_unknown("b"),
        "both marks are let go"
    );
    rig.entities(
        early,
        Some(point(4)),
        vec![row("a", 1, 1), row("b", 1, 1)],
        &[],
    );
    rig.flush();
    assert!(
        rig.is_unknown("a") && rig.is_unknown("b"),
        "the absent one does not come back, nor the older one"
    );
    let late = rig.ask(&["b"]);
    rig.entities(late, Some(point(7)), vec![row("b", 6, 6)], &[]);
    rig.flush();
    assert_eq!(rig.n("b"), Some(6));
}

#[test]
fn what_is_watched_pending_or_in_a_list_is_pinned() {
    let mut rig = rig(Settings {
        max_bytes: 0,
        ..Settings::default()
    });
    rig.cache.watch(Target::Entity(key("watched")));
    rig.cache.watch(Target::List(by_n(2)));
    rig.commit(5, vec![put("watched", 50, 5), put("touched", 60, 5)]);
    rig.flush();
    let page = rig.wants().pop().unwrap();
    let ticket = rig.begin(&page);
    rig.page(
        ticket,
        Some(point(5)),
        vec![row("listed", 1, 1), row("second", 2, 1), row("third", 3, 1)],
        Some(9),
        false,
    );
    rig.flush();
    rig.add(1, vec![create("touched", 60)]);
    for to in 6..60_u64 {
        rig.commit(to, vec![put(&format!("e{to}"), 100, to)]);
        rig.flush();
    }
    for name in ["watched", "touched", "listed", "second", "third"] {
        assert!(rig.n(name).is_some(), "{name} is pinned");
    }
    assert!(
        rig.cache.stats().entities <= 5 + 2 + 2,
        "{}",
        rig.cache.stats().entities
    );
    assert_eq!(rig.ids(&by_n(2)), "listed second");
}

#[test]
fn law_17_absent_marks_are_bounded_in_a_complete_collection_too() {
    let mut rig = Rig::with(
        Settings {
            max_absent: 4,
            ..Settings::default()
        },
        complete(),
    );
    rig.snapshot((0..40).map(|n| row(&format!("r{n}"), n, 1)).collect(), 5);
    rig.flush();
    rig.snapshot(vec![row("r0", 0, 1)], 6);
    rig.flush();
    assert!(
        rig.cache.stats().entities <= 5,
        "{}",
        rig.cache.stats().entities
    );
    assert!(
        rig.is_absent("r7"),
        "what a complete stream does not hold is absent"
    );
}

#[test]
fn law_17_remembered_names_are_bounded_but_watched_ones_stay() {
    let mut rig = rig(Settings {
        max_aliases: 2,
        ..Settings::default()
    });
    rig.cache.watch(Target::Entity(key("tmp_0")));
    for number in 0..10 {
        rig.rename(&format!("tmp_{number}"), &format!("r{number}"))
            .expect("it is new");
    }
    rig.commit(
        5,
        (0..10)
            .map(|number| put(&format!("r{number}"), number, 5))
            .collect(),
    );
    rig.flush();
    assert_eq!(rig.cache.stats().aliases, 2);
    assert_eq!(
        (rig.n("tmp_0"), rig.n("tmp_5"), rig.n("tmp_9")),
        (Some(0), None, Some(9))
    );
}

#[test]
fn law_17_a_flapping_entity_leaves_nothing_behind() {
    let mut rig = rig(Settings {
        max_bytes: room_for(2),
        max_absent: 2,
        ..Settings::default()
    });
    for to in 5..200_u64 {
        let change = if to % 2 == 0 {
            remove("a", to)
        } else {
            put("a", 1, to)
        };
        rig.commit(to, vec![change]);
        rig.flush();
    }
    assert_eq!(rig.cache.stats().entities, 1);
}

#[test]
fn law_18_a_stream_that_ended_with_nobody_watching_is_forgotten() {
    let mut rig = Rig::snapped((0..40).map(|n| row(&format!("r{n}"), n, 1)).collect(), 5);
    let watcher = rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    rig.detach(DetachReason::Ended);
    rig.flush();
    assert_eq!(rig.n("r3"), Some(3), "somebody watches: what is held stays");
    rig.cache.unwatch(watcher);
    rig.detach(DetachReason::Ended);
    rig.flush();
    assert_eq!(
        rig.cache.stats(),
        tidewire_cache::Stats {
            rows_worked: rig.cache.stats().rows_worked,
            runs_asked: rig.cache.stats().runs_asked,
            held: rig.cache.stats().held,
            ..Default::default()
        }
    );
    assert!(rig.is_unknown("r3"));
    assert_eq!(
        rig.cache.applied(&crate::support::things()),
        None,
        "there is nothing to resume"
    );
    // And it begins again like the first time.
    rig.snapshot(vec![row("r3", 30, 9)], 9);
    rig.flush();
    assert_eq!(rig.n("r3"), Some(30));
}

#[test]
fn what_is_pending_outlives_the_stream() {
    let mut rig = Rig::snapped(vec![row("a", 1, 1)], 5);
    rig.add(1, vec![create("mine", 3)]);
    rig.detach(DetachReason::Ended);
    rig.flush();
    assert_eq!((rig.n("mine"), rig.n("a")), (Some(3), None));
}

#[test]
fn law_5_nothing_that_was_let_go_comes_back_by_commits_that_are_older() {
    let bounds = Settings {
        max_bytes: room_for(2),
        max_absent: 1,
        ..Settings::default()
    };
    let mut rig = rig(bounds.clone());
    rig.detach(DetachReason::Disconnected);
    // Told ahead of the commits, and let go.
    let ticket = rig.ask(&["a", "b"]);
    rig.entities(ticket, Some(point(8)), Vec::new(), &["a", "b"]);
    rig.flush();
    assert!(rig.is_unknown("a"), "its mark is let go");
    rig.subscribe(Attached::Resumed, 4, 8);
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.flush();
    assert!(rig.is_unknown("a"), "it is known to be gone by 8");
    let late = rig.ask(&["a"]);
    rig.entities(late, Some(point(5)), vec![row("a", 1, 5)], &[]);
    rig.flush();
    assert!(rig.is_unknown("a"), "and by an answer it does not either");
    rig.commit(6, Vec::new());
    rig.commit(7, vec![remove("a", 7)]);
    rig.commit(8, Vec::new());
    rig.commit(9, vec![put("a", 3, 9)]);
    rig.flush();
    assert_eq!(rig.n("a"), Some(3));

    // A complete stream holds the rest, and asks for what it cannot tell.
    let marks_only = Settings {
        max_bytes: usize::MAX,
        ..bounds
    };
    let mut rig = Rig::with(marks_only, complete());
    rig.cache.watch(Target::List(by_n(9)));
    rig.snapshot(vec![row("z", 9, 1)], 4);
    rig.flush();
    rig.detach(DetachReason::Disconnected);
    let ticket = rig.ask(&["a", "b"]);
    rig.entities(ticket, Some(point(8)), Vec::new(), &["a", "b"]);
    rig.flush();
    rig.subscribe(Attached::Resumed, 4, 8);
    rig.commit(5, vec![put("a", 1, 5), put("new", 2, 5)]);
    for to in 6..9 {
        rig.commit(to, Vec::new());
    }
    rig.flush();
    assert_eq!(rig.n("a"), None);
    assert!(matches!(rig.list(&by_n(9)).trust, Trust::Stale(_)));
    let ticket = rig.begin(&rig.want());
    rig.entities(ticket, Some(point(8)), vec![row("new", 2, 5)], &["a"]);
    rig.flush();
    let list = rig.list(&by_n(9));
    assert_eq!(
        (rig.ids(&by_n(9)).as_str(), list.trust),
        ("new z", Trust::Live)
    );
}

#[test]
fn a_list_lacks_no_row_that_was_let_go_ahead_of_its_commit() {
    let mut rig = rig(Settings {
        max_bytes: room_for(2),
        ..Settings::default()
    });
    rig.cache.watch(Target::List(by_n(2)));
    rig.flush();
    rig.serve_page(4, vec![row("m", 5, 1), row("n", 6, 1)], 3, false);
    rig.detach(DetachReason::Disconnected);
    let ticket = rig.ask(&["a", "b", "c"]);
    let rows = vec![row("a", 9, 5), row("b", 9, 6), row("c", 9, 7)];
    rig.entities(ticket, Some(point(8)), rows, &[]);
    rig.flush();
    assert!(rig.is_unknown("a"));
    rig.subscribe(Attached::Resumed, 4, 8);
    rig.commit(5, vec![put("a", 1, 5)]);
    for to in 6..9 {
        rig.commit(to, Vec::new());
    }
    rig.flush();
    let list = rig.list(&by_n(2));
    assert!(
        rig.ids(&by_n(2)).starts_with('a') || matches!(list.trust, Trust::Stale(_)),
        "{list:?}"
    );
}
