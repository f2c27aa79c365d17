//! The golden frames under `tests/golden`: what is valid, what it is written back as, and what is wrong with the rest.
//!
//! The files are plain data, so that a client or server in another language can be held to them too. A case is
//! `valid`, or names the `problem` and where there is one the `field`. A valid frame is written back byte for byte,
//! or as `written` where that is another one; `unknown` is the type of a message to be skipped.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tidewire_protocol::{
    Basic, ClientMessage, DecodeError, Dialect, Encoded, Payload, ServerMessage, V1Json, Want,
};

/// One golden frame.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// File and name, for messages about it.
    pub(crate) title: String,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) from: Side,
    pub(crate) frame: String,
    pub(crate) expected: Expected,
    /// What it is written as for subscriptions without images, where that is another frame.
    written_for_snapshot: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Written(String),
    Unknown(String),
    Problem { kind: String, field: Option<String> },
}

/// A message of either direction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Client(ClientMessage),
    Server(ServerMessage),
}

pub(crate) fn decode(
    dialect: &dyn Dialect,
    from: Side,
    frame: &str,
) -> Result<Message, DecodeError> {
    match from {
        Side::Client => dialect
            .decode_client(Payload::Text(frame))
            .map(Message::Client),
        Side::Server => dialect
            .decode_server(Payload::Text(frame))
            .map(Message::Server),
    }
}

pub(crate) fn encode(dialect: &dyn Dialect, message: &Message, want: Want) -> Option<String> {
    let encoded = match message {
        Message::Client(message) => dialect.encode_client(message),
        Message::Server(message) => dialect.encode_server(message, want),
    };
    encoded.map(|encoded| match encoded {
        Encoded::Text(text) => text,
        Encoded::Binary(_) => panic!("both dialects write text"),
    })
}

/// All golden frames.
pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().flat_map(|path| cases_of(path)).collect()
}

fn cases_of(path: &Path) -> Vec<Case> {
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let dialect: &'static dyn Dialect = match file["dialect"].as_str().unwrap() {
        "v1" => &V1Json::DEFAULT,
        "basic" => &Basic::DEFAULT,
        other => panic!("{}: no dialect {other}", path.display()),
    };
    let from = match file["from"].as_str().unwrap() {
        "client" => Side::Client,
        "server" => Side::Server,
        other => panic!("{}: no side {other}", path.display()),
    };
    let name = path.file_stem().unwrap().to_str().unwrap();
    let cases = file["cases"].as_array().unwrap();
    cases
        .iter()
        .map(|case| case_of(case, name, dialect, from))
        .collect()
}

fn case_of(case: &Value, file: &str, dialect: &'static dyn Dialect, from: Side) -> Case {
    let text = |field: &str| case[field].as_str().map(str::to_owned);
    let frame = text("frame").unwrap();
    let expected = match (case["valid"].as_bool().unwrap(), text("unknown")) {
        (true, Some(name)) => Expected::Unknown(name),
        (true, None) => Expected::Written(text("written").unwrap_or_else(|| frame.clone())),
        (false, _) => Expected::Problem {
            kind: text("problem").unwrap(),
            field: text("field"),
        },
    };
    let title = format!("{file}: {}", case["name"].as_str().unwrap());
    Case {
        title,
        dialect,
        from,
        frame,
        expected,
        written_for_snapshot: text("written_for_snapshot"),
    }
}

/// The problem of an error, as the golden files call it, and its field.
fn problem_of(error: &DecodeError) -> (&'static str, Option<&str>) {
    match error {
        DecodeError::NotText => ("not_text", None),
        DecodeError::NotBinary => ("not_binary", None),
        DecodeError::TooLarge { .. } => ("too_large", None),
        DecodeError::TooDeep { .. } => ("too_deep", None),
        DecodeError::NotJson { .. } => ("not_json", None),
        DecodeError::NotAnObject => ("not_an_object", None),
        DecodeError::MissingType => ("missing_type", None),
        DecodeError::UnknownCritical { .. } => ("unknown_critical", None),
        DecodeError::MissingField { field, .. } => ("missing", Some(field)),
        DecodeError::BadField { field, .. } => ("bad", Some(field)),
        DecodeError::BadRequest { field, .. } => ("bad_request", Some(field)),
        other => panic!("a problem without a name: {other:?}"),
    }
}

fn check(case: &Case) -> Result<(), String> {
    let decoded = decode(case.dialect, case.from, &case.frame);
    match (&case.expected, decoded) {
        (Expected::Written(written), Ok(message)) => check_written(case, &message, written),
        (Expected::Unknown(name), Ok(message)) => {
            let found = match &message {
                Message::Client(ClientMessage::Unknown { name }) => name,
                Message::Server(ServerMessage::Unknown { name }) => name,
                other => return Err(format!("it is {other:?}")),
            };
            if found == name {
                Ok(())
            } else {
                Err(format!("its name is {found:?}"))
            }
        }
        (Expected::Problem { kind, field }, Err(error)) => {
            let (found, place) = problem_of(&error);
            let place_fits = match (field.as_deref(), place) {
                (None, None) => true,
                // Inside a value that is the application's own, an error may tell more.
                (Some(field), Some(place)) => place
                    .strip_prefix(field)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])),
                _ => false,
            };
            if found == kind && place_fits {
                Ok(())
            } else {
                Err(format!("it is {found} {place:?}: {error}"))
            }
        }
        (Expected::Problem { .. }, Ok(message)) => Err(format!("it is taken for {message:?}")),
        (_, Err(error)) => Err(format!("it is refused: {error}")),
    }
}

fn check_written(case: &Case, message: &Message, written: &str) -> Result<(), String> {
    let found = encode(case.dialect, message, Want::Changes);
    if found.as_deref() != Some(written) {
        return Err(format!("it is written as {found:?}"));
    }
    if let Some(written) = &case.written_for_snapshot {
        let found = encode(case.dialect, message, Want::Snapshot);
        if found.as_ref() != Some(written) {
            return Err(format!("for a snapshot it is written as {found:?}"));
        }
    }
    Ok(())
}

#[test]
fn every_golden_frame_is_read_and_written_as_its_file_says() {
    let cases = cases();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            check(case)
                .err()
                .map(|problem| format!("{}: {problem}\n  {}", case.title, case.frame))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} golden frames:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert!(
        cases.len() > 1000,
        "only {} golden frames were found",
        cases.len()
    );
}

#[test]
fn every_message_has_golden_frames_of_both_kinds() {
    let cases = cases();
    let mut valid = BTreeSet::new();
    let mut invalid = BTreeSet::new();
    for case in &cases {
        let file = case.title.split(':').next().unwrap().to_owned();
        match case.expected {
            Expected::Problem { .. } => invalid.insert(file),
            Expected::Written(_) | Expected::Unknown(_) => valid.insert(file),
        };
    }
    assert_eq!(valid, invalid);
    for (dialect, kinds) in [
        ("v1", crate::sample::V1_KINDS),
        ("basic", crate::sample::BASIC_KINDS),
    ] {
        for kind in kinds {
            let file = format!("{dialect}_{kind}");
            assert!(valid.contains(&file), "no golden frames in {file}.json");
        }
    }
}

/// The frames that backends without a tidewire server send, as `docs/protocol.md` prints them.
#[test]
fn the_basic_frames_are_those_that_the_protocol_prints() {
    let subscribe = r#"{"type":"SUBSCRIBE","entityType":"customers"}"#;
    let unsubscribe = r#"{"type":"UNSUBSCRIBE","entityType":"customers"}"#;
    let updated = r#"{"type":"ENTITY_UPDATED","data":{"entityType":"customers","entityId":"c1","changes":{"name":"B"},"version":7}}"#;
    let created = r#"{"type":"ENTITY_CREATED","data":{"entityType":"customers","entity":{"id":"c1","name":"A","version":1}}}"#;
    let deleted = r#"{"type":"ENTITY_DELETED","data":{"entityType":"customers","entityId":"c1"}}"#;
    let bulk = r#"{"type":"BULK_UPDATE","data":{"entityType":"customers","updates":[{"entityId":"c1","changes":{},"version":8},{"entityId":"c2","changes":{},"version":8}]}}"#;
    let frames = [
        (Side::Client, subscribe),
        (Side::Client, unsubscribe),
        (Side::Server, updated),
        (Side::Server, created),
        (Side::Server, deleted),
        (Side::Server, bulk),
    ];
    for (from, frame) in frames {
        let message = decode(&Basic::DEFAULT, from, frame).unwrap();
        assert_eq!(
            encode(&Basic::DEFAULT, &message, Want::Changes).as_deref(),
            Some(frame)
        );
    }
}
