//! Commits leave whole, in order, or not at all.

use std::collections::BTreeMap;

use tidewire_model::{ActionId, EntityId, EntityType, Offset};
use tidewire_protocol::{ActionEcho, CommitInfo, Events, Op, Ping, ServerMessage, SnapshotEnd};

use super::{Admitted, Assembly, Ready, Start, Weight};

fn name(text: &str) -> EntityType {
    EntityType::new(text).unwrap()
}

fn offset(n: u64) -> Offset {
    Offset::new(n).unwrap()
}

fn events(stream: &str, from: u64, to: u64) -> Events {
    Events {
        entity_type: name(stream),
        from: offset(from),
        to: offset(to),
        ops: vec![Op::Stale(vec![
            EntityId::text(&format!("{stream}{to}")).unwrap(),
        ])],
        commit: None,
        chunk: None,
        actions: Vec::new(),
    }
}

fn chunk(stream: &str, to: u64, index: u64, count: u64) -> Events {
    Events {
        chunk: Some((index, count)),
        ..events(stream, to - 1, to)
    }
}

fn member(stream: &str, to: u64, id: &str, offsets: &[(&str, u64)]) -> Events {
    let offsets: BTreeMap<_, _> = offsets.iter().map(|(s, o)| (name(s), offset(*o))).collect();
    Events {
        commit: Some(CommitInfo {
            id: id.into(),
            offsets,
        }),
        ..events(stream, to - 1, to)
    }
}

fn ping(n: u64) -> ServerMessage {
    ServerMessage::Ping(Ping {
        n,
        heads: BTreeMap::new(),
    })
}

/// What leaves, in short: `a5`, `a5+b9`, `ping1`.
fn drain(assembly: &mut Assembly) -> Vec<String> {
    std::iter::from_fn(|| assembly.next())
        .map(|ready| match ready {
            Ready::Commit { parts, owed } => {
                let parts = parts.iter().map(|part| {
                    format!("{}{}x{}", part.entity_type, part.to.get(), part.ops.len())
                });
                let owed = owed
                    .iter()
                    .map(|(name, to)| format!("({name}{})", to.get()));
                parts.chain(owed).collect::<Vec<_>>().join("+")
            }
            Ready::Message(message) => match *message {
                ServerMessage::Ping(ping) => format!("ping{}", ping.n),
                ServerMessage::SnapshotEnd(end) => format!("end of {}", end.entity_type),
                other => panic!("unexpected {other:?}"),
            },
        })
        .collect()
}

const ROOMY: Weight = Weight {
    rows: 1_000,
    bytes: 1_000,
};

/// Live at once.
fn live_from(at: u64) -> Start {
    Start {
        offset: offset(at),
        head: offset(at),
        snapshot: false,
    }
}

fn snapshot_end(stream: &str, at: u64) -> ServerMessage {
    ServerMessage::SnapshotEnd(SnapshotEnd {
        entity_type: name(stream),
        as_of: offset(at),
        count: 0,
        actions: BTreeMap::new(),
        head: None,
    })
}

fn attached(streams: &[(&str, u64)]) -> Assembly {
    let mut assembly = Assembly::new(ROOMY);
    for (stream, at) in streams {
        assembly.attach(&name(stream), live_from(*at));
    }
    assembly
}

#[test]
fn law_3_a_repeat_changes_nothing_and_a_gap_is_named() {
    let mut a = attached(&[("a", 4)]);
    assert_eq!(a.push_events(events("a", 3, 4), 1), Admitted::Repeat);
    assert_eq!(a.push_events(events("a", 5, 6), 1), Admitted::Gap);
    assert_eq!(a.push_events(events("a", 4, 5), 1), Admitted::Yes);
    assert_eq!(a.push_events(events("a", 4, 5), 1), Admitted::Repeat);
    assert_eq!(a.received(&name("a")), Some(offset(5)));
    assert_eq!(drain(&mut a), ["a5x1"]);
}

#[test]
fn events_of_a_stream_that_is_not_held_are_ignored() {
    let mut a = attached(&[]);
    assert_eq!(a.push_events(events("a", 0, 1), 1), Admitted::Repeat);
    assert_eq!(drain(&mut a), Vec::<String>::new());
}

#[test]
fn law_1_a_chunked_commit_leaves_whole_and_messages_behind_it_wait() {
    let mut a = attached(&[("a", 0)]);
    a.push_events(chunk("a", 1, 0, 3), 1);
    a.push_message(ping(1), 1).unwrap();
    a.push_events(chunk("a", 1, 1, 3), 1);
    assert_eq!(drain(&mut a), Vec::<String>::new());
    assert_eq!(a.received(&name("a")), Some(offset(0)));
    a.push_events(chunk("a", 1, 2, 3), 1);
    assert_eq!(drain(&mut a), ["a1x3", "ping1"]);
}

#[test]
fn a_missing_or_strange_chunk_is_a_fault() {
    let mut a = attached(&[("a", 0)]);
    assert!(matches!(
        a.push_events(chunk("a", 1, 1, 3), 1),
        Admitted::Broken(_)
    ));
    a.push_events(chunk("a", 1, 0, 3), 1);
    assert!(matches!(
        a.push_events(chunk("a", 1, 2, 3), 1),
        Admitted::Broken(_)
    ));
    let mut a = attached(&[("a", 0)]);
    a.push_events(chunk("a", 1, 0, 2), 1);
    assert!(matches!(
        a.push_events(events("a", 0, 1), 1),
        Admitted::Broken(_)
    ));
}

#[test]
fn law_1_a_commit_over_two_streams_leaves_in_one_step() {
    let both = [("a", 5), ("b", 9)];
    let mut a = attached(&[("a", 4), ("b", 7)]);
    a.push_events(member("a", 5, "x", &both), 1);
    a.push_events(events("a", 5, 6), 1);
    a.push_events(events("b", 7, 8), 1);
    assert_eq!(drain(&mut a), ["b8x1"]);
    a.push_message(ping(1), 1).unwrap();
    a.push_events(member("b", 9, "x", &both), 1);
    assert_eq!(drain(&mut a), ["a5x1+b9x1", "a6x1", "ping1"]);
}

#[test]
fn a_commit_does_not_wait_for_a_stream_that_is_not_held() {
    let both = [("a", 5), ("b", 9)];
    let mut a = attached(&[("a", 4)]);
    a.push_events(member("a", 5, "x", &both), 1);
    assert_eq!(drain(&mut a), ["a5x1"]);
}

#[test]
fn a_commit_does_not_wait_for_a_stream_that_began_behind_it_or_ended() {
    let both = [("a", 5), ("b", 9)];
    let mut a = attached(&[("a", 4), ("b", 9)]);
    a.push_events(member("a", 5, "x", &both), 1);
    assert_eq!(drain(&mut a), ["a5x1"]);

    let mut a = attached(&[("a", 4), ("b", 8)]);
    a.push_events(member("a", 5, "x", &both), 1);
    assert_eq!(drain(&mut a), Vec::<String>::new());
    a.detach(&name("b"));
    assert_eq!(drain(&mut a), ["a5x1"]);
}

#[test]
fn a_message_does_not_overtake_and_is_not_overtaken() {
    let both = [("a", 1), ("b", 1)];
    let mut a = attached(&[("a", 0), ("b", 0), ("c", 0)]);
    a.push_events(member("a", 1, "x", &both), 1);
    a.push_message(ping(1), 1).unwrap();
    a.push_events(events("c", 0, 1), 1);
    assert_eq!(drain(&mut a), Vec::<String>::new());
    a.push_events(member("b", 1, "x", &both), 1);
    assert_eq!(drain(&mut a), ["a1x1+b1x1", "ping1", "c1x1"]);
}

#[test]
fn law_17_what_waits_is_bounded() {
    let mut a = Assembly::new(Weight { rows: 3, ..ROOMY });
    a.attach(&name("a"), live_from(0));
    for index in 0..3 {
        assert_eq!(a.push_events(chunk("a", 1, index, 10), 1), Admitted::Yes);
    }
    assert!(matches!(
        a.push_events(chunk("a", 1, 3, 10), 1),
        Admitted::Broken(_)
    ));
    a.detach(&name("a"));
    a.attach(&name("a"), live_from(0));
    assert_eq!(a.push_events(chunk("a", 1, 0, 10), 1), Admitted::Yes);
}

#[test]
fn law_17_what_waits_is_bounded_in_bytes_and_given_back_when_it_leaves() {
    let mut a = attached(&[("a", 0), ("b", 0)]);
    for round in 1..=3 {
        let both = [("a", round), ("b", round)];
        a.push_events(chunk("a", round, 0, 2), 300);
        a.push_events(chunk("a", round, 1, 2), 300);
        a.push_events(member("b", round, "x", &both), 200);
        a.push_message(ping(1), 200).unwrap();
        assert_eq!(a.waiting.bytes, 1_000);
        drain(&mut a);
        assert_eq!(a.waiting, Weight::default());
    }
    // Alone it may be as large as its frame; behind it there is room for nothing.
    assert_eq!(a.push_events(chunk("a", 4, 0, 2), 5_000), Admitted::Yes);
    assert!(a.push_message(ping(1), 1).is_err());
    a.detach(&name("a"));
    assert_eq!(a.waiting, Weight::default());
}

#[test]
fn law_17_chunks_and_commits_without_changes_are_bounded_by_their_bytes() {
    let mut a = attached(&[("a", 0)]);
    let empty = |index| Events {
        ops: Vec::new(),
        ..chunk("a", 1, index, 1_000_000)
    };
    let taken =
        (0..1_000_000).take_while(|index| a.push_events(empty(*index), 100) == Admitted::Yes);
    assert_eq!(taken.count(), 10);

    let mut a = attached(&[("a", 0), ("b", 0)]);
    a.push_events(member("a", 1, "x", &[("a", 1), ("b", 1)]), 100);
    let empty = |n| Events {
        ops: Vec::new(),
        ..events("a", n, n + 1)
    };
    let taken = (1..1_000_000).take_while(|n| a.push_events(empty(*n), 100) == Admitted::Yes);
    assert_eq!(taken.count(), 9);
}

#[test]
fn a_commits_many_actions_named_by_many_chunks_are_each_kept_once() {
    // So many that the test does not end in time where each is compared with each.
    let mut a = Assembly::new(Weight {
        rows: usize::MAX,
        bytes: usize::MAX,
    });
    a.attach(&name("a"), live_from(0));
    let echoes: Vec<ActionEcho> = (0..200_000_u64)
        .map(|n| ActionEcho {
            id: ActionId::new(n, [0; 10]),
            replaced: BTreeMap::new(),
        })
        .collect();
    for index in 0..10 {
        let named = Events {
            actions: echoes.clone(),
            ..chunk("a", 1, index, 10)
        };
        assert_eq!(a.push_events(named, 1), Admitted::Yes);
    }
    let Some(Ready::Commit { parts, .. }) = a.next() else {
        panic!("it is whole");
    };
    assert_eq!(parts[0].actions, echoes);
}

#[test]
fn rule_5_a_commit_does_not_wait_for_a_stream_whose_snapshot_is_on_its_way() {
    let both = [("a", 5), ("b", 9)];
    let mut a = attached(&[("a", 4)]);
    a.attach(
        &name("b"),
        Start {
            snapshot: true,
            ..live_from(8)
        },
    );
    a.push_events(member("a", 5, "x", &both), 1);
    a.push_message(snapshot_end("b", 8), 1).unwrap();
    // The part of b comes behind the end of its snapshot, which comes behind the part of a.
    assert_eq!(drain(&mut a), ["a5x1+(b9)", "end of b"]);
    a.push_events(member("b", 9, "x", &both), 1);
    assert_eq!(drain(&mut a), ["b9x1"]);
}

#[test]
fn law_1_a_stream_that_owes_a_part_is_not_waited_for_until_it_has_it() {
    let mut a = attached(&[("a", 4)]);
    a.attach(
        &name("b"),
        Start {
            head: offset(8),
            ..live_from(7)
        },
    );
    let [first, second] = [[("a", 5), ("b", 9)], [("a", 6), ("b", 10)]];
    a.push_events(member("a", 5, "x", &first), 1);
    assert_eq!(drain(&mut a), ["a5x1+(b9)"]);
    // Come as far as its first head, b still owes what a shows by now.
    a.push_events(events("b", 7, 8), 1);
    a.push_events(member("a", 6, "y", &second), 1);
    assert_eq!(drain(&mut a), ["b8x1", "a6x1+(b10)"]);
    a.push_events(member("b", 9, "x", &first), 1);
    a.push_events(member("b", 10, "y", &second), 1);
    assert_eq!(drain(&mut a), ["b9x1", "b10x1"]);
    let third = [("a", 7), ("b", 11)];
    a.push_events(member("a", 7, "z", &third), 1);
    assert_eq!(drain(&mut a), Vec::<String>::new());
    a.push_events(member("b", 11, "z", &third), 1);
    assert_eq!(drain(&mut a), ["a7x1+b11x1"]);
}
