//! Where a reading comes from.

use serde_json::json;
use tidewire_cache::{Attached, DetachReason, Intake, Origin, Shown, StaleReason, Trust};
use tidewire_model::Version;

use crate::support::{
    Rig, action, by_client, complete, create, id, key, merge, point, put, remove, row, set, things,
};

#[test]
fn why_tells_what_a_reading_came_from_and_how_new_it_is() {
    let mut rig = Rig::new(complete());
    rig.snapshot(vec![row("a", 1, 1), row("b", 1, 1), row("c", 1, 1)], 5);
    rig.commit(6, vec![merge("b", json!({"n": 2}), 6, 1), remove("c", 6)]);
    rig.flush();
    let ticket = rig.ask(&["d"]);
    rig.entities(ticket, Some(point(6)), vec![row("d", 1, 2)], &[]);
    rig.flush();
    rig.pass(40);
    let held = |name: &str| rig.reader.why(rig.now, &key(name)).unwrap().confirmed;
    let told = ["a", "b", "c", "d"].map(|name| {
        let held = held(name).unwrap();
        (held.shown, held.origin, held.version, held.known_at)
    });
    let version = Version::new;
    assert_eq!(
        told,
        [
            (Shown::Present, Origin::Snapshot, version(1), Some(point(5))),
            (Shown::Present, Origin::Push, version(6), Some(point(6))),
            (Shown::Absent, Origin::Push, version(6), Some(point(6))),
            (Shown::Present, Origin::Answer, version(2), Some(point(6))),
        ]
    );
    assert_eq!(held("e"), None);
    let unknown = rig.reader.why(rig.now, &key("e")).unwrap();
    assert_eq!(
        (unknown.shown, unknown.trust),
        (Shown::Absent, Trust::Live),
        "by the snapshot"
    );
    let other = tidewire_model::EntityKey::new(crate::support::kind("others"), id("a"));
    assert_eq!(rig.reader.why(rig.now, &other), None);
}

#[test]
fn why_names_the_pending_actions_in_order_and_follows_a_new_name() {
    let mut rig = Rig::attached(5);
    let temporary = tidewire_model::EntityId::temporary(action(1));
    rig.add(1, vec![create(temporary.as_str(), 1)]);
    rig.add(2, vec![set("z", json!({"n": 2}))]);
    rig.add(
        3,
        vec![
            set(temporary.as_str(), json!({"n": 3})),
            set(temporary.as_str(), json!({"m": 3})),
        ],
    );
    rig.rename(temporary.as_str(), "r");
    let why = rig.reader.why(rig.now, &key(temporary.as_str())).unwrap();
    assert_eq!((why.key, why.shown), (key("r"), Shown::Present));
    assert_eq!(why.actions, [action(1), action(3)]);
    assert_eq!(why.confirmed, None);
}

#[test]
fn why_is_one_paragraph_that_a_person_can_read() {
    let mut rig = Rig::attached(5);
    rig.commit(6, vec![put("a", 1, 6)]);
    rig.flush();
    rig.pass(20);
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: Some(vec![id("a")]),
    });
    rig.add(7, vec![set("a", json!({"n": 3}))]);
    rig.flush();
    let text = rig.reader.why(rig.now, &key("a")).unwrap().to_string();
    assert_eq!(
        text,
        format!(
            "things:detail-a is there, stale: it was marked as out of date (20 ms since it was last known to be so). \
             Held is a record from a change that was told, 20 ms ago, version 6, known to hold at 6 in e1, \
             marked as out of date here. Pending actions on top, in order: {}. The stream is visible up to 6 in e1.",
            action(7)
        )
    );
    assert_eq!(
        rig.reader.why(rig.now, &key("b")).unwrap().to_string(),
        "things:detail-b is unknown, unknown. Nothing is held of it. No pending action is about it. \
         The stream is visible up to 6 in e1."
    );
}

#[test]
fn law_21_why_says_nothing_of_what_may_not_be_shown_and_what_expired_is_not_shown_there_either() {
    let mut rig = Rig::attached(5);
    rig.commit(6, vec![put("a", 1, 6)]);
    rig.detach(DetachReason::Rights);
    rig.flush();
    assert_eq!(rig.reader.why(rig.now, &key("a")), None);

    let mut rig = Rig::new(tidewire_cache::CollectionSettings {
        expire_after: Some(std::time::Duration::from_millis(10)),
        ..by_client()
    });
    rig.subscribe(Attached::Now, 0, 0);
    rig.cache.set(rig.now, &things(), row("a", 1, 1)).unwrap();
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    rig.pass(10);
    let why = rig.reader.why(rig.now, &key("a")).unwrap();
    assert_eq!(
        (why.shown, why.trust),
        (Shown::Unknown, Trust::Stale(StaleReason::Expired))
    );
    assert_eq!(
        why.confirmed.map(|held| held.origin),
        Some(Origin::Set),
        "it is held back, not gone"
    );
}
