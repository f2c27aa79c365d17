//! What a peer may do, and what it may not make this side do.

use std::time::Duration;

use tidewire_cache::{Interest, Target, Trust};
use tidewire_engine::{
    Command, CommandError, Input, Problem, Reply, Settings, Submission, Switch, Write,
};
use tidewire_model::{EntityId, Lane, Patch, Point};
use tidewire_protocol::{
    Class, ClientMessage, CommitInfo, Data, Events, FetchWhat, Op, Ping, RequestError,
    ServerMessage, Snapshot, SnapshotEnd, SubscribeResult, Subscribed, Unsubscribed, Want, Welcome,
    WireRow,
};
use tidewire_queue::SubmitError;

use crate::bench::{Bench, created, customers, epoch, events, key, offset, row, settings, welcome};

/// The connection was ended, for this.
fn broken(bench: &Bench, words: &str) -> bool {
    let said = |problem: &Problem| problem.to_string().contains(words);
    !bench.disconnects.is_empty() && bench.problems.iter().any(said)
}

fn live() -> Bench {
    let mut bench = Bench::complete();
    bench.watch_list("");
    bench.go_up();
    bench.snapshot(1, vec![row("c1", 10, 1)]);
    bench
}

fn ping(bench: &mut Bench, n: u64) {
    bench.tell(ServerMessage::Ping(Ping {
        n,
        heads: Default::default(),
    }));
}

fn pongs(bench: &Bench) -> Vec<u64> {
    let pong = |message: &ClientMessage| match message {
        ClientMessage::Pong(n) => Some(*n),
        _ => None,
    };
    bench.sent.iter().filter_map(pong).collect()
}

#[test]
fn law_17_a_peer_that_pings_and_does_not_read_is_owed_one_answer() {
    let mut bench = Bench::windowed();
    bench.go_up();
    (0..10_000).for_each(|n| ping(&mut bench, n));
    assert_eq!(pongs(&bench), [0], "the others wait for it to be written");
    bench.handle(Input::Written {
        generation: bench.generation,
        bytes: 1_000_000,
    });
    assert_eq!(pongs(&bench), [0, 9_999]);
}

#[test]
fn what_a_connection_owed_when_it_was_lost_the_next_one_does_not() {
    let mut bench = Bench::windowed();
    bench.go_up();
    (0..3).for_each(|n| ping(&mut bench, n));
    bench.come_back(0);
    assert_eq!(pongs(&bench), [0], "nobody asked on this connection");
    ping(&mut bench, 7);
    assert_eq!(pongs(&bench), [0, 7], "nothing is unwritten on it");
}

#[test]
fn frames_that_leave_nothing_to_work_on_do_not_stop_the_reading() {
    let bounded = Settings {
        staged_max_bytes: 1_000,
        ..settings()
    };
    let mut bench = Bench::with(bounded, Interest::Windowed);
    bench.go_up();
    (0..1_000).for_each(|n| ping(&mut bench, n));
    assert!(bench.engine.wants_frames());
}

#[test]
fn rule_16_nothing_is_believed_before_the_greeting_and_there_is_one_greeting() {
    let mut bench = Bench::complete();
    bench.watch_list("");
    bench.switch_on();
    bench.connected();
    bench.tell(ServerMessage::Events(events(
        0,
        1,
        vec![created("c1", 1, 1)],
    )));
    assert!(broken(&bench, "before the greeting"));

    let mut bench = live();
    bench.tell(ServerMessage::Welcome(welcome(None)));
    assert!(broken(&bench, "a second greeting"));
}

fn write_in(bench: &mut Bench, lane: &str) -> Reply {
    let patch = Patch::new().set("score", 1);
    bench.command(Command::Submit(Submission {
        lane: Lane::new(lane).expect("a good name"),
        writes: vec![Write::Update {
            key: key(&format!("in-{lane}")),
            patch,
        }],
        after: Vec::new(),
    }))
}

fn go_up_with_lanes(bench: &mut Bench, max_lanes: u64) {
    bench.switch_on();
    bench.connected();
    let mut greeting = welcome(Some(Default::default()));
    greeting.limits.max_lanes = max_lanes;
    bench.tell(ServerMessage::Welcome(greeting));
}

fn lanes_sent(bench: &Bench) -> Vec<String> {
    let sent = bench.actions_sent().into_iter();
    sent.map(|action| action.lane.to_string()).collect()
}

#[test]
fn law_14_no_more_lanes_are_used_than_the_server_takes_and_what_is_in_others_is_parked() {
    let mut bench = Bench::windowed();
    for lane in ["a", "b", "c", "a"] {
        assert!(matches!(write_in(&mut bench, lane), Reply::Submitted(_)));
    }
    go_up_with_lanes(&mut bench, 2);
    assert_eq!(lanes_sent(&bench), ["a", "b", "a"]);
    let parked: Vec<_> = bench.engine.queue().parked().collect();
    let [parked] = parked[..] else {
        panic!("{parked:?}")
    };
    let tidewire_queue::ActionState::Parked(refusal) = &parked.state else {
        panic!("{parked:?}")
    };
    assert_eq!(refusal.code, "too_many_lanes");
    assert!(refusal.message.contains("takes 2 lanes"), "{refusal:?}");
    let refused = SubmitError::TooManyLanes { limit: 2 };
    assert_eq!(
        write_in(&mut bench, "d"),
        Reply::Refused(CommandError::Queue(refused))
    );
    assert!(matches!(write_in(&mut bench, "b"), Reply::Submitted(_)));
}

#[test]
fn law_19_a_server_that_takes_no_lane_at_all_is_given_one() {
    let mut bench = Bench::windowed();
    write_in(&mut bench, "main");
    go_up_with_lanes(&mut bench, 0);
    assert_eq!(lanes_sent(&bench), ["main"]);
}

fn other_principal(bench: &mut Bench, principal: &str) {
    bench.switch_on();
    bench.connected();
    bench.tell(ServerMessage::Welcome(Welcome {
        principal: principal.into(),
        ..welcome(None)
    }));
}

#[test]
fn law_21_a_store_that_belongs_to_another_is_not_made_ones_own() {
    let mut ada = Bench::windowed();
    other_principal(&mut ada, "ada");
    ada.update("c1", 1);
    let bob = Settings {
        identity: Some("bob".into()),
        ..settings()
    };
    let mut bob = Bench::new(bob, ada.stored_rows());
    bob.define(Interest::Windowed);
    other_principal(&mut bob, "bob");
    assert_eq!(
        bob.engine.status().connection,
        tidewire_engine::Connection::Stopped
    );
    assert!(
        bob.actions_sent().is_empty(),
        "what ada wrote is not sent as bob's"
    );
}

#[test]
fn law_19_a_snapshot_with_a_part_missing_is_not_taken_for_whole() {
    let part = |part, id: &str| {
        ServerMessage::Snapshot(Snapshot {
            entity_type: customers(),
            part,
            as_of: offset(1),
            rows: vec![row(id, 1, 1)],
        })
    };
    let end_at = |at, count| {
        ServerMessage::SnapshotEnd(SnapshotEnd {
            entity_type: customers(),
            as_of: offset(at),
            count,
            actions: Default::default(),
            head: None,
        })
    };
    for messages in [
        vec![part(0, "c1"), part(2, "c3")],
        vec![part(0, "c1"), end_at(1, 2)],
        vec![part(0, "c1"), end_at(2, 1)],
        vec![part(0, "c1"), end_at(1, 1), end_at(1, 1)],
    ] {
        let mut bench = Bench::complete();
        bench.watch_list("");
        bench.go_up();
        bench.subscribed(SubscribeResult::Snapshot, 1, 1);
        // The end of a snapshot that waits its turn is still to come for the cache.
        let first = events_of_half_a_commit();
        bench.watch(Target::Stream(customers()));
        bench.tell(first);
        messages.into_iter().for_each(|message| bench.tell(message));
        assert!(broken(&bench, "a part of a snapshot is missing"));
    }
}

/// The first of two chunks.
fn events_of_half_a_commit() -> ServerMessage {
    ServerMessage::Events(Events {
        chunk: Some((0, 2)),
        ..events(1, 2, vec![created("c9", 9, 2)])
    })
}

#[test]
fn law_19_an_answer_with_more_than_was_asked_for_ends_the_connection() {
    let mut bench = Bench::windowed();
    bench.watch(Target::Entity(key("c1")));
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 1, 1);
    let id = bench.fetch_sent().id;
    for part in 0..2 {
        bench.tell(ServerMessage::Data(Data {
            id,
            as_of: Point::new(epoch(), offset(1)),
            part,
            more: true,
            rows: vec![row("c1", 1, 1)],
            missing: Vec::new(),
            total_count: None,
            start_key: None,
            end: false,
        }));
    }
    assert!(broken(&bench, "more rows than were asked for"));
}

#[test]
fn law_17_an_answer_of_empty_parts_without_end_ends_the_connection() {
    let mut bench = Bench::windowed();
    bench.watch(Target::Entity(key("c1")));
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 1, 1);
    let id = bench.fetch_sent().id;
    bench.tell(ServerMessage::Data(Data {
        id,
        as_of: Point::new(epoch(), offset(1)),
        part: 0,
        more: true,
        rows: Vec::new(),
        missing: Vec::new(),
        total_count: None,
        start_key: None,
        end: false,
    }));
    assert!(broken(&bench, "brings nothing"));
}

#[test]
fn law_17_what_waits_behind_half_a_commit_is_bounded() {
    let mut bench = live();
    bench.tell(events_of_half_a_commit());
    for n in 0..300 {
        bench.tell(ServerMessage::Data(Data {
            id: tidewire_protocol::RequestId(99),
            as_of: Point::new(epoch(), offset(1)),
            part: n,
            more: true,
            rows: Vec::new(),
            missing: (0..1_000)
                .map(|n| EntityId::text(&format!("c{n}")).expect("a good id"))
                .collect(),
            total_count: None,
            start_key: None,
            end: false,
        }));
    }
    assert!(broken(&bench, "a commit is not whole"));
}

#[test]
fn law_17_what_waits_behind_half_a_commit_is_bounded_in_bytes_too() {
    let bounded = Settings {
        unfinished_max_bytes: 1_000_000,
        ..settings()
    };
    let mut bench = Bench::with(bounded, Interest::Windowed);
    bench.watch(Target::Stream(customers()));
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 1, 1);
    let long = "x".repeat(10_000);
    let chunk = |n| {
        let entity = row("c1", 1, 2).entity.with("name", long.as_str());
        let version = row("c1", 1, 2).version;
        ServerMessage::Events(Events {
            chunk: Some((n, 1_000)),
            ..events(1, 2, vec![Op::Created { entity, version }])
        })
    };
    (0..95).for_each(|n| bench.tell(chunk(n)));
    assert!(bench.disconnects.is_empty(), "{:?}", bench.problems);
    (95..100).for_each(|n| bench.tell(chunk(n)));
    assert!(broken(&bench, "a commit is not whole"));
    // It goes on where it was.
    bench.go_up();
    let resume = bench.subscribe_sent().resume;
    assert_eq!(resume.expect("it resumes").offset, offset(1));
}

#[test]
fn law_17_plain_commits_behind_half_a_commit_are_bounded_too() {
    let mut bench = live();
    let info = CommitInfo {
        id: "x".into(),
        offsets: [(customers(), offset(2)), (orders(), offset(2))].into(),
    };
    bench.define_as(&orders(), Interest::Windowed);
    bench.watch(Target::Stream(orders()));
    let id = bench.subscribe_sent().id;
    bench.tell(ServerMessage::Subscribed(Subscribed {
        id,
        entity_type: orders(),
        result: SubscribeResult::Now,
        epoch: epoch(),
        view: "all".into(),
        offset: offset(1),
        head: offset(1),
    }));
    // The part of the orders never comes.
    bench.tell(ServerMessage::Events(Events {
        commit: Some(info),
        ..events(1, 2, Vec::new())
    }));
    for n in 2..300 {
        let many = (0..1_000).map(|_| created("c1", 1, n + 1)).collect();
        bench.tell(ServerMessage::Events(events(n, n + 1, many)));
    }
    assert!(broken(&bench, "a commit is not whole"));
}

/// A row of about so many bytes.
fn heavy(id: &str, bytes: usize) -> WireRow {
    let WireRow { entity, version } = row(id, 1, 1);
    let entity = entity.with("name", "x".repeat(bytes).as_str());
    WireRow { entity, version }
}

#[test]
fn law_17_a_snapshot_without_end_is_bounded_in_bytes() {
    let mut bounded = settings();
    bounded.cache.max_snapshot_bytes = 1_000_000;
    let mut bench = Bench::with(bounded, Interest::Complete { max_rows: 20_000 });
    let list = bench.watch_list("");
    bench.go_up();
    bench.subscribed(SubscribeResult::Snapshot, 1, 1);
    for part in 0..95 {
        bench.snapshot_part(1, part, vec![heavy(&format!("c{part}"), 10_000)]);
    }
    assert_eq!(bench.problems, []);
    // The same row again takes no more room.
    for part in 95..105 {
        bench.snapshot_part(1, part, vec![heavy("c0", 10_000)]);
    }
    assert_eq!(bench.problems, []);
    for part in 105..115 {
        bench.snapshot_part(1, part, vec![heavy(&format!("c{part}"), 10_000)]);
    }
    bench.settle();
    assert_eq!(bench.problems, [Problem::SnapshotTooLarge(customers())]);
    let is_said = |trust| matches!(trust, Trust::Stale(_) | Trust::Unknown);
    assert!(is_said(bench.trust(&list)), "{:?}", bench.trust(&list));
    assert!(bench.disconnects.is_empty(), "other streams go on");
    let again = bench.subscribe_sent();
    assert_eq!(
        again.want,
        Want::Changes,
        "its windows are asked for instead"
    );
    bench.subscribed(SubscribeResult::Now, 1, 1);
    bench.page(1, vec![row("c1", 1, 1)], Some(1), true);
    bench.settle();
    assert_eq!(bench.trust(&list), Trust::Live);
}

#[test]
fn a_collection_that_grew_too_large_is_resumed_after_a_gap_as_any_other() {
    let mut bounded = settings();
    bounded.cache.max_snapshot_bytes = 10_000;
    let mut bench = Bench::with(bounded, Interest::Complete { max_rows: 20_000 });
    bench.watch_list("");
    bench.go_up();
    bench.snapshot(1, vec![row("c1", 1, 1)]);
    bench.command(Command::Invalidate {
        entity_type: customers(),
        ids: None,
    });
    bench.run_for(Duration::from_secs(10));
    bench.subscribed(SubscribeResult::Snapshot, 1, 1);
    bench.snapshot_part(1, 0, vec![heavy("c1", 10_000)]);
    bench.run_for(Duration::from_secs(1));
    assert_eq!(bench.problems, [Problem::SnapshotTooLarge(customers())]);
    bench.subscribed(SubscribeResult::Now, 1, 1);
    // It stands well.
    bench.run_for(Duration::from_secs(15));
    bench.tell(ServerMessage::Events(events(3, 4, Vec::new())));
    bench.run_for(Duration::from_secs(1));
    let again = bench.subscribe_sent();
    assert_eq!(again.resume.map(|resume| resume.offset), Some(offset(1)));
}

#[test]
fn law_17_a_server_that_sends_a_snapshot_too_large_each_time_is_not_asked_in_a_circle() {
    let mut bounded = settings();
    bounded.cache.max_snapshot_bytes = 10_000;
    let mut bench = Bench::with(bounded, Interest::Complete { max_rows: 20_000 });
    bench.watch_list("");
    bench.go_up();
    let end = bench.now.tick + Duration::from_secs(120);
    let mut answered = 0;
    while bench.now.tick < end && answered < 1_000 {
        if subscribes(&bench) > answered {
            answered = subscribes(&bench);
            bench.subscribed(SubscribeResult::Snapshot, 1, 1);
            bench.snapshot_part(1, 0, vec![heavy("c1", 10_000)]);
        } else {
            bench.run_for(Duration::from_millis(10));
        }
    }
    assert!((3..60).contains(&answered), "{answered} SUBSCRIBEs");
}

#[test]
fn law_17_parts_of_a_snapshot_that_nobody_asked_for_end_the_connection() {
    let mut bench = live();
    bench.snapshot_part(1, 0, vec![row("c2", 1, 1)]);
    assert!(broken(&bench, "a snapshot came that was not asked for"));
    let mut bench = Bench::complete();
    bench.watch_list("");
    bench.go_up();
    bench.subscribed(SubscribeResult::Snapshot, 1, 1);
    bench.snapshot_part(1, 0, vec![row("c1", 1, 1)]);
    bench.snapshot_part(2, 1, vec![row("c2", 1, 1)]);
    assert!(broken(&bench, "a part of a snapshot is missing"));
}

#[test]
fn law_17_frames_are_not_wanted_above_so_many_bytes_until_a_batch_was_shown() {
    let bounded = Settings {
        staged_max_bytes: 100_000,
        batch_window: Duration::from_millis(100),
        slice_rows: 1,
        ..settings()
    };
    let mut bench = Bench::with(bounded, Interest::Windowed);
    bench.watch(Target::Stream(customers()));
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 0, 0);
    bench.settle();
    let commit = |n| {
        let WireRow { entity, version } = heavy(&format!("c{n}"), 10_000);
        ServerMessage::Events(events(n, n + 1, vec![Op::Created { entity, version }]))
    };
    let mut taken = 0;
    while bench.engine.wants_frames() && taken < 1_000 {
        bench.tell(commit(taken));
        taken += 1;
    }
    assert!((5..12).contains(&taken), "{taken} frames of 10 kB");
    bench.settle();
    assert!(
        bench.engine.wants_frames(),
        "it is shown without a further frame"
    );
    assert!(bench.disconnects.is_empty());
}

#[test]
fn law_17_the_parts_of_an_answer_are_bounded_in_bytes_and_whoever_waits_is_told() {
    let bounded = Settings {
        answer_max_bytes: 100_000,
        ..settings()
    };
    let mut bench = Bench::with(bounded, Interest::Windowed);
    let list = bench.watch_list("limit 500");
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 1, 1);
    let id = bench.fetch_sent().id;
    for part in 0..20 {
        bench.tell(ServerMessage::Data(Data {
            id,
            as_of: Point::new(epoch(), offset(1)),
            part,
            more: true,
            rows: vec![heavy(&format!("c{part}"), 10_000)],
            missing: Vec::new(),
            total_count: None,
            start_key: None,
            end: false,
        }));
    }
    bench.settle();
    let limit = 100_000;
    let too_large = Problem::AnswerTooLarge {
        entity_type: customers(),
        limit,
    };
    assert_eq!(bench.problems[0], too_large, "once: {:?}", bench.problems);
    assert_eq!(bench.problems.len(), 2, "{:?}", bench.problems);
    assert!(bench.disconnects.is_empty(), "other requests go on");
    assert_eq!(bench.trust(&list), Trust::Unknown);
    bench.run_for(Duration::from_secs(60));
    assert_eq!(bench.fetches_sent().len(), 1, "it would be as large again");
}

fn orders() -> tidewire_model::EntityType {
    tidewire_model::EntityType::new("orders").expect("a good name")
}

fn subscribes(bench: &Bench) -> usize {
    bench.count_sent(|message| matches!(message, ClientMessage::Subscribe(_)))
}

/// How many SUBSCRIBEs go out within two minutes to a server that answers each at once, with a
/// snapshot and with whatever `answer` adds.
fn subscribes_in_two_minutes(mut answer: impl FnMut(&mut Bench)) -> usize {
    let mut bench = live();
    answer(&mut bench);
    let end = bench.now.tick + Duration::from_secs(120);
    let mut answered = 1;
    while bench.now.tick < end && answered < 1_000 {
        if subscribes(&bench) > answered {
            answered = subscribes(&bench);
            bench.snapshot(1, vec![row("c1", 10, 1)]);
            answer(&mut bench);
        } else {
            bench.run_for(Duration::from_millis(10));
        }
    }
    let problems = &bench.problems;
    assert!(bench.disconnects.is_empty(), "{:?}", bench.disconnects);
    assert!(problems.iter().all(|problem| matches!(
        problem,
        Problem::StreamBroken(_) | Problem::StreamRefused { .. }
    )));
    subscribes(&bench)
}

#[test]
fn rule_14_false_heads_are_not_asked_about_in_a_circle() {
    let mut n = 0;
    let subscribes = subscribes_in_two_minutes(|bench| {
        n += 1;
        bench.tell(ServerMessage::Ping(Ping {
            n,
            heads: [(customers(), offset(1_000_000))].into(),
        }));
    });
    assert!((5..60).contains(&subscribes), "{subscribes} SUBSCRIBEs");
}

#[test]
fn rule_14_a_stream_ended_at_once_each_time_is_not_asked_for_in_a_circle() {
    let subscribes = subscribes_in_two_minutes(|bench| {
        bench.tell(ServerMessage::Unsubscribed(Unsubscribed {
            id: None,
            entity_type: customers(),
            code: "slow".into(),
            resubscribe: true,
        }));
    });
    assert!((5..60).contains(&subscribes), "{subscribes} SUBSCRIBEs");
}

#[test]
fn law_17_a_stream_marked_stale_at_once_each_time_is_not_asked_for_in_a_circle() {
    let subscribes = subscribes_in_two_minutes(|bench| {
        bench.tell(ServerMessage::Events(events(
            1,
            2,
            vec![Op::StaleAll(None)],
        )));
        bench.settle();
    });
    assert!((5..60).contains(&subscribes), "{subscribes} SUBSCRIBEs");
}

#[test]
fn rule_14_a_server_that_always_leaves_something_out_is_not_asked_in_a_circle() {
    let mut bench = live();
    for _ in 0..20 {
        let before = subscribes(&bench);
        // Not what follows.
        bench.tell(ServerMessage::Events(events(7, 8, Vec::new())));
        if subscribes(&bench) == before {
            bench.run_for(Duration::from_millis(200));
        }
        bench.subscribed(SubscribeResult::Resumed, 1, 1);
    }
    assert!(subscribes(&bench) < 10, "it is asked for less and less");
    assert!(bench.problems.contains(&Problem::StreamBroken(customers())));
    bench.run_for(Duration::from_secs(30));
    let later = subscribes(&bench);
    bench.run_for(Duration::from_secs(600));
    assert!(
        subscribes(&bench) <= later + 4,
        "it waits for the answer, longer each time"
    );
    assert_eq!(bench.subscribe_sent().resume, None, "it begins anew");
}

#[test]
fn law_17_streams_are_asked_for_and_given_back_no_faster_than_server_and_transport_take() {
    let mut bench = Bench::windowed();
    let name = |n| tidewire_model::EntityType::new(&format!("t{n:03}")).expect("a good name");
    let mut watches = Vec::new();
    for n in 0..300 {
        bench.define_as(&name(n), Interest::Windowed);
        watches.push(bench.watch(Target::Stream(name(n))));
    }
    bench.go_up();
    let commands = |bench: &Bench| {
        bench.count_sent(|message| {
            matches!(
                message,
                ClientMessage::Subscribe(_) | ClientMessage::Unsubscribe(_)
            )
        })
    };
    // The bench allows 200 at once and 100 each second.
    assert!((100..=200).contains(&commands(&bench)));
    bench.run_for(Duration::from_secs(3));
    assert_eq!(commands(&bench), 300);
    for watch in watches {
        bench.command(Command::Unwatch(watch));
    }
    bench.run_for(settings().linger);
    assert!(commands(&bench) <= 500, "{}", commands(&bench));
    bench.run_for(Duration::from_secs(5));
    assert_eq!(commands(&bench), 600);
    assert!(bench.engine.is_idle());
}

#[test]
fn law_17_a_peer_that_does_not_read_is_asked_for_no_streams() {
    let mut bench = Bench::new(
        Settings {
            transmit_window_bytes: 1_000,
            ..settings()
        },
        Vec::new(),
    );
    let name = |n| tidewire_model::EntityType::new(&format!("t{n:03}")).expect("a good name");
    for n in 0..100 {
        bench.define_as(&name(n), Interest::Windowed);
        bench.watch(Target::Stream(name(n)));
    }
    bench.go_up();
    bench.run_for(Duration::from_secs(5));
    assert!(subscribes(&bench) < 20, "{}", subscribes(&bench));
    for _ in 0..100 {
        bench.handle(Input::Written {
            generation: bench.generation,
            bytes: 1_000,
        });
    }
    assert_eq!(subscribes(&bench), 100);
}

#[test]
fn law_21_rows_of_a_stream_that_may_not_be_read_any_more_are_hidden() {
    let mut bench = live();
    assert_eq!(bench.score("c1"), Some(10));
    bench.come_back(0);
    let id = bench.subscribe_sent().id;
    bench.tell(ServerMessage::SubscribeError(RequestError {
        id,
        code: "forbidden".into(),
        class: Class::Permanent,
        retry_after_ms: None,
    }));
    bench.settle();
    assert_eq!(bench.score("c1"), None);
    assert_eq!(bench.get("c1").trust, Trust::Unknown);
}

#[test]
fn after_the_store_failed_nothing_waits_for_it() {
    let mut bench = live();
    bench.store_works = false;
    bench.stored.clear();
    let id = bench.update("c1", 7);
    let (ticket, _) = bench.stored.pop().expect("it is being stored");
    let result = Err("disk full".to_owned());
    bench.handle(Input::Stored { ticket, result });
    for command in [
        Command::Switch(Switch::On),
        Command::Cancel(id),
        Command::Discard(id),
        Command::Retry(id),
    ] {
        let refused = Reply::Refused(CommandError::Store("disk full".into()));
        assert_eq!(bench.command(command), refused);
    }
    assert_eq!(
        bench.engine.status().connection,
        tidewire_engine::Connection::Stopped
    );
    bench.command(Command::Switch(Switch::Off));
    assert!(
        bench.engine.is_stored(),
        "a program that ends is not kept waiting"
    );
}

#[test]
fn many_writes_made_offline_are_sent_no_faster_than_the_server_allows() {
    let mut bench = Bench::windowed();
    for n in 0..300 {
        bench.update("c1", n);
    }
    bench.go_up();
    let mut sent = bench.actions_sent().len();
    let per_lane = settings().queue.max_in_flight;
    assert_eq!(sent, per_lane, "a lane has so many under way");
    // Answers come at once, so that nothing but the pace holds the client back.
    let begun = bench.now.tick;
    for n in 0..300 {
        while bench.actions_sent().len() <= n {
            bench.run_for(Duration::from_millis(1));
        }
        let action = bench.actions_sent()[n].clone();
        bench.tell(ServerMessage::Ack(tidewire_protocol::Ack {
            id: action.id,
            seq: action.seq,
            result: tidewire_protocol::AckResult::Applied,
            as_of: [(customers(), Point::new(epoch(), offset(1)))].into(),
            rows: Vec::new(),
            replaced: Default::default(),
        }));
        sent = sent.max(bench.actions_sent().len());
        // The bench allows 200 at once and 100 each second.
        let allowed = 200 + (bench.now.tick - begun).as_millis() / 10;
        let commands = bench.count_sent(|message| {
            matches!(message, ClientMessage::Action(_) | ClientMessage::Fetch(_))
        });
        assert!(commands as u128 <= allowed, "{commands} of {allowed}");
    }
    assert_eq!(sent, 300);
}

/// How many requests go out within two minutes to a server that answers each at once, as of a point
/// that is too old to be believed.
#[test]
fn law_17_answers_too_old_to_be_believed_are_not_asked_for_in_a_circle() {
    let mut bench = Bench::windowed();
    bench.watch(Target::Entity(key("c1")));
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 9, 9);
    let answered = old_answers_in_two_minutes(&mut bench);
    assert!((2..60).contains(&answered), "{answered} requests");
}

#[test]
fn law_17_old_answers_to_a_part_of_what_is_wanted_are_not_asked_for_in_a_circle() {
    let mut bench = Bench::windowed();
    bench.watch(Target::Entity(key("c1")));
    bench.watch(Target::Entity(key("c2")));
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 9, 9);
    bench.tell(ServerMessage::FetchError(RequestError {
        id: bench.fetch_sent().id,
        code: "forbidden".into(),
        class: Class::Permanent,
        retry_after_ms: None,
    }));
    let alone = FetchWhat::Ids(vec![key("c1").id]);
    assert_eq!(bench.fetch_sent().what, alone);
    let answered = old_answers_in_two_minutes(&mut bench);
    assert!((2..60).contains(&answered), "{answered} requests");
}

/// How often it is asked in that time.
fn old_answers_in_two_minutes(bench: &mut Bench) -> usize {
    let end = bench.now.tick + Duration::from_secs(120);
    let mut answered = 0;
    while bench.now.tick < end && answered < 1_000 {
        if bench.fetches_sent().len() > answered {
            answered = bench.fetches_sent().len();
            bench.tell(ServerMessage::Data(Data {
                id: bench.fetch_sent().id,
                as_of: Point::new(epoch(), offset(1)),
                part: 0,
                more: false,
                rows: vec![row("c1", 1, 1)],
                missing: Vec::new(),
                total_count: None,
                start_key: None,
                end: true,
            }));
            bench.settle();
        } else {
            bench.run_for(Duration::from_millis(10));
        }
    }
    answered
}
