//! Own writes: shown at once, replayed on what the server confirms, gone without a flicker.

use serde_json::json;
use tidewire_cache::{Attached, DetachReason, Settings, Target, Trust, Wanted};
use tidewire_model::{EffectBody, EntityId, Notice, Value};

use crate::support::{
    Rig, action, by_client, by_n, complete, create, echo, echo_naming, effect, id, key, point, put,
    record, remove, row, set, things, windowed,
};

fn increment(name: &str) -> tidewire_model::Effect {
    effect(
        name,
        EffectBody::Increment {
            field: "n".into(),
            by: Value::from(1),
        },
    )
}

#[test]
fn law_11_a_write_is_in_the_view_when_the_call_returns() {
    let mut rig = Rig::attached(4);
    let watcher = rig.cache.watch(Target::Entity(key("a")));
    let step = rig.add(1, vec![create("a", 7)]);
    assert_eq!((rig.n("a"), rig.get("a").pending), (Some(7), true));
    assert_eq!(step.woken, [watcher]);
    assert_eq!(step.entities, [key("a")]);
    assert_eq!(step.revision, rig.reader.revision());
}

#[test]
fn law_8_the_view_is_the_base_with_pending_actions_replayed_in_order() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 10, 5)]);
    rig.flush();
    rig.add(1, vec![increment("a")]);
    rig.add(2, vec![set("a", json!({"n": 50}))]);
    rig.add(3, vec![increment("a")]);
    assert_eq!(rig.n("a"), Some(51));
    // The base moves underneath; the pending actions are replayed on it.
    rig.commit(6, vec![put("a", 20, 6)]);
    rig.flush();
    assert_eq!(rig.n("a"), Some(51));
    // One is refused: what it did goes, and what others changed stays.
    rig.refuse(2).expect("it was pending");
    assert_eq!(rig.n("a"), Some(22));
    rig.refuse(1).expect("it was pending");
    rig.refuse(3).expect("it was pending");
    assert_eq!(
        (rig.n("a"), rig.get("a").pending, rig.trust("a")),
        (Some(20), false, Trust::Live)
    );
    assert!(rig.refuse(3).is_none());
}

#[test]
fn a_refused_write_gives_back_what_others_changed_meanwhile() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5)]);
    rig.flush();
    rig.add(1, vec![set("a", json!({"n": 100}))]);
    rig.commit(6, vec![put("a", 2, 6)]);
    rig.flush();
    let step = rig.refuse(1).expect("it was pending");
    assert_eq!((rig.n("a"), step.entities), (Some(2), vec![key("a")]));
}

/// The numbers shown for `a` after each step.
fn shown(rig: &mut Rig) -> Vec<Option<i64>> {
    let mut shown = vec![rig.n("a")];
    while rig.cache.has_staged() {
        while rig.cache.work(rig.now, 1) == tidewire_cache::Progress::More {
            shown.push(rig.n("a"));
        }
        drop(rig.cache.publish());
        shown.push(rig.n("a"));
    }
    shown
}

fn assert_steady(rig: &mut Rig, value: i64) {
    let shown = shown(rig);
    assert!(
        shown.iter().all(|n| *n == Some(value)),
        "it flickers: {shown:?}"
    );
}

#[test]
fn law_11_no_flicker_when_the_echo_comes_before_the_answer() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 10, 5)]);
    rig.flush();
    rig.add(1, vec![increment("a")]);
    rig.commit_echoing(6, vec![put("a", 11, 6)], vec![echo(1)]);
    assert_steady(&mut rig, 11);
    assert!(
        !rig.get("a").pending,
        "the echo settles it without the answer"
    );
    rig.answer(1, Some(6), vec![row("a", 11, 6)]);
    assert_steady(&mut rig, 11);
}

#[test]
fn law_11_no_flicker_when_the_answer_comes_before_the_events() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 10, 5)]);
    rig.flush();
    rig.add(1, vec![increment("a")]);
    rig.answer(1, Some(7), Vec::new());
    assert_steady(&mut rig, 11);
    assert!(rig.get("a").pending, "the stream does not contain it yet");
    assert_eq!(rig.wants(), Vec::new(), "it will come with the stream");
    rig.commit(6, vec![put("b", 1, 6)]);
    assert_steady(&mut rig, 11);
    rig.commit(7, vec![put("a", 11, 7)]);
    assert_steady(&mut rig, 11);
    assert!(!rig.get("a").pending);
}

#[test]
fn law_11_no_flicker_when_a_snapshot_contains_the_action() {
    let mut rig = Rig::snapped(vec![row("a", 10, 1)], 5);
    rig.add(1, vec![increment("a")]);
    rig.detach(DetachReason::Disconnected);
    rig.subscribe(Attached::Snapshot, 9, 9);
    rig.snapshot_rows(vec![row("a", 11, 8)], 9);
    rig.snapshot_end(9, vec![action(1)]);
    assert_steady(&mut rig, 11);
    assert!(!rig.get("a").pending);
}

#[test]
fn a_snapshot_without_the_action_leaves_it_pending() {
    let mut rig = Rig::snapped(vec![row("a", 10, 1)], 5);
    rig.add(1, vec![increment("a")]);
    rig.snapshot(vec![row("a", 20, 8)], 9);
    rig.flush();
    assert_eq!((rig.n("a"), rig.get("a").pending), (Some(21), true));
}

#[test]
fn law_11_an_answered_write_waits_for_the_fetch_when_coverage_began_behind_it() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 10, 5)]);
    rig.flush();
    rig.add(1, vec![increment("a")]);
    rig.detach(DetachReason::Disconnected);
    rig.answer(1, Some(7), Vec::new());
    rig.subscribe(Attached::Now, 9, 9);
    assert_steady(&mut rig, 11);
    assert!(rig.get("a").pending, "the commit itself was missed");
    let wanted = rig.want();
    assert_eq!(
        wanted,
        Wanted::Entities {
            entity_type: things(),
            ids: vec![id("a")]
        }
    );
    let ticket = rig.begin(&wanted);
    rig.entities(ticket, Some(point(9)), vec![row("a", 11, 7)], &[]);
    assert_steady(&mut rig, 11);
    assert!(!rig.get("a").pending);
}

#[test]
fn law_11_an_answer_before_any_epoch_is_known_does_not_end_a_write_early() {
    for result in [Attached::Now, Attached::Snapshot] {
        let mut rig = Rig::new(complete());
        rig.add(1, vec![create("a", 3)]);
        rig.answer(1, Some(7), Vec::new());
        assert_steady(&mut rig, 3);
        rig.subscribe(result, 9, 9);
        assert_steady(&mut rig, 3);
        if result == Attached::Snapshot {
            rig.snapshot_rows(vec![row("a", 3, 7)], 9);
            rig.snapshot_end(9, Vec::new());
        } else {
            let ticket = rig.ask(&["a"]);
            rig.entities(ticket, Some(point(9)), vec![row("a", 3, 7)], &[]);
        }
        assert_steady(&mut rig, 3);
        assert!(!rig.get("a").pending, "{result:?}");
    }
}

#[test]
fn where_the_stream_is_not_held_the_answers_row_settles_it() {
    let mut rig = Rig::new(by_client());
    rig.add(1, vec![create("a", 3)]);
    rig.answer(1, None, vec![row("a", 4, 1)]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.get("a").pending), (Some(4), false));
}

#[test]
fn where_the_stream_is_not_held_an_answer_without_the_row_waits_for_a_fetch_begun_after_it() {
    let mut rig = Rig::new(by_client());
    rig.subscribe(Attached::Now, 0, 0);
    rig.flush();
    rig.add(1, vec![create("a", 3)]);
    let before = rig.ask(&["a"]);
    rig.answer(1, None, Vec::new());
    rig.entities(before, None, Vec::new(), &["a"]);
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.get("a").pending),
        (Some(3), true),
        "that request began too early"
    );
    let after = rig.begin(&rig.want());
    rig.entities(after, None, vec![row("a", 5, 1)], &[]);
    rig.flush();
    assert_eq!((rig.n("a"), rig.get("a").pending), (Some(5), false));
}

#[test]
fn an_action_on_two_streams_leaves_each_with_its_own() {
    let mut rig = Rig::attached(4);
    let other = tidewire_model::EntityKey::new(crate::support::kind("others"), id("o"));
    let both = vec![
        create("a", 1),
        tidewire_model::Effect::new(other.clone(), EffectBody::Put(record(json!({})))),
    ];
    rig.add(1, both);
    rig.commit_echoing(5, vec![put("a", 1, 5)], vec![echo(1)]);
    rig.flush();
    assert!(!rig.get("a").pending);
    assert!(rig.reader.get(rig.now, &other).pending);
}

#[test]
fn coverage_a13_a_watch_by_a_temporary_id_that_has_a_name_already_is_one_of_the_entity() {
    let bounds = Settings {
        max_bytes: 0,
        ..Settings::default()
    };
    let mut rig = Rig::with(bounds, windowed());
    rig.subscribe(Attached::Now, 5, 5);
    rig.add(1, vec![create("tmp_1", 5)]);
    rig.rename("tmp_1", "r").expect("it is new");
    rig.commit_echoing(6, vec![put("r", 5, 6)], vec![echo(1)]);
    rig.flush();
    let watcher = rig.cache.watch(Target::Entity(key("tmp_1")));
    rig.flush();
    rig.commit(7, vec![put("r", 6, 7)]);
    assert!(rig.flush().contains(&watcher), "it is told of changes");
    rig.commit(8, vec![put("other", 6, 8)]);
    rig.flush();
    assert_eq!(rig.n("tmp_1"), Some(6), "and it is pinned");
    assert!(rig.is_unknown("other"));
}

#[test]
fn a_temporary_id_is_replaced_everywhere_in_one_step() {
    let mut rig = Rig::snapped(vec![row("x", 1, 1)], 5);
    let temporary = EntityId::temporary(action(1)).to_string();
    let watcher = rig.cache.watch(Target::Entity(key(&temporary)));
    rig.flush();
    rig.add(1, vec![create(&temporary, 5)]);
    // A later action mentions it inside a value, and another changes it.
    rig.add(
        2,
        vec![set(
            "x",
            json!({"of": temporary, "all": [temporary, "other"]}),
        )],
    );
    rig.add(3, vec![increment(&temporary)]);
    assert_eq!(rig.ids(&by_n(9)), format!("x {temporary}"));
    let step = rig.rename(&temporary, "r").expect("it is new");
    assert!(step.woken.contains(&watcher));
    assert_eq!(rig.ids(&by_n(9)), "x r");
    assert_eq!(rig.n("r"), Some(6));
    assert_eq!(
        rig.n(&temporary),
        Some(6),
        "reads of the temporary id follow"
    );
    let expected = record(json!({"id": "x", "n": 1, "of": "r", "all": ["r", "other"]}));
    assert_eq!(rig.get("x").presence.record(), Some(&expected));
    assert_eq!(
        rig.get("r")
            .presence
            .record()
            .unwrap()
            .get("id")
            .unwrap()
            .as_text(),
        Some("r")
    );
    // Watches of the temporary id follow too.
    rig.commit_echoing(6, vec![put("r", 5, 6)], vec![echo(1)]);
    assert!(rig.flush().contains(&watcher));
    assert!(rig.rename(&temporary, "r").is_none(), "once");
}

/// What is shown of a create with a temporary id, step by step.
fn names_shown(rig: &mut Rig) -> Vec<String> {
    let mut shown = Vec::new();
    while rig.cache.has_staged() {
        while rig.cache.work(rig.now, 1) == tidewire_cache::Progress::More {}
        drop(rig.cache.publish());
        shown.push(rig.ids(&by_n(9)));
    }
    shown
}

#[test]
fn echo_and_answer_of_a_create_are_one_entity_in_either_order() {
    let temporary = EntityId::temporary(action(1)).to_string();
    let names = [(temporary.as_str(), "r")];
    for echo_first in [true, false] {
        let mut rig = Rig::snapped(Vec::new(), 5);
        rig.add(1, vec![create(&temporary, 5)]);
        let answer = |rig: &mut Rig| rig.answer_naming(1, Some(6), vec![row("r", 5, 6)], &names);
        let tell = |rig: &mut Rig| {
            rig.commit_echoing(6, vec![put("r", 5, 6)], vec![echo_naming(1, &names)])
        };
        if echo_first {
            tell(&mut rig);
            assert!(names_shown(&mut rig).iter().all(|names| names == "r"));
            answer(&mut rig);
        } else {
            answer(&mut rig);
            assert!(names_shown(&mut rig).iter().all(|names| names == "r"));
            assert_eq!(rig.n(&temporary), Some(5));
            tell(&mut rig);
        }
        assert!(names_shown(&mut rig).iter().all(|names| names == "r"));
        assert!(!rig.get("r").pending);
        assert_eq!(rig.list(&by_n(9)).total_count, Some(1));
    }
}

#[test]
fn an_action_that_still_uses_the_temporary_id_finds_the_entity() {
    let mut rig = Rig::snapped(vec![row("r", 1, 1)], 5);
    let temporary = EntityId::temporary(action(1));
    rig.rename(temporary.as_str(), "r").expect("it is new");
    rig.add(2, vec![increment(temporary.as_str())]);
    assert_eq!(rig.n("r"), Some(2));
}

#[test]
fn a_list_that_names_a_temporary_id_follows_it() {
    let mut rig = Rig::snapped(vec![row("x", 1, 1), row("y", 2, 2)], 5);
    let temporary = EntityId::temporary(action(1));
    let query = by_n(9).filter(tidewire_model::field("of").eq(temporary.as_str()));
    let watcher = rig.cache.watch(Target::List(query.clone()));
    rig.flush();
    rig.add(2, vec![set("x", json!({"of": temporary.as_str()}))]);
    assert_eq!(rig.ids(&query), "x");
    let step = rig.rename(temporary.as_str(), "r").expect("it is new");
    assert!(step.woken.contains(&watcher));
    assert_eq!(rig.ids(&query), "x");
    rig.flush();
    rig.commit(
        6,
        vec![crate::support::merge("y", json!({"of": "r"}), 6, 2)],
    );
    assert!(rig.flush().contains(&watcher));
    assert_eq!(
        (rig.ids(&query).as_str(), rig.list(&query).total_count),
        ("x y", Some(2))
    );
}

#[test]
fn adding_an_action_again_replaces_its_effects_in_its_place() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 10, 5)]);
    rig.flush();
    rig.add(1, vec![set("a", json!({"n": 1}))]);
    rig.add(2, vec![increment("a")]);
    rig.add(1, vec![set("a", json!({"n": 5}))]);
    assert_eq!(rig.n("a"), Some(6));
}

#[test]
fn a_pending_change_of_what_is_not_known_is_asked_for() {
    let mut rig = Rig::attached(4);
    rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    rig.serve_page(4, Vec::new(), 0, true);
    rig.add(1, vec![set("a", json!({"n": 1}))]);
    assert!(rig.is_unknown("a"));
    assert_eq!(
        rig.want(),
        Wanted::Entities {
            entity_type: things(),
            ids: vec![id("a")]
        }
    );
}

#[test]
fn listeners_are_told_what_happened_in_the_view() {
    let mut rig = Rig::attached(4);
    let listener = rig.cache.watch(Target::Stream(things()));
    rig.commit(5, vec![put("a", 1, 5), put("b", 1, 5)]);
    let steps = rig.steps();
    assert_eq!(steps[0].woken, [listener]);
    let created = |name: &str| Notice::Create {
        key: key(name),
        record: crate::support::thing(name, 1),
    };
    assert_eq!(steps[0].notices, [created("a"), created("b")]);
    let step = rig.add(1, vec![set("a", json!({"n": 2}))]);
    let changes = crate::support::patch(json!({"n": 2}));
    assert_eq!(
        step.notices,
        [Notice::Update {
            key: key("a"),
            changes
        }]
    );
    // The echo changes nothing that is seen.
    rig.commit_echoing(6, vec![put("a", 2, 6), remove("b", 6)], vec![echo(1)]);
    let steps = rig.steps();
    assert_eq!(steps[0].notices, [Notice::Delete { key: key("b") }]);
}

#[test]
fn rows_that_nobody_asked_for_settle_an_accepted_write() {
    let mut rig = Rig::attached(5);
    rig.add(1, vec![set("a", json!({"n": 3}))]);
    rig.detach(DetachReason::Disconnected);
    rig.answer(1, Some(6), Vec::new());
    rig.flush();
    assert!(rig.get("a").pending);
    rig.take(tidewire_cache::Intake::Rows {
        entity_type: things(),
        as_of: point(6),
        rows: vec![row("a", 3, 6)],
        missing: Vec::new(),
    });
    assert_eq!(rig.steps().len(), 1);
    assert_eq!((rig.n("a"), rig.get("a").pending), (Some(3), false));
}
