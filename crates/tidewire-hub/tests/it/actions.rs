//! Actions: done once, answered by class, in the order of their commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidewire_hub::{Actions, Fact, Input, Principal, Refused, StandardActions, Write};
use tidewire_model::{Point, Record, Value, Version};
use tidewire_protocol::{
    AckResult, ActionMessage, Class, ClientMessage, ServerMessage, SyncReason,
};

use crate::world::{World, action, changes, create, id, kind, make, offset};

fn answer(
    world: &mut World,
    peer: tidewire_hub::ConnectionId,
    message: ActionMessage,
) -> ServerMessage {
    world.tell(peer, &ClientMessage::Action(message));
    world.settle();
    let mut messages = world.messages(peer);
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages.remove(0)
}

#[test]
fn the_standard_actions_do_what_they_say() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    let ServerMessage::Ack(ack) = answer(&mut world, peer, make(1, "a")) else {
        panic!()
    };
    assert_eq!((ack.seq, ack.result), (1, AckResult::Applied));
    let at = |n| Point::new(world.truth.opened().epoch, offset(n));
    assert_eq!(ack.as_of, [(kind("tasks"), at(1))].into());
    assert_eq!(ack.rows[0].row.version, Version::new(1));
    assert_eq!(
        ack.rows[0].row.entity,
        Record::new().with("score", 1).with("id", "a")
    );

    let update = action(
        2,
        1,
        "update",
        ("tasks", Some("a")),
        changes(&[("score", Value::from(2))]),
    );
    assert!(matches!(answer(&mut world, peer, update), ServerMessage::Ack(ack) if ack.seq == 2));
    assert_eq!(world.truth.rows(&kind("tasks"))[0].1, offset(2));

    let writes = vec![
        Value::object([
            ("name", Value::from("create")),
            ("entityType", Value::from("people")),
            ("entityId", Value::from("tmp_1")),
            (
                "payload",
                Value::object([("entity", Value::object([("name", "Ann")]))]),
            ),
        ]),
        Value::object([
            ("name", Value::from("update")),
            ("entityType", Value::from("tasks")),
            ("entityId", Value::from("a")),
            (
                "payload",
                Value::object([("changes", Value::object([("owner", "tmp_1")]))]),
            ),
        ]),
    ];
    let mut transaction = action(
        3,
        2,
        "transaction",
        ("tasks", None),
        Record::new().with("writes", writes),
    );
    transaction.entity_type = None;
    let ServerMessage::Ack(ack) = answer(&mut world, peer, transaction) else {
        panic!()
    };
    let at = |n| Point::new(world.truth.opened().epoch, offset(n));
    assert_eq!(
        ack.as_of,
        [(kind("tasks"), at(3)), (kind("people"), at(1))].into()
    );
    let types = ack.rows.iter().map(|row| row.entity_type.clone());
    assert!(types.eq([Some(kind("people")), Some(kind("tasks"))]));
    let made = &ack.replaced[&id("tmp_1")];
    let owner = world.truth.rows(&kind("tasks"))[0]
        .0
        .get("owner")
        .map(|value| value.to_value());
    assert_eq!(owner, Some(Value::from(made.as_str())));

    let delete = action(4, 3, "delete", ("tasks", Some("a")), Record::new());
    assert!(matches!(answer(&mut world, peer, delete), ServerMessage::Ack(ack) if ack.seq == 4));
    assert!(world.truth.rows(&kind("tasks")).is_empty());
}

#[test]
fn the_same_number_again_gives_the_stored_answer() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    let ServerMessage::Ack(first) = answer(&mut world, peer, make(1, "a")) else {
        panic!()
    };
    let ServerMessage::Ack(second) = answer(&mut world, peer, make(1, "a")) else {
        panic!()
    };
    assert_eq!(second.result, AckResult::Duplicate);
    assert_eq!(
        (second.as_of, second.replaced),
        (first.as_of, first.replaced)
    );
    assert_eq!(world.stats().commits, 1);
}

#[test]
fn a_repeated_answer_has_no_rows_since_they_speak_for_a_point_long_past() {
    let mut world = World::new();
    world.publish(vec![create("tasks", "b", 1)]);
    world.settle();
    let peer = world.connect("client", 1);
    let ServerMessage::Ack(first) = answer(&mut world, peer, make(1, "a")) else {
        panic!()
    };
    assert_eq!(first.rows.len(), 1);
    let ServerMessage::Reject(first) = answer(&mut world, peer, make(2, "b")) else {
        panic!()
    };
    assert_eq!((first.class, first.rows.len()), (Class::Conflict, 1));
    for name in ["a", "b"] {
        world.publish(vec![crate::world::score("tasks", name, 9)]);
    }
    world.settle();
    let peer = world.connect("client", 2);
    let ServerMessage::Ack(again) = answer(&mut world, peer, make(1, "a")) else {
        panic!()
    };
    assert_eq!((again.result, again.rows), (AckResult::Duplicate, vec![]));
    let ServerMessage::Reject(again) = answer(&mut world, peer, make(2, "b")) else {
        panic!()
    };
    assert_eq!((again.code, again.rows), (first.code, vec![]));
}

#[test]
fn the_same_number_with_other_content_is_refused_for_good() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    answer(&mut world, peer, make(1, "a"));
    let ServerMessage::Reject(reject) = answer(&mut world, peer, make(1, "b")) else {
        panic!()
    };
    assert_eq!(
        (reject.code.as_str(), reject.class),
        ("key_reused", Class::Permanent)
    );
}

#[test]
fn an_action_out_of_order_is_told_the_last_number() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    answer(&mut world, peer, make(1, "a"));
    let ServerMessage::ActionSync(sync) = answer(&mut world, peer, make(5, "b")) else {
        panic!()
    };
    assert_eq!((sync.last_seq, sync.reason), (1, SyncReason::Order));
}

#[test]
fn an_answer_confirmed_and_asked_for_again_is_told_that_its_number_is_used_up() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    answer(&mut world, peer, make(1, "a"));
    let peer = world.open();
    let mut hello = crate::world::hello("client", 2);
    hello.confirmed.insert(tidewire_model::Lane::main(), 1);
    world.tell(peer, &ClientMessage::Hello(hello));
    world.settle();
    world.messages(peer);
    let ServerMessage::ActionSync(sync) = answer(&mut world, peer, make(1, "a")) else {
        panic!()
    };
    assert_eq!((sync.last_seq, sync.reason), (1, SyncReason::Order));
}

#[test]
fn an_action_of_an_older_run_or_of_a_stranger_is_told_so() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    // The newer run was greeted elsewhere.
    world.truth.greet(
        "somebody",
        &crate::world::info("client", 2),
        &std::collections::BTreeMap::new(),
    );
    let ServerMessage::ActionSync(sync) = answer(&mut world, peer, make(1, "a")) else {
        panic!()
    };
    assert_eq!(sync.reason, SyncReason::Fenced);

    let stranger = world.open();
    let mut hello = crate::world::hello("stranger", 4);
    hello.confirmed.insert(tidewire_model::Lane::main(), 3);
    world.tell(stranger, &ClientMessage::Hello(hello));
    world.settle();
    world.messages(stranger);
    let ServerMessage::ActionSync(sync) = answer(&mut world, stranger, make(4, "a")) else {
        panic!()
    };
    assert_eq!((sync.last_seq, sync.reason), (0, SyncReason::Unknown));
}

#[test]
fn a_conflict_brings_the_entity_as_it_is() {
    let mut world = World::new();
    world.publish(vec![create("tasks", "a", 1)]);
    world.settle();
    world.publish(vec![crate::world::score("tasks", "a", 2)]);
    world.settle();
    let peer = world.connect("client", 1);
    let mut update = action(
        1,
        0,
        "update",
        ("tasks", Some("a")),
        changes(&[("score", Value::from(9))]),
    );
    update.base = Version::new(1);
    let ServerMessage::Reject(reject) = answer(&mut world, peer, update) else {
        panic!()
    };
    assert_eq!(
        (reject.class, reject.code.as_str()),
        (Class::Conflict, "base_mismatch")
    );
    assert_eq!(reject.rows[0].row.version, Version::new(2));
}

#[test]
fn a_row_says_its_version_and_its_type_unless_the_action_has_named_it() {
    let mut world = World::new();
    world.publish(vec![create("people", "p", 1)]);
    world.settle();
    let peer = world.connect("client", 1);
    let ServerMessage::Ack(ack) = answer(&mut world, peer, make(1, "a")) else {
        panic!()
    };
    assert_eq!(ack.rows[0].entity_type, None);

    let write = |name: &str, entity_type: &str, id: &str| {
        Value::object([
            ("name", Value::from(name)),
            ("entityType", Value::from(entity_type)),
            ("entityId", Value::from(id)),
            (
                "payload",
                Value::object([("entity", Value::object([("n", 1)]))]),
            ),
        ])
    };
    let transaction = |seq, writes: Vec<Value>| {
        let payload = Record::new().with("writes", writes);
        let mut action = action(seq, seq - 1, "transaction", ("tasks", None), payload);
        action.entity_type = None;
        action
    };
    let one_type = transaction(2, vec![write("create", "tasks", "b")]);
    let ServerMessage::Ack(ack) = answer(&mut world, peer, one_type) else {
        panic!()
    };
    let said = |rows: &[tidewire_protocol::AnswerRow]| {
        let of = |row: &tidewire_protocol::AnswerRow| (row.entity_type.clone(), row.row.version);
        rows.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(said(&ack.rows), [(Some(kind("tasks")), Version::new(2))]);

    let writes = vec![
        write("create", "tasks", "c"),
        write("create", "people", "p"),
    ];
    let ServerMessage::Reject(reject) = answer(&mut world, peer, transaction(3, writes)) else {
        panic!()
    };
    assert_eq!(
        (reject.class, reject.code.as_str()),
        (Class::Conflict, "exists")
    );
    assert_eq!(
        said(&reject.rows),
        [(Some(kind("people")), Version::new(1))]
    );
}

#[test]
fn an_action_nobody_knows_uses_its_number_up() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    let unknown = action(1, 0, "launch", ("rockets", None), Record::new());
    let ServerMessage::Reject(reject) = answer(&mut world, peer, unknown) else {
        panic!()
    };
    assert_eq!(
        (reject.class, reject.code.as_str()),
        (Class::Permanent, "unknown_action")
    );
    assert!(matches!(
        answer(&mut world, peer, make(2, "a")),
        ServerMessage::Ack(_)
    ));
    assert!(
        world
            .facts
            .iter()
            .any(|fact| matches!(fact, Fact::ActionRefused { name, .. } if name == "launch"))
    );
    assert!(
        world
            .facts
            .iter()
            .any(|fact| matches!(fact, Fact::ActionAccepted { name, .. } if name == "create"))
    );
}

/// Launches when the weather is fine.
#[derive(Debug)]
struct Rockets;

impl Actions for Rockets {
    fn decide(&self, principal: &Principal, action: &ActionMessage) -> Result<Vec<Write>, Refused> {
        let class = match action.name.as_str() {
            "launch" => return Ok(vec![create("rockets", &principal.name, 1)]),
            "wait" => Class::Retry,
            "renew" => Class::Auth,
            _ => return StandardActions.decide(principal, action),
        };
        Err(Refused {
            class,
            code: action.name.clone(),
            message: "not now".to_owned(),
        })
    }
}

#[test]
fn an_application_has_actions_of_its_own() {
    let mut world = World::with(|settings| settings.actions = Arc::new(Rockets));
    let peer = world.connect("client", 1);
    let named = |seq, name| action(seq, seq - 1, name, ("rockets", None), Record::new());
    assert!(matches!(
        answer(&mut world, peer, named(1, "launch")),
        ServerMessage::Ack(_)
    ));
    assert_eq!(world.truth.rows(&kind("rockets")).len(), 1);
    assert!(matches!(
        answer(&mut world, peer, make(2, "a")),
        ServerMessage::Ack(_)
    ));
    for (name, class) in [("wait", Class::Retry), ("renew", Class::Auth)] {
        let ServerMessage::Reject(reject) = answer(&mut world, peer, named(3, name)) else {
            panic!()
        };
        assert_eq!(
            (reject.class, reject.retry_after_ms.is_some()),
            (class, class == Class::Retry)
        );
    }
    assert!(
        matches!(
            answer(&mut world, peer, make(3, "b")),
            ServerMessage::Ack(_)
        ),
        "no number was used up"
    );
}

#[test]
fn after_a_failed_write_nothing_is_written_and_everybody_is_told() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.fail_writes = true;
    world.tell(peer, &ClientMessage::Action(make(1, "a")));
    world.tell(peer, &ClientMessage::Action(make(2, "b")));
    world.publish(vec![create("tasks", "c", 1)]);
    world.settle();
    let retried = |message: &ServerMessage| matches!(message, ServerMessage::Reject(r) if r.class == Class::Retry && r.retry_after_ms == Some(5000));
    let messages = world.messages(peer);
    assert!(
        messages.len() == 2 && messages.iter().all(retried),
        "{messages:?}"
    );
    assert!(matches!(
        world.published[..],
        [(_, Err(tidewire_hub::PublishError::Backend(_)))]
    ));
    assert!(retried(&answer(&mut world, peer, make(1, "a"))));
    world.publish(vec![create("tasks", "c", 1)]);
    assert_eq!(world.published.len(), 2);
    let stats = world.stats();
    assert_eq!(
        (stats.commits, stats.waiting_writes, stats.incidents),
        (0, 0, 1)
    );
    world.fetch_ids(peer, "tasks", &["a"]);
    world.settle();
    assert!(
        matches!(world.messages(peer)[..], [ServerMessage::Data(_)]),
        "reads go on"
    );
}

/// Lets nobody do anything once it is closed.
#[derive(Debug, Default)]
struct Door {
    closed: AtomicBool,
}

impl Actions for Door {
    fn decide(&self, principal: &Principal, action: &ActionMessage) -> Result<Vec<Write>, Refused> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Refused {
                class: Class::Session,
                code: "closed".to_owned(),
                message: "nobody may do anything any more".to_owned(),
            });
        }
        StandardActions.decide(principal, action)
    }
}

#[test]
fn law_13_what_was_done_is_answered_as_done_whatever_the_rules_say_by_now() {
    let door = Arc::new(Door::default());
    let rules = Arc::clone(&door);
    let mut world = World::with(|settings| settings.actions = rules);
    let peer = world.connect("client", 1);
    answer(&mut world, peer, make(1, "a"));
    door.closed.store(true, Ordering::Relaxed);
    let again = world.connect("client", 2);
    let ServerMessage::Ack(ack) = answer(&mut world, again, make(1, "a")) else {
        panic!("it was done")
    };
    assert_eq!(ack.result, AckResult::Duplicate);
    let ServerMessage::Reject(reject) = answer(&mut world, again, make(2, "b")) else {
        panic!("nobody may")
    };
    assert_eq!(reject.class, Class::Session);
}

#[test]
fn answers_that_wait_for_a_write_that_failed_are_given_up() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.publish(vec![create("tasks", "a", 1)]);
    world.fetch_ids(peer, "tasks", &["a"]);
    world.subscribe(peer, "tasks", tidewire_protocol::Want::Snapshot);
    (0..3).for_each(|_| world.execute(0));
    // It was written, but the word of it is lost.
    world.answers.remove(0);
    world.deliver(0);
    world.deliver(0);
    assert_eq!(world.messages(peer), []);
    let error = tidewire_hub::BackendError::Storage("lost".to_owned());
    world.say(Input::Written { result: Err(error) });
    let messages = world.messages(peer);
    assert!(
        matches!(&messages[..], [ServerMessage::FetchError(a), ServerMessage::SubscribeError(b)]
        if a.class == Class::Retry && b.class == Class::Retry),
        "{messages:?}"
    );
    assert!(world.snapshots.is_empty());
    assert_eq!(world.stats().answer_bytes, 0);
}

#[test]
fn a_backend_that_loses_count_is_stopped() {
    let mut world = World::new();
    world.publish(vec![create("tasks", "a", 1)]);
    world.asked.clear();
    world.say(Input::Written { result: Ok(vec![]) });
    assert!(matches!(
        world.published[..],
        [(_, Err(tidewire_hub::PublishError::Backend(_)))]
    ));
    assert_eq!(world.stats().incidents, 1);
}

#[test]
fn a_commit_that_does_not_follow_the_head_is_an_incident_and_no_lie() {
    use tidewire_hub::{Commit, StreamCommit, WriteOutcome};
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", tidewire_protocol::Want::Changes);
    world.settle();
    world.messages(peer);
    world.publish(vec![create("tasks", "a", 1)]);
    world.asked.clear();
    let part = StreamCommit {
        entity_type: kind("tasks"),
        to: offset(5),
        ops: vec![],
    };
    let commit = Commit {
        id: "x".to_owned(),
        streams: vec![part],
        actions: vec![],
    };
    world.say(Input::Written {
        result: Ok(vec![WriteOutcome::Published(Ok(Some(commit)))]),
    });
    let messages = world.messages(peer);
    assert!(
        matches!(&messages[..], [ServerMessage::Unsubscribed(over)] if over.resubscribe),
        "{messages:?}"
    );
    assert_eq!(world.stats().incidents, 1);
}
