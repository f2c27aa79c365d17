//! Rights: asked at every subscription, fetch and action, and again when they change (protocol rule 8, law 21).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidewire_hub::{Input, Principal, Refused, Rights, Settings, Write};
use tidewire_model::{EntityType, Value};
use tidewire_protocol::{Class, ClientMessage, ServerMessage, Want};

use crate::world::{World, action, create, entity, kind};

/// Everybody sees all but secrets; secrets are seen by nobody once they are closed.
#[derive(Debug, Default)]
struct Doors {
    closed: AtomicBool,
    narrow: AtomicBool,
    no_tasks: AtomicBool,
}

impl Rights for Doors {
    fn may_read(&self, _principal: &Principal, entity_type: &EntityType) -> Option<String> {
        let secret = entity_type.as_str() == "secrets";
        if secret && self.closed.load(Ordering::Relaxed) {
            return None;
        }
        if entity_type.as_str() == "tasks" && self.no_tasks.load(Ordering::Relaxed) {
            return None;
        }
        Some(
            if secret && self.narrow.load(Ordering::Relaxed) {
                "some"
            } else {
                "all"
            }
            .to_owned(),
        )
    }

    fn may_write(&self, principal: &Principal, write: &Write) -> Result<(), Refused> {
        if write.entity_type().as_str() != "secrets" {
            return Ok(());
        }
        let message = format!("{} may not write secrets", principal.name);
        Err(Refused {
            class: Class::Permanent,
            code: "forbidden".to_owned(),
            message,
        })
    }
}

fn world() -> (World, Arc<Doors>) {
    let doors = Arc::new(Doors::default());
    let rights = Arc::clone(&doors);
    let mut world = World::with(|settings: &mut Settings| {
        settings.rights = rights;
        settings.window_bytes = 1;
    });
    world.publish(vec![create("secrets", "s", 1), create("tasks", "a", 1)]);
    world.settle();
    (world, doors)
}

#[test]
fn what_may_not_be_seen_is_refused_before_anybody_is_asked() {
    let (mut world, doors) = world();
    doors.closed.store(true, Ordering::Relaxed);
    let peer = world.connect("client", 1);
    world.subscribe(peer, "secrets", Want::Snapshot);
    world.fetch_ids(peer, "secrets", &["s"]);
    assert!(world.asked.is_empty());
    for message in world.messages(peer) {
        let (ServerMessage::SubscribeError(error) | ServerMessage::FetchError(error)) = message
        else {
            panic!("{message:?}")
        };
        assert_eq!(
            (error.code.as_str(), error.class),
            ("forbidden", Class::Permanent)
        );
    }
}

#[test]
fn what_may_not_be_written_uses_its_number_up_and_leaves_no_effect() {
    let (mut world, _) = world();
    let peer = world.connect("client", 1);
    let payload = || entity(&[("n", Value::from(1))]);
    world.tell(
        peer,
        &ClientMessage::Action(action(1, 0, "create", ("secrets", Some("t")), payload())),
    );
    world.tell(
        peer,
        &ClientMessage::Action(action(2, 1, "create", ("tasks", Some("t")), payload())),
    );
    world.settle();
    let messages = world.messages(peer);
    let [ServerMessage::Reject(reject), ServerMessage::Ack(ack)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(
        (reject.code.as_str(), reject.class, reject.seq, ack.seq),
        ("forbidden", Class::Permanent, 1, 2)
    );
    assert_eq!(world.truth.rows(&kind("secrets")).len(), 1);
}

#[test]
fn a_changed_view_ends_the_subscription_and_a_resume_in_the_old_one_begins_anew() {
    let (mut world, doors) = world();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "secrets", Want::Changes);
    world.subscribe(peer, "tasks", Want::Changes);
    world.settle();
    let messages = world.messages(peer);
    let ServerMessage::Subscribed(subscribed) = &messages[0] else {
        panic!("{messages:?}")
    };
    let resume = tidewire_protocol::Resume {
        epoch: subscribed.epoch.clone(),
        offset: subscribed.offset,
        view: subscribed.view.clone(),
    };
    doors.narrow.store(true, Ordering::Relaxed);
    world.say(Input::RightsChanged {
        principal: Some("nobody".to_owned()),
    });
    assert_eq!(world.messages(peer), []);
    world.say(Input::RightsChanged {
        principal: Some("somebody".to_owned()),
    });
    let messages = world.messages(peer);
    let [ServerMessage::Unsubscribed(over)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(
        (
            over.entity_type.as_str(),
            over.code.as_str(),
            over.resubscribe
        ),
        ("secrets", "rights", true)
    );
    world.resubscribe(peer, "secrets", Want::Changes, Some(resume));
    let messages = world.messages(peer);
    let [ServerMessage::Subscribed(subscribed)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(
        (subscribed.result, subscribed.view.as_str()),
        (tidewire_protocol::SubscribeResult::Now, "some")
    );
}

#[test]
fn nothing_on_its_way_is_sent_once_it_may_not_be_seen() {
    let (mut world, doors) = world();
    let peer = world.connect("client", 1);
    world.stuck(peer);
    world.tell(peer, &ClientMessage::Ping(1));
    world.subscribe(peer, "secrets", Want::Snapshot);
    world.fetch_ids(peer, "secrets", &["s"]);
    world.settle();
    world.fetch_ids(peer, "secrets", &["s"]);
    world.publish(vec![create("secrets", "t", 1)]);
    world.execute(0);
    doors.closed.store(true, Ordering::Relaxed);
    world.say(Input::RightsChanged { principal: None });
    world.settle();
    world.unstick(peer);
    world.settle();
    let messages = world.messages(peer);
    let mut counts = BTreeMap::new();
    for message in &messages {
        let name = match message {
            ServerMessage::FetchError(error) => error.code.clone(),
            ServerMessage::Unsubscribed(over) => over.code.clone(),
            ServerMessage::Data(_) | ServerMessage::Snapshot(_) | ServerMessage::Events(_) => {
                "rows".to_owned()
            }
            _ => continue,
        };
        *counts.entry(name).or_insert(0) += 1;
    }
    assert_eq!(
        counts,
        [("forbidden".to_owned(), 2), ("rights".to_owned(), 1)].into(),
        "{messages:?}"
    );
    assert_eq!(world.stats().answer_bytes, 0);
}

#[test]
fn an_answer_on_its_way_loses_its_rows_once_they_may_not_be_seen() {
    let (mut world, doors) = world();
    let peer = world.connect("client", 1);
    world.stuck(peer);
    world.tell(peer, &ClientMessage::Ping(1));
    let payload = |fields: &[(&str, Value)]| entity(fields);
    let mut act = |seq, entity_type: &str, id: &str| {
        let payload = payload(&[("n", Value::from(1))]);
        let act = action(seq, seq - 1, "create", (entity_type, Some(id)), payload);
        world.tell(peer, &ClientMessage::Action(act));
        world.settle();
    };
    act(1, "tasks", "new");
    act(2, "tasks", "a");
    act(3, "people", "p");
    let before = world.stats().waiting_bytes;
    doors.no_tasks.store(true, Ordering::Relaxed);
    world.say(Input::RightsChanged { principal: None });
    let stats = world.stats();
    assert_eq!(stats.waiting_frames, 3);
    assert!(stats.waiting_bytes < before);
    world.unstick(peer);
    let rows: Vec<usize> = world
        .messages(peer)
        .iter()
        .filter_map(|message| match message {
            ServerMessage::Ack(ack) => Some(ack.rows.len()),
            ServerMessage::Reject(reject) => Some(reject.rows.len()),
            _ => None,
        })
        .collect();
    assert_eq!(rows, [0, 0, 1]);
    assert_eq!(world.stats().waiting_bytes, 0);
}

/// Who may post and not read.
#[derive(Debug)]
struct Letterbox;

impl Rights for Letterbox {
    fn may_read(&self, _: &Principal, _: &EntityType) -> Option<String> {
        None
    }

    fn may_write(&self, _: &Principal, _: &Write) -> Result<(), Refused> {
        Ok(())
    }
}

#[test]
fn an_answer_has_no_rows_that_its_author_may_not_see() {
    let mut world = World::with(|settings| settings.rights = Arc::new(Letterbox));
    let peer = world.connect("client", 1);
    let payload = entity(&[("n", Value::from(1))]);
    let create = action(1, 0, "create", ("letters", Some("l")), payload.clone());
    world.tell(peer, &ClientMessage::Action(create));
    let again = action(2, 1, "create", ("letters", Some("l")), payload);
    world.tell(peer, &ClientMessage::Action(again));
    world.settle();
    let messages = world.messages(peer);
    let [ServerMessage::Ack(ack), ServerMessage::Reject(reject)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert!(ack.rows.is_empty() && ack.as_of.len() == 1);
    assert!(reject.rows.is_empty() && reject.class == Class::Conflict);
}
