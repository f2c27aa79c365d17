//! The tripwire: no message changes its shape without somebody noticing what that means.
//!
//! The shape of every message is written down under `tests/shape`: each field with its path, a `?` where a reader can
//! do without it, and its kind, for closed lists with every word.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use tidewire_protocol::{
    Basic, ClientMessage, Dialect, PROTOCOL_VERSION, ServerMessage, V1Json, Want,
};

use crate::golden::{Message, Side, decode, encode};
use crate::sample;

/// A step on the way to a field.
#[derive(Clone)]
enum Step {
    Field(String),
    Element(usize),
}

/// The lines of a listing, by path: the kinds seen there, and whether a reader can do without.
type Shapes = BTreeMap<String, (BTreeSet<String>, bool)>;

fn add_message(shapes: &mut Shapes, dialect: &dyn Dialect, message: &Message) {
    let from = match message {
        Message::Client(_) => Side::Client,
        Message::Server(_) => Side::Server,
    };
    let frame = encode(dialect, message, Want::Changes).expect("every sample has words");
    let frame: Value = serde_json::from_str(&frame).unwrap();
    let direction = if from == Side::Client {
        "client"
    } else {
        "server"
    };
    let title = format!("{direction} {}", frame["type"].as_str().unwrap());
    let is_read = |without: &Value| decode(dialect, from, &without.to_string()).is_ok();
    add_fields(shapes, &title, &frame, &mut Vec::new(), &is_read, &frame);
}

/// Adds every field of `value`, which stands in `frame` behind `steps`.
fn add_fields(
    shapes: &mut Shapes,
    title: &str,
    value: &Value,
    steps: &mut Vec<Step>,
    is_read: &dyn Fn(&Value) -> bool,
    frame: &Value,
) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                steps.push(Step::Field(name.clone()));
                let path = format!("{title}.{name}");
                let optional = is_read(&without(frame, steps));
                let entry = shapes
                    .entry(path.clone())
                    .or_insert((BTreeSet::new(), optional));
                entry.0.insert(kind(value));
                assert_eq!(
                    entry.1, optional,
                    "{path} is needed in one place and not in another"
                );
                add_fields(shapes, &path, value, steps, is_read, frame);
                steps.pop();
            }
        }
        Value::Array(elements) => {
            for (place, element) in elements.iter().enumerate() {
                steps.push(Step::Element(place));
                let name = element
                    .get("type")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let path = format!("{title}[{name}]");
                shapes
                    .entry(path.clone())
                    .or_insert((BTreeSet::new(), false))
                    .0
                    .insert(kind(element));
                add_fields(shapes, &path, element, steps, is_read, frame);
                steps.pop();
            }
        }
        _ => {}
    }
}

/// The frame without the field that the steps lead to.
fn without(frame: &Value, steps: &[Step]) -> Value {
    let mut copy = frame.clone();
    let (last, way) = steps.split_last().unwrap();
    let mut at = &mut copy;
    for step in way {
        at = match step {
            Step::Field(name) => &mut at[name.as_str()],
            Step::Element(place) => &mut at[*place],
        };
    }
    match last {
        Step::Field(name) => drop(at.as_object_mut().unwrap().remove(name)),
        Step::Element(place) => drop(at.as_array_mut().unwrap().remove(*place)),
    }
    copy
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "truth value".into(),
        Value::Number(_) => "number".into(),
        Value::String(text) if text.starts_with('<') => "text".into(),
        Value::String(text) if text.len() == 36 => "UUID".into(),
        Value::String(text) => format!("\"{text}\""),
        Value::Array(_) => "list".into(),
        Value::Object(_) => "object".into(),
    }
}

fn listing(shapes: &Shapes) -> String {
    let lines = shapes.iter().map(|(path, (kinds, optional))| {
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        format!(
            "{path}{}: {}\n",
            if *optional { "?" } else { "" },
            kinds.join(" | ")
        )
    });
    lines.collect()
}

/// Compares a listing with the one that is checked in.
fn hold(name: &str, found: &str, advice: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/shape")
        .join(name);
    let known = fs::read_to_string(&path).unwrap_or_default();
    if known == found {
        return;
    }
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&copy, found).unwrap();
    let gone: Vec<_> = known
        .lines()
        .filter(|line| !found.lines().any(|other| other == *line))
        .collect();
    let new: Vec<_> = found
        .lines()
        .filter(|line| !known.lines().any(|other| other == *line))
        .collect();
    panic!(
        "The shape of messages changed.\n- {}\n+ {}\n{advice}\nThe new listing is {}; it belongs to {}.",
        gone.join("\n- "),
        new.join("\n+ "),
        copy.display(),
        path.display(),
    );
}

#[test]
fn messages_of_v1_change_shape_only_with_a_step_of_the_version() {
    let mut shapes = Shapes::new();
    for message in sample::client_messages() {
        add_message(&mut shapes, &V1Json::DEFAULT, &Message::Client(message));
    }
    for message in sample::server_messages() {
        add_message(&mut shapes, &V1Json::DEFAULT, &Message::Server(message));
    }
    hold(
        &format!("v{PROTOCOL_VERSION}.txt"),
        &listing(&shapes),
        "A new field that may be absent, or a new message, needs only its line in the listing. Anything else breaks \
         peers: raise PROTOCOL_VERSION as version.rs says, and keep the listing of the version before.",
    );
}

#[test]
fn messages_of_the_basic_dialect_never_change_shape() {
    let mut shapes = Shapes::new();
    for message in sample::client_messages() {
        if matches!(
            message,
            ClientMessage::Subscribe(_) | ClientMessage::Unsubscribe(_)
        ) {
            add_message(&mut shapes, &Basic::DEFAULT, &Message::Client(message));
        }
    }
    for message in sample::pushes() {
        add_message(&mut shapes, &Basic::DEFAULT, &Message::Server(message));
    }
    hold(
        "basic.txt",
        &listing(&shapes),
        "The basic dialect is other people's: it has no versions and no changes.",
    );
}

#[test]
fn every_message_has_a_sample() {
    let mut kinds: BTreeSet<&str> = sample::client_messages()
        .iter()
        .map(sample::client_kind)
        .collect();
    kinds.extend(sample::server_messages().iter().map(sample::server_kind));
    kinds.extend([
        sample::client_kind(&ClientMessage::Unknown {
            name: String::new(),
        }),
        sample::server_kind(&ServerMessage::Unknown {
            name: String::new(),
        }),
    ]);
    assert_eq!(kinds, sample::V1_KINDS.iter().copied().collect());
}
