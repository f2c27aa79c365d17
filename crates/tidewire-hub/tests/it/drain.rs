//! A server that stops.

use std::collections::BTreeSet;

use tidewire_hub::PublishError;
use tidewire_model::Value;
use tidewire_protocol::{ClientMessage, CloseClass, ServerMessage, close_class};

use crate::world::{World, action, create, entity};

fn drain(world: &mut World) {
    world.say(tidewire_hub::Input::Drain { in_ms: 2000 });
}

#[test]
fn clients_are_told_and_closed_spread_over_the_jitter() {
    let mut world = World::new();
    let peers: Vec<_> = (0..30)
        .map(|number| world.connect(&format!("client-{number}"), 1))
        .collect();
    drain(&mut world);
    for peer in &peers {
        let messages = world.messages(*peer);
        let [ServerMessage::Drain(drain)] = &messages[..] else {
            panic!("{messages:?}")
        };
        assert_eq!((drain.in_ms, drain.jitter_ms), (2000, 5000));
    }
    world.pass_ms(1999);
    assert!(peers.iter().all(|peer| world.closed(*peer).is_none()));
    let mut times = BTreeSet::new();
    for round in 0..=50 {
        let closed = |world: &World| {
            peers
                .iter()
                .filter(|peer| world.closed(**peer).is_some())
                .count()
        };
        let before = closed(&world);
        world.pass_ms(100);
        if closed(&world) > before {
            times.insert(round);
        }
    }
    assert!(peers.iter().all(|peer| world.closed(*peer) == Some(4200)));
    assert_eq!(close_class(Some(4200)), CloseClass::Reconnect);
    assert!(times.len() > 10, "{times:?}");
    assert!(world.drained);
}

#[test]
fn nobody_new_is_let_in_and_the_application_writes_no_more() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    drain(&mut world);
    let late = world.open();
    assert_eq!((world.closed(late), world.closed(peer)), (Some(4200), None));
    world.publish(vec![create("tasks", "a", 1)]);
    assert!(matches!(
        world.published[..],
        [(_, Err(PublishError::Draining))]
    ));
}

#[test]
fn what_is_under_way_is_finished_first() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    drain(&mut world);
    let payload = entity(&[("n", Value::from(1))]);
    world.tell(
        peer,
        &ClientMessage::Action(action(1, 0, "create", ("tasks", Some("a")), payload)),
    );
    world.pass_ms(10_000);
    assert_eq!((world.closed(peer), world.drained), (Some(4200), false));
    world.settle();
    assert!(world.drained, "once the write is done");
    assert_eq!(world.stats().commits, 1);
}

#[test]
fn a_server_without_clients_is_drained_at_once() {
    let mut world = World::new();
    drain(&mut world);
    assert!(world.drained);
    world.drained = false;
    drain(&mut world);
    assert!(!world.drained, "and says so once");
}
