//! The server keystone: each connection is one total order (protocol rule 1).

use tidewire_hub::Write;
use tidewire_model::{Query, Record, Value};
use tidewire_protocol::{ClientMessage, Events, ServerMessage, SubscribeResult, Want};

use crate::world::{World, action, create, delete, entity, id, kind, offset, record, score};

/// What came, in short.
fn kinds(messages: &[ServerMessage]) -> Vec<String> {
    messages
        .iter()
        .map(|message| match message {
            ServerMessage::Subscribed(_) => "subscribed".to_owned(),
            ServerMessage::Snapshot(_) => "rows".to_owned(),
            ServerMessage::SnapshotEnd(_) => "end".to_owned(),
            ServerMessage::Events(events) => format!("{} {}", events.entity_type, events.to),
            ServerMessage::Data(data) => format!("data {}", data.as_of.offset),
            ServerMessage::Ack(ack) => format!("ack {}", ack.seq),
            ServerMessage::Ping(_) => "ping".to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

fn events(messages: &[ServerMessage]) -> Vec<&Events> {
    let mut all = Vec::new();
    for message in messages {
        if let ServerMessage::Events(events) = message {
            all.push(events);
        }
    }
    all
}

#[test]
fn a_subscriber_gets_the_rows_and_then_each_commit_once_and_in_order() {
    let mut world = World::new();
    world.publish(vec![create("tasks", "a", 1)]);
    world.settle();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.settle();
    world.publish(vec![score("tasks", "a", 2)]);
    world.publish(vec![create("tasks", "b", 2)]);
    world.publish(vec![delete("tasks", "a")]);
    world.settle();
    let messages = world.messages(peer);
    assert_eq!(
        kinds(&messages),
        ["subscribed", "rows", "end", "tasks 2", "tasks 3", "tasks 4"]
    );
    let ServerMessage::Subscribed(subscribed) = &messages[0] else {
        panic!()
    };
    assert_eq!(
        (subscribed.result, subscribed.offset, subscribed.head),
        (SubscribeResult::Snapshot, offset(1), offset(1))
    );
    assert!(
        events(&messages)
            .iter()
            .all(|events| events.from.next() == events.to && events.commit.is_none())
    );
}

#[test]
fn no_answer_overtakes_the_events_it_includes_however_slow_the_socket() {
    let mut world = World::with(|settings| settings.window_bytes = 1);
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Changes);
    world.subscribe(peer, "people", Want::Changes);
    world.settle();
    world.messages(peer);
    world.stuck(peer);
    world.publish(vec![create("tasks", "a", 1)]);
    world.publish(vec![create("people", "p", 1)]);
    world.settle();
    world.fetch_ids(peer, "tasks", &["a"]);
    world.settle();
    let payload = entity(&[("n", Value::from(1))]);
    world.tell(
        peer,
        &ClientMessage::Action(action(1, 0, "create", ("tasks", Some("b")), payload)),
    );
    world.settle();
    world.publish(vec![score("tasks", "a", 2)]);
    world.settle();
    world.pass_ms(25_000);
    world.publish(vec![score("tasks", "a", 3)]);
    world.settle();
    world.unstick(peer);
    assert_eq!(
        kinds(&world.messages(peer)),
        [
            "tasks 1", "people 1", "data 1", "tasks 2", "ack 1", "tasks 3", "ping", "tasks 4"
        ]
    );
}

#[test]
fn an_answer_does_not_wait_for_events_that_came_after_it() {
    let mut world = World::with(|settings| settings.window_bytes = 1);
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Changes);
    world.settle();
    world.messages(peer);
    world.stuck(peer);
    world.publish(vec![create("tasks", "first", 1)]);
    world.fetch_ids(peer, "tasks", &["a"]);
    world.settle();
    for number in 0..100 {
        world.publish(vec![create("tasks", &format!("e{number}"), 1)]);
    }
    world.settle();
    world.unstick(peer);
    let messages = kinds(&world.messages(peer));
    assert_eq!(messages[..3], ["tasks 1", "data 1", "tasks 2"]);
    assert_eq!(messages.len(), 102);
}

#[test]
fn an_answer_from_ahead_waits_until_its_events_are_out() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Changes);
    world.settle();
    world.messages(peer);
    world.publish(vec![create("tasks", "a", 1)]);
    world.fetch_ids(peer, "tasks", &["a"]);
    // The backend writes and reads, and says first what it read.
    world.execute(0);
    world.execute(0);
    world.deliver(1);
    assert_eq!(kinds(&world.messages(peer)), [""; 0]);
    world.deliver(0);
    assert_eq!(kinds(&world.messages(peer)), ["tasks 1", "data 1"]);
}

#[test]
fn a_snapshot_from_ahead_waits_until_the_hub_has_caught_up() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "people", Want::Changes);
    world.settle();
    world.messages(peer);
    world.publish(vec![create("tasks", "a", 1), create("people", "p", 1)]);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.execute(0);
    world.execute(0);
    world.deliver(1);
    assert_eq!(kinds(&world.messages(peer)), [""; 0]);
    world.deliver(0);
    world.settle();
    assert_eq!(
        kinds(&world.messages(peer)),
        ["people 1", "subscribed", "rows", "end"]
    );
}

#[test]
fn a_snapshot_ends_only_after_what_it_contains_of_other_streams() {
    let mut world = World::with(|settings| settings.window_bytes = 1);
    let peer = world.connect("client", 1);
    world.subscribe(peer, "people", Want::Changes);
    world.settle();
    world.messages(peer);
    world.stuck(peer);
    for number in 0..5 {
        let (task, person) = (format!("t{number}"), format!("p{number}"));
        world.publish(vec![
            create("tasks", &task, 1),
            create("people", &person, 1),
        ]);
    }
    world.settle();
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.settle();
    world.unstick(peer);
    world.settle();
    let messages = kinds(&world.messages(peer));
    let place = |what: &str| messages.iter().position(|message| message == what).unwrap();
    assert!(place("people 5") < place("end"), "{messages:?}");
}

#[test]
fn an_answer_newer_than_a_snapshot_on_its_way_waits_for_it() {
    let mut world = World::with(|settings| {
        settings.window_bytes = 1;
        settings.chunk_bytes = 1024;
    });
    let writes = (0..50)
        .map(|number| create("tasks", &format!("e{number:02}"), number))
        .collect();
    world.publish(writes);
    world.settle();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.execute(0);
    world.deliver(0);
    world.stuck(peer);
    world.settle();
    world.publish(vec![score("tasks", "e00", 99)]);
    world.settle();
    world.fetch_ids(peer, "tasks", &["e00"]);
    let payload = crate::world::changes(&[("score", Value::from(100))]);
    world.tell(
        peer,
        &ClientMessage::Action(action(1, 0, "update", ("tasks", Some("e01")), payload)),
    );
    world.settle();
    world.unstick(peer);
    world.settle();
    let messages = world.messages(peer);
    let order = kinds(&messages);
    let place = |what: &str| order.iter().position(|message| message == what).unwrap();
    assert!(
        place("end") < place("tasks 2") && place("tasks 2") < place("data 2"),
        "{order:?}"
    );
    assert!(place("tasks 3") < place("ack 1"), "{order:?}");
    let stats = world.stats();
    assert_eq!((stats.waiting_frames, stats.waiting_bytes), (0, 0));
}

/// A snapshot of "tasks" that was read before an action of its reader was done; the backend has
/// said neither.
fn overtaken() -> (World, tidewire_hub::ConnectionId) {
    let mut world = World::new();
    world.publish(vec![create("tasks", "a", 1), create("people", "p", 1)]);
    world.settle();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.execute(0);
    let payload = crate::world::changes(&[("score", Value::from(2))]);
    let act = action(1, 0, "update", ("tasks", Some("a")), payload.clone());
    world.tell(peer, &ClientMessage::Action(act));
    let act = action(2, 1, "update", ("people", Some("p")), payload);
    world.tell(peer, &ClientMessage::Action(act));
    world.fetch_ids(peer, "tasks", &["a"]);
    (world, peer)
}

#[test]
fn no_answer_overtakes_a_snapshot_that_is_being_opened() {
    let (mut world, peer) = overtaken();
    // Everything else is done and said before the snapshot is.
    while !world.asked.is_empty() {
        world.execute(0);
        world.deliver(1);
    }
    assert_eq!(kinds(&world.messages(peer)), [""; 0]);
    world.settle();
    assert_eq!(
        kinds(&world.messages(peer)),
        [
            "subscribed",
            "rows",
            "end",
            "tasks 2",
            "data 2",
            "ack 1",
            "ack 2"
        ],
        "answers to actions stay in their order"
    );
}

#[test]
fn an_answer_that_the_snapshot_contains_waits_for_its_beginning_only() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Snapshot);
    let payload = entity(&[("n", Value::from(1))]);
    let act = action(1, 0, "create", ("tasks", Some("a")), payload);
    world.tell(peer, &ClientMessage::Action(act));
    // It is written, the snapshot is opened behind it, and the rows are not read yet.
    world.execute(1);
    world.deliver(0);
    assert_eq!(kinds(&world.messages(peer)), [""; 0]);
    world.execute(0);
    world.deliver(0);
    let messages = world.messages(peer);
    assert_eq!(kinds(&messages), ["subscribed", "ack 1"]);
    assert!(matches!(&messages[1], ServerMessage::Ack(ack) if ack.rows.is_empty()));
    world.settle();
    assert_eq!(kinds(&world.messages(peer)), ["rows", "end"]);
}

#[test]
fn a_stream_given_back_lets_the_answers_go_that_waited_for_its_snapshot() {
    let (mut world, peer) = overtaken();
    while !world.asked.is_empty() {
        world.execute(0);
        world.deliver(1);
    }
    world.unsubscribe(peer, "tasks");
    let messages = kinds(&world.messages(peer));
    assert_eq!(messages[..3], ["data 2", "ack 1", "ack 2"]);
    world.settle();
    let stats = world.stats();
    assert_eq!((stats.waiting_frames, stats.answer_bytes), (0, 0));
}

#[test]
fn answers_that_wait_for_a_snapshot_are_bounded_by_the_actions_without_an_answer() {
    let mut world = World::with(|settings| settings.limits.pending_actions = 2);
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.execute(0);
    for seq in 1..=3 {
        let payload = entity(&[("n", Value::from(1))]);
        let name = format!("e{seq}");
        let act = action(seq, seq - 1, "create", ("tasks", Some(&name)), payload);
        world.tell(peer, &ClientMessage::Action(act));
        while !world.asked.is_empty() {
            world.execute(0);
            world.deliver(1);
        }
    }
    let messages = world.messages(peer);
    let [ServerMessage::Reject(reject)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!((reject.code.as_str(), reject.seq), ("busy", 3));
}

#[test]
fn a_stream_whose_snapshot_ends_does_not_begin_in_the_middle_of_a_commit() {
    let mut world = World::with(|settings| settings.window_bytes = 1);
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Changes);
    world.subscribe(peer, "people", Want::Changes);
    world.subscribe(peer, "notes", Want::Snapshot);
    world.execute(0);
    world.deliver(0);
    let mut write = |writes| {
        world.publish(writes);
        // The rows of the snapshot are still to be read.
        world.execute(1);
        world.deliver(0);
        if world.messages(peer).len() == 3 {
            world.stuck(peer);
        }
    };
    write(vec![create("notes", "n", 1)]);
    write(vec![create("tasks", "a", 1), create("people", "p", 1)]);
    world.settle();
    world.unstick(peer);
    assert_eq!(kinds(&world.messages(peer)), ["tasks 1", "end", "notes 1"]);
}

#[test]
fn the_end_of_a_snapshot_says_how_far_other_streams_may_have_come() {
    let mut world = World::with(|settings| settings.window_bytes = 1);
    world.publish(vec![create("tasks", "first", 1)]);
    world.settle();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "people", Want::Changes);
    world.subscribe(peer, "tasks", Want::Snapshot);
    // The snapshot is opened, and its rows are still to be read.
    world.execute(0);
    world.deliver(0);
    world.publish(vec![create("tasks", "a", 1), create("people", "p", 1)]);
    world.execute(1);
    world.deliver(0);
    world.settle();
    let messages = world.messages(peer);
    assert_eq!(
        kinds(&messages),
        [
            "subscribed",
            "subscribed",
            "people 1",
            "rows",
            "end",
            "tasks 2"
        ]
    );
    let ServerMessage::Subscribed(subscribed) = &messages[1] else {
        panic!()
    };
    let ServerMessage::SnapshotEnd(end) = &messages[4] else {
        panic!()
    };
    assert_eq!((subscribed.head, end.as_of), (offset(1), offset(1)));
    assert_eq!(
        end.head,
        Some(offset(2)),
        "the commit that people has shown is to come"
    );
}

#[test]
fn a_stream_asked_for_twice_begins_with_the_second_answer() {
    let mut world = World::with(|settings| settings.window_bytes = 1);
    let peer = world.connect("client", 1);
    world.stuck(peer);
    world.tell(peer, &ClientMessage::Ping(1));
    world.subscribe(peer, "tasks", Want::Changes);
    world.unsubscribe(peer, "tasks");
    world.publish(vec![create("tasks", "a", 1)]);
    world.settle();
    let epoch = world.truth.opened().epoch;
    let resume = tidewire_protocol::Resume {
        epoch,
        offset: offset(0),
        view: "all".to_owned(),
    };
    world.resubscribe(peer, "tasks", Want::Changes, Some(resume));
    world.unstick(peer);
    let messages = world.messages(peer);
    assert!(
        matches!(
            &messages[1..],
            [
                ServerMessage::Subscribed(_),
                ServerMessage::Unsubscribed(_),
                ServerMessage::Subscribed(_),
                ServerMessage::Events(_)
            ]
        ),
        "{messages:?}"
    );
}

#[test]
fn frames_of_one_commit_over_several_streams_stand_together_and_name_each_other() {
    let mut world = World::with(|settings| settings.window_bytes = 1);
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Changes);
    world.subscribe(peer, "people", Want::Changes);
    world.settle();
    world.messages(peer);
    world.stuck(peer);
    world.publish(vec![create("tasks", "a", 1)]);
    world.publish(vec![
        create("tasks", "b", 1),
        create("people", "p", 1),
        create("notes", "n", 1),
    ]);
    world.publish(vec![create("tasks", "c", 1)]);
    world.publish(vec![create("people", "q", 1)]);
    world.settle();
    world.unstick(peer);
    let messages = world.messages(peer);
    assert_eq!(
        kinds(&messages),
        ["tasks 1", "people 1", "tasks 2", "tasks 3", "people 2"]
    );
    let events = events(&messages);
    let offsets = [
        (kind("tasks"), offset(2)),
        (kind("people"), offset(1)),
        (kind("notes"), offset(1)),
    ];
    let commit = events[1].commit.clone().unwrap();
    assert_eq!(commit.offsets, offsets.into());
    assert_eq!(events[2].commit, Some(commit));
    assert!(
        [0, 3, 4]
            .iter()
            .all(|place: &usize| events[*place].commit.is_none())
    );
}

#[test]
fn every_subscriber_learns_which_action_a_commit_contains_and_what_it_named() {
    let mut world = World::new();
    let (author, reader) = (world.connect("author", 1), world.connect("reader", 1));
    for peer in [author, reader] {
        world.subscribe(peer, "tasks", Want::Changes);
    }
    world.settle();
    let message = action(
        1,
        0,
        "create",
        ("tasks", Some("tmp_1")),
        entity(&[("n", Value::from(1))]),
    );
    let action_id = message.id;
    world.tell(author, &ClientMessage::Action(message));
    world.settle();
    for peer in [author, reader] {
        let messages = world.messages(peer);
        let echo = &events(&messages)[0].actions[..];
        assert_eq!(echo.len(), 1);
        assert_eq!(echo[0].id, action_id);
        assert_eq!(echo[0].replaced.keys().collect::<Vec<_>>(), [&id("tmp_1")]);
    }
}

#[test]
fn images_go_only_to_those_who_hold_changes() {
    let mut world = World::new();
    world.publish(vec![create("tasks", "a", 1)]);
    world.settle();
    let (whole, changes) = (world.connect("whole", 1), world.connect("changes", 1));
    world.subscribe(whole, "tasks", Want::Snapshot);
    world.subscribe(changes, "tasks", Want::Changes);
    world.settle();
    world.publish(vec![score("tasks", "a", 2)]);
    world.settle();
    for (peer, has_images) in [(whole, false), (changes, true)] {
        let messages = world.messages(peer);
        let tidewire_protocol::Op::Updated { entity, was, .. } = &events(&messages)[0].ops[0]
        else {
            panic!()
        };
        assert_eq!((entity.is_some(), was.is_some()), (has_images, has_images));
    }
}

#[test]
fn a_commit_is_encoded_once_for_all_who_hold_the_same() {
    let mut world = World::new();
    let peers: Vec<_> = (0..20)
        .map(|number| world.connect(&format!("client-{number}"), 1))
        .collect();
    for (number, peer) in peers.iter().enumerate() {
        world.subscribe(
            *peer,
            "tasks",
            if number % 2 == 0 {
                Want::Changes
            } else {
                Want::Snapshot
            },
        );
    }
    world.settle();
    let before = world.stats();
    world.publish(vec![create("tasks", "a", 1)]);
    world.settle();
    let after = world.stats();
    assert_eq!(after.events_encoded - before.events_encoded, 2);
    assert_eq!(after.frames_out - before.frames_out, 20);
}

#[test]
fn a_page_is_answered_as_it_was_read() {
    let mut world = World::new();
    let writes = (0..6)
        .map(|number| create("tasks", &format!("e{number}"), number))
        .collect();
    world.publish(writes);
    world.settle();
    let peer = world.connect("client", 1);
    let request = world.fetch_query(
        peer,
        Query::new(kind("tasks"))
            .sort_desc("score")
            .offset(2)
            .limit(2),
    );
    world.settle();
    let [ServerMessage::Data(data)] = &world.messages(peer)[..] else {
        panic!()
    };
    let names: Vec<_> = data
        .rows
        .iter()
        .map(|row| row.entity.entity_id("id").unwrap())
        .collect();
    assert_eq!(
        (data.id, names, data.end),
        (request, vec![id("e3"), id("e2")], false)
    );
    assert_eq!(
        (data.total_count, data.more, data.part),
        (Some(6), false, 0)
    );
    assert_eq!(data.start_key, Some((vec![Value::from(4)], id("e4"))));
}

#[test]
fn what_the_application_publishes_is_told_to_it() {
    let mut world = World::new();
    let caller = world.publish(vec![create("tasks", "a", 1)]);
    let nothing = world.publish(vec![delete("tasks", "nobody")]);
    let wrong = world.publish(vec![score("tasks", "nobody", 1)]);
    let put = Write::Put {
        entity_type: kind("tasks"),
        id: id("a"),
        entity: record(&[("score", Value::from(2))]),
    };
    let fourth = world.publish(vec![put]);
    world.settle();
    let said: Vec<_> = world
        .published
        .iter()
        .map(|(caller, result)| (*caller, result.clone().ok()))
        .collect();
    assert_eq!(
        said,
        [
            (caller, Some(Some(offset(1)))),
            (nothing, Some(None)),
            (wrong, None),
            (fourth, Some(Some(offset(2))))
        ]
    );
    let rows = world.truth.rows(&kind("tasks"));
    assert_eq!(
        rows,
        [(Record::new().with("score", 2).with("id", "a"), offset(2))]
    );
}
