//! Fetches: bounded, cut into parts, refused with a reason.

use tidewire_hub::{BackendError, Input, Output};
use tidewire_model::{Query, Value};
use tidewire_protocol::{Class, FetchWhat, ServerMessage};

use crate::world::{World, create, id, kind};

fn refusal(messages: &[ServerMessage]) -> (&str, Class) {
    let [ServerMessage::FetchError(error)] = messages else {
        panic!("{messages:?}")
    };
    (&error.code, error.class)
}

#[test]
fn a_large_answer_comes_in_parts_and_no_row_is_lost() {
    let mut world = World::with(|settings| settings.chunk_bytes = 1500);
    world.publish(
        (0..100)
            .map(|number| create("tasks", &format!("e{number:03}"), number))
            .collect(),
    );
    world.settle();
    let peer = world.connect("client", 1);
    let names: Vec<String> = (0..150).map(|number| format!("e{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let request = world.fetch_ids(peer, "tasks", &names);
    world.settle();
    assert!(
        world.sockets[&peer]
            .frames
            .iter()
            .all(|frame| frame.len() <= 1500)
    );
    let (mut rows, mut missing, mut open) = (Vec::new(), Vec::new(), true);
    for (number, message) in world.messages(peer).into_iter().enumerate() {
        let ServerMessage::Data(data) = message else {
            panic!("{message:?}")
        };
        assert!(open, "nothing follows the last part");
        assert_eq!((data.id, data.part), (request, number as u64));
        open = data.more;
        rows.extend(
            data.rows
                .iter()
                .map(|row| row.entity.entity_id("id").unwrap()),
        );
        missing.extend(data.missing);
    }
    assert!(!open);
    rows.extend(missing);
    assert_eq!(rows, names.iter().map(|name| id(name)).collect::<Vec<_>>());
}

#[test]
fn an_empty_answer_is_one_part() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.fetch_query(peer, Query::new(kind("tasks")).limit(10));
    world.settle();
    let messages = world.messages(peer);
    let [ServerMessage::Data(data)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert!(data.rows.is_empty() && !data.more && data.end);
    assert_eq!(data.total_count, Some(0));
}

#[test]
fn a_row_larger_than_the_client_takes_is_refused_for_good() {
    let mut world = World::with(|settings| settings.chunk_bytes = 1000);
    let tidewire_hub::Write::Create {
        entity_type,
        entity,
        ..
    } = create("tasks", "large", 1)
    else {
        panic!()
    };
    let entity = entity.with("text", Value::from("x".repeat(3000)));
    let large = tidewire_hub::Write::Create {
        entity_type,
        id: Some(id("large")),
        entity,
    };
    world.publish(vec![create("tasks", "a", 1), large]);
    world.settle();
    for (max_frame_bytes, fits) in [(2000, false), (4000, true)] {
        let mut hello = crate::world::hello("client", max_frame_bytes);
        hello.max_frame_bytes = max_frame_bytes;
        let peer = world.open();
        world.tell(peer, &tidewire_protocol::ClientMessage::Hello(hello));
        world.settle();
        world.messages(peer);
        world.fetch_ids(peer, "tasks", &["a", "large"]);
        world.settle();
        let messages = world.messages(peer);
        if fits {
            assert!(
                messages
                    .iter()
                    .all(|message| matches!(message, ServerMessage::Data(_))),
                "{messages:?}"
            );
        } else {
            assert!(matches!(messages[0], ServerMessage::Data(_)));
            assert_eq!(refusal(&messages[1..]), ("too_large", Class::Permanent));
        }
        // The place of the fetch is free again.
        for _ in 0..20 {
            world.fetch_ids(peer, "tasks", &["a"]);
            world.settle();
        }
        assert_eq!(world.messages(peer).len(), 20);
    }
}

#[test]
fn what_cannot_be_answered_is_refused_for_good() {
    let mut world = World::with(|settings| settings.fetch_rows = 3);
    let peer = world.connect("client", 1);
    let query = || Query::new(kind("tasks"));
    let ids =
        |count: usize| FetchWhat::Ids((0..count).map(|number| id(&format!("e{number}"))).collect());
    let table = [
        (FetchWhat::Query(query()), "too_large"),
        (FetchWhat::Query(query().limit(4)), "too_large"),
        (ids(4), "too_large"),
    ];
    for (what, code) in table {
        world.fetch(peer, "tasks", what);
        assert!(world.asked.is_empty(), "the backend is not asked");
        assert_eq!(refusal(&world.messages(peer)), (code, Class::Permanent));
    }
    for what in [FetchWhat::Query(query().limit(3)), ids(3)] {
        world.fetch(peer, "tasks", what);
        world.settle();
        assert!(matches!(world.messages(peer)[..], [ServerMessage::Data(_)]));
    }
}

#[test]
fn what_parameters_mean_is_for_the_backend_to_say() {
    let mut world = World::with(|_| {});
    let peer = world.connect("client", 1);
    let query = Query::new(kind("tasks")).opaque("search", "x").limit(1);
    world.fetch(peer, "tasks", FetchWhat::Query(query));
    assert!(!world.asked.is_empty(), "the backend is asked");
    world.settle();
    let refused = ("unsupported", Class::Permanent);
    assert_eq!(refusal(&world.messages(peer)), refused);
}

#[test]
fn more_fetches_than_may_be_under_way_are_told_to_come_again() {
    let mut world = World::with(|settings| settings.fetches = 2);
    let peer = world.connect("client", 1);
    for _ in 0..3 {
        world.fetch_ids(peer, "tasks", &["a"]);
    }
    assert_eq!(world.asked.len(), 2);
    assert_eq!(refusal(&world.messages(peer)), ("busy", Class::Retry));
    world.settle();
    world.fetch_ids(peer, "tasks", &["a"]);
    world.settle();
    assert_eq!(world.messages(peer).len(), 3);
}

#[test]
fn nobody_waits_for_what_a_closed_connection_or_a_stream_given_back_had_asked() {
    let mut world = World::over(
        {
            let mut truth = tidewire_hub::Truth::new(tidewire_model::Epoch::new("one").unwrap());
            let writes = vec![create("tasks", "a", 1)];
            truth.write(vec![tidewire_hub::WriteRequest::Publish(writes)]);
            truth
        },
        |_| {},
    );
    let peer = world.connect("client", 1);
    world.fetch_ids(peer, "tasks", &["a"]);
    let resume = tidewire_protocol::Resume {
        epoch: tidewire_model::Epoch::new("one").unwrap(),
        offset: crate::world::offset(0),
        view: "all".to_owned(),
    };
    world.resubscribe(
        peer,
        "tasks",
        tidewire_protocol::Want::Changes,
        Some(resume),
    );
    let mut tickets = world.asked.iter().filter_map(|asked| match asked {
        Output::Read { ticket, .. } | Output::ReadJournal { ticket, .. } => Some(*ticket),
        _ => None,
    });
    let (read, journal) = (tickets.next().unwrap(), tickets.next().unwrap());
    assert!(world.hub.asker(read) == Some(peer) && world.hub.asker(journal) == Some(peer));
    world.unsubscribe(peer, "tasks");
    assert!(world.hub.asker(read) == Some(peer) && world.hub.asker(journal).is_none());
    world.say(Input::Closed { connection: peer });
    assert!(world.hub.asker(read).is_none());
}

#[test]
fn a_failing_backend_is_told_by_class() {
    let table = [
        (
            BackendError::TooLarge("more than a page".to_owned()),
            "too_large",
            Class::Permanent,
        ),
        (
            BackendError::Unsupported("no".to_owned()),
            "unsupported",
            Class::Permanent,
        ),
        (
            BackendError::Storage("broken".to_owned()),
            "internal",
            Class::Retry,
        ),
        (BackendError::Closed, "internal", Class::Retry),
    ];
    for (error, code, class) in table {
        let mut world = World::new();
        let peer = world.connect("client", 1);
        world.fetch_ids(peer, "tasks", &["a"]);
        let Some(Output::Read { ticket, .. }) = world.asked.pop_front() else {
            panic!()
        };
        world.say(Input::ReadDone {
            ticket,
            result: Err(error.clone()),
        });
        assert_eq!(refusal(&world.messages(peer)), (code, class));
        world.say(Input::ReadDone {
            ticket,
            result: Err(error),
        });
        assert_eq!(world.messages(peer), [], "a second answer is ignored");
    }
}
