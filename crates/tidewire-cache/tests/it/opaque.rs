//! Lists that only the server can evaluate: what shows in place, what makes them stale, and when they
//! are asked for again.

use std::time::Duration;

use serde_json::json;
use tidewire_cache::{
    Attached, CollectionSettings, DetachReason, Intake, Interest, Points, Settings, StaleReason,
    Target, Trust, Wanted, WatchId,
};
use tidewire_model::{Cursor, EffectBody, Query, Tick, Value};

use crate::support::*;

const MEMBERS: Trust = Trust::Stale(StaleReason::MembersUnknown);

fn search(text: &str) -> Query {
    Query::new(things()).opaque("search", text)
}

fn vip() -> Query {
    search("vip").limit(3)
}

fn delete(name: &str) -> tidewire_model::Effect {
    effect(name, EffectBody::Remove)
}

/// A live stream at 10, and a list with the rows b, a and c of five.
fn rig() -> (Rig, WatchId) {
    rig_of(windowed())
}

fn rig_of(settings: CollectionSettings) -> (Rig, WatchId) {
    let mut rig = Rig::new(settings);
    rig.subscribe(Attached::Now, 10, 10);
    let watcher = rig.cache.watch(Target::List(vip()));
    rig.flush();
    let rows = vec![row("b", 2, 5), row("a", 1, 4), row("c", 3, 6)];
    rig.serve_page(10, rows, 5, false);
    (rig, watcher)
}

fn total(rig: &Rig) -> (Option<u64>, bool) {
    let list = rig.list(&vip());
    (list.total_count, list.total_exact)
}

/// When the list is wanted again, in milliseconds from now, stepping through time.
fn wanted_in(rig: &mut Rig) -> Option<u64> {
    for millis in (0..20_000).step_by(100) {
        let later = rig.now + Duration::from_millis(millis);
        if !rig.cache.wants(later).is_empty() {
            return Some(millis);
        }
    }
    None
}

#[test]
fn a_page_shows_its_rows_in_the_servers_order_with_the_total_as_told() {
    let (rig, _) = rig();
    let list = rig.list(&vip());
    assert_eq!(rig.ids(&vip()), "b a c");
    assert_eq!(
        (list.trust, list.known, list.complete),
        (Trust::Live, true, true)
    );
    assert_eq!(total(&rig), (Some(5), true));
    assert!(rig.wants().is_empty());
}

#[test]
fn a_list_is_asked_for_as_it_stands_with_a_few_rows_more() {
    let mut rig = Rig::attached(10);
    rig.cache.watch(Target::List(vip()));
    let Wanted::Page { query, .. } = rig.want() else {
        panic!("a page is wanted");
    };
    assert_eq!(query, search("vip").limit(3 + 16));
    assert_eq!(rig.list(&vip()).trust, Trust::Unknown);
    // What is on its way is not wanted twice.
    let wanted = rig.want();
    rig.begin(&wanted);
    assert!(rig.wants().is_empty());
}

#[test]
fn windows_of_one_start_share_what_is_held_and_others_are_asked_for_by_themselves() {
    let (mut rig, _) = rig();
    rig.cache.watch(Target::List(search("vip").limit(2)));
    rig.flush();
    assert!(rig.wants().is_empty());
    assert_eq!(rig.ids(&search("vip").limit(2)), "b a");
    let further = search("vip").offset(3).limit(3);
    rig.cache.watch(Target::List(further.clone()));
    rig.flush();
    assert_eq!(rig.list(&further).trust, Trust::Unknown);
    let Wanted::Page { query, .. } = rig.want() else {
        panic!("a page is wanted");
    };
    assert_eq!(query, search("vip").offset(3).limit(19));
    rig.serve_page(10, vec![row("d", 4, 7), row("e", 5, 8)], 5, true);
    assert_eq!(rig.ids(&further), "d e");
    assert!(rig.list(&further).complete);
    assert_eq!(rig.ids(&vip()), "b a c");
}

#[test]
fn a_longer_window_keeps_its_rows_and_asks_for_those_behind_them() {
    let mut rig = Rig::with(
        Settings {
            max_page_rows: 2,
            refill_rows: 0,
            ..Settings::default()
        },
        windowed(),
    );
    rig.subscribe(Attached::Now, 10, 10);
    let all = search("vip");
    rig.cache.watch(Target::List(all.clone()));
    rig.flush();
    let asked = |rig: &Rig| match rig.want() {
        Wanted::Page { query, .. } => query,
        other => panic!("a page is wanted: {other:?}"),
    };
    assert_eq!(asked(&rig), all.clone().limit(2));
    rig.serve_page(10, vec![row("b", 2, 5), row("a", 1, 4)], 3, false);
    assert_eq!(
        (rig.ids(&all), rig.list(&all).complete),
        ("b a".to_owned(), false)
    );
    assert_eq!(asked(&rig), all.clone().offset(2).limit(2));
    rig.serve_page(10, vec![row("c", 3, 6)], 3, true);
    assert_eq!(
        (rig.ids(&all), rig.list(&all).complete),
        ("b a c".to_owned(), true)
    );
    assert_eq!(rig.list(&all).trust, Trust::Live);
    assert!(rig.wants().is_empty());
}

#[test]
fn law_17_a_server_that_never_comes_to_the_end_is_not_asked_in_a_circle() {
    let mut rig = Rig::attached(10);
    rig.cache.watch(Target::List(search("vip")));
    rig.flush();
    rig.serve_page(10, vec![row("a", 1, 4)], 9, false);
    rig.serve_page(10, Vec::new(), 9, false);
    assert!(rig.wants().is_empty());
}

#[test]
fn what_comes_behind_an_older_page_speaks_for_the_older_point() {
    let mut rig = Rig::with(
        Settings {
            max_page_rows: 1,
            refill_rows: 0,
            ..Settings::default()
        },
        windowed(),
    );
    rig.subscribe(Attached::Now, 10, 10);
    let two = search("vip").limit(2);
    rig.cache.watch(Target::List(two.clone()));
    rig.flush();
    rig.serve_page(10, vec![row("a", 1, 4)], 2, false);
    rig.commit(11, vec![put("x", 9, 11)]);
    rig.flush();
    // The second page knows of the change, the first does not.
    rig.serve_page(11, vec![row("b", 2, 5)], 3, false);
    assert_eq!(rig.ids(&two), "a b");
    assert_eq!(rig.list(&two).trust, MEMBERS);
    assert_eq!(wanted_in(&mut rig), Some(1_000));
}

#[test]
fn law_2_a_row_shows_its_new_content_in_place_and_the_list_says_that_its_members_are_not_known() {
    let (mut rig, watcher) = rig();
    rig.commit(11, vec![merge("a", json!({"n": 7}), 11, 4)]);
    assert_eq!(rig.flush(), [watcher]);
    let list = rig.list(&vip());
    assert_eq!(rig.ids(&vip()), "b a c");
    assert_eq!(list.rows[1].record, thing("a", 7));
    assert_eq!(list.trust, MEMBERS);
    assert_eq!(total(&rig), (Some(5), false));
    assert_eq!(rig.n("a"), Some(7));
}

#[test]
fn coverage_b6_a_deletion_takes_a_row_out_in_place_and_lowers_the_total_only_where_it_was_in_the_list()
 {
    let (mut rig, watcher) = rig();
    rig.commit(11, vec![remove("a", 11)]);
    assert_eq!(rig.flush(), [watcher]);
    assert_eq!(rig.ids(&vip()), "b c");
    assert_eq!(total(&rig), (Some(4), false));
    let list = rig.list(&vip());
    assert_eq!((list.trust, list.complete), (MEMBERS, false));
    // Whether it was among the rows not held nobody knows.
    rig.commit(12, vec![remove("z", 12)]);
    rig.flush();
    assert_eq!(total(&rig), (Some(4), false));
    // The page that comes makes good for both.
    rig.pass(1_000);
    rig.serve_page(
        12,
        vec![row("b", 2, 5), row("c", 3, 6), row("d", 4, 7)],
        3,
        true,
    );
    assert_eq!(
        (rig.ids(&vip()), total(&rig)),
        ("b c d".to_owned(), (Some(3), true))
    );
    assert_eq!(rig.list(&vip()).trust, Trust::Live);
}

#[test]
fn a_removal_on_screen_is_filled_from_the_rows_asked_for_beyond() {
    let (mut rig, _) = rig();
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: None,
    });
    rig.flush();
    let rows = vec![
        row("b", 2, 5),
        row("a", 1, 4),
        row("c", 3, 6),
        row("d", 4, 7),
    ];
    rig.serve_page(10, rows, 5, false);
    rig.commit(11, vec![remove("a", 11)]);
    rig.flush();
    assert_eq!(rig.ids(&vip()), "b c d");
}

#[test]
fn coverage_a6_creations_invalidate_the_lists_once_for_a_burst() {
    let (mut rig, watcher) = rig();
    rig.commit(11, vec![put("x", 1, 11)]);
    assert_eq!(rig.flush(), [watcher]);
    // Said at once, asked for after the quiet time.
    assert_eq!(rig.list(&vip()).trust, MEMBERS);
    assert_eq!(rig.ids(&vip()), "b a c");
    assert_eq!(wanted_in(&mut rig), Some(1_000));
    rig.pass(600);
    rig.commit(12, vec![put("y", 1, 12)]);
    assert!(rig.flush().is_empty(), "the reading is the same");
    assert_eq!(wanted_in(&mut rig), Some(1_000));
    assert_eq!(
        rig.cache.next_requery(rig.now),
        Some(rig.now + Duration::from_secs(1))
    );
    rig.pass(1_000);
    rig.serve_page(
        12,
        vec![row("x", 1, 11), row("b", 2, 5), row("a", 1, 4)],
        6,
        false,
    );
    assert_eq!(
        (rig.ids(&vip()), rig.list(&vip()).trust),
        ("x b a".to_owned(), Trust::Live)
    );
    assert_eq!(wanted_in(&mut rig), None);
    assert_eq!(rig.cache.next_requery(rig.now), None);
}

#[test]
fn coverage_a19_many_creations_in_one_batch_are_one_mark_and_one_request_for_each_list() {
    let (mut rig, watcher) = rig();
    let other = rig.cache.watch(Target::List(search("new").limit(3)));
    rig.flush();
    rig.serve_page(10, vec![row("b", 2, 5)], 1, true);
    let asked = rig.cache.stats().runs_asked;
    for offset in 11..31 {
        let many = (0..50).map(|n| put(&format!("n{offset}x{n}"), n, offset));
        rig.commit(offset, many.collect());
    }
    let mut woken = Vec::new();
    for step in rig.steps() {
        woken.extend(step.woken);
    }
    assert_eq!(woken, [watcher, other], "each is told once");
    assert_eq!(
        rig.cache.stats().runs_asked,
        asked,
        "no list is touched for any of them"
    );
    rig.pass(1_000);
    assert_eq!(rig.wants().len(), 2);
    for _ in 0..2 {
        let ticket = rig.begin(&rig.wants()[0].clone());
        rig.page(ticket, Some(point(30)), vec![row("b", 2, 5)], Some(1), true);
        rig.flush();
    }
    assert!(rig.wants().is_empty());
    assert_eq!(wanted_in(&mut rig), None);
}

#[test]
fn coverage_b5_a_burst_in_one_type_does_not_swallow_that_of_another() {
    let (mut rig, _) = rig();
    let others = kind("others");
    let list = Query::new(others.clone()).opaque("search", "x").limit(3);
    rig.cache.define(others.clone(), windowed()).unwrap();
    rig.take(Intake::Subscribed {
        entity_type: others.clone(),
        result: Attached::Now,
        epoch: epoch("e1"),
        view: String::new(),
        offset: at(10),
        head: at(10),
    });
    rig.cache.watch(Target::List(list));
    rig.flush();
    rig.serve_page(10, Vec::new(), 0, true);
    // Things change first, others soon after, and then without a pause.
    rig.commit(11, vec![put("x", 1, 11)]);
    rig.flush();
    let wanted = |rig: &Rig| -> Vec<String> {
        let wants = rig.wants();
        wants
            .iter()
            .map(|wanted| wanted.entity_type().to_string())
            .collect()
    };
    for offset in 11..21 {
        let mut change = put("o", 1, offset);
        change.key.entity_type = others.clone();
        let mut commit = commit(offset, vec![change]);
        commit.entity_type = others.clone();
        rig.take(Intake::Commit(commit));
        rig.flush();
        rig.pass(100);
    }
    assert_eq!(wanted(&rig), ["things"]);
    rig.pass(900);
    assert_eq!(wanted(&rig), ["others", "things"]);
}

#[test]
fn coverage_b5_changes_without_a_pause_do_not_put_a_list_off_beyond_the_longest_wait() {
    let settings = CollectionSettings {
        opaque_quiet: Duration::from_millis(300),
        opaque_wait_max: Duration::from_millis(1_000),
        ..windowed()
    };
    let (mut rig, _) = rig_of(settings);
    let began = rig.now;
    let mut asked = Vec::new();
    for offset in 11..61 {
        rig.commit(offset, vec![put("x", 1, offset)]);
        rig.flush();
        if let Some(wanted) = rig.wants().first().cloned() {
            asked.push((rig.now - began).as_millis());
            let ticket = rig.begin(&wanted);
            rig.page(
                ticket,
                Some(point(offset)),
                vec![row("b", 2, 5)],
                Some(1),
                true,
            );
            rig.flush();
            assert_eq!(rig.list(&vip()).trust, Trust::Live);
        }
        rig.pass(100);
    }
    assert_eq!(
        asked,
        [1_000, 2_000, 3_000, 4_000],
        "never later, and no more often"
    );
}

#[test]
fn what_fell_due_stays_wanted_while_further_changes_come() {
    let (mut rig, _) = rig();
    rig.commit(11, vec![put("x", 1, 11)]);
    rig.flush();
    rig.pass(1_000);
    assert_eq!(rig.wants().len(), 1);
    // There was no room to ask, and another burst begins.
    rig.commit(12, vec![put("y", 1, 12)]);
    rig.flush();
    assert_eq!(rig.wants().len(), 1);
    // The page knows of the first only; the second waits its own time.
    rig.serve_page(12, vec![row("b", 2, 5)], 1, true);
    assert_eq!(rig.list(&vip()).trust, Trust::Live);
}

#[test]
fn law_6_a_change_that_a_page_on_its_way_does_not_have_speaks_against_it() {
    let (mut rig, _) = rig();
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: None,
    });
    rig.flush();
    let wanted = rig.want();
    let ticket = rig.begin(&wanted);
    rig.commit(11, vec![remove("a", 11), put("x", 1, 11)]);
    rig.flush();
    let rows = vec![row("b", 2, 5), row("a", 1, 4), row("c", 3, 6)];
    rig.page(ticket, Some(point(10)), rows, Some(5), false);
    rig.flush();
    assert_eq!(
        (rig.ids(&vip()), total(&rig)),
        ("b c".to_owned(), (Some(4), false))
    );
    assert_eq!(rig.list(&vip()).trust, MEMBERS);
    assert_eq!(wanted_in(&mut rig), Some(1_000));
}

#[test]
fn a_change_of_what_an_answer_showed_before_speaks_against_the_list_as_any_other() {
    let (mut rig, _) = rig();
    rig.add(1, vec![set("a", json!({"n": 7}))]);
    rig.answer(1, Some(11), vec![row("a", 7, 11)]);
    rig.flush();
    rig.commit_echoing(11, vec![merge("a", json!({"n": 7}), 11, 4)], vec![echo(1)]);
    rig.flush();
    assert_eq!(rig.list(&vip()).trust, MEMBERS);
}

#[test]
fn a_mark_on_the_type_is_answered_at_once_as_for_other_lists() {
    let (mut rig, watcher) = rig();
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: None,
    });
    assert_eq!(rig.flush(), [watcher]);
    assert_eq!(rig.list(&vip()).trust, Trust::Stale(StaleReason::Marked));
    assert_eq!(rig.ids(&vip()), "b a c");
    assert_eq!(wanted_in(&mut rig), Some(0));
}

#[test]
fn law_16_a_lost_feed_is_said_and_what_was_missed_is_told_when_it_resumes() {
    let (mut rig, watcher) = rig();
    rig.detach(DetachReason::Disconnected);
    assert_eq!(rig.flush(), [watcher]);
    assert_eq!(
        rig.list(&vip()).trust,
        Trust::Stale(StaleReason::Disconnected)
    );
    rig.subscribe(Attached::Resumed, 10, 11);
    rig.flush();
    assert_eq!(
        rig.list(&vip()).trust,
        Trust::Stale(StaleReason::CatchingUp)
    );
    rig.commit(11, vec![put("x", 1, 11)]);
    rig.flush();
    assert_eq!(rig.list(&vip()).trust, MEMBERS);
    // Attached anew, nothing covers what was before.
    rig.subscribe(Attached::Now, 20, 20);
    rig.flush();
    assert_eq!(
        rig.list(&vip()).trust,
        Trust::Stale(StaleReason::BeforeAttached)
    );
    assert_eq!(wanted_in(&mut rig), Some(0));
    // Nor does anything of another epoch.
    rig.subscribe_in("e2", "", Attached::Now, 1, 1);
    rig.flush();
    assert_eq!(rig.list(&vip()).trust, Trust::Stale(StaleReason::NewEpoch));
    assert_eq!(rig.ids(&vip()), "b a c");
}

#[test]
fn law_11_an_own_update_shows_in_place_and_an_own_creation_only_once_the_server_has_it() {
    let (mut rig, watcher) = rig();
    assert_eq!(rig.add(1, vec![set("a", json!({"n": 7}))]).woken, [watcher]);
    let list = rig.list(&vip());
    assert_eq!(
        (&list.rows[1].record, list.rows[1].pending),
        (&thing("a", 7), true)
    );
    assert_eq!((list.trust, total(&rig)), (Trust::Live, (Some(5), false)));
    rig.add(2, vec![create("tmp_1", 9)]);
    assert_eq!(rig.ids(&vip()), "b a c");
    assert_eq!(total(&rig), (Some(5), false));
    // The server names it, and says in the next page where it is.
    rig.commit_echoing(
        11,
        vec![put("x", 9, 11)],
        vec![echo_naming(2, &[("tmp_1", "x")])],
    );
    rig.flush();
    assert_eq!(rig.ids(&vip()), "b a c");
    rig.pass(1_000);
    rig.serve_page(
        11,
        vec![row("x", 9, 11), row("b", 2, 5), row("a", 1, 4)],
        6,
        false,
    );
    assert_eq!(rig.ids(&vip()), "x b a");
    // The first write is refused: the total is exact again, and that is told.
    assert_eq!(rig.refuse(1).map(|step| step.woken), Some(vec![watcher]));
    assert_eq!(total(&rig), (Some(6), true));
}

#[test]
fn own_writes_that_a_list_does_not_show_make_its_total_inexact_and_that_is_told() {
    let (mut rig, watcher) = rig();
    assert_eq!(rig.add(1, vec![create("tmp_1", 9)]).woken, [watcher]);
    assert_eq!(total(&rig), (Some(5), false));
    assert!(rig.add(2, vec![create("tmp_2", 9)]).woken.is_empty());
    assert_eq!(rig.refuse(2).map(|step| step.woken), Some(Vec::new()));
    assert_eq!(rig.refuse(1).map(|step| step.woken), Some(vec![watcher]));
    assert_eq!(total(&rig), (Some(5), true));
}

#[test]
fn a_row_that_is_marked_is_asked_for_alone_unless_its_list_is_asked_for() {
    let (mut rig, watcher) = rig();
    let ids = Some(vec![id("a"), id("z")]);
    rig.take(Intake::Stale {
        entity_type: things(),
        ids,
    });
    assert_eq!(rig.flush(), [watcher]);
    assert_eq!(rig.list(&vip()).trust, Trust::Stale(StaleReason::Marked));
    let wanted = rig.want();
    assert_eq!(
        wanted,
        Wanted::Entities {
            entity_type: things(),
            ids: vec![id("a")]
        }
    );
    let ticket = rig.begin(&wanted);
    rig.entities(ticket, Some(point(10)), vec![row("a", 1, 4)], &[]);
    rig.flush();
    assert_eq!(rig.list(&vip()).trust, Trust::Live);
    // A change on another base leaves the content behind.
    rig.commit(11, vec![merge("a", json!({"n": 7}), 11, 9)]);
    rig.flush();
    assert!(matches!(rig.want(), Wanted::Entities { .. }));
    rig.pass(1_000);
    let [Wanted::Page { .. }] = &rig.wants()[..] else {
        panic!("the page brings it: {:?}", rig.wants());
    };
}

#[test]
fn law_11_an_own_deletion_takes_the_row_out_at_once_and_a_refusal_puts_it_back() {
    let (mut rig, watcher) = rig();
    assert_eq!(rig.add(1, vec![delete("a")]).woken, [watcher]);
    assert_eq!(
        (rig.ids(&vip()), total(&rig)),
        ("b c".to_owned(), (Some(4), false))
    );
    assert_eq!(rig.list(&vip()).trust, Trust::Live);
    assert_eq!(rig.refuse(1).map(|step| step.woken), Some(vec![watcher]));
    assert_eq!(
        (rig.ids(&vip()), total(&rig)),
        ("b a c".to_owned(), (Some(5), true))
    );
    // Accepted, it is counted once, whatever comes first.
    rig.add(2, vec![delete("a")]);
    rig.commit_echoing(11, vec![remove("a", 11)], vec![echo(2)]);
    rig.flush();
    assert_eq!(
        (rig.ids(&vip()), total(&rig)),
        ("b c".to_owned(), (Some(4), false))
    );
    rig.add(3, vec![delete("b")]);
    rig.commit(12, vec![remove("b", 12)]);
    rig.flush();
    assert_eq!(
        (rig.ids(&vip()), total(&rig)),
        ("c".to_owned(), (Some(3), false))
    );
    rig.answer(3, Some(12), Vec::new());
    rig.flush();
    assert_eq!(
        (rig.ids(&vip()), total(&rig)),
        ("c".to_owned(), (Some(3), false))
    );
}

#[test]
fn a_page_that_comes_while_an_own_deletion_is_pending_counts_it_too() {
    let (mut rig, _) = rig();
    rig.add(1, vec![delete("a")]);
    rig.take(Intake::Stale {
        entity_type: things(),
        ids: None,
    });
    rig.flush();
    let wanted = rig
        .wants()
        .into_iter()
        .find(|wanted| matches!(wanted, Wanted::Page { .. }));
    let ticket = rig.begin(&wanted.unwrap());
    let rows = vec![row("a", 1, 4), row("d", 4, 7), row("b", 2, 5)];
    rig.page(ticket, Some(point(10)), rows, Some(6), false);
    rig.flush();
    assert_eq!(
        (rig.ids(&vip()), total(&rig)),
        ("d b".to_owned(), (Some(5), false))
    );
}

#[test]
fn a_list_that_names_a_temporary_id_follows_the_name_and_keeps_its_rows() {
    let mut rig = Rig::attached(10);
    let of = |name: &str| Query::new(things()).opaque("near", name).limit(3);
    rig.add(1, vec![create("tmp_1", 9)]);
    let watcher = rig.cache.watch(Target::List(of("tmp_1")));
    rig.flush();
    rig.serve_page(10, vec![row("b", 2, 5)], 1, true);
    rig.rename("tmp_1", "x");
    rig.flush();
    for name in ["tmp_1", "x"] {
        assert_eq!(rig.ids(&of(name)), "b");
        assert_eq!(
            rig.list(&of(name)).trust,
            Trust::Stale(StaleReason::BeforeAttached)
        );
    }
    let page = rig.wants().into_iter().find_map(|wanted| match wanted {
        Wanted::Page { query, .. } => Some(query),
        _ => None,
    });
    assert_eq!(page, Some(of("x").limit(19)));
    rig.commit(11, vec![merge("b", json!({"n": 7}), 11, 5)]);
    assert_eq!(rig.flush(), [watcher]);
    // One begun behind a row of that name goes on behind the other.
    let after = |name: &str| {
        let cursor = Cursor {
            values: vec![Value::from(1)],
            id: id(name),
        };
        Query::new(things())
            .opaque("near", "y")
            .sort_asc("n")
            .after(cursor)
            .limit(3)
    };
    rig.cache.watch(Target::List(after("tmp_2")));
    rig.flush();
    rig.rename("tmp_2", "z");
    rig.flush();
    assert!(rig.wants().iter().any(|wanted| matches!(
        wanted,
        Wanted::Page { query, .. } if *query == after("z").limit(19)
    )));
    assert_eq!(rig.cache.stats().runs, 2);
}

#[test]
fn law_18_when_the_last_watcher_goes_nothing_of_the_list_stays() {
    let (mut rig, watcher) = rig();
    let second = rig.cache.watch(Target::List(vip()));
    rig.cache.unwatch(watcher);
    rig.flush();
    assert_eq!(rig.ids(&vip()), "b a c");
    let ticket = {
        rig.take(Intake::Stale {
            entity_type: things(),
            ids: None,
        });
        rig.flush();
        let wanted = rig.want();
        rig.begin(&wanted)
    };
    rig.cache.unwatch(second);
    rig.flush();
    let stats = rig.cache.stats();
    assert_eq!((stats.runs, stats.run_rows, stats.requests), (0, 0, 0));
    rig.page(ticket, Some(point(10)), vec![row("q", 1, 9)], Some(1), true);
    rig.flush();
    let list = rig.list(&vip());
    assert_eq!(
        (list.trust, list.known, list.rows.len()),
        (Trust::Unknown, false, 0)
    );
    // Nobody looks, so nothing is asked for, and no timer is set.
    rig.commit(11, vec![put("x", 1, 11)]);
    rig.flush();
    assert_eq!(
        (wanted_in(&mut rig), rig.cache.next_requery(rig.now)),
        (None, None)
    );
}

#[test]
fn one_who_comes_back_while_a_list_is_taken_apart_finds_it_unknown_and_it_is_asked_for() {
    let (mut rig, watcher) = rig();
    rig.add(1, vec![delete("a")]);
    rig.cache.unwatch(watcher);
    // One row is taken out in this batch before the next watcher comes.
    rig.cache.work(rig.now, 1);
    rig.cache.watch(Target::List(vip()));
    rig.flush();
    assert_eq!(rig.list(&vip()).trust, Trust::Unknown);
    let wanted = rig
        .wants()
        .into_iter()
        .find(|wanted| matches!(wanted, Wanted::Page { .. }));
    let ticket = rig.begin(&wanted.unwrap());
    rig.page(
        ticket,
        Some(point(10)),
        vec![row("a", 1, 4), row("c", 3, 6)],
        Some(2),
        true,
    );
    rig.flush();
    assert_eq!(
        (rig.ids(&vip()), total(&rig)),
        ("c".to_owned(), (Some(1), false))
    );
}

#[test]
fn law_17_rows_in_watched_lists_are_pinned_and_go_once_they_are_in_none() {
    let bounds = Settings {
        max_bytes: 0,
        refill_rows: 0,
        ..Settings::default()
    };
    let mut rig = Rig::with(bounds, windowed());
    rig.subscribe(Attached::Now, 10, 10);
    let watcher = rig.cache.watch(Target::List(vip()));
    rig.flush();
    rig.serve_page(
        10,
        vec![row("b", 2, 5), row("a", 1, 4), row("c", 3, 6)],
        3,
        true,
    );
    for offset in 11..40 {
        rig.commit(offset, vec![put(&format!("n{offset}"), 1, offset)]);
        rig.flush();
    }
    assert_eq!(rig.ids(&vip()), "b a c");
    assert_eq!(rig.cache.stats().entities, 3);
    rig.cache.unwatch(watcher);
    rig.flush();
    for offset in 40..50 {
        rig.commit(offset, vec![put(&format!("n{offset}"), 1, offset)]);
        rig.flush();
    }
    assert_eq!(rig.cache.stats().entities, 0);
    assert!(rig.is_unknown("a"));
}

#[test]
fn law_21_a_view_change_leaves_nothing_of_a_list() {
    let (mut rig, _) = rig();
    rig.detach(DetachReason::Rights);
    rig.flush();
    assert_eq!(rig.list(&vip()).trust, Trust::Unknown);
    rig.subscribe_in("e1", "less", Attached::Now, 12, 12);
    rig.flush();
    let list = rig.list(&vip());
    assert_eq!((list.trust, list.rows.len()), (Trust::Unknown, 0));
    assert_eq!(rig.cache.stats().run_rows, 0);
    assert_eq!(wanted_in(&mut rig), Some(0));
}

#[test]
fn an_event_looks_at_the_lists_that_hold_the_entity_and_no_others() {
    let mut rig = Rig::attached(10);
    for n in 0..50 {
        rig.cache
            .watch(Target::List(search(&format!("s{n}")).limit(1)));
        rig.flush();
        rig.serve_page(10, vec![row(&format!("e{n}"), n, 5)], 1, true);
    }
    let asked = rig.cache.stats().runs_asked;
    rig.commit(11, vec![merge("e7", json!({"n": 70}), 11, 5)]);
    rig.flush();
    assert_eq!(rig.cache.stats().runs_asked, asked + 1);
}

#[test]
fn a_complete_collection_asks_the_server_for_what_only_the_server_can_evaluate() {
    let mut rig = Rig::snapped(vec![row("a", 1, 4), row("b", 2, 5)], 10);
    rig.cache.watch(Target::List(vip()));
    rig.flush();
    rig.serve_page(10, vec![row("b", 2, 5)], 1, true);
    assert_eq!(
        (rig.ids(&vip()), rig.list(&vip()).trust),
        ("b".to_owned(), Trust::Live)
    );
    rig.commit(11, vec![remove("b", 11)]);
    rig.flush();
    assert_eq!(
        (rig.ids(&vip()), rig.list(&vip()).trust),
        (String::new(), MEMBERS)
    );
    // A new snapshot without it takes a row out as well.
    rig.pass(1_000);
    rig.serve_page(11, vec![row("a", 1, 4)], 1, true);
    rig.snapshot(vec![row("c", 3, 12)], 12);
    rig.flush();
    assert_eq!(
        (rig.ids(&vip()), total(&rig)),
        (String::new(), (Some(0), false))
    );
}

#[test]
fn where_nothing_can_be_asked_for_such_a_list_is_unknown_and_not_wanted() {
    let mut rig = Rig::new(CollectionSettings {
        interest: Interest::PushesOnly,
        points: Points::Client,
        ..CollectionSettings::default()
    });
    rig.cache.watch(Target::List(vip()));
    rig.flush();
    rig.push(vec![push_put("a", 1, Some(1))]);
    rig.flush();
    assert_eq!(rig.list(&vip()).trust, Trust::Unknown);
    assert!(rig.wants().is_empty());
}

/// A peer without points, attached, with a list of b and a.
fn by_pushes() -> Rig {
    let mut rig = Rig::new(by_client());
    rig.subscribe_in("client", "", Attached::Now, 0, 0);
    rig.cache.watch(Target::List(vip()));
    rig.flush();
    answer_first(&mut rig, vec![row("b", 2, 5), row("a", 1, 4)]);
    rig
}

fn answer_first(rig: &mut Rig, rows: Vec<tidewire_model::Row>) {
    let ticket = rig.begin(&rig.want());
    rig.page(ticket, None, rows, None, true);
    rig.flush();
}

#[test]
fn with_points_made_here_a_list_is_fresh_until_a_push_and_a_repeat_is_none() {
    let mut rig = by_pushes();
    assert_eq!(rig.list(&vip()).trust, Trust::Fresh);
    assert_eq!(total(&rig), (Some(2), true));
    rig.push(vec![push_merge("a", json!({"n": 1}), Some(4))]);
    rig.flush();
    assert_eq!(rig.list(&vip()).trust, Trust::Fresh);
    rig.push(vec![push_put("x", 1, Some(1))]);
    rig.flush();
    assert_eq!(rig.list(&vip()).trust, MEMBERS);
    assert_eq!(wanted_in(&mut rig), Some(1_000));
    rig.pass(1_000);
    // A push during the request may not be in the answer.
    let ticket = rig.begin(&rig.want());
    rig.push(vec![push_put("y", 1, Some(1))]);
    rig.page(ticket, None, vec![row("b", 2, 5)], None, true);
    rig.flush();
    assert_eq!(rig.list(&vip()).trust, MEMBERS);
    assert_eq!(wanted_in(&mut rig), Some(1_000));
}

#[test]
fn a_row_learnt_with_other_content_speaks_against_the_lists_asked_for_before() {
    let mut rig = by_pushes();
    let ticket = rig.ask(&["a"]);
    rig.entities(ticket, None, vec![row("a", 9, 6)], &[]);
    rig.flush();
    let list = rig.list(&vip());
    assert_eq!(
        (list.trust, &list.rows[1].record),
        (MEMBERS, &thing("a", 9))
    );
    assert_eq!(wanted_in(&mut rig), Some(1_000));
    rig.pass(1_000);
    answer_first(&mut rig, vec![row("a", 9, 6)]);
    assert_eq!(rig.list(&vip()).trust, Trust::Fresh);
    // The same once more is no news, and neither is what was not held.
    let ticket = rig.ask(&["a", "q"]);
    rig.entities(ticket, None, vec![row("a", 9, 6), row("q", 1, 1)], &[]);
    rig.flush();
    assert_eq!(rig.list(&vip()).trust, Trust::Fresh);
    // One that is missing goes in place.
    let ticket = rig.ask(&["a"]);
    rig.entities(ticket, None, Vec::new(), &["a"]);
    rig.flush();
    assert_eq!(
        (rig.ids(&vip()), rig.list(&vip()).trust),
        (String::new(), MEMBERS)
    );
}

#[test]
fn law_17_lists_whose_rows_the_server_makes_anew_for_each_answer_do_not_ask_each_other_for_ever() {
    let mut rig = by_pushes();
    let other = search("new").limit(3);
    rig.cache.watch(Target::List(other));
    rig.flush();
    for n in 10..20 {
        let mut volatile = row("a", n, 1);
        volatile.version = None;
        for wanted in rig.wants() {
            let ticket = rig.begin(&wanted);
            rig.page(ticket, None, vec![volatile.clone()], None, true);
            rig.flush();
        }
        rig.pass(10_000);
    }
    assert!(rig.wants().is_empty());
}

#[test]
fn what_is_aged_is_asked_for_at_once_and_its_watchers_are_named() {
    let settings = CollectionSettings {
        stale_after: Some(Duration::from_secs(60)),
        ..by_client()
    };
    let mut rig = Rig::new(settings);
    rig.subscribe_in("client", "", Attached::Now, 0, 0);
    let watcher = rig.cache.watch(Target::List(vip()));
    rig.flush();
    answer_first(&mut rig, vec![row("b", 2, 5)]);
    let due = rig.cache.next_ageing(Tick::ZERO).unwrap();
    assert_eq!(due, rig.now + Duration::from_secs(60));
    let since = rig.now;
    rig.now = due;
    let woken = rig.cache.age(since, rig.now).unwrap().woken;
    assert_eq!(woken, [watcher]);
    assert_eq!(rig.list(&vip()).trust, Trust::Stale(StaleReason::Aged));
    assert_eq!(wanted_in(&mut rig), Some(0));
}

#[test]
fn a_row_that_a_page_has_twice_is_shown_once() {
    let mut rig = Rig::attached(10);
    rig.cache.watch(Target::List(vip()));
    rig.flush();
    rig.serve_page(
        10,
        vec![row("b", 2, 5), row("a", 1, 4), row("b", 2, 5)],
        3,
        true,
    );
    assert_eq!(
        (rig.ids(&vip()), total(&rig)),
        ("b a".to_owned(), (Some(3), true))
    );
}
