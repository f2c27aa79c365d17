//! Whose write is next, and what becomes of a group of which the backend does only the beginning.

use tidewire_hub::{BackendError, ConnectionId, Input, Output, PublishError, Write};
use tidewire_model::{Record, Value};
use tidewire_protocol::{AckResult, ClientMessage, ServerMessage};

use crate::world::{World, action, changes, create, entity, hello, id, kind, make, record};

/// The numbers of the actions that were acknowledged as done now, in the order in which that came.
fn acknowledged(world: &mut World, peer: ConnectionId) -> Vec<u64> {
    let seq = |message| match message {
        ServerMessage::Ack(ack) => {
            assert_eq!(ack.result, AckResult::Applied);
            ack.seq
        }
        other => panic!("{other:?}"),
    };
    world.messages(peer).into_iter().map(seq).collect()
}

/// Lets the backend write once.
fn write_once(world: &mut World) -> bool {
    let is_writing = matches!(world.asked.front(), Some(Output::Write { .. }));
    if is_writing {
        world.execute(0);
        world.deliver(0);
    }
    is_writing
}

#[test]
fn one_who_writes_much_delays_others_by_one_write_of_each_author() {
    let mut world = World::new();
    world.done_at_once = 1;
    let much = [world.connect("a", 1), world.connect("b", 1)];
    let little = world.connect("c", 1);
    for peer in much {
        world.write_much(peer, 40);
    }
    let caller = world.publish(vec![create("tasks", "published", 1)]);
    world.write_much(little, 1);
    // One is under way already.
    let mut writes = 0;
    while acknowledged(&mut world, little).is_empty() {
        assert!(write_once(&mut world));
        writes += 1;
    }
    assert!(writes <= 5, "{writes}");
    assert_eq!(world.published.len(), 1);
    assert_eq!(world.published[0].0, caller);
    while write_once(&mut world) {}
    for peer in much {
        let in_order: Vec<u64> = (1..=40).collect();
        assert_eq!(acknowledged(&mut world, peer), in_order);
    }
}

#[test]
fn one_who_comes_while_a_group_is_under_way_is_next() {
    let mut world = World::new();
    world.done_at_once = 1;
    let (much, little) = (world.connect("a", 1), world.connect("b", 1));
    world.write_much(much, 40);
    // From now on, all that is left of the first is handed to the backend, which does one of it.
    assert!(write_once(&mut world));
    world.write_much(little, 1);
    assert!(write_once(&mut world));
    assert!(acknowledged(&mut world, little).is_empty());
    assert!(write_once(&mut world));
    assert_eq!(acknowledged(&mut world, little), [1]);
}

/// One of several connections of a principal.
fn connect_as(world: &mut World, principal: &str, client: &str) -> ConnectionId {
    let connection = world.open();
    let mut hello = hello(client, 1);
    hello.token = Some(principal.to_owned());
    world.tell(connection, &ClientMessage::Hello(hello));
    world.settle();
    world.messages(connection);
    connection
}

fn put_large(world: &mut World) {
    world.publish(vec![Write::Put {
        entity_type: kind("tasks"),
        id: id("large"),
        entity: record(&[("text", Value::from("x".repeat(100_000)))]),
    }]);
    world.settle();
}

/// Sends an action that changes a few bytes of a large entity.
fn touch(world: &mut World, peer: ConnectionId, seq: u64) {
    let payload = changes(&[("n", Value::from(100 * seq + peer.0))]);
    let touch = action(seq, seq - 1, "update", ("tasks", Some("large")), payload);
    world.tell(peer, &ClientMessage::Action(touch));
}

#[test]
fn one_who_rewrites_much_has_its_turn_when_others_have_written_as_much() {
    let mut world = World::new();
    put_large(&mut world);
    world.done_at_once = 1;
    let much: Vec<_> = (0..10)
        .map(|number| world.connect(&format!("much-{number}"), 1))
        .collect();
    let little = world.connect("little", 1);
    for seq in 1..=3 {
        for &peer in &much {
            touch(&mut world, peer, seq);
        }
    }
    // Each of the many has its first turn; from then on it is known what they cost.
    for _ in 0..11 {
        assert!(write_once(&mut world));
    }
    world.write_much(little, 10);
    let mut writes = 0;
    while acknowledged(&mut world, little).last() != Some(&10) {
        assert!(write_once(&mut world));
        writes += 1;
    }
    assert!(writes <= 12, "{writes} writes for ten small ones");
    while write_once(&mut world) {}
    for peer in much {
        assert_eq!(acknowledged(&mut world, peer), [1, 2, 3]);
    }
}

#[test]
fn what_is_small_shares_no_group_with_what_is_known_to_be_large() {
    let mut world = World::with(|settings| settings.group_bytes = 100_000);
    put_large(&mut world);
    let much = connect_as(&mut world, "much", "much");
    let little = connect_as(&mut world, "little", "little");
    touch(&mut world, much, 1);
    world.settle();
    // One is under way, and meanwhile more comes of both.
    touch(&mut world, much, 2);
    touch(&mut world, much, 3);
    world.write_much(little, 3);
    let mut groups = Vec::new();
    while let Some(Output::Write { group }) = world.asked.front() {
        groups.push(group.len());
        assert!(write_once(&mut world));
    }
    assert_eq!(groups, [1, 3, 1]);
}

#[test]
fn the_connections_of_a_principal_share_its_turns() {
    let mut world = World::new();
    world.done_at_once = 1;
    let many: Vec<_> = (0..20)
        .map(|number| connect_as(&mut world, "many", &format!("m{number}")))
        .collect();
    let one = connect_as(&mut world, "one", "o");
    for &peer in &many {
        world.write_much(peer, 5);
    }
    world.write_much(one, 5);
    let mut writes = 0;
    let mut done = 0;
    while done < 5 {
        assert!(write_once(&mut world));
        done += acknowledged(&mut world, one).len();
        writes += 1;
    }
    assert!(writes <= 12, "{writes} writes for five");
    while write_once(&mut world) {}
    for peer in many {
        assert_eq!(acknowledged(&mut world, peer), [1, 2, 3, 4, 5]);
    }
}

#[test]
fn what_was_not_done_of_a_group_comes_again_in_its_order() {
    for done_at_once in [1, 2, 3, 7, 100] {
        let mut world = World::new();
        world.done_at_once = done_at_once;
        let peers = [
            world.connect("a", 1),
            world.connect("b", 1),
            world.connect("c", 1),
        ];
        for peer in peers {
            world.write_much(peer, 10);
        }
        let mut callers = Vec::new();
        for number in 0..10 {
            callers.push(world.publish(vec![create("tasks", &format!("p{number}"), 1)]));
        }
        assert_eq!(world.stats().waiting_writes, 40);
        while write_once(&mut world) {}
        for peer in peers {
            assert_eq!(
                acknowledged(&mut world, peer),
                (1..=10).collect::<Vec<u64>>()
            );
        }
        let told: Vec<_> = world.published.iter().map(|(caller, _)| *caller).collect();
        assert_eq!(told, callers);
        let stats = world.stats();
        assert_eq!((stats.commits, stats.waiting_writes), (40, 0));
        assert_eq!(stats.incidents, 0);
    }
}

#[test]
fn what_was_not_done_of_a_group_is_not_overtaken_by_those_who_come_later() {
    const AT_ONCE: usize = 10;
    let mut world = World::new();
    world.done_at_once = AT_ONCE;
    let peers: Vec<_> = (0..300)
        .map(|number| connect_as(&mut world, &format!("p{number}"), &format!("c{number}")))
        .collect();
    let (first, later) = peers.split_at(100);
    for &peer in first {
        world.write_much(peer, 1);
    }
    let mut newcomers = later.chunks(AT_ONCE);
    let mut order = Vec::new();
    loop {
        for &peer in newcomers.next().unwrap_or_default() {
            world.write_much(peer, 1);
        }
        if !write_once(&mut world) {
            break;
        }
        let is_done = |peer: &ConnectionId| acknowledged(&mut world, *peer) == [1];
        let done: Vec<_> = peers.iter().copied().filter(is_done).collect();
        order.push(done);
    }
    for (arrival, peer) in peers.iter().enumerate() {
        let group = order.iter().position(|done| done.contains(peer)).unwrap();
        // The very first write goes alone.
        let most = arrival / AT_ONCE + 2;
        assert!(group <= most, "number {arrival} waited for {group} groups");
    }
}

#[test]
fn what_was_not_done_of_a_connection_is_next_of_its_principal_before_something_larger() {
    let mut world = World::new();
    world.done_at_once = 1;
    let others = ["first", "second"].map(|name| connect_as(&mut world, name, name));
    let small = connect_as(&mut world, "one", "small");
    let large = connect_as(&mut world, "one", "large");
    for peer in [others[0], others[1], small] {
        world.write_much(peer, 1);
    }
    assert!(write_once(&mut world));
    // All that waits is with the backend now, which does one of it.
    let payload = entity(&[("text", Value::from("x".repeat(1000)))]);
    let create = action(1, 0, "create", ("tasks", Some("large")), payload);
    world.tell(large, &ClientMessage::Action(create));
    let mut order = Vec::new();
    while write_once(&mut world) {
        let done = [small, large]
            .into_iter()
            .filter(|peer| !acknowledged(&mut world, *peer).is_empty());
        order.extend(done);
    }
    assert_eq!(order, [small, large]);
}

#[test]
fn the_connections_of_a_principal_are_not_overtaken_by_those_that_come_later() {
    let mut world = World::new();
    world.done_at_once = 2;
    let peers: Vec<_> = (0..40)
        .map(|number| connect_as(&mut world, "one", &format!("c{number}")))
        .collect();
    let (first, later) = peers.split_at(20);
    for &peer in first {
        world.write_much(peer, 1);
    }
    let mut newcomers = later.chunks(2);
    let mut order = Vec::new();
    while write_once(&mut world) {
        let is_done = |peer: &ConnectionId| acknowledged(&mut world, *peer) == [1];
        order.extend(peers.iter().copied().filter(is_done));
        for &peer in newcomers.next().unwrap_or_default() {
            world.write_much(peer, 1);
        }
    }
    assert_eq!(order, peers);
}

#[test]
fn what_is_not_done_of_a_connection_that_is_gone_costs_its_principal_nothing() {
    let mut world = World::new();
    world.done_at_once = 1;
    let gone = connect_as(&mut world, "one", "gone");
    let there = connect_as(&mut world, "one", "there");
    let other = connect_as(&mut world, "other", "other");
    world.write_much(gone, 40);
    assert!(write_once(&mut world));
    // All that is left is with the backend, which does one of it.
    world.say(Input::Closed { connection: gone });
    world.write_much(other, 40);
    world.write_much(there, 1);
    let mut writes = 0;
    while acknowledged(&mut world, there).is_empty() {
        assert!(write_once(&mut world));
        writes += 1;
    }
    assert!(writes <= 5, "{writes}");
}

/// A connection that comes while others write, and whose client is let in at once.
fn arrive(world: &mut World, principal: &str, client: &str) -> ConnectionId {
    let connection = world.open();
    let mut hello = hello(client, 1);
    hello.token = Some(principal.to_owned());
    world.tell(connection, &ClientMessage::Hello(hello));
    world.deliver(0);
    let greets = |asked: &Output| matches!(asked, Output::Greet { .. });
    let place = world.asked.iter().position(greets).unwrap();
    world.execute(place);
    world.deliver(0);
    world.messages(connection);
    connection
}

/// The large entities that a crowd writes to.
const LARGE: usize = 8;

/// Many, each with a connection for one write to all large entities; whoever has its answer comes again on a new connection.
struct Crowd {
    principal: &'static str,
    peers: Vec<ConnectionId>,
    came: usize,
}

impl Crowd {
    fn of(world: &mut World, principal: &'static str, count: usize) -> Self {
        world.done_at_once = 1;
        let large = |number: usize| Write::Put {
            entity_type: kind("tasks"),
            id: id(&format!("large-{number}")),
            entity: record(&[("text", Value::from("x".repeat(100_000)))]),
        };
        world.publish((0..LARGE).map(large).collect());
        while write_once(world) {}
        let peers = Vec::with_capacity(count);
        let mut crowd = Self {
            principal,
            peers,
            came: 0,
        };
        for _ in 0..count {
            crowd.come(world);
        }
        crowd
    }

    fn come(&mut self, world: &mut World) {
        self.came += 1;
        let peer = arrive(world, self.principal, &format!("crowd-{}", self.came));
        let item = |number: usize| {
            let changes = record(&[("n", Value::from(peer.0))]).to_value();
            let payload = Record::new().with("changes", changes);
            let item = Record::new()
                .with("name", "update")
                .with("entityType", "tasks")
                .with("entityId", format!("large-{number}"));
            item.with("payload", payload.to_value()).to_value()
        };
        let writes: Vec<Value> = (0..LARGE).map(item).collect();
        let payload = Record::new().with("writes", Value::from(writes));
        let mut transaction = action(1, 0, "transaction", ("tasks", None), payload);
        transaction.entity_type = None;
        world.tell(peer, &ClientMessage::Action(transaction));
        self.peers.push(peer);
    }

    /// Lets the backend write once.
    fn write_once(&mut self, world: &mut World) {
        assert!(write_once(world));
        let (done, rest) = std::mem::take(&mut self.peers)
            .into_iter()
            .partition::<Vec<_>, _>(|peer| !acknowledged(world, *peer).is_empty());
        self.peers = rest;
        for peer in done {
            world.say(Input::Closed { connection: peer });
            self.come(world);
        }
    }

    /// How often the backend writes until a small write of a connection is done, that one included.
    fn writes_until_done(&mut self, world: &mut World, peer: ConnectionId, seq: u64) -> usize {
        let name = format!("{}-{seq}", peer.0);
        world.tell(peer, &ClientMessage::Action(make(seq, &name)));
        let mut writes = 0;
        while acknowledged(world, peer).is_empty() {
            self.write_once(world);
            writes += 1;
        }
        writes
    }
}

#[test]
fn those_who_connect_anew_for_each_large_write_do_not_delay_one_known_to_write_little() {
    let mut world = World::new();
    let little = connect_as(&mut world, "all", "little");
    world.write_much(little, 1);
    assert!(write_once(&mut world));
    assert_eq!(acknowledged(&mut world, little), [1]);
    let mut crowd = Crowd::of(&mut world, "all", 40);
    let mut waited = Vec::new();
    for seq in 2..=30 {
        waited.push(crowd.writes_until_done(&mut world, little, seq));
        for _ in 0..seq % 7 {
            crowd.write_once(&mut world);
        }
    }
    // One is under way, one more may go first, and its own.
    assert!(waited.iter().all(|writes| *writes <= 3), "{waited:?}");
}

#[test]
fn one_who_is_new_is_not_delayed_by_those_of_another_principal_who_connect_anew() {
    let mut world = World::new();
    let mut crowd = Crowd::of(&mut world, "crowd", 40);
    let mut waited = Vec::new();
    for number in 0..10 {
        let name = format!("new-{number}");
        let new = arrive(&mut world, &name, &name);
        waited.push(crowd.writes_until_done(&mut world, new, 1));
    }
    assert!(waited.iter().all(|writes| *writes <= 3), "{waited:?}");
}

#[test]
fn one_who_is_new_and_can_come_to_little_is_not_delayed_by_those_who_connect_anew_for_much() {
    let mut world = World::new();
    let mut crowd = Crowd::of(&mut world, "all", 40);
    // Nothing is known before one of them is done.
    crowd.write_once(&mut world);
    let mut waited = Vec::new();
    for number in 0..10 {
        let new = arrive(&mut world, "all", &format!("new-{number}"));
        waited.push(crowd.writes_until_done(&mut world, new, 1));
    }
    assert!(waited.iter().all(|writes| *writes <= 3), "{waited:?}");
}

#[test]
fn those_who_write_much_and_were_away_are_still_known_for_it() {
    let mut world = World::new();
    put_large(&mut world);
    world.done_at_once = 1;
    let many: Vec<_> = (0..40)
        .map(|number| connect_as(&mut world, &format!("p{number}"), &format!("m{number}")))
        .collect();
    let little = connect_as(&mut world, "little", "little");
    let mut waited = Vec::new();
    for seq in 1..=3 {
        for &peer in &many {
            touch(&mut world, peer, seq);
        }
        let name = format!("little-{seq}");
        world.tell(little, &ClientMessage::Action(make(seq, &name)));
        let mut writes = 0;
        while acknowledged(&mut world, little).is_empty() {
            assert!(write_once(&mut world));
            writes += 1;
        }
        waited.push(writes);
        while write_once(&mut world) {}
    }
    // The first time nothing was known of anybody.
    assert!(waited[1..].iter().all(|writes| *writes <= 3), "{waited:?}");
}

#[test]
fn a_group_of_which_nothing_is_done_is_a_failure() {
    let mut world = World::new();
    world.publish(vec![create("tasks", "a", 1)]);
    world.asked.clear();
    world.say(Input::Written {
        result: Ok(Vec::new()),
    });
    assert!(matches!(
        world.published[..],
        [(_, Err(PublishError::Backend(BackendError::Storage(_))))]
    ));
    assert_eq!(world.stats().incidents, 1);
}
