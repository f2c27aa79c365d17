//! Streams: snapshot, commits, gaps, resume, and what the readings say meanwhile.

use std::time::Duration;

use tidewire_cache::{StaleReason, Target, Trust};
use tidewire_engine::{Command, Problem, Switch, Term};
use tidewire_model::{EntityId, Patch, Version};
use tidewire_protocol::{
    ClientMessage, Op, Ping, ServerMessage, SubscribeResult, Unsubscribed, Want,
};

use crate::bench::{Bench, created, customer, customers, events, key, offset, row};

/// A complete stream of three customers at offset 3, live.
fn live() -> (Bench, tidewire_model::Query) {
    let mut bench = Bench::complete();
    let all = bench.watch_list("sort score desc");
    bench.go_up();
    bench.snapshot(
        3,
        vec![row("c1", 10, 1), row("c2", 20, 2), row("c3", 30, 3)],
    );
    assert_eq!(bench.ids(&all), ["c3", "c2", "c1"]);
    assert_eq!(bench.trust(&all), Trust::Live);
    (bench, all)
}

#[test]
fn a_snapshot_is_shown_whole_and_live() {
    let (bench, all) = live();
    assert_eq!(bench.subscribe_sent().want, Want::Snapshot);
    let page = bench.list(&all);
    assert_eq!(page.total_count, Some(3));
    assert!(page.total_exact && page.complete);
}

#[test]
fn rule_9_a_snapshot_is_not_seen_before_its_end() {
    let mut bench = Bench::complete();
    let all = bench.watch_list("");
    bench.go_up();
    bench.subscribed(SubscribeResult::Snapshot, 1, 1);
    bench.snapshot_part(1, 0, vec![row("c1", 1, 1)]);
    assert!(bench.ids(&all).is_empty());
    assert_eq!(bench.trust(&all), Trust::Unknown);
    bench.snapshot_end(1, 1);
    assert_eq!(bench.ids(&all), ["c1"]);
}

#[test]
fn a_commit_creates_changes_moves_and_deletes() {
    let (mut bench, all) = live();
    let update = Op::Updated {
        id: EntityId::text("c1").expect("a good id"),
        version: Version::new(4),
        base: Version::new(1),
        changes: Patch::new().set("score", 99),
        entity: Some(customer("c1", 99)),
        was: Some(
            tidewire_model::RecordBuilder::new()
                .field("score", 10)
                .build(),
        ),
    };
    let deleted = Op::Deleted {
        id: EntityId::text("c2").expect("a good id"),
        version: Version::new(4),
        was: Some(customer("c2", 20)),
    };
    bench.tell(ServerMessage::Events(events(
        3,
        4,
        vec![update, deleted, created("c4", 50, 4)],
    )));
    assert_eq!(bench.ids(&all), ["c1", "c4", "c3"]);
    assert_eq!(bench.trust(&all), Trust::Live);
}

#[test]
fn coverage_b19_watchers_are_woken_after_the_state_is_visible_and_once() {
    let (mut bench, all) = live();
    bench.woken.clear();
    bench.tell(ServerMessage::Events(events(
        3,
        4,
        vec![created("c4", 1, 4), created("c5", 2, 4)],
    )));
    assert_eq!(bench.woken.len(), 1);
    assert_eq!(bench.list(&all).rows.len(), 5);
}

#[test]
fn law_16_a_gap_is_said_before_anything_later_is_shown_and_filled_by_resume() {
    let (mut bench, all) = live();
    bench.tell(ServerMessage::Events(events(
        5,
        6,
        vec![created("c6", 1, 6)],
    )));
    assert_eq!(bench.trust(&all), Trust::Stale(StaleReason::Gap));
    assert_eq!(bench.ids(&all), ["c3", "c2", "c1"]);
    let resume = bench.subscribe_sent().resume.expect("it resumes");
    assert_eq!(resume.offset, offset(3));

    bench.subscribed(SubscribeResult::Resumed, 3, 6);
    assert_eq!(bench.trust(&all), Trust::Stale(StaleReason::CatchingUp));
    bench.tell(ServerMessage::Events(events(
        3,
        4,
        vec![created("c4", 1, 4)],
    )));
    bench.tell(ServerMessage::Events(events(
        4,
        5,
        vec![created("c5", 1, 5)],
    )));
    bench.tell(ServerMessage::Events(events(
        5,
        6,
        vec![created("c6", 1, 6)],
    )));
    assert_eq!(bench.trust(&all), Trust::Live);
    assert_eq!(bench.list(&all).rows.len(), 6);
}

#[test]
fn rule_6_a_lost_last_event_shows_with_the_next_heartbeat() {
    let (mut bench, all) = live();
    bench.tell(ServerMessage::Ping(Ping {
        n: 1,
        heads: [(customers(), offset(3))].into(),
    }));
    assert_eq!(bench.trust(&all), Trust::Live);
    bench.tell(ServerMessage::Ping(Ping {
        n: 2,
        heads: [(customers(), offset(4))].into(),
    }));
    assert_eq!(bench.trust(&all), Trust::Stale(StaleReason::Gap));
    assert_eq!(
        bench.subscribe_sent().resume.expect("it resumes").offset,
        offset(3)
    );
}

#[test]
fn coverage_a20_a_lost_connection_leaves_what_is_shown_and_resumes() {
    let (mut bench, all) = live();
    bench.cut();
    assert_eq!(bench.trust(&all), Trust::Stale(StaleReason::Disconnected));
    assert_eq!(bench.ids(&all), ["c3", "c2", "c1"]);
    bench.go_up();
    assert_eq!(
        bench.subscribe_sent().resume.expect("it resumes").offset,
        offset(3)
    );
    bench.subscribed(SubscribeResult::Resumed, 3, 4);
    bench.tell(ServerMessage::Events(events(
        3,
        4,
        vec![created("c4", 99, 4)],
    )));
    assert_eq!(bench.ids(&all), ["c4", "c3", "c2", "c1"]);
    assert_eq!(bench.trust(&all), Trust::Live);
}

#[test]
fn a_snapshot_after_a_loss_replaces_in_one_step_and_never_goes_blank() {
    let (mut bench, all) = live();
    bench.cut();
    bench.go_up();
    bench.subscribed(SubscribeResult::Snapshot, 9, 9);
    assert_eq!(bench.ids(&all), ["c3", "c2", "c1"]);
    bench.snapshot_part(9, 0, vec![row("c1", 10, 1), row("c9", 5, 9)]);
    assert_eq!(bench.ids(&all), ["c3", "c2", "c1"]);
    bench.snapshot_end(9, 2);
    assert_eq!(bench.ids(&all), ["c1", "c9"]);
}

#[test]
fn events_between_a_request_and_its_answer_are_ignored() {
    let (mut bench, all) = live();
    bench.tell(ServerMessage::Events(events(7, 8, Vec::new())));
    // The gap's SUBSCRIBE is out; these belong to the feed given back.
    bench.tell(ServerMessage::Events(events(
        3,
        4,
        vec![created("c4", 1, 4)],
    )));
    assert_eq!(bench.list(&all).rows.len(), 3);
    bench.subscribed(SubscribeResult::Resumed, 3, 4);
    bench.tell(ServerMessage::Events(events(
        3,
        4,
        vec![created("c4", 1, 4)],
    )));
    assert_eq!(bench.list(&all).rows.len(), 4);
}

#[test]
fn a_stream_the_server_ended_is_asked_for_again_soon() {
    let (mut bench, all) = live();
    let before = bench.count_sent(|message| matches!(message, ClientMessage::Subscribe(_)));
    bench.tell(ServerMessage::Unsubscribed(Unsubscribed {
        id: None,
        entity_type: customers(),
        code: "slow".into(),
        resubscribe: true,
    }));
    assert!(matches!(bench.trust(&all), Trust::Stale(_)));
    assert_eq!(bench.ids(&all).len(), 3);
    bench.run_for(Duration::from_secs(2));
    let after = bench.count_sent(|message| matches!(message, ClientMessage::Subscribe(_)));
    assert_eq!(after, before + 1);
    assert_eq!(
        (bench.problems.len(), bench.refused.len()),
        (0, 0),
        "the ordinary course"
    );
}

fn ended(code: &str) -> ServerMessage {
    ServerMessage::Unsubscribed(Unsubscribed {
        id: None,
        entity_type: customers(),
        code: code.into(),
        resubscribe: true,
    })
}

fn refused(code: &str) -> Problem {
    Problem::StreamRefused {
        entity_type: customers(),
        code: code.into(),
    }
}

/// Subscribes again, as often as it is asked, to a server that begins a snapshot and cannot read it.
fn fail_snapshots(bench: &mut Bench, times: usize, code: &str) {
    for _ in 0..times {
        bench.subscribed(SubscribeResult::Snapshot, 3, 3);
        bench.snapshot_part(3, 0, vec![row("c1", 1, 1)]);
        bench.tell(ended(code));
        let asked = bench.count_sent(|message| matches!(message, ClientMessage::Subscribe(_)));
        let again = |bench: &Bench| {
            bench.count_sent(|message| matches!(message, ClientMessage::Subscribe(_))) > asked
        };
        let end = bench.now.tick + Duration::from_secs(300);
        while !again(bench) && bench.now.tick < end {
            bench.run_for(Duration::from_millis(100));
        }
        assert!(again(bench), "it is asked for again");
    }
}

#[test]
fn a_snapshot_that_the_server_cannot_read_is_told_once_per_reason() {
    let mut bench = Bench::complete();
    let all = bench.watch_list("");
    bench.go_up();
    fail_snapshots(&mut bench, 3, "internal");
    assert_eq!(bench.problems, [refused("internal")]);
    assert_eq!(bench.trust(&all), Trust::Unknown);
    let for_now = (customers(), None, "internal".to_owned(), Term::ForNow);
    assert_eq!(bench.refused, vec![for_now; 3], "at every refusal");
    fail_snapshots(&mut bench, 2, "unreadable");
    assert_eq!(bench.problems, [refused("internal"), refused("unreadable")]);
    assert_eq!(bench.answered, [], "it has not come before its end");
    bench.snapshot(3, vec![row("c1", 1, 1)]);
    assert_eq!(bench.answered, [(customers(), None)]);
}

#[test]
fn a_stream_that_stood_well_in_between_is_told_of_again() {
    let mut bench = Bench::complete();
    bench.watch_list("");
    bench.go_up();
    fail_snapshots(&mut bench, 1, "internal");
    bench.snapshot(3, vec![row("c1", 1, 1)]);
    for n in 1..=6 {
        let heads = [(customers(), offset(3))].into();
        bench.tell(ServerMessage::Ping(Ping { n, heads }));
        bench.run_for(Duration::from_secs(5));
    }
    bench.tell(ended("internal"));
    assert_eq!(bench.problems, [refused("internal"), refused("internal")]);
}

#[test]
fn law_18_when_the_last_watch_goes_the_stream_is_given_back() {
    let mut bench = Bench::complete();
    let watch = bench.watch(Target::Entity(key("c1")));
    bench.go_up();
    bench.snapshot(1, vec![row("c1", 1, 1)]);
    bench.command(Command::Unwatch(watch));
    bench.run_for(Duration::from_secs(6));
    assert_eq!(
        bench.count_sent(|message| matches!(message, ClientMessage::Unsubscribe(_))),
        1
    );
    assert!(bench.engine.is_idle());
}

#[test]
fn what_is_watched_may_change_while_offline() {
    let (mut bench, _) = live();
    bench.command(Command::Switch(Switch::Off));
    let one = bench.watch_list("where score > 15");
    assert_eq!(bench.ids(&one), ["c2", "c3"]);
    bench.switch_on();
    bench.connected();
    bench.tell(ServerMessage::Welcome(crate::bench::welcome(None)));
    bench.subscribed(SubscribeResult::Resumed, 3, 3);
    assert_eq!(bench.trust(&one), Trust::Live);
}

#[test]
fn law_1_a_burst_within_the_window_is_shown_in_one_step() {
    let settings = tidewire_engine::Settings {
        batch_window: Duration::from_millis(100),
        ..crate::bench::settings()
    };
    let mut bench = Bench::with(
        settings,
        tidewire_cache::Interest::Complete { max_rows: 100 },
    );
    let all = bench.watch_list("");
    bench.go_up();
    bench.snapshot(0, Vec::new());
    bench.run_for(Duration::from_millis(200));
    let before = bench.published;
    bench.tell(ServerMessage::Events(events(
        0,
        1,
        vec![created("c1", 1, 1)],
    )));
    assert_eq!(
        bench.ids(&all),
        ["c1"],
        "the first after a quiet window is shown at once"
    );
    for at in 2..=20 {
        bench.tell(ServerMessage::Events(events(
            at - 1,
            at,
            vec![created(&format!("c{at:02}"), 1, at)],
        )));
    }
    assert_eq!(bench.ids(&all), ["c1"]);
    bench.run_for(Duration::from_millis(100));
    assert_eq!(bench.list(&all).rows.len(), 20);
    assert_eq!(bench.published, before + 2);
}

#[test]
fn a_callers_write_is_visible_at_once_while_a_large_snapshot_is_worked_in_slices() {
    let mut bench = Bench::complete();
    let all = bench.watch_list("");
    bench.go_up();
    bench.subscribed(SubscribeResult::Snapshot, 9, 9);
    for part in 0..40 {
        let rows = (0..100)
            .map(|n| row(&format!("c{part:03}-{n:03}"), n, 1))
            .collect();
        bench.snapshot_part(9, part, rows);
    }
    bench.snapshot_end(9, 4_000);
    assert!(bench.ids(&all).is_empty(), "one call works one slice only");
    let made = bench.submit(tidewire_engine::Write::Create {
        entity_type: customers(),
        record: customer("mine", 1),
    });
    assert_eq!(made.keys, [key("mine")]);
    assert_eq!(bench.ids(&all), ["mine"]);
    bench.run_for(Duration::from_secs(1));
    assert_eq!(bench.list(&all).rows.len(), 4_001);
}
