//! What the application says of its own: set, update, marks by key, and forgetting.

use serde_json::json;
use tidewire_cache::{
    Attached, DetachReason, Intake, Interest, Origin, Presence, StaleReason, Taken, Target, Trust,
    Wanted,
};
use tidewire_model::{CacheKey, Row, Version};

use crate::support::{
    Rig, by_client, by_n, create, gap, id, key, merge, patch, point, push_merge, push_put,
    push_remove, put, remove, row, set, thing, things, windowed,
};

/// A windowed collection with points of the client, attached, with `a` known.
fn client() -> Rig {
    let mut rig = Rig::new(by_client());
    rig.subscribe(Attached::Now, 0, 0);
    rig.push(vec![push_put("a", 1, Some(3))]);
    rig.flush();
    rig
}

fn unversioned(name: &str, n: i64) -> Row {
    Row {
        id: id(name),
        record: thing(name, n),
        version: None,
    }
}

impl Rig {
    fn set(&mut self, row: Row) {
        self.cache.set(self.now, &things(), row).unwrap();
        self.flush();
    }

    fn update(&mut self, name: &str, fields: serde_json::Value, version: Option<u64>) {
        let version = version.and_then(Version::new);
        self.cache
            .update(self.now, key(name), patch(fields), version)
            .unwrap();
        self.flush();
    }

    fn clear(&mut self) -> Taken {
        self.take(Intake::Clear {
            entity_type: things(),
        })
    }

    fn loose(&mut self, at: u64, rows: Vec<Row>) {
        self.take(Intake::Rows {
            entity_type: things(),
            as_of: point(at),
            rows,
            missing: Vec::new(),
        });
        self.flush();
    }
}

#[test]
fn coverage_a10_what_is_set_is_shown_to_those_who_watch_it_and_in_the_lists_it_belongs_to() {
    let mut rig = Rig::new(tidewire_cache::CollectionSettings {
        interest: Interest::PushesOnly,
        ..by_client()
    });
    let entity = rig.cache.watch(Target::Entity(key("a")));
    let list = rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    rig.cache.set(rig.now, &things(), row("a", 1, 1)).unwrap();
    let shows = rig.cache.shows();
    assert!(!rig.reader.read(|snapshot| snapshot.shows(shows)));
    assert_eq!(rig.flush(), [entity, list]);
    assert!(rig.reader.read(|snapshot| snapshot.shows(shows)));
    assert_eq!((rig.n("a"), rig.ids(&by_n(9))), (Some(1), "a".to_owned()));
    let why = rig.reader.why(rig.now, &key("a")).unwrap();
    assert_eq!(why.confirmed.unwrap().origin, Origin::Set);
}

#[test]
fn law_6_an_answer_asked_for_before_something_was_set_does_not_overwrite_it() {
    let mut rig = client();
    let early = rig.ask(&["a", "b"]);
    rig.set(unversioned("a", 5));
    rig.update("a", json!({"m": 1}), None);
    rig.entities(early, None, vec![row("a", 1, 3), row("b", 2, 1)], &[]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.n("b")), (Some(5), Some(2)));
    let late = rig.ask(&["a"]);
    rig.entities(late, None, vec![row("a", 7, 3)], &[]);
    rig.flush();
    assert_eq!(rig.n("a"), Some(7), "asked for after it");
}

#[test]
fn what_is_set_counts_as_an_answer_got_now_whether_the_feed_is_there_or_not() {
    let mut rig = client();
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: None,
    });
    rig.flush();
    assert_eq!(rig.trust("a"), Trust::Stale(StaleReason::Marked));
    rig.set(unversioned("a", 5));
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(5), Trust::Fresh));
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    rig.set(unversioned("a", 6));
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(6), Trust::Stale(StaleReason::Disconnected))
    );
    rig.subscribe(Attached::Now, 0, 0);
    rig.flush();
    assert_eq!(rig.trust("a"), Trust::Stale(StaleReason::BeforeAttached));
}

#[test]
fn law_5_what_is_set_lifts_an_absent_mark_and_what_is_updated_does_not() {
    let mut rig = client();
    rig.push(vec![push_remove("a", Some(4))]);
    rig.flush();
    rig.update("a", json!({"n": 5}), None);
    assert!(rig.is_absent("a"));
    rig.update("b", json!({"n": 5}), None);
    assert!(rig.is_unknown("b"), "an update never creates");
    rig.set(unversioned("a", 5));
    assert_eq!(rig.n("a"), Some(5));
}

#[test]
fn coverage_a4_what_is_set_or_updated_with_an_older_version_changes_nothing() {
    let mut rig = client();
    rig.set(row("a", 8, 2));
    rig.update("a", json!({"n": 8}), Some(2));
    assert_eq!(rig.n("a"), Some(1));
    rig.set(unversioned("a", 5));
    assert_eq!(rig.get("a").version, Version::new(3), "it is kept");
    rig.push(vec![push_merge("a", json!({"n": 8}), Some(3))]);
    rig.flush();
    assert_eq!(rig.n("a"), Some(5));
    rig.update("a", json!({"n": 6}), Some(4));
    rig.update("a", json!({"m": 6}), None);
    assert_eq!(
        (rig.n("a"), rig.get("a").version),
        (Some(6), Version::new(4))
    );
}

#[test]
fn an_update_changes_the_base_and_not_what_own_actions_made_of_it() {
    let mut rig = client();
    rig.add(1, vec![set("a", json!({"n": 10}))]);
    rig.update("a", json!({"m": 2}), None);
    assert_eq!(rig.n("a"), Some(10));
    rig.refuse(1);
    let reading = rig.get("a");
    let record = reading.presence.record().unwrap();
    assert_eq!(
        (rig.n("a"), record.get("m").and_then(|m| m.as_i64())),
        (Some(1), Some(2))
    );
}

#[test]
fn law_7_an_update_says_nothing_of_the_other_fields_so_a_mark_stays() {
    let mut rig = client();
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: Some(vec![id("a")]),
    });
    rig.flush();
    rig.update("a", json!({"n": 5}), None);
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(5), Trust::Stale(StaleReason::Marked))
    );
}

#[test]
fn coverage_a10_where_the_server_makes_points_nothing_is_set_and_the_error_says_what_to_use() {
    let mut rig = Rig::attached(5);
    let set = rig.cache.set(rig.now, &things(), row("a", 1, 1));
    let error = set.unwrap_err();
    assert!(
        error.to_string().contains("write with an action"),
        "{error}"
    );
    let update = rig
        .cache
        .update(rig.now, key("a"), patch(json!({"n": 1})), None);
    assert_eq!(update, Err(error));
    assert!(!rig.cache.has_staged());
}

#[test]
fn coverage_a10_a_mark_by_key_is_no_removal_and_is_asked_for_once() {
    let mut rig = Rig::attached(5);
    rig.cache.watch(Target::List(by_n(3)));
    rig.cache.watch(Target::Entity(key("a")));
    rig.flush();
    let entity = rig.begin(&rig.wants()[0]);
    let page = rig.begin(&rig.want());
    rig.entities(entity, Some(point(5)), vec![row("a", 1, 1)], &[]);
    rig.page(page, Some(point(5)), vec![row("a", 1, 1)], Some(1), true);
    rig.flush();
    assert_eq!(rig.list(&by_n(3)).trust, Trust::Live);
    let list = CacheKey::List(by_n(3));
    assert!(
        rig.cache
            .invalidate(rig.now, vec![list.clone(), list])
            .is_none()
    );
    rig.flush();
    let marked = Trust::Stale(StaleReason::Marked);
    assert_eq!(
        (rig.ids(&by_n(3)), rig.list(&by_n(3)).trust),
        ("a".to_owned(), marked)
    );
    assert_eq!(
        rig.trust("a"),
        Trust::Live,
        "an entity by itself is not the list"
    );
    rig.serve_page(5, vec![row("a", 1, 1)], 1, true);
    assert_eq!(
        (rig.list(&by_n(3)).trust, rig.wants()),
        (Trust::Live, Vec::new())
    );
    rig.cache
        .invalidate(rig.now, vec![CacheKey::Detail(key("a"))]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(1), marked));
    assert!(matches!(rig.want(), Wanted::Entities { .. }));
}

#[test]
fn a_mark_on_a_list_of_a_complete_stream_asks_for_the_snapshot() {
    let mut rig = Rig::snapped(vec![row("a", 1, 1)], 5);
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    rig.cache.invalidate(rig.now, vec![CacheKey::List(by_n(3))]);
    rig.flush();
    assert_eq!(rig.list(&by_n(3)).trust, Trust::Stale(StaleReason::Marked));
    assert!(matches!(rig.want(), Wanted::Snapshot { .. }));
}

#[test]
fn coverage_a10_what_is_watched_is_unknown_after_a_clear_and_wanted_again() {
    let mut rig = Rig::attached(4);
    let entity = rig.cache.watch(Target::Entity(key("a")));
    let list = rig.cache.watch(Target::List(by_n(3)));
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.flush();
    rig.serve_page(5, vec![row("a", 1, 5)], 1, true);
    assert_eq!(rig.wants(), []);
    assert_eq!(rig.clear(), Taken::Staged);
    assert_eq!(rig.flush(), [entity, list]);
    assert!(rig.is_unknown("a") && !rig.list(&by_n(3)).known);
    assert_eq!(rig.cache.stats().entities, 0);
    let [entities, page] = &rig.wants()[..] else {
        panic!("{:?}", rig.wants());
    };
    let (entities, page) = (rig.begin(entities), rig.begin(page));
    rig.entities(entities, Some(point(5)), vec![row("a", 1, 5)], &[]);
    rig.page(page, Some(point(5)), vec![row("a", 1, 5)], Some(1), true);
    rig.flush();
    assert_eq!(
        (rig.trust("a"), rig.list(&by_n(3)).trust),
        (Trust::Live, Trust::Live)
    );
    rig.commit(6, vec![merge("a", json!({"n": 2}), 6, 5)]);
    rig.flush();
    assert_eq!(rig.ids(&by_n(3)), "a");
    assert_eq!(rig.n("a"), Some(2), "the feed went on");
}

#[test]
fn law_11_own_writes_are_never_lost_by_a_clear() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.flush();
    rig.cache.watch(Target::Entity(key("a")));
    rig.add(1, vec![create("b", 2), set("a", json!({"n": 7}))]);
    rig.clear();
    rig.flush();
    assert_eq!(
        (rig.n("b"), rig.cache.stats().pending_actions),
        (Some(2), 1)
    );
    assert!(rig.is_unknown("a"), "what it was made of is not known");
    let ticket = rig.begin(&rig.want());
    rig.entities(ticket, Some(point(5)), vec![row("a", 1, 5)], &[]);
    rig.flush();
    assert_eq!(rig.n("a"), Some(7));
}

#[test]
fn law_5_nothing_deleted_comes_back_after_a_clear_by_an_older_message() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5), put("b", 1, 5)]);
    rig.flush();
    let early = rig.ask(&["a"]);
    rig.commit(6, vec![remove("a", 6)]);
    rig.clear();
    rig.flush();
    rig.loose(5, vec![row("a", 1, 5), row("b", 1, 5)]);
    assert!(rig.is_unknown("a"), "older than what was forgotten");
    assert_eq!(
        rig.entities(early, Some(point(6)), vec![row("a", 1, 5)], &[]),
        Taken::NotHeld,
        "asked for before the clear"
    );
    rig.loose(6, vec![row("b", 1, 5)]);
    assert_eq!(rig.n("b"), Some(1));
}

#[test]
fn law_5_a_mark_that_something_changed_counts_as_noted_too() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![merge("a", json!({"n": 2}), 5, 3)]);
    rig.clear();
    rig.flush();
    rig.loose(4, vec![row("a", 1, 3)]);
    assert!(rig.is_unknown("a"));
}

#[test]
fn where_the_client_makes_points_an_answer_asked_for_before_a_clear_is_not_believed() {
    let mut rig = client();
    let early = rig.ask(&["a"]);
    rig.push(vec![push_remove("a", Some(4))]);
    rig.clear();
    rig.flush();
    rig.entities(early, None, vec![row("a", 1, 3)], &[]);
    rig.flush();
    assert!(rig.is_unknown("a"));
    let late = rig.ask(&["a"]);
    rig.entities(late, None, vec![], &["a"]);
    rig.flush();
    assert_eq!(rig.get("a").presence, Presence::Absent);
}

#[test]
fn a_complete_stream_wants_its_snapshot_after_a_clear() {
    let mut rig = Rig::snapped(vec![row("a", 1, 1)], 5);
    rig.cache.watch(Target::List(by_n(3)));
    rig.clear();
    rig.flush();
    assert!(rig.is_unknown("a") && rig.is_unknown("b"));
    assert!(!rig.list(&by_n(3)).known);
    assert!(matches!(rig.want(), Wanted::Snapshot { .. }));
    rig.snapshot(vec![row("a", 2, 6)], 6);
    rig.flush();
    assert_eq!(
        (rig.ids(&by_n(3)), rig.list(&by_n(3)).trust),
        ("a".to_owned(), Trust::Live)
    );
}

#[test]
fn a_clear_while_a_snapshot_comes_is_a_gap_for_it_may_be_older_than_what_was_forgotten() {
    let mut rig = Rig::new(crate::support::complete());
    rig.subscribe(Attached::Snapshot, 5, 5);
    rig.commit(6, vec![put("a", 6, 6)]);
    rig.snapshot_rows(vec![row("a", 1, 1), row("b", 1, 1)], 5);
    assert_eq!(rig.clear(), gap(6));
    assert_eq!(rig.snapshot_end(5, Vec::new()), Taken::NotHeld);
    rig.flush();
    assert!(rig.is_unknown("a") && rig.is_unknown("b"), "not absent");
    rig.snapshot(vec![row("a", 6, 6), row("b", 1, 1)], 6);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.n("b"), rig.trust("b")),
        (Some(6), Some(1), Trust::Live)
    );
}

#[test]
fn a_type_that_nobody_used_has_nothing_to_forget() {
    let mut rig = Rig::new(windowed());
    let other = rig.take(Intake::Clear {
        entity_type: crate::support::kind("others"),
    });
    assert_eq!(other, Taken::NotHeld);
}
