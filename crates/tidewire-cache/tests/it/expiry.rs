//! Readings that are too old to be shown: `expire_after`.

use std::time::Duration;

use serde_json::json;
use tidewire_cache::{
    Attached, CollectionSettings, DetachReason, Intake, Interest, StaleReason, Target, Trust,
    Wanted,
};
use tidewire_model::{Query, Tick};

use crate::support::{
    Rig, by_client, by_n, complete, id, key, point, push_put, put, row, set, things, windowed,
};

const LIMIT: u64 = 10_000;

fn expiring(mut settings: CollectionSettings) -> CollectionSettings {
    settings.expire_after = Some(Duration::from_millis(LIMIT));
    settings
}

const EXPIRED: Trust = Trust::Stale(StaleReason::Expired);

#[test]
fn a_reading_that_nothing_vouches_for_is_not_shown_beyond_its_time_and_says_why() {
    let mut rig = Rig::new(expiring(complete()));
    rig.snapshot(vec![row("a", 1, 1)], 5);
    rig.flush();
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    rig.pass(LIMIT - 1);
    assert_eq!((rig.n("a"), rig.ids(&by_n(9))), (Some(1), "a".to_owned()));
    rig.pass(1);
    let reading = rig.get("a");
    assert!(rig.is_unknown("a"));
    assert_eq!((reading.trust, reading.version), (EXPIRED, None));
    assert_eq!(reading.age, Some(Duration::from_millis(LIMIT)));
    assert!(
        rig.is_unknown("b"),
        "what was absent is not known any more either"
    );
    let list = rig.list(&by_n(9));
    assert_eq!(
        (list.rows.len(), list.known, list.trust),
        (0, false, EXPIRED)
    );
    rig.snapshot(vec![row("a", 1, 1)], 5);
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(1), Trust::Live));
}

#[test]
fn what_a_live_stream_vouches_for_is_never_hidden_not_even_when_it_is_marked() {
    let mut rig = Rig::new(expiring(windowed()));
    rig.subscribe(Attached::Now, 4, 4);
    rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    rig.serve_page(4, vec![row("a", 1, 1)], 1, true);
    rig.pass(10 * LIMIT);
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(1), Trust::Live));
    for ids in [Some(vec![id("a")]), None] {
        rig.take(Intake::Stale {
            entity_type: things(),
            ids,
        });
        rig.flush();
        assert_eq!(rig.n("a"), Some(1), "a mark is no removal");
        assert_eq!(rig.trust("a"), Trust::Stale(StaleReason::Marked));
        assert_eq!(rig.ids(&by_n(9)), "a");
    }
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    rig.pass(LIMIT - 1);
    assert_eq!(rig.n("a"), Some(1), "time counts from the loss on");
    rig.pass(1);
    assert!(rig.is_unknown("a") && !rig.list(&by_n(9)).known);
}

#[test]
fn where_the_client_makes_points_an_attached_feed_vouches_until_it_is_lost() {
    let mut rig = Rig::new(expiring(by_client()));
    rig.subscribe(Attached::Now, 0, 0);
    rig.push(vec![push_put("a", 1, Some(1))]);
    rig.flush();
    rig.pass(10 * LIMIT);
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(1), Trust::Fresh));
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    rig.pass(LIMIT - 1);
    assert_eq!(rig.n("a"), Some(1));
    rig.pass(1);
    assert!(rig.is_unknown("a"));
}

#[test]
fn with_a_limit_for_freshness_readings_of_client_points_expire_while_attached_and_are_asked_for() {
    let mut rig = Rig::new(CollectionSettings {
        stale_after: Some(Duration::from_millis(LIMIT / 2)),
        ..expiring(by_client())
    });
    rig.subscribe(Attached::Now, 0, 0);
    rig.cache.watch(Target::Entity(key("a")));
    rig.push(vec![push_put("a", 1, Some(1))]);
    rig.flush();
    rig.pass(LIMIT);
    assert_eq!((rig.is_unknown("a"), rig.trust("a")), (true, EXPIRED));
    let ticket = rig.begin(&rig.want());
    rig.entities(ticket, None, vec![row("a", 1, 1)], &[]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.trust("a")), (Some(1), Trust::Fresh));
}

#[test]
fn an_answer_without_a_stream_expires_and_its_list_is_asked_for_again() {
    let mut rig = Rig::new(expiring(by_client()));
    rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    rig.page(ticket, None, vec![row("a", 1, 1)], Some(1), true);
    rig.flush();
    assert_eq!((rig.ids(&by_n(9)), rig.wants()), ("a".to_owned(), vec![]));
    rig.pass(LIMIT);
    let list = rig.list(&by_n(9));
    assert_eq!(
        (list.rows.len(), list.known, list.trust),
        (0, false, EXPIRED)
    );
    assert!(matches!(rig.want(), Wanted::Page { .. }));
}

#[test]
fn a_list_that_only_the_server_can_evaluate_expires_but_for_what_own_writes_shaped() {
    let query = Query::new(things()).opaque("q", "x").limit(3);
    let mut rig = Rig::new(expiring(by_client()));
    rig.cache.watch(Target::List(query.clone()));
    rig.flush();
    let ticket = rig.begin(&rig.want());
    let rows = vec![row("a", 1, 1), row("b", 2, 1)];
    rig.page(ticket, None, rows, Some(2), true);
    rig.flush();
    assert_eq!(rig.ids(&query), "a b");
    rig.add(1, vec![set("b", json!({"n": 5}))]);
    rig.pass(LIMIT);
    let list = rig.list(&query);
    assert_eq!((list.known, list.trust), (false, EXPIRED));
    assert_eq!((rig.ids(&query), list.total_count), ("b".to_owned(), None));
}

#[test]
fn law_11_what_own_writes_shaped_is_shown_however_old_the_rest_is() {
    let mut rig = Rig::new(expiring(windowed()));
    let ticket = rig.ask(&["a"]);
    rig.entities(ticket, Some(point(7)), vec![row("a", 1, 1)], &[]);
    rig.flush();
    rig.add(1, vec![set("a", json!({"n": 5}))]);
    rig.pass(LIMIT);
    assert_eq!(
        (rig.n("a"), rig.trust("a")),
        (Some(5), Trust::Stale(StaleReason::Aged))
    );
    rig.refuse(1);
    assert_eq!((rig.is_unknown("a"), rig.trust("a")), (true, EXPIRED));
}

#[test]
fn law_2_a_row_of_what_was_pushed_expires_in_lists_as_it_does_alone() {
    let mut rig = Rig::new(CollectionSettings {
        interest: Interest::PushesOnly,
        ..expiring(by_client())
    });
    rig.subscribe(Attached::Now, 0, 0);
    rig.push(vec![push_put("a", 1, Some(1))]);
    rig.flush();
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    rig.pass(LIMIT / 2);
    rig.subscribe(Attached::Now, 0, 0);
    rig.push(vec![push_put("b", 2, Some(1))]);
    rig.flush();
    let list = rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    assert_eq!(rig.ids(&by_n(9)), "a b");
    let due = rig.cache.next_ageing(rig.now).unwrap();
    assert_eq!(due, rig.now + Duration::from_millis(LIMIT / 2));
    rig.pass(LIMIT / 2);
    assert_eq!(
        (rig.ids(&by_n(9)), rig.is_unknown("a")),
        ("b".to_owned(), true)
    );
    let told = rig.cache.age(Tick::ZERO, rig.now).unwrap();
    assert_eq!(told.woken, [list]);
}

#[test]
fn watchers_are_told_when_what_they_watch_expires() {
    let mut rig = Rig::new(CollectionSettings {
        stale_after: Some(Duration::from_millis(LIMIT / 2)),
        ..expiring(complete())
    });
    let entity = rig.cache.watch(Target::Entity(key("a")));
    let list = rig.cache.watch(Target::List(by_n(9)));
    rig.snapshot(vec![row("a", 1, 1)], 5);
    rig.commit(6, vec![put("a", 2, 6)]);
    rig.flush();
    assert_eq!(rig.cache.next_ageing(rig.now), None, "it is live");
    rig.detach(DetachReason::Disconnected);
    rig.flush();
    let mut told = Tick::ZERO;
    for trust in [Trust::Stale(StaleReason::Disconnected), EXPIRED] {
        let due = rig.cache.next_ageing(rig.now).unwrap();
        assert_eq!(due, rig.now + Duration::from_millis(LIMIT / 2));
        rig.pass(LIMIT / 2);
        let publication = rig.cache.age(told, rig.now).unwrap();
        told = rig.now;
        assert_eq!(publication.woken, [entity, list]);
        assert_eq!((rig.trust("a"), rig.list(&by_n(9)).trust), (trust, trust));
    }
    assert_eq!(rig.cache.next_ageing(rig.now), None);
}
