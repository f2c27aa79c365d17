//! Heartbeats, silence, and tokens that run out.

use tidewire_hub::{Input, Principal};
use tidewire_protocol::{Class, ClientMessage, ServerMessage, Want};

use crate::world::{World, create, hello, kind, offset};

#[test]
fn a_ping_goes_out_each_heartbeat_and_names_what_was_sent() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Changes);
    world.subscribe(peer, "people", Want::Snapshot);
    world.settle();
    world.publish(vec![create("tasks", "a", 1)]);
    world.publish(vec![create("tasks", "b", 1)]);
    world.settle();
    world.messages(peer);
    for n in 1..=5 {
        world.pass_ms(24_999);
        assert_eq!(world.messages(peer), []);
        world.pass_ms(1);
        let messages = world.messages(peer);
        let [ServerMessage::Ping(ping)] = &messages[..] else {
            panic!("{messages:?}")
        };
        assert_eq!(ping.n, n);
        assert_eq!(
            ping.heads,
            [(kind("tasks"), offset(2)), (kind("people"), offset(0))].into()
        );
        world.tell(peer, &ClientMessage::Pong(n));
    }
}

#[test]
fn a_ping_does_not_name_a_stream_whose_snapshot_is_on_its_way() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.pass_ms(25_000);
    let messages = world.messages(peer);
    let [ServerMessage::Ping(ping)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert!(ping.heads.is_empty());
}

#[test]
fn silence_for_heartbeat_and_grace_is_death_and_any_frame_is_life() {
    let mut world = World::new();
    let (silent, alive) = (world.connect("silent", 1), world.connect("alive", 1));
    world.pass_ms(34_999);
    world.tell(alive, &ClientMessage::Ping(1));
    assert_eq!(world.closed(silent), None);
    world.pass_ms(1);
    assert_eq!(
        (world.closed(silent), world.closed(alive)),
        (Some(4104), None)
    );
    world.pass_ms(34_999);
    assert_eq!(world.closed(alive), Some(4104));
}

#[test]
fn a_slow_peer_that_still_takes_what_goes_before_its_ping_is_alive() {
    let mut world = World::with(|settings| settings.window_bytes = 1);
    let peer = world.connect("slow", 1);
    world.subscribe(peer, "tasks", Want::Changes);
    world.settle();
    world.stuck(peer);
    for number in 0..20 {
        world.publish(vec![create("tasks", &format!("e{number}"), 1)]);
        world.settle();
    }
    for _ in 0..10 {
        world.pass_ms(20_000);
        let bytes = world.sockets[&peer].in_hand;
        world.sockets.get_mut(&peer).unwrap().in_hand = 0;
        world.say(Input::Writable {
            connection: peer,
            bytes,
        });
        assert_eq!(world.closed(peer), None);
    }
    world.pass_ms(35_000);
    assert_eq!(
        world.closed(peer),
        Some(4104),
        "who takes nothing any more is not"
    );
}

#[test]
fn a_token_that_runs_out_ends_the_connection() {
    let mut world = World::new();
    let peer = world.open();
    world.tell(peer, &ClientMessage::Hello(hello("client", 1)));
    let principal = Principal {
        name: "alice".to_owned(),
        token_expires_ms: Some(60_000),
    };
    world.say(Input::Authenticated {
        connection: peer,
        result: Ok(principal),
    });
    world.answers.clear();
    world.settle();
    let messages = world.messages(peer);
    let [ServerMessage::Welcome(welcome)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(welcome.token_expires_ms, Some(60_000));
    for _ in 0..59 {
        world.pass_ms(1000);
        world.tell(peer, &ClientMessage::Ping(1));
    }
    assert_eq!(world.closed(peer), None);
    world.pass_ms(1000);
    assert_eq!(world.closed(peer), Some(4202));
    assert!(
        matches!(world.messages(peer).last(), Some(ServerMessage::Bye(bye)) if bye.class == Class::Auth)
    );
}

#[test]
fn a_shell_that_wakes_too_early_is_told_again() {
    let mut world = World::new();
    world.connect("client", 1);
    let at = world.wake_at.take().unwrap();
    world.say(Input::Time);
    assert_eq!(world.wake_at, Some(at));
}

#[test]
fn nothing_is_to_be_woken_for_when_nobody_is_there() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.say(Input::Closed { connection: peer });
    world.wake_at = None;
    world.say(Input::Time);
    assert_eq!(world.wake_at, None);
}
