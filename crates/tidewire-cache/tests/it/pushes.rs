//! Peers without points: the cache counts what comes in, and no reading is ever live.

use std::time::Duration;

use serde_json::json;
use tidewire_cache::{
    Attached, CollectionSettings, DetachReason, Intake, Interest, Presence, StaleReason, Target,
    Trust, Versions, Wanted,
};

use crate::support::{
    Rig, by_client, by_n, create, id, key, push_merge, push_put, push_remove, record, row, set,
    things,
};

fn rig() -> Rig {
    attached(by_client())
}

fn pushes_only() -> Rig {
    attached(CollectionSettings {
        interest: Interest::PushesOnly,
        ..by_client()
    })
}

fn attached(settings: CollectionSettings) -> Rig {
    let mut rig = Rig::new(settings);
    rig.subscribe(Attached::Now, 0, 0);
    rig.flush();
    rig
}

#[test]
fn each_push_is_a_point_made_here_and_a_reading_is_at_most_fresh() {
    let mut rig = rig();
    let before = rig.cache.received(&things()).unwrap();
    rig.push(vec![push_put("a", 1, Some(1))]);
    let after = rig.cache.received(&things()).unwrap();
    assert_eq!(after.offset, before.offset.next());
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(1), Trust::Fresh));
}

#[test]
fn a_fetch_that_began_before_a_push_does_not_overwrite_it() {
    let mut rig = rig();
    let ticket = rig.ask(&["a", "b"]);
    rig.push(vec![push_put("a", 5, None)]);
    rig.entities(ticket, None, vec![row("a", 1, 1), row("b", 1, 1)], &[]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.n("b")), (Some(5), Some(1)));
}

#[test]
fn a_late_fetch_does_not_bring_a_deleted_entity_back_and_a_creation_does() {
    let mut rig = rig();
    rig.push(vec![push_put("a", 5, Some(5))]);
    let ticket = rig.ask(&["a"]);
    rig.push(vec![push_remove("a", None)]);
    rig.entities(ticket, None, vec![row("a", 5, 5)], &[]);
    rig.push(vec![push_merge("a", json!({"n": 6}), Some(6))]);
    rig.flush();
    assert!(rig.is_absent("a"), "nor does an update");
    rig.push(vec![push_put("a", 1, Some(1))]);
    rig.flush();
    assert_eq!(rig.n("a"), Some(1));
}

#[test]
fn a_partial_change_merges_if_its_version_is_higher() {
    let mut rig = rig();
    rig.push(vec![push_put("a", 1, Some(5))]);
    rig.push(vec![
        push_merge("a", json!({"n": 2}), Some(5)),
        push_merge("a", json!({"n": 3}), Some(4)),
    ]);
    rig.flush();
    assert_eq!(
        rig.n("a"),
        Some(1),
        "a repeat and an older one change nothing"
    );
    rig.push(vec![
        push_merge("a", json!({"n": 6}), Some(6)),
        push_merge("a", json!({"n": 7}), Some(7)),
    ]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(7), Trust::Fresh));
    rig.push(vec![push_merge("a", json!({"n": 8}), None)]);
    rig.flush();
    assert_eq!(
        rig.n("a"),
        Some(8),
        "without a version it is newer than what is known"
    );
}

#[test]
fn a_missed_version_merges_marks_and_is_fetched_once() {
    let mut rig = rig();
    rig.cache.watch(Target::Entity(key("a")));
    rig.push(vec![push_put("a", 1, Some(5))]);
    rig.flush();
    let early = rig.ask(&["a"]);
    rig.push(vec![push_merge("a", json!({"n": 8}), Some(8))]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(8), Trust::Stale(StaleReason::MissedVersion))
    );
    rig.entities(early, None, vec![row("a", 6, 6)], &[]);
    rig.flush();
    assert_eq!(rig.n("a"), Some(8));
    let ticket = rig.begin(&rig.want());
    rig.entities(ticket, None, vec![row("a", 8, 8)], &[]);
    rig.flush();
    assert_eq!((rig.trust("a"), rig.wants()), (Trust::Fresh, Vec::new()));
}

#[test]
fn versions_that_merely_rise_mark_nothing() {
    let mut rig = attached(CollectionSettings {
        versions: Versions::Rising,
        ..by_client()
    });
    rig.push(vec![push_put("a", 1, Some(5))]);
    rig.push(vec![push_merge("a", json!({"n": 8}), Some(80))]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(8), Trust::Fresh));
}

#[test]
fn law_4_an_answer_from_an_older_copy_is_refused_by_its_version() {
    let mut rig = rig();
    rig.push(vec![push_put("a", 9, Some(9))]);
    let ticket = rig.ask(&["a"]);
    rig.entities(ticket, None, vec![row("a", 3, 3)], &[]);
    rig.flush();
    assert_eq!(rig.n("a"), Some(9));
}

#[test]
fn a_peer_that_counts_anew_is_believed_when_asked() {
    let mut rig = rig();
    rig.cache.watch(Target::Entity(key("a")));
    rig.push(vec![push_put("a", 9, Some(9))]);
    rig.push(vec![push_put("a", 1, Some(1))]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(9), Trust::Stale(StaleReason::MissedVersion))
    );
    let ticket = rig.begin(&rig.want());
    rig.entities(ticket, None, vec![row("a", 1, 1)], &[]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(1), Trust::Fresh));
}

#[test]
fn a_large_bulk_is_one_mark_on_the_type_and_nothing_goes_blank() {
    let mut rig = rig();
    rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    rig.page(
        ticket,
        None,
        vec![row("a", 1, 1), row("b", 2, 1)],
        Some(2),
        true,
    );
    rig.flush();
    assert_eq!(
        (rig.list(&by_n(9)).trust, rig.list(&by_n(9)).total_exact),
        (Trust::Fresh, true)
    );
    rig.take(Intake::Pushed {
        entity_type: things(),
        changes: Vec::new(),
        stale_all: true,
    });
    rig.flush();
    assert_eq!(
        (rig.ids(&by_n(9)).as_str(), rig.list(&by_n(9)).trust),
        ("a b", Trust::Stale(StaleReason::Marked))
    );
    assert_eq!(rig.wants().len(), 1);
}

#[test]
fn a_push_during_a_page_request_makes_it_asked_once_more() {
    let mut rig = rig();
    rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    rig.push(vec![push_put("new", 0, Some(1))]);
    // Whether the page counts it already, nobody can tell.
    rig.page(
        ticket,
        None,
        vec![row("new", 0, 1), row("a", 1, 1)],
        Some(2),
        true,
    );
    rig.flush();
    assert_eq!(rig.ids(&by_n(9)), "new a");
    assert!(!rig.list(&by_n(9)).total_exact);
    let ticket = rig.begin(&rig.want());
    rig.page(
        ticket,
        None,
        vec![row("new", 0, 1), row("a", 1, 1)],
        Some(2),
        true,
    );
    rig.flush();
    let list = rig.list(&by_n(9));
    assert_eq!(
        (list.total_count, list.total_exact, list.trust),
        (Some(2), true, Trust::Fresh)
    );
    assert_eq!(rig.wants(), Vec::new());
}

#[test]
fn pushes_keep_a_window_in_step() {
    let mut rig = rig();
    rig.cache.watch(Target::List(by_n(2)));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    rig.page(
        ticket,
        None,
        vec![row("a", 1, 1), row("b", 2, 1), row("c", 3, 1)],
        Some(3),
        true,
    );
    rig.flush();
    rig.push(vec![push_put("z", 0, Some(1))]);
    rig.push(vec![push_remove("a", Some(2))]);
    rig.flush();
    let list = rig.list(&by_n(2));
    assert_eq!(
        (
            rig.ids(&by_n(2)).as_str(),
            list.total_count,
            list.total_exact
        ),
        ("z b", Some(3), true)
    );
}

#[test]
fn after_a_reconnect_what_is_watched_is_refreshed() {
    let mut rig = rig();
    rig.cache.watch(Target::Entity(key("a")));
    rig.push(vec![push_put("a", 1, Some(1))]);
    rig.flush();
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    assert_eq!(rig.trust("a"), Trust::Stale(StaleReason::Disconnected));
    rig.subscribe(Attached::Now, 0, 0);
    rig.flush();
    assert_eq!(rig.trust("a"), Trust::Stale(StaleReason::BeforeAttached));
    let ticket = rig.begin(&rig.want());
    rig.entities(ticket, None, vec![row("a", 2, 2)], &[]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(2), Trust::Fresh));
    // And once more, since nobody said from when on pushes come.
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: None,
    });
    rig.flush();
    assert_eq!(
        rig.want(),
        Wanted::Entities {
            entity_type: things(),
            ids: vec![id("a")]
        }
    );
}

#[test]
fn readings_age_and_are_asked_again_when_too_old() {
    let mut rig = attached(CollectionSettings {
        stale_after: Some(Duration::from_secs(1)),
        ..by_client()
    });
    let watch = rig.cache.watch(Target::Entity(key("a")));
    rig.push(vec![push_put("a", 1, Some(1))]);
    rig.flush();
    let (start, limit) = (rig.now, Duration::from_secs(1));
    assert_eq!(rig.cache.next_ageing(start), Some(start + limit));
    rig.pass(900);
    assert!(rig.cache.age(start, rig.now).is_none());
    assert_eq!(
        (rig.trust("a"), rig.get("a").age),
        (Trust::Fresh, Some(Duration::from_millis(900)))
    );
    assert_eq!(rig.wants(), Vec::new());
    rig.pass(100);
    assert_eq!(rig.trust("a"), Trust::Stale(StaleReason::Aged));
    assert_eq!(rig.wants().len(), 1);
    let publication = rig.cache.age(start, rig.now).expect("somebody is woken");
    assert_eq!(publication.woken, [watch]);
    assert!(rig.cache.age(rig.now, rig.now + limit).is_none(), "once");
    assert_eq!(rig.cache.next_ageing(rig.now), None);
}

#[test]
fn without_requests_a_list_is_what_pushes_have_shown_so_far() {
    let mut rig = pushes_only();
    let watcher = rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    assert!(rig.list(&by_n(9)).known);
    rig.push(vec![push_put("b", 2, Some(1)), push_put("a", 1, Some(1))]);
    assert_eq!(rig.flush(), [watcher]);
    rig.push(vec![
        push_merge("a", json!({"n": 3}), Some(2)),
        push_merge("unseen", json!({"n": 3}), Some(2)),
    ]);
    rig.flush();
    let list = rig.list(&by_n(9));
    assert_eq!(
        (rig.ids(&by_n(9)).as_str(), list.total_count),
        ("b a", Some(2))
    );
    assert_eq!((list.total_exact, list.complete), (false, false));
    assert!(rig.wants().is_empty());
}

#[test]
fn without_requests_a_list_is_at_most_fresh_and_marks_by_hand_are_not_kept() {
    let mut rig = pushes_only();
    rig.push(vec![push_put("a", 1, Some(1))]);
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: None,
    });
    rig.flush();
    assert_eq!(
        (rig.list(&by_n(9)).trust, rig.trust("a")),
        (Trust::Fresh, Trust::Fresh)
    );
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    assert_eq!(
        rig.list(&by_n(9)).trust,
        Trust::Stale(StaleReason::Disconnected)
    );
}

#[test]
fn without_requests_a_reconnect_leaves_what_was_shown_in_doubt() {
    let mut rig = pushes_only();
    rig.push(vec![push_put("a", 1, Some(1)), push_put("b", 2, Some(1))]);
    rig.detach(DetachReason::Disconnected);
    rig.subscribe(Attached::Now, 0, 0);
    rig.flush();
    // Nobody tells what was pushed meanwhile.
    assert_eq!(
        rig.list(&by_n(9)).trust,
        Trust::Stale(StaleReason::BeforeAttached)
    );
    rig.push(vec![push_put("a", 1, Some(2)), push_put("b", 2, Some(2))]);
    rig.flush();
    assert_eq!(rig.list(&by_n(9)).trust, Trust::Fresh);
}

#[test]
fn without_requests_an_accepted_write_stays_visible() {
    let mut rig = pushes_only();
    rig.push(vec![push_put("a", 1, Some(1))]);
    rig.flush();
    rig.add(1, vec![set("a", json!({"n": 9}))]);
    rig.add(2, vec![create("b", 2)]);
    rig.answer(1, None, Vec::new());
    rig.answer(2, None, vec![row("b", 2, 1)]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.n("b")), (Some(9), Some(2)));
    assert!(!rig.get("a").pending && !rig.get("b").pending);
    assert_eq!(rig.cache.stats().pending_actions, 0);
    rig.push(vec![push_merge("a", json!({"n": 10}), Some(2))]);
    rig.flush();
    assert_eq!(
        rig.get("a").presence,
        Presence::Present(record(json!({"id": "a", "n": 10})))
    );
}

#[test]
fn points_made_here_allow_no_snapshot() {
    let settings = CollectionSettings {
        interest: Interest::Complete { max_rows: 10 },
        ..by_client()
    };
    let mut rig = Rig::new(settings.clone());
    assert_eq!(rig.cache.interest(&things()), Interest::Windowed);
    assert!(
        rig.cache.define(things(), settings).is_ok(),
        "to say the same again changes nothing"
    );
    assert!(rig.cache.define(things(), by_client()).is_err());
}
