//! How far a reading can be trusted, and the reason given.

use std::time::Duration;

use serde_json::json;
use tidewire_cache::{
    Attached, CollectionSettings, DetachReason, Intake, StaleReason, Target, Trust, Wanted,
};

use crate::support::{
    Rig, by_client, by_n, complete, key, point, push_put, put, row, set, things, windowed,
};

#[test]
fn live_begins_when_what_happened_before_the_attach_has_come_in() {
    let mut rig = Rig::new(windowed());
    rig.subscribe(Attached::Now, 4, 6);
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.flush();
    assert_eq!(rig.trust("a"), Trust::Stale(StaleReason::CatchingUp));
    let watcher = rig.cache.watch(Target::Entity(key("a")));
    rig.commit(6, Vec::new());
    assert_eq!(rig.flush(), [watcher], "becoming live is news");
    assert_eq!(
        (rig.trust("a"), rig.get("a").age),
        (Trust::Live, Some(Duration::ZERO))
    );
}

#[test]
fn losing_the_feed_is_news_to_every_watcher_of_the_type() {
    let mut rig = Rig::snapped(vec![row("a", 1, 1)], 5);
    let entity = rig.cache.watch(Target::Entity(key("a")));
    let list = rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    rig.detach(DetachReason::Disconnected);
    assert_eq!(rig.flush(), [entity, list]);
    assert_eq!(
        rig.list(&by_n(9)).trust,
        Trust::Stale(StaleReason::Disconnected)
    );
}

#[test]
fn without_a_feed_a_reading_is_fresh_for_as_long_as_the_collection_allows() {
    let settings = CollectionSettings {
        stale_after: Some(Duration::from_secs(10)),
        ..complete()
    };
    let mut rig = Rig::new(settings);
    rig.snapshot(vec![row("a", 1, 1)], 5);
    rig.flush();
    // While the feed was live, nothing aged.
    rig.pass(60_000);
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    rig.pass(9_000);
    assert_eq!(
        (rig.trust("a"), rig.get("a").age),
        (Trust::Fresh, Some(Duration::from_secs(9)))
    );
    assert_eq!(rig.list(&by_n(9)).trust, Trust::Fresh);
    rig.pass(1_000);
    assert_eq!(rig.trust("a"), Trust::Stale(StaleReason::Disconnected));
}

#[test]
fn what_was_fetched_without_a_feed_is_told_apart() {
    let mut rig = Rig::new(windowed());
    let ticket = rig.ask(&["a"]);
    rig.entities(ticket, Some(point(7)), vec![row("a", 1, 1)], &[]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(1), Trust::Stale(StaleReason::NotSubscribed))
    );
}

#[test]
fn without_a_feed_an_answer_of_another_epoch_is_the_newer_one() {
    let mut rig = Rig::attached(900);
    rig.commit(901, vec![put("a", 1, 901)]);
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    let ticket = rig.ask(&["a"]);
    let renewed = tidewire_model::Point::new(crate::support::epoch("e2"), crate::support::at(3));
    rig.entities(ticket, Some(renewed), vec![row("a", 2, 3)], &[]);
    rig.flush();
    assert_eq!(rig.n("a"), Some(2));
}

#[test]
fn law_17_a_storm_of_marks_on_one_thing_costs_one_request() {
    let mut rig = Rig::attached(4);
    rig.cache.watch(Target::Entity(key("a")));
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.flush();
    for _ in 0..1000 {
        rig.take(Intake::Stale {
            entity_type: things(),
            ids: Some(vec![crate::support::id("a")]),
        });
    }
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(1), Trust::Stale(StaleReason::Marked)),
        "a mark removes nothing"
    );
    let early = rig.begin(&rig.want());
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: None,
    });
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: None,
    });
    rig.flush();
    assert!(rig.wants().is_empty(), "it is on its way");
    rig.entities(early, Some(point(5)), vec![row("a", 1, 5)], &[]);
    rig.flush();
    assert_eq!(
        rig.trust("a"),
        Trust::Stale(StaleReason::Marked),
        "that answer began before the mark"
    );
    let late = rig.begin(&rig.want());
    rig.entities(late, Some(point(5)), vec![row("a", 1, 5)], &[]);
    rig.flush();
    assert_eq!(
        (rig.trust("a"), rig.wants()),
        (Trust::Live, Vec::new()),
        "one answer ends them all"
    );
}

#[test]
fn a_mark_on_a_list_is_answered_by_a_page_begun_after_it() {
    let mut rig = Rig::attached(5);
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    rig.serve_page(5, vec![row("a", 1, 1)], 1, true);
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: None,
    });
    rig.flush();
    assert_eq!(rig.list(&by_n(3)).trust, Trust::Stale(StaleReason::Marked));
    rig.serve_page(5, vec![row("a", 1, 1)], 1, true);
    assert_eq!(
        (rig.list(&by_n(3)).trust, rig.wants()),
        (Trust::Live, Vec::new())
    );
}

#[test]
fn reasons_are_told_to_people() {
    assert_eq!(
        Trust::Stale(StaleReason::Disconnected).to_string(),
        "stale: the connection is lost"
    );
    assert_eq!(Trust::Live.to_string(), "live");
}

#[test]
fn law_10_an_entity_that_is_believed_again_is_told_to_its_watchers() {
    let mut rig = Rig::attached(4);
    let watcher = rig.cache.watch(Target::Entity(key("a")));
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.flush();
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: None,
    });
    assert_eq!(rig.flush(), [watcher]);
    assert_eq!(rig.trust("a"), Trust::Stale(StaleReason::Marked));
    let ticket = rig.begin(&rig.want());
    rig.entities(ticket, Some(point(5)), vec![row("a", 1, 5)], &[]);
    assert_eq!(rig.flush(), [watcher]);
    assert_eq!(rig.trust("a"), Trust::Live);
}

#[test]
fn law_10_an_entity_that_has_aged_and_is_young_again_is_told_to_its_watchers() {
    let mut rig = Rig::new(CollectionSettings {
        stale_after: Some(Duration::from_millis(50)),
        ..by_client()
    });
    rig.subscribe(Attached::Now, 0, 0);
    let watcher = rig.cache.watch(Target::Entity(key("a")));
    rig.push(vec![push_put("a", 1, Some(1))]);
    rig.flush();
    for (millis, woken) in [(10, vec![]), (60, vec![watcher])] {
        rig.pass(millis);
        let ticket = rig.ask(&["a"]);
        rig.entities(ticket, None, vec![row("a", 1, 1)], &[]);
        assert_eq!(rig.flush(), woken, "after {millis} ms");
        assert_eq!(rig.trust("a"), Trust::Fresh);
    }
}

#[test]
fn law_9_a_list_is_not_live_while_a_pending_row_before_its_window_stands_on_an_old_base() {
    let mut rig = Rig::attached(5);
    let second = by_n(2).offset(1);
    rig.cache.watch(Target::List(second.clone()));
    rig.flush();
    rig.serve_page(
        5,
        vec![row("a", 1, 5), row("b", 2, 5), row("c", 3, 5)],
        3,
        true,
    );
    rig.flush();
    rig.add(1, vec![set("a", json!({"m": 1}))]);
    assert_eq!(rig.list(&second).trust, Trust::Live);
    // What happened meanwhile is not known: where a stands may have changed, and with it who is second.
    rig.detach(DetachReason::Disconnected);
    rig.subscribe(Attached::Now, 9, 9);
    rig.flush();
    let wanted = rig.wants().into_iter();
    for wanted in wanted {
        if matches!(wanted, Wanted::Page { .. }) {
            let ticket = rig.begin(&wanted);
            rig.page(
                ticket,
                Some(point(9)),
                vec![row("b", 2, 5), row("c", 3, 5)],
                Some(2),
                true,
            );
        }
    }
    rig.flush();
    assert_ne!(rig.list(&second).trust, Trust::Live);
    let ticket = rig.ask(&["a"]);
    rig.entities(ticket, Some(point(9)), Vec::new(), &["a"]);
    rig.flush();
    assert_eq!(rig.list(&second).trust, Trust::Live);
    assert_eq!(rig.ids(&second), "c");
}
