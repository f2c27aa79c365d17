//! From a socket to a client that was let in.

use std::collections::BTreeMap;

use tidewire_hub::{BackendError, Fact, Input, Output};
use tidewire_model::{Lane, Value};
use tidewire_protocol::{Class, ClientMessage, Limits, ServerMessage, VersionRange, Want};

use crate::world::{World, action, entity, hello};

#[test]
fn a_client_is_welcomed_with_everything_it_needs_to_know() {
    let mut world = World::with(|settings| settings.node = "node-7".to_owned());
    let peer = world.open();
    let mut hello = hello("client", 1);
    hello.token = Some("alice".to_owned());
    world.tell(peer, &ClientMessage::Hello(hello));
    world.settle();
    let messages = world.messages(peer);
    let [ServerMessage::Welcome(welcome)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(
        (
            welcome.protocol,
            welcome.principal.as_str(),
            welcome.node.as_str()
        ),
        (1, "alice", "node-7")
    );
    assert_eq!((welcome.heartbeat_ms, welcome.grace_ms), (25_000, 10_000));
    assert_eq!(welcome.limits, Limits::DEFAULT.announced());
    assert_eq!(welcome.last_seq, Some(BTreeMap::new()));
    assert_eq!(welcome.session.len(), 16);
    assert!(
        matches!(&world.facts[..], [Fact::ClientCame { principal, .. }] if principal == "alice")
    );
    world.say(Input::Closed { connection: peer });
    assert!(
        matches!(&world.facts[1..], [Fact::ClientGone { principal, code: None, .. }] if principal == "alice")
    );
}

#[test]
fn the_first_message_must_be_hello() {
    let others = [
        ClientMessage::Ping(1),
        ClientMessage::Action(action(
            1,
            0,
            "delete",
            ("tasks", Some("a")),
            entity(&[("n", Value::from(1))]),
        )),
    ];
    for message in others {
        let mut world = World::new();
        let peer = world.open();
        world.tell(peer, &message);
        assert_eq!(world.closed(peer), Some(4001));
        assert!(matches!(world.messages(peer)[..], [ServerMessage::Bye(_)]));
        assert!(world.facts.is_empty(), "nobody came, so nobody is gone");
    }
}

#[test]
fn nothing_may_be_asked_for_before_welcome() {
    for steps in 0..2 {
        let mut world = World::new();
        let peer = world.open();
        world.tell(peer, &ClientMessage::Hello(hello("client", 1)));
        (0..steps).for_each(|_| world.deliver(0));
        world.tell(peer, &ClientMessage::Ping(1));
        assert_eq!(world.closed(peer), None, "a sign of life is no question");
        world.subscribe(peer, "tasks", Want::Changes);
        assert_eq!(world.closed(peer), Some(4006));
        world.settle();
        assert_eq!(world.stats().clients, 0, "late answers change nothing");
    }
}

#[test]
fn hello_is_said_once() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.tell(peer, &ClientMessage::Hello(hello("client", 2)));
    assert_eq!(world.closed(peer), Some(4006));
}

#[test]
fn hello_comes_in_time() {
    let mut world = World::new();
    let (late, early) = (world.open(), world.open());
    world.pass_ms(9_999);
    assert_eq!((world.closed(late), world.closed(early)), (None, None));
    world.tell(early, &ClientMessage::Hello(hello("client", 1)));
    world.settle();
    world.pass_ms(1);
    assert_eq!(
        (world.closed(late), world.closed(early)),
        (Some(4001), None)
    );
}

#[test]
fn a_server_that_does_not_answer_hello_says_so_itself() {
    for steps in 0..2 {
        let mut world = World::new();
        let peer = world.open();
        world.tell(peer, &ClientMessage::Hello(hello("client", 1)));
        (0..steps).for_each(|_| world.deliver(0));
        world.pass_ms(10_000);
        assert_eq!(world.closed(peer), Some(4100));
    }
}

#[test]
fn without_a_common_version_there_is_no_welcome() {
    for (min, max, closed) in [(1, 9, None), (2, 9, Some(4002)), (0, 0, Some(4002))] {
        let mut world = World::new();
        let peer = world.open();
        let mut hello = hello("client", 1);
        hello.protocol = VersionRange { min, max };
        world.tell(peer, &ClientMessage::Hello(hello));
        world.settle();
        assert_eq!(world.closed(peer), closed);
    }
}

#[test]
fn who_is_not_known_is_told_what_to_do_by_the_close_code() {
    use tidewire_hub::Refused;
    let table = [
        (Class::Auth, "bad_token", 4004),
        (Class::Auth, "token_expired", 4202),
        (Class::Permanent, "forbidden", 4003),
        (Class::Retry, "overloaded", 4101),
    ];
    for (class, code, close) in table {
        let mut world = World::new();
        let peer = world.open();
        world.tell(peer, &ClientMessage::Hello(hello("client", 1)));
        let refused = Refused {
            class,
            code: code.to_owned(),
            message: "no".to_owned(),
        };
        world.say(Input::Authenticated {
            connection: peer,
            result: Err(refused),
        });
        assert_eq!(world.closed(peer), Some(close));
        let messages = world.messages(peer);
        assert!(
            matches!(&messages[..], [ServerMessage::Bye(bye)] if bye.class == class && bye.reason == "no")
        );
    }
}

#[test]
fn what_the_backend_knows_of_a_client_decides_how_it_goes_on() {
    let mut world = World::new();
    let first = world.connect("client", 5);
    let act = action(
        1,
        0,
        "create",
        ("tasks", Some("a")),
        entity(&[("n", Value::from(1))]),
    );
    world.tell(first, &ClientMessage::Action(act));
    world.settle();

    let second = world.open();
    world.tell(second, &ClientMessage::Hello(hello("client", 6)));
    world.settle();
    let messages = world.messages(second);
    let [ServerMessage::Welcome(welcome)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(welcome.last_seq, Some(BTreeMap::from([(Lane::main(), 1)])));
    assert_eq!(world.closed(first), Some(4204), "the older run is over");

    let copy = world.open();
    world.tell(copy, &ClientMessage::Hello(hello("client", 6)));
    world.settle();
    assert_eq!(
        (world.closed(copy), world.closed(second)),
        (Some(4204), None)
    );
    assert!(
        matches!(&world.messages(copy)[..], [ServerMessage::Bye(bye)] if bye.class == Class::Session)
    );

    let restored = world.open();
    let mut hello = hello("other", 3);
    hello.confirmed.insert(Lane::main(), 9);
    world.tell(restored, &ClientMessage::Hello(hello));
    world.settle();
    let messages = world.messages(restored);
    let [ServerMessage::Welcome(welcome)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(welcome.last_seq, None);
}

#[test]
fn of_two_runs_the_newer_one_stays_whichever_answer_comes_first() {
    let mut world = World::new();
    let (older, newer) = (world.open(), world.open());
    for (peer, run) in [(older, 1), (newer, 2)] {
        world.tell(peer, &ClientMessage::Hello(hello("client", run)));
        world.deliver(0);
    }
    world.execute(0);
    world.execute(0);
    world.deliver(1);
    world.deliver(0);
    assert_eq!(
        (world.closed(older), world.closed(newer)),
        (Some(4204), None)
    );
}

#[test]
fn a_failing_backend_lets_nobody_in() {
    let mut world = World::new();
    let peer = world.open();
    world.tell(peer, &ClientMessage::Hello(hello("client", 1)));
    world.deliver(0);
    assert!(matches!(
        world.asked.pop_front(),
        Some(Output::Greet { .. })
    ));
    world.say(Input::Greeted {
        connection: peer,
        result: Err(BackendError::Closed),
    });
    assert_eq!(world.closed(peer), Some(4100));
    assert_eq!(world.stats().incidents, 1);
}

#[test]
fn sessions_have_names_of_their_own() {
    let mut world = World::new();
    let mut names = std::collections::BTreeSet::new();
    for number in 0..50 {
        let peer = world.open();
        world.tell(
            peer,
            &ClientMessage::Hello(hello(&format!("client-{number}"), 1)),
        );
        world.settle();
        let messages = world.messages(peer);
        let [ServerMessage::Welcome(welcome)] = &messages[..] else {
            panic!("{messages:?}")
        };
        names.insert(welcome.session.clone());
    }
    assert_eq!(names.len(), 50);
}
