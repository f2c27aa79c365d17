//! The knowledge table, row by row: what each input does to what is known of an entity.

use serde_json::json;
use tidewire_cache::{
    Attached, DetachReason, Intake, Presence, StaleReason, Taken, Target, Trust, Wanted,
};
use tidewire_model::Point;

use crate::support::{
    Rig, at, commit, complete, epoch, gap, id, key, merge, point, put, record, remove, row, stale,
    thing, things,
};

#[test]
fn events_from_received_are_staged_and_applied_when_published() {
    let mut rig = Rig::attached(4);
    assert_eq!(rig.commit(5, vec![put("a", 1, 5)]), Taken::Staged);
    assert_eq!(
        rig.cache.received(&things()),
        Some(point(5)),
        "received := to"
    );
    assert_eq!(
        rig.cache.applied(&things()),
        Some(point(4)),
        "not applied yet"
    );
    assert_eq!(rig.n("a"), None, "not visible yet");
    rig.flush();
    assert_eq!(
        rig.cache.applied(&things()),
        Some(point(5)),
        "applied := to"
    );
    assert_eq!(rig.reader.applied(&things()), Some(point(5)));
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(1), Trust::Live));
}

#[test]
fn law_3_events_not_above_received_are_a_repeat_and_change_nothing() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.flush();
    let revision = rig.reader.revision();
    assert_eq!(rig.commit(5, vec![put("a", 9, 5)]), Taken::Repeat);
    assert!(!rig.cache.has_staged());
    assert_eq!((rig.n("a"), rig.reader.revision()), (Some(1), revision));
}

#[test]
fn law_16_events_behind_a_gap_end_liveness_before_anything_later_shows() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5)]);
    assert_eq!(rig.commit(7, vec![put("a", 2, 7)]), gap(5));
    assert!(!rig.cache.holds(&things()));
    assert_eq!(rig.commit(8, vec![put("a", 3, 8)]), Taken::NotHeld);
    rig.flush();
    assert_eq!(rig.n("a"), Some(1), "what came before the gap is applied");
    assert_eq!(rig.trust("a"), Trust::Stale(StaleReason::Gap));
    assert_eq!(
        rig.cache.applied(&things()),
        Some(point(5)),
        "resume goes on from here"
    );
    rig.subscribe(Attached::Resumed, 5, 6);
    rig.commit(6, vec![put("a", 2, 6)]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(2), Trust::Live));
}

#[test]
fn an_overlapping_commit_cannot_be_told_from_a_gap() {
    let mut rig = Rig::attached(4);
    let overlapping = tidewire_cache::Commit {
        from: at(3),
        ..commit(6, vec![put("a", 1, 6)])
    };
    assert_eq!(rig.take(Intake::Commit(overlapping)), gap(4));
}

#[test]
fn an_op_with_a_whole_record_above_known_at_replaces_it() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.commit(6, vec![put("a", 2, 6)]);
    rig.flush();
    let reading = rig.get("a");
    assert_eq!(reading.presence, Presence::Present(thing("a", 2)));
    assert_eq!(reading.version.map(|version| version.get()), Some(6));
}

#[test]
fn law_7_an_op_with_changes_merges_on_its_base() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.commit(6, vec![merge("a", json!({"name": "x"}), 6, 5)]);
    rig.flush();
    assert_eq!(
        rig.get("a").presence,
        Presence::Present(record(json!({"id": "a", "n": 1, "name": "x"})))
    );
    assert_eq!(rig.trust("a"), Trust::Live);
}

#[test]
fn law_7_an_op_with_changes_on_another_base_keeps_the_image_marks_it_and_asks() {
    let mut rig = Rig::attached(4);
    rig.cache.watch(Target::Entity(key("a")));
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.commit(6, vec![merge("a", json!({"n": 9}), 6, 3)]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(1), Trust::Stale(StaleReason::Marked))
    );
    assert_eq!(
        rig.want(),
        Wanted::Entities {
            entity_type: things(),
            ids: vec![id("a")]
        }
    );
}

#[test]
fn an_op_with_changes_on_what_is_not_held_creates_nothing() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![merge("a", json!({"n": 9}), 5, 3)]);
    rig.flush();
    assert!(rig.is_unknown("a"));
    // And a row that is older than the op is shown only as stale.
    let ticket = rig.ask(&["a"]);
    rig.entities(ticket, Some(point(5)), vec![row("a", 9, 5)], &[]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(9), Trust::Live));
}

#[test]
fn a_row_older_than_an_op_that_could_not_be_applied_stays_doubtful() {
    let mut rig = Rig::attached(4);
    let ticket = rig.ask(&["a"]);
    rig.commit(5, vec![merge("a", json!({"n": 9}), 5, 3)]);
    rig.entities(ticket, Some(point(4)), vec![row("a", 1, 3)], &[]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(1), Trust::Stale(StaleReason::Marked))
    );
}

#[test]
fn law_5_a_deleted_entity_is_absent_and_an_older_row_does_not_bring_it_back() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5)]);
    let ticket = rig.ask(&["a"]);
    rig.commit(6, vec![remove("a", 6)]);
    rig.entities(ticket, Some(point(5)), vec![row("a", 1, 5)], &[]);
    rig.flush();
    assert_eq!((rig.is_absent("a"), rig.trust("a")), (true, Trust::Live));
}

#[test]
fn an_update_never_lifts_an_absent_mark() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![remove("a", 5)]);
    rig.commit(6, vec![merge("a", json!({"n": 9}), 6, 4)]);
    rig.flush();
    assert_eq!(
        (rig.is_absent("a"), rig.trust("a")),
        (true, Trust::Stale(StaleReason::Marked))
    );
    rig.commit(7, vec![put("a", 3, 7)]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(3), Trust::Live),
        "a creation does"
    );
}

#[test]
fn an_op_stale_marks_entities_until_something_newer_comes() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5), put("b", 1, 5)]);
    rig.commit(6, vec![stale("a")]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(1), Trust::Stale(StaleReason::Marked))
    );
    assert_eq!(rig.trust("b"), Trust::Live);
    rig.commit(7, vec![put("a", 2, 7)]);
    rig.flush();
    assert_eq!(rig.trust("a"), Trust::Live);
}

#[test]
fn an_op_stale_for_all_marks_the_stream() {
    let mut rig = Rig::attached(4);
    rig.cache.watch(Target::Entity(key("a")));
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.take(Intake::Commit(tidewire_cache::Commit {
        stale_all: true,
        ..commit(6, Vec::new())
    }));
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(1), Trust::Stale(StaleReason::Marked))
    );
    let ticket = rig.begin(&rig.want());
    rig.entities(ticket, Some(point(6)), vec![row("a", 2, 6)], &[]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a"), rig.wants()),
        (Some(2), Trust::Live, Vec::new())
    );
}

#[test]
fn law_4_any_op_not_above_known_at_is_ignored() {
    let mut rig = Rig::attached(4);
    rig.take(Intake::Rows {
        entity_type: things(),
        as_of: point(7),
        rows: vec![row("a", 7, 7)],
        missing: Vec::new(),
    });
    for (to, change) in [
        (5, put("a", 5, 5)),
        (6, remove("a", 6)),
        (7, put("a", 0, 7)),
    ] {
        rig.commit(to, vec![change]);
        rig.flush();
        assert_eq!(rig.n("a"), Some(7));
    }
}

#[test]
fn two_changes_of_one_entity_in_one_commit_both_count() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5), merge("a", json!({"n": 2}), 5, 4)]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(2), Trust::Live));
}

#[test]
fn law_6_a_row_is_believed_when_not_older_than_what_is_known() {
    let mut rig = Rig::attached(4);
    let older = rig.ask(&["a"]);
    rig.commit(5, vec![put("a", 5, 5)]);
    rig.commit(6, vec![put("b", 5, 6)]);
    let newer = rig.ask(&["a", "gone"]);
    rig.entities(older, Some(point(4)), vec![row("a", 1, 3)], &["b"]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.n("b")),
        (Some(5), Some(5)),
        "an older answer is ignored"
    );
    rig.entities(newer, Some(point(6)), vec![row("a", 6, 6)], &["gone"]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.is_absent("gone")), (Some(6), true));
}

#[test]
fn law_6_an_answer_that_lost_is_asked_again_if_wanted() {
    let mut rig = Rig::attached(4);
    rig.cache.watch(Target::Entity(key("a")));
    rig.flush();
    let wanted = rig.want();
    let ticket = rig.begin(&wanted);
    assert_eq!(rig.wants(), Vec::new(), "it is on its way");
    rig.commit(5, vec![merge("a", json!({"n": 9}), 5, 3)]);
    rig.entities(ticket, Some(point(4)), vec![row("a", 1, 3)], &[]);
    rig.flush();
    assert_eq!(
        rig.want(),
        wanted,
        "the change came after it began, so it is asked once more"
    );
    let ticket = rig.begin(&wanted);
    rig.entities(ticket, Some(point(5)), vec![row("a", 9, 5)], &[]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a"), rig.wants()),
        (Some(9), Trust::Live, Vec::new())
    );
}

#[test]
fn an_answer_for_another_epoch_is_ignored_while_attached() {
    let mut rig = Rig::attached(4);
    rig.cache.watch(Target::Entity(key("a")));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    rig.entities(
        ticket,
        Some(Point::new(epoch("e0"), at(900))),
        vec![row("a", 1, 1)],
        &[],
    );
    rig.flush();
    assert!(rig.is_unknown("a"));
    assert_eq!(rig.wants().len(), 1);
}

#[test]
fn rows_with_a_refusal_count_as_data() {
    let mut rig = Rig::attached(4);
    rig.take(Intake::Rows {
        entity_type: things(),
        as_of: point(4),
        rows: vec![row("a", 1, 2)],
        missing: vec![id("b")],
    });
    rig.flush();
    assert_eq!((rig.n("a"), rig.is_absent("b")), (Some(1), true));
}

#[test]
fn a_snapshot_is_one_step_and_what_it_lacks_is_absent() {
    let mut rig = Rig::snapped(vec![row("a", 1, 1), row("b", 1, 2)], 5);
    rig.commit(6, vec![put("c", 6, 6)]);
    rig.flush();
    rig.detach(DetachReason::Disconnected);
    rig.subscribe(Attached::Snapshot, 9, 9);
    rig.snapshot_rows(vec![row("b", 2, 8)], 9);
    rig.snapshot_rows(vec![row("d", 1, 9)], 9);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.n("b"), rig.n("d")),
        (Some(1), Some(1), None),
        "nothing of it shows before its end"
    );
    rig.snapshot_end(9, Vec::new());
    rig.flush();
    assert_eq!((rig.n("b"), rig.n("d")), (Some(2), Some(1)));
    assert!(rig.is_absent("a") && rig.is_absent("c"));
    assert_eq!((rig.trust("a"), rig.trust("b")), (Trust::Live, Trust::Live));
    assert_eq!(
        rig.cache.applied(&things()),
        Some(point(9)),
        "since = received = applied := a"
    );
    assert_eq!(rig.commit(10, vec![put("a", 3, 10)]), Taken::Staged);
}

#[test]
fn a_snapshot_does_not_undo_what_is_newer() {
    let mut rig = Rig::new(complete());
    rig.subscribe(Attached::Snapshot, 5, 5);
    rig.snapshot_rows(vec![row("a", 1, 1), row("b", 1, 2)], 5);
    // Changes above the snapshot come before its end.
    rig.commit(6, vec![put("a", 6, 6), put("c", 6, 6)]);
    rig.commit(7, vec![remove("b", 7)]);
    rig.snapshot_end(5, Vec::new());
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.n("c"), rig.is_absent("b")),
        (Some(6), Some(6), true)
    );
    assert_eq!(rig.cache.applied(&things()), Some(point(7)));
    assert_eq!(rig.trust("a"), Trust::Live);
}

#[test]
fn an_interrupted_snapshot_leaves_applied_where_it_was() {
    let mut rig = Rig::snapped(vec![row("a", 1, 1)], 5);
    rig.detach(DetachReason::Disconnected);
    rig.subscribe(Attached::Snapshot, 9, 9);
    rig.commit(10, vec![put("b", 1, 10)]);
    rig.snapshot_rows(vec![row("a", 2, 8)], 9);
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    assert_eq!(
        rig.cache.applied(&things()),
        Some(point(5)),
        "what lies between is not there"
    );
    assert_eq!(rig.n("a"), Some(1));
    rig.subscribe(Attached::Resumed, 5, 10);
    for (to, changes) in [
        (6, vec![put("c", 6, 6)]),
        (7, vec![]),
        (8, vec![put("a", 2, 8)]),
        (9, vec![]),
    ] {
        rig.commit(to, changes);
    }
    rig.commit(10, vec![put("b", 1, 10)]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.n("b"), rig.n("c")),
        (Some(2), Some(1), Some(6))
    );
    assert_eq!(rig.trust("c"), Trust::Live);
}

#[test]
fn subscribed_resumed_keeps_since() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    assert_eq!(rig.trust("a"), Trust::Stale(StaleReason::Disconnected));
    rig.subscribe(Attached::Resumed, 5, 5);
    rig.flush();
    assert_eq!(rig.trust("a"), Trust::Live);
}

#[test]
fn subscribed_now_begins_coverage_anew_and_what_is_watched_is_refetched() {
    let mut rig = Rig::attached(4);
    rig.cache.watch(Target::Entity(key("a")));
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.detach(DetachReason::Disconnected);
    rig.subscribe(Attached::Now, 9, 9);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(1), Trust::Stale(StaleReason::BeforeAttached))
    );
    assert_eq!(rig.cache.applied(&things()), Some(point(9)));
    let ticket = rig.begin(&rig.want());
    rig.entities(ticket, Some(point(9)), vec![row("a", 2, 7)], &[]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(2), Trust::Live));
}

#[test]
fn an_epoch_change_makes_points_none_and_shows_what_is_held_as_stale() {
    let mut rig = Rig::attached(900);
    rig.cache.watch(Target::Entity(key("a")));
    rig.commit(901, vec![put("a", 1, 901)]);
    rig.detach(DetachReason::Disconnected);
    rig.subscribe_in("e2", "", Attached::Now, 3, 3);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(1), Trust::Stale(StaleReason::NewEpoch))
    );
    // Points of the new epoch are lower, and count.
    rig.take(Intake::Commit(tidewire_cache::Commit {
        from: at(3),
        ..commit(4, vec![put("a", 2, 4)])
    }));
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(2), Trust::Live));
}

#[test]
fn law_21_a_view_change_hides_the_rows_until_subscribed_again() {
    let mut rig = Rig::snapped(vec![row("a", 1, 1), row("secret", 1, 2)], 5);
    rig.detach(DetachReason::Rights);
    rig.flush();
    assert!(rig.is_unknown("a") && rig.is_unknown("secret"));
    assert!(!rig.list(&crate::support::by_n(9)).known);
    rig.subscribe_in("e1", "less", Attached::Snapshot, 6, 6);
    rig.snapshot_rows(vec![row("a", 1, 1)], 6);
    rig.flush();
    assert!(rig.is_unknown("secret"));
    rig.snapshot_end(6, Vec::new());
    rig.flush();
    assert_eq!((rig.n("a"), rig.is_absent("secret")), (Some(1), true));
}

#[test]
fn law_21_a_windowed_stream_forgets_what_another_view_held() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("secret", 1, 5)]);
    rig.add(1, vec![crate::support::create("mine", 3)]);
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    rig.subscribe_in("e1", "less", Attached::Now, 6, 6);
    rig.flush();
    assert!(rig.is_unknown("secret"));
    assert_eq!(rig.n("mine"), Some(3), "own pending writes stay");
}

#[test]
fn a_disconnect_applies_complete_commits_and_drops_the_rest() {
    let mut rig = Rig::snapped(vec![row("a", 1, 1)], 5);
    rig.subscribe(Attached::Snapshot, 6, 6);
    rig.commit(7, vec![put("a", 7, 7)]);
    rig.snapshot_rows(vec![row("b", 1, 6)], 6);
    rig.detach(DetachReason::Disconnected);
    assert_eq!(rig.snapshot_end(6, Vec::new()), Taken::NotHeld);
    rig.flush();
    assert_eq!((rig.n("a"), rig.n("b")), (Some(7), None));
    assert!(matches!(
        rig.trust("a"),
        Trust::Stale(StaleReason::Disconnected)
    ));
    assert_eq!(rig.cache.staged_rows(), 0);
}

#[test]
fn law_5_what_a_snapshot_did_not_have_is_not_brought_in_by_an_older_answer() {
    let mut rig = Rig::snapped(vec![row("a", 1, 1)], 5);
    let ticket = rig.ask(&["gone"]);
    rig.snapshot(vec![row("a", 1, 1)], 9);
    rig.entities(ticket, Some(point(6)), vec![row("gone", 1, 3)], &[]);
    rig.flush();
    assert_eq!(
        (rig.is_absent("gone"), rig.trust("gone")),
        (true, Trust::Live)
    );
}

#[test]
fn a_head_above_received_is_a_gap() {
    let mut rig = Rig::attached(4);
    assert_eq!(
        rig.take(Intake::Head {
            entity_type: things(),
            offset: at(4)
        }),
        Taken::Repeat
    );
    assert_eq!(
        rig.take(Intake::Head {
            entity_type: things(),
            offset: at(5)
        }),
        gap(4)
    );
    assert!(!rig.cache.holds(&things()));
}

#[test]
fn an_answer_that_speaks_for_more_than_has_come_in_tells_of_a_gap() {
    let mut rig = Rig::attached(4);
    let ticket = rig.ask(&["a"]);
    let taken = rig.entities(ticket, Some(point(6)), vec![row("a", 1, 6)], &[]);
    assert_eq!(taken, gap(4));
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(1), Trust::Stale(StaleReason::Gap))
    );
}

#[test]
fn a_commit_over_several_streams_is_one_step() {
    let mut rig = Rig::attached(4);
    let other = crate::support::kind("others");
    rig.take(Intake::Subscribed {
        entity_type: other.clone(),
        result: Attached::Now,
        epoch: epoch("x"),
        view: String::new(),
        offset: at(70),
        head: at(70),
    });
    rig.flush();
    let mut second = commit(71, vec![put("b", 2, 71)]);
    second.entity_type = other.clone();
    second.changes[0].key.entity_type = other;
    rig.take(Intake::CommitGroup(vec![
        commit(5, vec![put("a", 1, 5)]),
        second,
    ]));
    let steps = rig.steps();
    assert_eq!(steps.len(), 1);
    let entities: Vec<String> = steps[0]
        .entities
        .iter()
        .map(|key| key.cache_key())
        .collect();
    assert_eq!(entities, ["others:detail-b", "things:detail-a"]);
}

#[test]
fn what_is_not_attached_takes_no_commits() {
    let mut rig = Rig::new(complete());
    assert_eq!(rig.commit(1, vec![put("a", 1, 1)]), Taken::NotHeld);
    assert_eq!(rig.snapshot_rows(vec![row("a", 1, 1)], 1), Taken::NotHeld);
    assert_eq!(rig.push(vec![put("a", 1, 1)]), Taken::NotHeld);
}

#[test]
fn law_17_a_peer_makes_no_streams_of_types_that_nobody_uses() {
    let mut rig = Rig::attached(4);
    let never = crate::support::kind("never");
    let rows = Intake::Rows {
        entity_type: never.clone(),
        as_of: point(4),
        rows: vec![row("a", 1, 4)],
        missing: Vec::new(),
    };
    let over = Intake::Detached {
        entity_type: never.clone(),
        why: DetachReason::Ended,
    };
    assert_eq!(rig.take(rows), Taken::NotHeld);
    assert_eq!(rig.take(over), Taken::NotHeld);
    rig.take(Intake::Answer {
        action: crate::support::action(1),
        as_of: [(never.clone(), point(4))].into(),
        rows: vec![(never, row("a", 1, 4))],
        missing: Vec::new(),
        replaced: [].into(),
    });
    rig.flush();
    assert_eq!(rig.cache.stats().entities, 0);
}
