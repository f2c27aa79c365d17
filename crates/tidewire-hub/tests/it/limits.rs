//! Every announced limit, at the limit and one beyond (protocol rule 15).

use tidewire_hub::{ConnectionId, Input};
use tidewire_model::{EntityId, Lane, Record, Value};
use tidewire_protocol::{Class, ClientMessage, ServerMessage, Want};

use crate::world::{SUBPROTOCOL, World, action, create, entity, hello};

fn error_code(message: &ServerMessage) -> (&str, Class) {
    match message {
        ServerMessage::SubscribeError(error) | ServerMessage::FetchError(error) => {
            (&error.code, error.class)
        }
        ServerMessage::Reject(reject) => (&reject.code, reject.class),
        other => panic!("{other:?}"),
    }
}

/// A ping of exactly so many bytes.
fn ping_of(bytes: usize) -> String {
    let start = r#"{"type":"PING","n":1"#;
    format!("{start}{}}}", " ".repeat(bytes - start.len() - 1))
}

#[test]
fn frames() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.tell_text(peer, &ping_of(64 * 1024));
    assert_eq!(world.messages(peer), [ServerMessage::Pong(1)]);
    world.tell_text(peer, &ping_of(64 * 1024 + 1));
    assert_eq!(world.closed(peer), Some(1009));
}

#[test]
fn nesting() {
    let nested = |depth: usize| {
        let inner = depth - 1;
        format!(
            r#"{{"type":"PING","n":1,"x":{}1{}}}"#,
            "[".repeat(inner),
            "]".repeat(inner)
        )
    };
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.tell_text(peer, &nested(32));
    assert_eq!(world.messages(peer), [ServerMessage::Pong(1)]);
    world.tell_text(peer, &nested(33));
    assert_eq!(world.closed(peer), Some(4000));
}

#[test]
fn ids() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    let fetch = |length: usize| {
        format!(
            r#"{{"type":"FETCH","id":1,"entityType":"tasks","ids":["{}"]}}"#,
            "x".repeat(length)
        )
    };
    world.tell_text(peer, &fetch(256));
    world.settle();
    assert!(matches!(world.messages(peer)[..], [ServerMessage::Data(_)]));
    world.tell_text(peer, &fetch(257));
    assert_eq!(world.closed(peer), Some(4000));
}

#[test]
fn subscriptions() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    for number in 0..128 {
        world.subscribe(peer, &format!("stream-{number}"), Want::Changes);
    }
    assert_eq!(world.messages(peer).len(), 128);
    assert_eq!(world.stats().subscriptions, 128);
    world.subscribe(peer, "one-more", Want::Changes);
    assert_eq!(
        error_code(&world.messages(peer)[0]),
        ("too_many_subscriptions", Class::Permanent)
    );
    world.subscribe(peer, "stream-0", Want::Changes);
    assert_eq!(
        error_code(&world.messages(peer)[0]),
        ("held", Class::Permanent)
    );
    world.unsubscribe(peer, "stream-0");
    world.messages(peer);
    world.subscribe(peer, "one-more", Want::Changes);
    assert!(matches!(
        world.messages(peer)[..],
        [ServerMessage::Subscribed(_)]
    ));
}

#[test]
fn commands() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    for _ in 0..200 {
        world.tell(peer, &ClientMessage::Ping(1));
    }
    assert_eq!(world.messages(peer).len(), 200);
    world.fetch_ids(peer, "tasks", &["a"]);
    world.subscribe(peer, "tasks", Want::Changes);
    let act = action(
        1,
        0,
        "create",
        ("tasks", Some("a")),
        entity(&[("n", Value::from(1))]),
    );
    world.tell(peer, &ClientMessage::Action(act.clone()));
    let messages = world.messages(peer);
    assert_eq!(
        messages.iter().map(error_code).collect::<Vec<_>>(),
        [("rate", Class::Retry); 3]
    );
    let ServerMessage::FetchError(error) = &messages[0] else {
        panic!()
    };
    assert_eq!(error.retry_after_ms, Some(10), "and it says when");
    world.pass_ms(50);
    world.tell(peer, &ClientMessage::Action(act));
    world.settle();
    assert!(
        matches!(world.messages(peer)[..], [ServerMessage::Ack(_)]),
        "its number was not used up"
    );
    for _ in 0..1000 {
        if world.closed(peer).is_none() {
            world.tell(peer, &ClientMessage::Ping(1));
        }
    }
    assert_eq!(world.closed(peer), Some(4102));
}

#[test]
fn pending_actions() {
    let mut world = World::with(|settings| settings.limits.command_burst = 10_000);
    let peer = world.connect("client", 1);
    let act = |seq: u64| {
        let payload = entity(&[("n", Value::from(1))]);
        action(
            seq,
            seq - 1,
            "create",
            ("tasks", Some(&format!("e{seq}"))),
            payload,
        )
    };
    for seq in 1..=1024 {
        world.tell(peer, &ClientMessage::Action(act(seq)));
    }
    assert_eq!(world.messages(peer), []);
    world.tell(peer, &ClientMessage::Action(act(1025)));
    assert_eq!(error_code(&world.messages(peer)[0]), ("busy", Class::Retry));
    world.settle();
    assert_eq!(world.messages(peer).len(), 1024);
    world.tell(peer, &ClientMessage::Action(act(1025)));
    world.settle();
    assert!(matches!(world.messages(peer)[..], [ServerMessage::Ack(_)]));
}

#[test]
fn lanes() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    for number in 0..65 {
        let payload = entity(&[("n", Value::from(1))]);
        let mut act = action(
            1,
            0,
            "create",
            ("tasks", Some(&format!("e{number}"))),
            payload,
        );
        act.lane = Lane::new(&format!("lane-{number}")).unwrap();
        world.tell(peer, &ClientMessage::Action(act));
    }
    world.settle();
    let messages = world.messages(peer);
    let accepted = messages
        .iter()
        .filter(|message| matches!(message, ServerMessage::Ack(_)))
        .count();
    assert_eq!(
        (accepted, error_code(&messages[0])),
        (64, ("too_many_lanes", Class::Session))
    );
}

#[test]
fn names_of_actions() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    let named = |seq: u64, length: usize| {
        let name = "x".repeat(length);
        action(seq, seq - 1, &name, ("tasks", Some("a")), Record::new())
    };
    world.tell(peer, &ClientMessage::Action(named(1, 256)));
    world.settle();
    let messages = world.messages(peer);
    assert_eq!(
        error_code(&messages[0]),
        ("unknown_action", Class::Permanent)
    );
    world.tell(peer, &ClientMessage::Action(named(2, 257)));
    world.settle();
    assert_eq!(
        world.closed(peer),
        Some(tidewire_protocol::close::BAD_FRAME),
        "no frame has so long a name"
    );
}

#[test]
fn lanes_confirmed() {
    let mut world = World::new();
    for (count, closed) in [(64, None), (65, Some(4006))] {
        let peer = world.open();
        let mut hello = hello("client", 1);
        let lane = |number| Lane::new(&format!("lane-{number}")).unwrap();
        hello.confirmed = (0..count).map(|number| (lane(number), 1)).collect();
        // What was never used names nothing.
        hello
            .confirmed
            .extend((100..200).map(|number| (lane(number), 0)));
        world.tell(peer, &ClientMessage::Hello(hello));
        world.settle();
        assert_eq!(world.closed(peer), closed);
    }
}

#[test]
fn messages_before_the_welcome() {
    let mut world = World::new();
    let peer = world.open();
    world.tell(peer, &ClientMessage::Hello(hello("client", 1)));
    for _ in 0..1000 {
        if world.closed(peer).is_none() {
            world.tell_text(peer, r#"{"type":"NEWER"}"#);
        }
    }
    assert_eq!(world.closed(peer), Some(4102));
}

#[test]
fn connections() {
    let mut world = World::with(|settings| settings.connections = 2);
    let (first, _) = (world.open(), world.open());
    let third = world.open();
    assert_eq!(world.closed(third), Some(4105));
    world.say(Input::Closed { connection: first });
    let fourth = world.open();
    assert_eq!(world.closed(fourth), None);
}

#[test]
fn what_the_client_takes() {
    let mut world = World::new();
    for (max_frame_bytes, closed) in [(64 * 1024, None), (64 * 1024 - 1, Some(4002))] {
        let peer = world.open();
        let mut hello = hello("client", max_frame_bytes);
        hello.max_frame_bytes = max_frame_bytes;
        world.tell(peer, &ClientMessage::Hello(hello));
        world.settle();
        assert_eq!(world.closed(peer), closed);
    }
}

#[test]
fn what_waits_to_be_written() {
    let mut world = World::with(|settings| {
        settings.waiting_items = 3;
        settings.group_items = 2;
    });
    let mut callers = Vec::new();
    for number in 0..5 {
        callers.push(world.publish(vec![create("tasks", &format!("e{number}"), 1)]));
    }
    // One is under way, three wait, and the last is one too many.
    assert_eq!(
        world.published,
        [(callers[4], Err(tidewire_hub::PublishError::Full))]
    );
    let peer = world.connect("client", 1);
    assert_eq!(world.stats().waiting_writes, 0, "and then it goes on");
    assert_eq!(world.published.len(), 5);
    let _: ConnectionId = peer;
}

#[test]
fn groups() {
    let mut world = World::with(|settings| settings.group_items = 3);
    for number in 0..8 {
        world.publish(vec![create("tasks", &format!("e{number}"), 1)]);
    }
    let mut sizes = Vec::new();
    while let Some(tidewire_hub::Output::Write { group }) = world.asked.front() {
        sizes.push(group.len());
        world.execute(0);
        world.deliver(0);
    }
    assert_eq!(sizes, [1, 3, 3, 1]);

    let mut world = World::with(|settings| settings.group_bytes = 4000);
    let padded = |number: u64, bytes: usize| {
        let entity = Record::new().with("text", "x".repeat(bytes));
        let id = Some(EntityId::unsigned(number));
        vec![tidewire_hub::Write::Create {
            entity_type: crate::world::kind("tasks"),
            id,
            entity,
        }]
    };
    for (number, bytes) in [10, 1500, 1500, 1500, 9000, 10].into_iter().enumerate() {
        world.publish(padded(number as u64, bytes));
    }
    let mut sizes = Vec::new();
    while let Some(tidewire_hub::Output::Write { group }) = world.asked.front() {
        sizes.push(group.len());
        world.execute(0);
        world.deliver(0);
    }
    assert_eq!(
        sizes,
        [1, 2, 1, 1, 1],
        "what is too large for any group goes alone"
    );
}

#[test]
fn a_socket_without_the_subprotocol_is_told_which_to_offer() {
    let mut world = World::new();
    for (number, subprotocol) in [None, Some("graphql-ws"), Some("tidewire.v2.json")]
        .into_iter()
        .enumerate()
    {
        let connection = ConnectionId(1000 + number as u64);
        world
            .sockets
            .insert(connection, crate::world::Socket::default());
        world.say(Input::Opened {
            connection,
            subprotocol: subprotocol.map(str::to_owned),
        });
        let (code, reason) = world.sockets[&connection].closed.clone().unwrap();
        assert_eq!(code, 4002);
        assert!(reason.contains(SUBPROTOCOL), "{reason}");
    }
}

#[test]
fn those_who_fill_the_line_of_writes_leave_room_for_one_who_writes_little() {
    let mut world = World::with(|settings| {
        settings.group_items = 1;
        settings.waiting_bytes = 256 * 1024;
    });
    let create = |seq: u64, name: &str, bytes: usize| {
        let payload = entity(&[("text", Value::from("x".repeat(bytes)))]);
        ClientMessage::Action(action(
            seq,
            seq - 1,
            "create",
            ("tasks", Some(name)),
            payload,
        ))
    };
    let little = world.connect("little", 1);
    let floods = [0, 1, 2, 3, 4].map(|flood| world.connect(&format!("flood-{flood}"), 1));
    for (flood, peer) in floods.into_iter().enumerate() {
        for seq in 1..=160 {
            let bytes = if seq <= 60 { 4 * 1024 } else { 10 };
            world.tell(peer, &create(seq, &format!("f{flood}-{seq}"), bytes));
        }
        let refused = world.messages(peer);
        assert!(
            refused
                .iter()
                .any(|message| error_code(message) == ("overloaded", Class::Retry))
        );
    }
    world.tell(little, &create(1, "little", 1024));
    assert_eq!(world.messages(little), [], "it waits for its turn");
}

#[test]
fn however_many_fill_the_line_of_writes_each_may_add_a_small_one_and_the_application_any() {
    let mut world = World::with(|settings| {
        settings.group_items = 1;
        settings.waiting_items = 64;
    });
    let little = world.connect("little", 1);
    let floods: Vec<_> = (0..60)
        .map(|flood| world.connect(&format!("flood-{flood}"), 1))
        .collect();
    for &peer in &floods {
        world.write_much(peer, 60);
    }
    let full = world.stats().waiting_writes;
    assert!(full <= 64 + 60, "{full}");
    world.write_much(little, 1);
    assert_eq!(world.messages(little), [], "it waits for its turn");
    world.publish(vec![create("tasks", "published", 1)]);
    assert_eq!(world.published, [], "so does the application");
    assert_eq!(world.stats().waiting_writes, full + 2);
    world.write_much(floods[59], 60);
    assert_eq!(world.stats().waiting_writes, full + 2);
}
