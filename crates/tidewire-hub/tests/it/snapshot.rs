//! Snapshots: whole, in parts, in turn, and honest about the client's own actions.

use std::collections::BTreeMap;

use tidewire_hub::{BackendError, Input, Output};
use tidewire_model::{Lane, Record, Value};
use tidewire_protocol::{Class, ClientMessage, ServerMessage, Want};

use crate::world::{World, action, create, entity, id, kind, offset, score};

fn fill(world: &mut World, name: &str, count: i64) {
    world.publish(
        (0..count)
            .map(|number| create(name, &format!("e{number:04}"), number))
            .collect(),
    );
    world.settle();
}

#[test]
fn parts_keep_to_their_bounds_and_no_row_is_lost_or_repeated() {
    for count in [0, 1, 63, 64, 65, 700] {
        let mut world = World::with(|settings| settings.chunk_bytes = 2000);
        fill(&mut world, "tasks", count);
        let peer = world.connect("client", 1);
        world.subscribe(peer, "tasks", Want::Snapshot);
        world.settle();
        assert!(
            world.sockets[&peer]
                .frames
                .iter()
                .all(|frame| frame.len() <= 2000)
        );
        let messages = world.messages(peer);
        let mut names = Vec::new();
        for (number, message) in messages[1..messages.len() - 1].iter().enumerate() {
            let ServerMessage::Snapshot(part) = message else {
                panic!("{message:?}")
            };
            assert_eq!(part.part, number as u64);
            names.extend(
                part.rows
                    .iter()
                    .map(|row| row.entity.entity_id("id").unwrap().to_string()),
            );
        }
        assert_eq!(
            names,
            (0..count)
                .map(|number| format!("e{number:04}"))
                .collect::<Vec<_>>()
        );
        let Some(ServerMessage::SnapshotEnd(end)) = messages.last() else {
            panic!()
        };
        assert_eq!(end.count, names.len() as u64);
    }
}

#[test]
fn two_are_under_way_at_once_and_others_wait_their_turn() {
    let mut world = World::new();
    let names = ["one", "two", "three", "four"];
    for name in names {
        fill(&mut world, name, 3);
    }
    let peer = world.connect("client", 1);
    for name in names {
        world.subscribe(peer, name, Want::Snapshot);
    }
    let opening = |world: &World| -> Vec<String> {
        let of = |output: &Output| match output {
            Output::OpenSnapshot { entity_type, .. } => Some(entity_type.to_string()),
            _ => None,
        };
        world.asked.iter().filter_map(of).collect()
    };
    assert_eq!(opening(&world), ["one", "two"]);
    // Giving one back lets the next begin.
    world.unsubscribe(peer, "one");
    assert_eq!(opening(&world), ["two", "three"]);
    world.settle();
    let messages = world.messages(peer);
    let ends: Vec<String> = messages
        .iter()
        .filter_map(|m| {
            if let ServerMessage::SnapshotEnd(end) = m {
                Some(end.entity_type.to_string())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(ends, ["two", "three", "four"]);
}

#[test]
fn events_of_other_streams_go_on_between_the_parts() {
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.chunk_bytes = 1000;
    });
    fill(&mut world, "tasks", 60);
    let peer = world.connect("client", 1);
    world.subscribe(peer, "people", Want::Changes);
    world.settle();
    world.messages(peer);
    world.stuck(peer);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.settle();
    for number in 0..5 {
        world.publish(vec![create("people", &format!("p{number}"), 1)]);
    }
    world.settle();
    world.unstick(peer);
    let order: String = world
        .messages(peer)
        .iter()
        .map(|message| match message {
            ServerMessage::Snapshot(_) => 's',
            ServerMessage::Events(_) => 'e',
            ServerMessage::SnapshotEnd(_) => '.',
            _ => '-',
        })
        .collect();
    assert!(order.contains("esesesese"), "{order}");
}

#[test]
fn a_row_larger_than_the_client_takes_ends_the_subscription_for_good() {
    let mut world = World::new();
    let large = create("tasks", "large", 1);
    let tidewire_hub::Write::Create {
        entity_type,
        id,
        entity,
    } = large
    else {
        panic!()
    };
    let entity = entity.with("text", "x".repeat(70_000));
    world.publish(vec![
        create("tasks", "a", 1),
        tidewire_hub::Write::Create {
            entity_type,
            id,
            entity,
        },
    ]);
    world.settle();
    let mut hello = crate::world::hello("small", 1);
    hello.max_frame_bytes = 64 * 1024;
    let peer = world.open();
    world.tell(peer, &ClientMessage::Hello(hello));
    world.settle();
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.settle();
    let messages = world.messages(peer);
    let Some(ServerMessage::Unsubscribed(over)) = messages.last() else {
        panic!("{messages:?}")
    };
    assert_eq!((over.code.as_str(), over.resubscribe), ("too_large", false));
    assert!(world.snapshots.is_empty());
    let peer = world.connect("roomy", 1);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.settle();
    assert!(
        matches!(world.messages(peer).last(), Some(ServerMessage::SnapshotEnd(end)) if end.count == 2)
    );
}

#[test]
fn a_snapshot_that_cannot_be_opened_is_refused_and_one_that_breaks_off_is_begun_again() {
    for (error, class) in [
        (BackendError::Storage("unreadable".to_owned()), Class::Retry),
        (
            BackendError::Unsupported("no such stream".to_owned()),
            Class::Permanent,
        ),
    ] {
        let mut world = World::new();
        let peer = world.connect("client", 1);
        let request = world.subscribe(peer, "tasks", Want::Snapshot);
        let Some(Output::OpenSnapshot { ticket, .. }) = world.asked.pop_front() else {
            panic!()
        };
        world.say(Input::SnapshotFailed {
            ticket,
            error: error.clone(),
        });
        let messages = world.messages(peer);
        let [ServerMessage::SubscribeError(refused)] = &messages[..] else {
            panic!("{messages:?}")
        };
        assert_eq!((refused.id, refused.class), (request, class));
        assert_eq!(world.stats().subscriptions, 0);

        world.subscribe(peer, "tasks", Want::Snapshot);
        let Some(Output::OpenSnapshot { ticket, .. }) = world.asked.pop_front() else {
            panic!()
        };
        world.say(Input::SnapshotOpened {
            ticket,
            as_of: offset(0),
        });
        world.say(Input::SnapshotFailed { ticket, error });
        let messages = world.messages(peer);
        let Some(ServerMessage::Unsubscribed(over)) = messages.last() else {
            panic!("{messages:?}")
        };
        assert_eq!((over.code.as_str(), over.resubscribe), ("internal", true));
    }
}

/// What a snapshot says of a client's actions, when the backend does things in the given order.
fn named(script: impl FnOnce(&mut World, tidewire_hub::ConnectionId)) -> BTreeMap<Lane, u64> {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    let payload = || entity(&[("n", Value::from(1))]);
    world.tell(
        peer,
        &ClientMessage::Action(action(1, 0, "create", ("tasks", Some("a")), payload())),
    );
    world.settle();
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.tell(
        peer,
        &ClientMessage::Action(action(2, 1, "create", ("tasks", Some("b")), payload())),
    );
    script(&mut world, peer);
    world.settle();
    let messages = world.messages(peer);
    let end = messages.iter().find_map(|m| {
        if let ServerMessage::SnapshotEnd(end) = m {
            Some(end)
        } else {
            None
        }
    });
    let end = end.unwrap();
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
    assert_eq!(
        rows as u64,
        end.actions[&Lane::main()],
        "it contains as many actions as it names"
    );
    end.actions.clone()
}

#[test]
fn the_end_of_a_snapshot_names_the_actions_it_contains_and_no_other() {
    let main = |seq| BTreeMap::from([(Lane::main(), seq)]);
    // Read before the second action is written; said before, or after.
    assert_eq!(named(|world, _| world.execute(0)), main(1));
    let before = named(|world, _| {
        world.execute(0);
        world.execute(0);
        world.deliver(1);
    });
    assert_eq!(before, main(1));
    // Read after the second action is written; said before, or after.
    let after = named(|world, _| {
        world.execute(1);
        world.execute(0);
    });
    assert_eq!(after, main(2));
    let ahead = named(|world, _| {
        world.execute(1);
        world.execute(0);
        world.deliver(1);
    });
    assert_eq!(ahead, main(2));
}

#[test]
fn a_stream_given_back_stops_and_can_be_asked_for_again() {
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.chunk_bytes = 1000;
    });
    fill(&mut world, "tasks", 40);
    let peer = world.connect("client", 1);
    world.stuck(peer);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.settle();
    world.unsubscribe(peer, "tasks");
    world.subscribe(peer, "tasks", Want::Changes);
    world.publish(vec![score("tasks", "e0001", 7)]);
    world.settle();
    world.unstick(peer);
    let messages = world.messages(peer);
    let place = messages
        .iter()
        .position(|m| matches!(m, ServerMessage::Unsubscribed(over) if over.id.is_some()))
        .unwrap();
    let rest = &messages[place + 1..];
    assert!(
        matches!(
            rest,
            [ServerMessage::Subscribed(_), ServerMessage::Events(_)]
        ),
        "{rest:?}"
    );
    assert!(world.snapshots.is_empty());
    let rows = world.truth.rows(&kind("tasks"));
    assert_eq!(rows.len(), 40);
    assert_eq!(rows[1].0.entity_id("id"), Ok(id("e0001")));
    assert_eq!(
        rows[1].0.get("score").map(|value| value.to_value()),
        Some(Value::from(7))
    );
    let _: &Record = &rows[1].0;
}
