//! What one side writes the other side reads, for every message.

use proptest::prelude::*;
use tidewire_protocol::{
    Basic, ClientMessage, Dialect, Op, Push, RequestId, ServerMessage, Subscribe, Unsubscribe,
    V1Json, Want,
};

use crate::generate;
use crate::golden::{Message, Side, decode, encode};

fn written(dialect: &dyn Dialect, message: &Message) -> String {
    encode(dialect, message, Want::Changes).unwrap_or_else(|| panic!("no words for {message:?}"))
}

/// Read back, a message is itself; written again, it is the same frame.
fn assert_round_trip(
    dialect: &dyn Dialect,
    from: Side,
    message: &Message,
) -> Result<(), TestCaseError> {
    let frame = written(dialect, message);
    let read = decode(dialect, from, &frame);
    prop_assert_eq!(read.as_ref(), Ok(message), "{}", frame);
    prop_assert_eq!(written(dialect, &read.unwrap()), frame);
    Ok(())
}

/// The ops without what only subscriptions to changes get.
fn without_images(ops: Vec<Op>) -> Vec<Op> {
    let without = |op| match op {
        Op::Updated {
            id,
            version,
            base,
            changes,
            ..
        } => Op::Updated {
            id,
            version,
            base,
            changes,
            entity: None,
            was: None,
        },
        Op::Deleted { id, version, .. } => Op::Deleted {
            id,
            version,
            was: None,
        },
        other => other,
    };
    ops.into_iter().map(without).collect()
}

proptest! {
    #[test]
    fn what_a_client_writes_in_v1_a_server_reads(message in generate::client_message()) {
        assert_round_trip(&V1Json::DEFAULT, Side::Client, &Message::Client(message))?;
    }

    #[test]
    fn what_a_server_writes_in_v1_a_client_reads(message in generate::server_message()) {
        assert_round_trip(&V1Json::DEFAULT, Side::Server, &Message::Server(message))?;
    }

    #[test]
    fn images_are_left_out_for_a_snapshot_and_nothing_else_is(message in generate::server_message()) {
        let frame = encode(&V1Json::DEFAULT, &Message::Server(message.clone()), Want::Snapshot).unwrap();
        let expected = match message {
            ServerMessage::Events(mut events) => {
                events.ops = without_images(events.ops);
                ServerMessage::Events(events)
            }
            other => other,
        };
        prop_assert_eq!(decode(&V1Json::DEFAULT, Side::Server, &frame), Ok(Message::Server(expected)));
    }

    #[test]
    fn what_a_server_writes_in_basic_a_client_reads(push in generate::push()) {
        assert_round_trip(&Basic::DEFAULT, Side::Server, &Message::Server(ServerMessage::Push(push)))?;
    }

    #[test]
    fn what_a_client_writes_in_basic_a_server_reads(entity_type in generate::entity_type()) {
        let id = RequestId(0);
        let subscribe = Subscribe { id, entity_type: entity_type.clone(), want: Want::Changes, resume: None };
        assert_round_trip(&Basic::DEFAULT, Side::Client, &Message::Client(ClientMessage::Subscribe(subscribe)))?;
        let unsubscribe = Unsubscribe { id, entity_type };
        assert_round_trip(&Basic::DEFAULT, Side::Client, &Message::Client(ClientMessage::Unsubscribe(unsubscribe)))?;
    }

    /// Any single change can be said in basic, and a client that hears it knows no less than that something changed.
    #[test]
    fn a_single_op_always_has_words_in_basic(entity_type in generate::entity_type(), op in generate::op()) {
        prop_assume!(op != Op::Stale(Vec::new()));
        let push = ServerMessage::Push(Push { entity_type: entity_type.clone(), ops: vec![op.clone()] });
        let frame = written(&Basic::DEFAULT, &Message::Server(push));
        let Ok(Message::Server(ServerMessage::Push(read))) = decode(&Basic::DEFAULT, Side::Server, &frame) else {
            panic!("not read as a push: {frame}");
        };
        prop_assert_eq!(read.entity_type, entity_type);
        prop_assert_eq!(read.ops.len(), 1);
        match (&op, &read.ops[0]) {
            (_, Op::StaleAll(_)) | (Op::Created { .. }, Op::Created { .. }) => {}
            (Op::Updated { entity: Some(entity), .. }, Op::Created { entity: read, .. }) => {
                prop_assert_eq!(&read.without("version"), &entity.without("version"));
            }
            (Op::Updated { id, version, changes, .. }, Op::Updated { id: i, version: v, changes: c, .. }) => {
                prop_assert_eq!((id, version, changes), (i, v, c));
            }
            (Op::Deleted { id, version, .. }, Op::Deleted { id: i, version: v, .. }) => {
                prop_assert_eq!((id, version), (i, v));
            }
            (op, read) => prop_assert!(false, "{:?} became {:?}", op, read),
        }
    }
}

#[test]
fn messages_without_words_in_a_dialect_have_no_frame() {
    let push = ServerMessage::Push(Push {
        entity_type: crate::sample::entity_type(),
        ops: crate::sample::ops(),
    });
    let unknown = ServerMessage::Unknown {
        name: "LATER".into(),
    };
    for message in [&push, &unknown] {
        assert_eq!(V1Json::DEFAULT.encode_server(message, Want::Changes), None);
    }
    let unknown = ClientMessage::Unknown {
        name: "LATER".into(),
    };
    assert_eq!(V1Json::DEFAULT.encode_client(&unknown), None);
    // Ops of different kinds are no bulk.
    assert_eq!(Basic::DEFAULT.encode_server(&push, Want::Changes), None);
    for message in crate::sample::client_messages() {
        let has_words = matches!(
            message,
            ClientMessage::Subscribe(_) | ClientMessage::Unsubscribe(_)
        );
        assert_eq!(
            Basic::DEFAULT.encode_client(&message).is_some(),
            has_words,
            "{message:?}"
        );
    }
    for message in crate::sample::server_messages() {
        assert_eq!(Basic::DEFAULT.encode_server(&message, Want::Changes), None);
    }
}
