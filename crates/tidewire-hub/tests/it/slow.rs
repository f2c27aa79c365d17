//! Slow sockets: they hold nobody up and hold nothing but what they asked for (law 17).

use tidewire_hub::{ConnectionId, Input};
use tidewire_protocol::{Class, ClientMessage, ServerMessage, Want};

use crate::world::{World, create, kind, offset, score};

fn publish_many(world: &mut World, from: u64, count: u64) {
    for number in from..from + count {
        world.publish(vec![create("tasks", &format!("e{number}"), 1)]);
        world.settle();
    }
}

fn held(world: &World) -> (u64, u64, u64) {
    let stats = world.stats();
    (
        stats.waiting_frames,
        stats.waiting_bytes,
        stats.answer_bytes,
    )
}

#[test]
fn a_peer_that_stops_reading_grows_nothing_and_holds_nobody_up() {
    let mut world = World::with(|settings| settings.window_bytes = 4096);
    let (stuck, reader) = (world.connect("stuck", 1), world.connect("reader", 1));
    for peer in [stuck, reader] {
        world.subscribe(peer, "tasks", Want::Changes);
        world.subscribe(peer, "people", Want::Changes);
    }
    world.settle();
    world.messages(reader);
    world.stuck(stuck);
    publish_many(&mut world, 0, 100);
    let full = world.sockets[&stuck].in_hand;
    publish_many(&mut world, 100, 1000);
    for number in 0..200 {
        world.publish(vec![create("people", &format!("p{number}"), 1)]);
        world.settle();
    }
    assert_eq!(
        world.messages(reader).len(),
        1300,
        "the other gets everything at once"
    );
    assert_eq!(held(&world), (0, 0, 0), "nothing waits for the stuck one");
    assert_eq!(
        world.sockets[&stuck].in_hand, full,
        "and the shell holds one window"
    );
    assert!(full < 4096 + 1024, "{full}");
    world.unstick(stuck);
    let subscribed = 2;
    assert_eq!(
        world.messages(stuck).len(),
        subscribed + 1300,
        "what the log has is caught up"
    );
}

#[test]
fn pings_do_not_pile_up_for_a_peer_that_stops_reading() {
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.heartbeat_ms = 1000;
        settings.grace_ms = 600_000;
    });
    let peer = world.connect("stuck", 1);
    world.stuck(peer);
    world.pass_ms(1000);
    world.pass_ms(300_000);
    assert_eq!((world.sockets[&peer].frames.len(), held(&world).0), (1, 1));
}

#[test]
fn who_falls_behind_the_log_is_unsubscribed_and_comes_back_through_the_journal() {
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.log_commits = 10;
    });
    let peer = world.connect("slow", 1);
    world.subscribe(peer, "tasks", Want::Changes);
    world.settle();
    world.messages(peer);
    world.stuck(peer);
    publish_many(&mut world, 0, 30);
    world.unstick(peer);
    let messages = world.messages(peer);
    let [
        ServerMessage::Events(events),
        ServerMessage::Unsubscribed(over),
    ] = &messages[..]
    else {
        panic!("{messages:?}")
    };
    assert_eq!(
        (events.to, over.code.as_str(), over.resubscribe, over.id),
        (offset(1), "slow", true, None)
    );
    assert_eq!(world.stats().slow_subscriptions, 1);

    let resume = tidewire_protocol::Resume {
        epoch: world.truth.opened().epoch,
        offset: offset(1),
        view: "all".to_owned(),
    };
    world.resubscribe(peer, "tasks", Want::Changes, Some(resume));
    world.settle();
    let messages = world.messages(peer);
    assert!(matches!(messages[0], ServerMessage::Subscribed(_)));
    assert_eq!(messages.len(), 1 + 29);
    assert_eq!(world.stats().resumed_from_journal, 1);
}

#[test]
fn a_log_is_bounded_in_bytes_too_and_keeps_the_newest() {
    let mut world = World::with(|settings| settings.log_bytes = 1);
    let peer = world.connect("reader", 1);
    world.subscribe(peer, "tasks", Want::Changes);
    world.settle();
    world.messages(peer);
    publish_many(&mut world, 0, 5);
    assert_eq!(
        world.messages(peer).len(),
        5,
        "a quick reader misses nothing"
    );
    let one = world.stats().log_bytes;
    publish_many(&mut world, 5, 50);
    assert!(world.stats().log_bytes < 2 * one + 100);
}

#[test]
fn all_logs_together_are_bounded() {
    let bound = 20_000;
    let mut world = World::with(|settings| settings.logs_bytes = bound);
    for number in 0..400 {
        world.publish(vec![create(
            &format!("stream-{}", number % 7),
            &format!("e{number}"),
            1,
        )]);
        world.settle();
        assert!(world.stats().log_bytes <= bound as u64);
    }
    assert!(world.stats().log_bytes > bound as u64 / 4, "and used");
}

/// Pings of the client are answered; who asks without reading fills the outbox.
fn pings_until_closed(world: &mut World, peer: ConnectionId) -> usize {
    for count in 0..1000 {
        if world.closed(peer).is_some() {
            return count;
        }
        world.tell(peer, &ClientMessage::Ping(7));
    }
    panic!("it was never closed");
}

#[test]
fn answers_beyond_the_bound_of_frames_close_the_connection() {
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.limits.outbound_frames = 20;
    });
    let (peer, other) = (world.connect("asker", 1), world.connect("other", 1));
    world.stuck(peer);
    // One is with the shell, twenty wait, and the next is one too many.
    assert_eq!(pings_until_closed(&mut world, peer), 22);
    assert_eq!(world.closed(peer), Some(4103));
    assert!(
        matches!(world.messages(peer).last(), Some(ServerMessage::Bye(bye)) if bye.code == 4103)
    );
    assert_eq!(world.stats().connections, 1);
    assert_eq!(world.closed(other), None);
}

#[test]
fn answers_beyond_the_bound_of_bytes_close_the_connection() {
    let pong = r#"{"type":"PONG","n":7}"#.len();
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.limits.outbound_bytes = 50 * pong;
    });
    let peer = world.connect("asker", 1);
    world.stuck(peer);
    assert_eq!(pings_until_closed(&mut world, peer), 52);
    assert_eq!(world.closed(peer), Some(4103));
}

#[test]
fn rows_that_nobody_takes_are_bounded_and_the_fetch_is_told_to_come_again() {
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.answer_bytes = 3000;
    });
    world.publish(
        (0..6)
            .map(|number| create("tasks", &format!("e{number}"), number))
            .collect(),
    );
    world.settle();
    let peer = world.connect("asker", 1);
    world.stuck(peer);
    let mut most = 0;
    for _ in 0..10 {
        world.fetch_ids(peer, "tasks", &["e0", "e1", "e2"]);
        world.settle();
        most = most.max(held(&world).2);
    }
    assert!(most <= 3000, "{most}");
    world.unstick(peer);
    let messages = world.messages(peer);
    let of = |code: &str| {
        messages
            .iter()
            .filter(|m| matches!(m, ServerMessage::FetchError(error) if error.code == code))
            .count()
    };
    let data = messages
        .iter()
        .filter(|message| matches!(message, ServerMessage::Data(_)))
        .count();
    assert!(
        data > 0 && of("slow") > 0 && data + of("slow") == 10,
        "{messages:?}"
    );
    world.fetch_ids(peer, "tasks", &["e0", "e1", "e2", "e3", "e4", "e5"]);
    world.settle();
    assert!(
        matches!(&world.messages(peer)[..], [ServerMessage::Data(_)]),
        "what was refused for the moment is not refused later"
    );
}

/// Of the answers to fetches: how many have rows, and how many are refused with a code, to be asked for again.
fn fetched(messages: &[ServerMessage], code: &str) -> (usize, usize) {
    let rows = |message: &&ServerMessage| matches!(message, ServerMessage::Data(_));
    let refused = |message: &&ServerMessage| {
        matches!(message, ServerMessage::FetchError(error)
            if error.code == code && error.class == Class::Retry && error.retry_after_ms.is_some())
    };
    (
        messages.iter().filter(rows).count(),
        messages.iter().filter(refused).count(),
    )
}

#[test]
fn rows_that_hundreds_do_not_take_are_bounded_and_make_way_for_one_who_reads() {
    const BOUND: usize = 100_000;
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.answers_bytes = BOUND;
        settings.answer_bytes = 20_000;
    });
    let names: Vec<String> = (0..20).map(|number| format!("e{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.publish(names.iter().map(|name| create("tasks", name, 1)).collect());
    world.settle();
    let stuck: Vec<_> = (0..300)
        .map(|number| world.connect(&format!("stuck-{number}"), 1))
        .collect();
    // Some hold their rows behind a snapshot.
    for (number, &peer) in stuck.iter().enumerate() {
        world.stuck(peer);
        if number % 2 == 0 {
            world.subscribe(peer, "tasks", Want::Snapshot);
        }
    }
    let reader = world.connect("reader", 1);
    let mut most = 0;
    for _ in 0..3 {
        for &peer in &stuck {
            world.fetch_ids(peer, "tasks", &names);
            world.settle();
            most = most.max(held(&world).2);
        }
    }
    assert!(most <= BOUND as u64 && most > BOUND as u64 / 2, "{most}");
    world.fetch_ids(reader, "tasks", &names);
    world.settle();
    assert_eq!(fetched(&world.messages(reader), "busy"), (0, 1));

    // It takes a moment to see who does not read. From then on they make way, and cannot take the room back.
    for _ in 0..10 {
        world.pass_ms(100);
        for &peer in &stuck {
            world.fetch_ids(peer, "tasks", &names);
        }
        world.fetch_ids(reader, "tasks", &names);
        world.settle();
        assert_eq!(fetched(&world.messages(reader), "busy"), (1, 0));
        assert!(held(&world).2 <= BOUND as u64);
    }
    // Whoever made way hears that it is to ask again, and gets what it asks for when it reads.
    let first = stuck[0];
    world.unstick(first);
    let (_, slow) = fetched(&world.messages(first), "slow");
    assert!(slow > 0);
    world.fetch_ids(first, "tasks", &names);
    world.settle();
    assert_eq!(fetched(&world.messages(first), "slow"), (1, 0));
    for peer in stuck {
        world.say(Input::Closed { connection: peer });
    }
    assert_eq!(
        held(&world),
        (0, 0, 0),
        "the room is free when they are gone"
    );
}

#[test]
fn rows_that_wait_for_a_point_to_come_make_way_too() {
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.answers_bytes = 2500;
        settings.answer_bytes = 2500;
    });
    let names: Vec<String> = (0..10).map(|number| format!("e{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.publish(names.iter().map(|name| create("tasks", name, 1)).collect());
    world.settle();
    let (stuck, reader) = (world.connect("stuck", 1), world.connect("reader", 1));
    world.stuck(stuck);
    world.tell(stuck, &ClientMessage::Ping(7));
    // The backend is ahead of what the hub was told.
    world.publish(vec![create("tasks", "ahead", 1)]);
    world.execute(0);
    let fetch = |world: &mut World, peer| {
        world.fetch_ids(peer, "tasks", &names);
        world.execute(0);
        world.deliver(1);
    };
    fetch(&mut world, stuck);
    let of_one = held(&world).2;
    assert!(1250 < of_one && of_one <= 2500, "{of_one}");
    world.pass_ms(200);
    fetch(&mut world, reader);
    assert_eq!(held(&world).2, of_one, "one has made way for the other");
    world.settle();
    assert_eq!(fetched(&world.messages(reader), "busy"), (1, 0));
    world.unstick(stuck);
    assert_eq!(fetched(&world.messages(stuck), "slow"), (0, 1));
    assert_eq!(held(&world), (0, 0, 0));
}

#[test]
fn a_snapshot_of_a_peer_that_stops_reading_reads_no_further() {
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.chunk_bytes = 1000;
    });
    for part in 0..10 {
        let writes = (0..200)
            .map(|number| create("tasks", &format!("e{part}-{number}"), number))
            .collect();
        world.publish(writes);
        world.settle();
    }
    let peer = world.connect("slow", 1);
    world.stuck(peer);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.settle();
    let left: usize = world
        .snapshots
        .values()
        .map(std::collections::VecDeque::len)
        .sum();
    assert!(
        left > 1800,
        "{left} of 2000 rows are still with the backend"
    );
    world.unstick(peer);
    world.settle();
    let messages = world.messages(peer);
    let rows: usize = messages
        .iter()
        .map(|m| {
            if let ServerMessage::Snapshot(part) = m {
                part.rows.len()
            } else {
                0
            }
        })
        .sum();
    assert_eq!(rows, 2000);
    assert!(world.snapshots.is_empty(), "and it is dropped at the end");
}

#[test]
fn a_snapshot_overtaken_by_the_log_ends_with_the_advice_to_come_back() {
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.log_commits = 5;
    });
    publish_many(&mut world, 0, 3);
    let peer = world.connect("slow", 1);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.execute(0);
    world.deliver(0);
    world.stuck(peer);
    publish_many(&mut world, 3, 20);
    world.unstick(peer);
    world.settle();
    let messages = world.messages(peer);
    let Some(ServerMessage::Unsubscribed(over)) = messages.last() else {
        panic!("{messages:?}")
    };
    assert_eq!((over.code.as_str(), over.resubscribe), ("slow", true));
    assert!(
        messages
            .iter()
            .any(|message| matches!(message, ServerMessage::SnapshotEnd(_)))
    );
}

#[test]
fn a_closed_peer_leaves_nothing_behind() {
    let mut world = World::with(|settings| settings.window_bytes = 1);
    publish_many(&mut world, 0, 3);
    let peer = world.connect("gone", 1);
    world.stuck(peer);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.subscribe(peer, "people", Want::Snapshot);
    world.subscribe(peer, "notes", Want::Changes);
    world.fetch_ids(peer, "tasks", &["e0"]);
    world.execute(0);
    world.deliver(0);
    world.publish(vec![score("tasks", "e0", 2)]);
    world.say(Input::Closed { connection: peer });
    world.sockets.remove(&peer);
    world.settle();
    let stats = world.stats();
    assert_eq!(
        (
            stats.connections,
            stats.clients,
            stats.subscriptions,
            stats.waiting_writes
        ),
        (0, 0, 0, 0)
    );
    assert_eq!(held(&world), (0, 0, 0));
    assert!(world.snapshots.is_empty() && world.asked.is_empty());
    assert_eq!(
        stats.streams, 1,
        "streams that nobody wrote to are forgotten with those who asked for them"
    );
    assert_eq!(world.truth.head(&kind("tasks")), offset(4));
}
