//! A server that stops.

use std::collections::BTreeSet;

use tidewire_hub::{ConnectionId, Input, PublishError};
use tidewire_model::Value;
use tidewire_protocol::{ClientMessage, CloseClass, ServerMessage, close_class};

use crate::world::{World, action, create, entity};

fn drain(world: &mut World) {
    world.say(Input::Drain { in_ms: 2000 });
}

/// The milliseconds behind the announced time at which connections were closed.
fn closed_after_ms(world: &mut World, peers: &[ConnectionId]) -> BTreeSet<u64> {
    world.pass_ms(1999);
    assert!(peers.iter().all(|peer| world.closed(*peer).is_none()));
    let mut times = BTreeSet::new();
    let mut open = peers.to_vec();
    for ms in 0..=5001 {
        world.pass_ms(1);
        let before = open.len();
        open.retain(|peer| world.closed(*peer).is_none());
        if open.len() < before {
            times.insert(ms);
        }
    }
    assert!(peers.iter().all(|peer| world.closed(*peer) == Some(4200)));
    assert!(world.drained);
    times
}

#[test]
fn clients_are_told_and_closed_spread_over_the_jitter() {
    let mut world = World::new();
    let peers: Vec<_> = (0..1500)
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
    let times = closed_after_ms(&mut world, &peers);
    assert!(times.len() > 1000, "{times:?}");
    assert!(times.iter().all(|ms| *ms <= 5000));
    assert!(times.last() > Some(&4900));
    assert_eq!(close_class(Some(4200)), CloseClass::Reconnect);
}

#[test]
fn few_clients_do_not_keep_a_server_from_stopping() {
    for (count, within_ms) in [(1, 5), (30, 150)] {
        let mut world = World::new();
        let peers: Vec<_> = (0..count)
            .map(|number| world.connect(&format!("client-{number}"), 1))
            .collect();
        drain(&mut world);
        let times = closed_after_ms(&mut world, &peers);
        assert!(times.last() <= Some(&within_ms), "{times:?}");
        assert!(times.len() > count / 2, "{times:?}");
    }
}

#[test]
fn what_waits_of_a_closed_client_is_left_to_be_sent_again() {
    // Whether it waits in the line, or is handed to the backend, which does only the first of it.
    for (group_items, done_at_once) in [(1, 1), (100, 1)] {
        let mut world = World::with(|settings| settings.group_items = group_items);
        world.done_at_once = done_at_once;
        let peer = world.connect("client", 1);
        world.write_much(peer, 40);
        // The next group is under way.
        world.execute(0);
        world.deliver(0);
        let caller = world.publish(vec![create("tasks", "published", 1)]);
        drain(&mut world);
        world.pass_ms(10_000);
        assert_eq!((world.closed(peer), world.drained), (Some(4200), false));
        world.settle();
        assert!(world.drained);
        assert_eq!(
            world.stats().commits,
            3,
            "what was done, what was under way, and what the application writes"
        );
        assert!(matches!(world.published[..], [(known, Ok(Some(_)))] if known == caller));
    }
}

#[test]
fn the_end_waits_for_no_write_of_a_client_that_went_before() {
    for group_items in [1, 100] {
        let mut world = World::with(|settings| settings.group_items = group_items);
        world.done_at_once = 1;
        let peer = world.connect("client", 1);
        world.write_much(peer, 40);
        // The next group is under way.
        world.execute(0);
        world.deliver(0);
        world.say(Input::Closed { connection: peer });
        // What the backend leaves of it is left before anybody speaks of an end.
        world.execute(0);
        world.deliver(0);
        drain(&mut world);
        assert!(world.drained);
        assert_eq!(world.stats().commits, 2, "what was done and under way");
    }
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
