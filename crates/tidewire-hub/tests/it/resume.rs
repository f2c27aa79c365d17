//! Resuming: what is missing is sent, and nothing is pretended (protocol rule 7).

use tidewire_hub::{Anew, BackendError, Commit, ConnectionId, Fact, Input, Truth, WriteRequest};
use tidewire_model::Epoch;
use tidewire_protocol::{
    ClientMessage, Hello, Resume, ServerMessage, SubscribeResult, Subscribed, Want,
};

use crate::world::{World, create, hello, offset};

/// What a backend says when it is asked for its journal.
type Journal = Result<Option<Vec<Commit>>, BackendError>;

const COMMITS: u64 = 40;
const IN_MEMORY: u64 = 10;
const FROM_JOURNAL: usize = 20;

/// A server that was restarted behind 30 commits and had 10 more since.
fn world() -> World {
    let mut truth = Truth::new(Epoch::new("one").unwrap());
    let write = |number| WriteRequest::Publish(vec![create("tasks", &format!("e{number}"), 1)]);
    truth.write((0..COMMITS - IN_MEMORY).map(write).collect());
    let mut world = World::over(truth, |settings| settings.replay_commits = FROM_JOURNAL);
    for number in COMMITS - IN_MEMORY..COMMITS {
        world.publish(vec![create("tasks", &format!("e{number}"), 1)]);
    }
    world.settle();
    world
}

fn from(epoch: &str, number: u64, view: &str) -> Resume {
    Resume {
        epoch: Epoch::new(epoch).unwrap(),
        offset: offset(number),
        view: view.to_owned(),
    }
}

/// Subscribes, and says how it began and how many events followed.
fn begin(world: &mut World, peer: ConnectionId, want: Want, resume: Resume) -> (Subscribed, usize) {
    world.resubscribe(peer, "tasks", want, Some(resume));
    world.settle();
    let messages = world.messages(peer);
    let ServerMessage::Subscribed(subscribed) = messages[0].clone() else {
        panic!("{messages:?}")
    };
    let events = messages
        .iter()
        .filter(|message| matches!(message, ServerMessage::Events(_)));
    let mut from = subscribed.offset;
    for event in events.clone() {
        let ServerMessage::Events(event) = event else {
            continue;
        };
        assert_eq!((event.from, event.to), (from, from.next()));
        from = event.to;
    }
    (subscribed, events.count())
}

#[test]
fn each_place_is_answered_as_the_rule_says() {
    let table = [
        (from("one", 40, "all"), SubscribeResult::Resumed, 40),
        (from("one", 39, "all"), SubscribeResult::Resumed, 39),
        (from("one", 30, "all"), SubscribeResult::Resumed, 30),
        (from("one", 29, "all"), SubscribeResult::Resumed, 29),
        (from("one", 10, "all"), SubscribeResult::Resumed, 10),
        (from("one", 9, "all"), SubscribeResult::Now, 40),
        (from("one", 41, "all"), SubscribeResult::Now, 40),
        (from("two", 39, "all"), SubscribeResult::Now, 40),
        (from("one", 39, "less"), SubscribeResult::Now, 40),
    ];
    for (number, (resume, result, begins)) in table.into_iter().enumerate() {
        let mut world = world();
        let peer = world.connect("client", number as u64 + 1);
        let (subscribed, events) = begin(&mut world, peer, Want::Changes, resume.clone());
        assert_eq!(
            (subscribed.result, subscribed.offset.get()),
            (result, begins),
            "{resume:?}"
        );
        assert_eq!(
            (subscribed.epoch.as_str(), subscribed.head.get()),
            ("one", COMMITS)
        );
        assert_eq!(events as u64, COMMITS - begins, "{resume:?}");

        let mut world = self::world();
        let peer = world.connect("client", 1);
        let (subscribed, events) = begin(&mut world, peer, Want::Snapshot, resume.clone());
        let expected = if result == SubscribeResult::Now {
            SubscribeResult::Snapshot
        } else {
            result
        };
        assert_eq!(
            (subscribed.result, subscribed.offset.get()),
            (expected, begins),
            "{resume:?}"
        );
        assert_eq!(events as u64, COMMITS - begins, "{resume:?}");
    }
}

#[test]
fn what_memory_has_is_resumed_without_asking_the_backend() {
    let mut world = world();
    let peer = world.connect("client", 1);
    world.resubscribe(peer, "tasks", Want::Snapshot, Some(from("one", 30, "all")));
    assert!(world.asked.is_empty());
    assert_eq!(world.messages(peer).len(), 11);
    assert_eq!(world.stats().resumed, 1);
}

#[test]
fn commits_made_while_the_journal_is_read_are_neither_lost_nor_repeated() {
    let mut world = world();
    let peer = world.connect("client", 1);
    world.resubscribe(peer, "tasks", Want::Changes, Some(from("one", 25, "all")));
    world.publish(vec![create("tasks", "late", 1)]);
    // The write is done and said before, or after, the journal is read.
    world.execute(1);
    world.execute(0);
    world.deliver(1);
    world.settle();
    let messages = world.messages(peer);
    let points: Vec<u64> = messages
        .iter()
        .filter_map(|m| {
            if let ServerMessage::Events(e) = m {
                Some(e.to.get())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(points, (26..=41).collect::<Vec<_>>());
}

#[test]
fn a_journal_that_cannot_help_leads_to_a_new_beginning() {
    let tasks = || crate::world::kind("tasks");
    let answers: [fn(&Truth) -> Journal; 4] = [
        |_| Ok(None),
        |_| Err(BackendError::Storage("unreadable".to_owned())),
        |truth| Ok(truth.journal(&crate::world::kind("tasks"), offset(26), 100)),
        |truth| Ok(truth.journal(&crate::world::kind("tasks"), offset(25), 3)),
    ];
    for answer in answers {
        let mut world = world();
        let peer = world.connect("client", 1);
        world.resubscribe(peer, "tasks", Want::Changes, Some(from("one", 25, "all")));
        let Some(tidewire_hub::Output::ReadJournal {
            ticket,
            entity_type,
            after,
            ..
        }) = world.asked.pop_front()
        else {
            panic!("it asks for what is missing")
        };
        assert_eq!((entity_type, after), (tasks(), offset(25)));
        let result = answer(&world.truth);
        world.say(Input::JournalRead { ticket, result });
        let messages = world.messages(peer);
        let [ServerMessage::Subscribed(subscribed)] = &messages[..] else {
            panic!("{messages:?}")
        };
        assert_eq!(
            (subscribed.result, subscribed.offset.get()),
            (SubscribeResult::Now, COMMITS)
        );
    }
}

#[test]
fn more_bytes_than_a_resume_is_worth_lead_to_a_new_beginning() {
    for (replay_bytes, result) in [
        (100_000, SubscribeResult::Resumed),
        (1000, SubscribeResult::Snapshot),
    ] {
        let mut truth = Truth::new(Epoch::new("one").unwrap());
        let write = |number| WriteRequest::Publish(vec![create("tasks", &format!("e{number}"), 1)]);
        truth.write((0..10).map(write).collect());
        let mut world = World::over(truth, |settings| settings.replay_bytes = replay_bytes);
        let peer = world.connect("client", 1);
        let (subscribed, _) = begin(&mut world, peer, Want::Snapshot, from("one", 0, "all"));
        assert_eq!(subscribed.result, result);
    }
}

#[test]
fn nobody_moves_the_epoch_by_naming_an_offset() {
    let mut world = world();
    let (liar, other) = (world.connect("liar", 1), world.connect("other", 1));
    begin(&mut world, other, Want::Changes, from("one", 40, "all"));
    let far = from("one", tidewire_model::MAX_WIRE, "all");
    for (want, result) in [
        (Want::Changes, SubscribeResult::Now),
        (Want::Snapshot, SubscribeResult::Snapshot),
    ] {
        let (subscribed, _) = begin(&mut world, liar, want, far.clone());
        assert_eq!(subscribed.result, result);
        assert_eq!(subscribed.epoch.as_str(), "one");
        assert!(subscribed.head < far.offset);
        world.unsubscribe(liar, "tasks");
        world.messages(liar);
    }
    assert_eq!(world.messages(other), []);
    world.unsubscribe(other, "tasks");
    world.messages(other);
    let (subscribed, _) = begin(&mut world, other, Want::Changes, from("one", 40, "all"));
    assert_eq!(subscribed.result, SubscribeResult::Resumed);
}

#[test]
fn all_resumes_of_a_connection_together_hold_no_more_than_one_may() {
    let names = ["one", "two", "three"];
    let begun = |is_stuck: bool| {
        let mut truth = Truth::new(Epoch::new("one").unwrap());
        for name in names {
            let write =
                |number| WriteRequest::Publish(vec![create(name, &format!("e{number}"), 1)]);
            truth.write((0..10).map(write).collect());
        }
        let mut world = World::over(truth, |settings| {
            settings.replay_bytes = 2500;
            settings.window_bytes = 1;
        });
        let peer = world.connect("client", 1);
        if is_stuck {
            world.stuck(peer);
            world.tell(peer, &ClientMessage::Ping(1));
        }
        for name in names {
            let resume = Some(from("one", 0, "all"));
            world.resubscribe(peer, name, Want::Changes, resume);
            world.settle();
        }
        world.unstick(peer);
        let mut results = Vec::new();
        for message in world.messages(peer) {
            if let ServerMessage::Subscribed(subscribed) = message {
                results.push(subscribed.result);
            }
        }
        results
    };
    let (resumed, now) = (SubscribeResult::Resumed, SubscribeResult::Now);
    assert_eq!(begun(false), [resumed; 3]);
    assert_eq!(begun(true), [resumed, now, now]);
}

#[test]
fn a_stream_that_does_not_exist_yet_begins_at_nothing() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.subscribe(peer, "tasks", Want::Snapshot);
    world.settle();
    world.publish(vec![create("tasks", "a", 1)]);
    world.settle();
    let messages = world.messages(peer);
    assert!(matches!(
        &messages[..],
        [ServerMessage::Subscribed(_), ServerMessage::SnapshotEnd(end), ServerMessage::Events(events)]
            if end.count == 0 && end.as_of == offset(0) && events.to == offset(1)
    ));
}

#[test]
fn why_a_place_was_not_resumed_is_told_to_the_application() {
    let table = [
        (from("one", 39, "all"), None),
        (from("one", 9, "all"), Some(Anew::TooFar)),
        (from("one", 41, "all"), Some(Anew::Ahead)),
        (from("two", 39, "all"), Some(Anew::Epoch)),
        (from("one", 39, "less"), Some(Anew::View)),
    ];
    for (resume, expected) in table {
        let mut world = world();
        let peer = world.connect("client", 1);
        begin(&mut world, peer, Want::Changes, resume);
        let told = world.facts.iter().find_map(|fact| match fact {
            Fact::ResumeRefused { why, .. } => Some(*why),
            _ => None,
        });
        assert_eq!(told, expected);
    }
}

#[test]
fn nobody_is_brought_across_a_commit_that_cannot_be_sent() {
    let mut world = World::with(|settings| settings.chunk_bytes = 1000);
    let peer = world.open();
    let small = Hello {
        max_frame_bytes: 1000,
        ..hello("client", 1)
    };
    world.tell(peer, &ClientMessage::Hello(small));
    world.settle();
    world.subscribe(peer, "tasks", Want::Changes);
    world.settle();
    world.messages(peer);
    let mut writes: Vec<_> = (0..100)
        .map(|number| create(&format!("stream-{number}"), "a", 1))
        .collect();
    writes.push(create("tasks", "a", 1));
    world.publish(vec![create("tasks", "before", 1)]);
    world.publish(writes);
    world.publish(vec![create("tasks", "after", 1)]);
    world.settle();
    let messages = world.messages(peer);
    let [
        ServerMessage::Events(events),
        ServerMessage::Unsubscribed(over),
    ] = &messages[..]
    else {
        panic!("{messages:?}")
    };
    assert_eq!((over.code.as_str(), over.resubscribe), ("too_large", true));
    assert_eq!(world.stats().incidents, 1);
    let (subscribed, _) = begin(
        &mut world,
        peer,
        Want::Changes,
        from("one", events.to.get(), "all"),
    );
    assert_eq!(
        (subscribed.result, subscribed.offset),
        (SubscribeResult::Now, offset(3))
    );
}
