//! Whatever a peer sends, the answer is a message or an error, soon and small.

use proptest::prelude::*;
use tidewire_model::{EntityId, Offset, Patch, Version};
use tidewire_protocol::{
    Basic, ClientMessage, DecodeError, Dialect, Events, Limits, Op, Payload, ServerMessage, V1Json,
    Want, limits,
};

use crate::golden::{Case, Expected, Message, Side, cases, decode, encode};

const DIALECTS: [&dyn Dialect; 2] = [&V1Json::DEFAULT, &Basic::DEFAULT];
const SIDES: [Side; 2] = [Side::Client, Side::Server];

/// Decodes in every way; the errors must be fit for a log, and name a field where they are about one.
fn decode_all(frame: &str) -> Result<(), TestCaseError> {
    for dialect in DIALECTS {
        for from in SIDES {
            if let Err(error) = decode(dialect, from, frame) {
                prop_assert!(error.to_string().len() < 1000, "{}", error);
                if let DecodeError::BadField { field, .. }
                | DecodeError::MissingField { field, .. } = &error
                {
                    prop_assert!(!field.is_empty(), "{}", error);
                }
            }
        }
    }
    Ok(())
}

fn valid_frames() -> Vec<Case> {
    cases()
        .into_iter()
        .filter(|case| matches!(case.expected, Expected::Written(_)))
        .collect()
}

/// Pieces that take a reader to places where text at random never gets.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(
            &[
                "{",
                "}",
                "[",
                "]",
                ",",
                ":",
                "\"",
                "\\",
                "\\u0000",
                "\\ud800",
                "null",
                "true",
                "-1",
                "1e999",
                "1.5",
                "9007199254740992",
                "\"type\":",
                "\"EVENTS\"",
                "\"ENTITY_UPDATED\"",
                "\"BULK_UPDATE\"",
                "\"HELLO\"",
                "\"data\":",
                "\"ops\":",
                "\"rows\":",
                "\"entity\":",
                "\"changes\":",
                "\"entityId\":",
                "\"version\":",
                "\"updates\":",
                "\"stale\":",
                "\"as_of\":",
                "\"critical\":",
                "\n",
                "\u{feff}",
                "é",
            ][..]
        )
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_answered(frame in any::<String>()) {
        decode_all(&frame)?;
    }

    #[test]
    fn any_soup_of_json_is_answered(frame in soup(), open in prop::sample::select(&["", "{", "{\"type\":\"EVENTS\","][..])) {
        decode_all(&format!("{open}{frame}"))?;
    }

    #[test]
    fn a_valid_frame_with_one_byte_changed_is_answered(
        case in prop::sample::select(valid_frames()).no_shrink(),
        place in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), prop::sample::select(&b"\"\\{}[]:,0-e.tn"[..])],
    ) {
        let mut bytes = case.frame.into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(frame) = String::from_utf8(bytes) {
            decode_all(&frame)?;
        }
    }

    #[test]
    fn a_valid_frame_spliced_with_another_is_answered(
        one in prop::sample::select(valid_frames()).no_shrink(),
        other in prop::sample::select(valid_frames()).no_shrink(),
        ends in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let head = floor(&one.frame, ends.0.index(one.frame.len()));
        let tail = floor(&other.frame, ends.1.index(other.frame.len()));
        decode_all(&format!("{}{}", &one.frame[..head], &other.frame[tail..]))?;
    }
}

fn floor(text: &str, place: usize) -> usize {
    text.floor_char_boundary(place)
}

#[test]
fn a_frame_that_is_cut_off_anywhere_is_an_error() {
    for case in valid_frames().iter().filter(|case| case.frame.len() < 2000) {
        let whole = case.frame.trim_end();
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            let cut = decode(case.dialect, case.from, &whole[..end]);
            assert!(
                cut.is_err(),
                "{}: cut at {end} it is taken for {cut:?}",
                case.title
            );
        }
    }
}

#[test]
fn a_frame_of_the_largest_size_is_read_and_a_larger_one_is_not_looked_into() {
    for (from, limit) in [
        (Side::Client, limits::FRAME_FROM_CLIENT_BYTES),
        (Side::Server, limits::FRAME_FROM_SERVER_BYTES),
    ] {
        for dialect in DIALECTS {
            let frame = |bytes: usize| {
                let (open, close) = ("{\"type\":\"LATER\",\"text\":\"", "\"}");
                format!(
                    "{open}{}{close}",
                    "a".repeat(bytes - open.len() - close.len())
                )
            };
            assert!(decode(dialect, from, &frame(limit)).is_ok());
            let expected = DecodeError::TooLarge {
                bytes: limit + 1,
                limit,
            };
            assert_eq!(
                decode(dialect, from, &frame(limit + 1)),
                Err(expected.clone())
            );
            assert_eq!(decode(dialect, from, &"x".repeat(limit + 1)), Err(expected));
        }
    }
}

#[test]
fn a_smaller_limit_holds_too() {
    let limits = Limits {
        frame_from_client_bytes: 20,
        frame_from_server_bytes: 21,
        depth: 1,
        ..Limits::DEFAULT
    };
    let frame = "{\"type\":\"LATER\" }    ";
    let deep = "{\"type\":\"L\",\"a\":[]}";
    for dialect in [&V1Json::new(limits) as &dyn Dialect, &Basic::new(limits)] {
        let error = decode(dialect, Side::Client, frame);
        assert_eq!(
            error,
            Err(DecodeError::TooLarge {
                bytes: 21,
                limit: 20
            })
        );
        assert!(decode(dialect, Side::Server, frame).is_ok());
        assert_eq!(
            decode(dialect, Side::Client, deep),
            Err(DecodeError::TooDeep { limit: 1 })
        );
    }
}

/// Otherwise one client could write what the others then cannot read.
#[test]
fn what_a_server_takes_from_one_client_the_others_can_read() {
    let frame = cases()
        .into_iter()
        .find(|case| case.title == "v1_action: a frame of depth 32")
        .unwrap()
        .frame;
    let Ok(ClientMessage::Action(action)) = V1Json::DEFAULT.decode_client(Payload::Text(&frame))
    else {
        panic!("not read as an action: {frame}");
    };
    let record = action.payload;
    let version = Version::new(1);
    let id = EntityId::text("c1").unwrap();
    let ops = vec![
        Op::Created {
            entity: record.clone(),
            version,
        },
        Op::Updated {
            id: id.clone(),
            version,
            base: None,
            changes: Patch::from_record(record.clone()),
            entity: Some(record.clone()),
            was: Some(record.clone()),
        },
        Op::Deleted {
            id,
            version,
            was: Some(record),
        },
    ];
    let (from, to) = (Offset::ZERO, Offset::ZERO.next());
    let entity_type = crate::sample::entity_type();
    let events = Events {
        entity_type,
        from,
        to,
        ops,
        commit: None,
        chunk: None,
        actions: Vec::new(),
    };
    let message = Message::Server(ServerMessage::Events(events));
    let frame = encode(&V1Json::DEFAULT, &message, Want::Changes).unwrap();
    assert_eq!(decode(&V1Json::DEFAULT, Side::Server, &frame), Ok(message));
}

#[test]
fn a_binary_frame_is_an_error_in_a_dialect_of_text() {
    for dialect in DIALECTS {
        let payload = Payload::Binary(b"{\"type\":\"LATER\"}");
        assert_eq!(dialect.decode_client(payload), Err(DecodeError::NotText));
        assert_eq!(dialect.decode_server(payload), Err(DecodeError::NotText));
        let large = vec![0; limits::FRAME_FROM_SERVER_BYTES + 1];
        let limit = limits::FRAME_FROM_SERVER_BYTES;
        let expected = DecodeError::TooLarge {
            bytes: limit + 1,
            limit,
        };
        assert_eq!(
            dialect.decode_server(Payload::Binary(&large)),
            Err(expected)
        );
    }
}

#[test]
fn the_limits_announced_are_the_limits_kept() {
    let announced = Limits::DEFAULT.announced();
    assert_eq!(announced.max_frame_bytes, 64 * 1024);
    assert_eq!(announced.max_depth, 32);
    assert_eq!(announced.max_id_bytes, 256);
    assert_eq!(
        (
            announced.max_subscriptions,
            announced.max_lanes,
            announced.max_pending_actions
        ),
        (128, 64, 1024)
    );
    assert_eq!(
        (announced.commands_per_second, announced.command_burst),
        (100, 200)
    );
}
