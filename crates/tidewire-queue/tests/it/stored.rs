//! The stored forms: one checked-in text each, and what earlier formats became.

use tidewire_model::{
    Effect, EffectBody, EntityId, Patch, RecordBuilder, Value, Version, WallTime,
};
use tidewire_queue::{ActionState, Draft, Queue, Refusal, RefusalClass, Settings};
use tidewire_store::Row;

use crate::kit::{
    Disk, LATER, NOW, after, confirmed, customers, id, kept, key, lane, put, record, update,
};

/// Every field set, every kind of effect.
fn full() -> Draft {
    let list = Value::List(vec![
        Value::Null,
        Value::Bool(true),
        Value::from(u64::MAX),
        Value::Float(0.1),
    ]);
    Draft {
        lane: lane("slow"),
        name: "move".to_owned(),
        entity_type: Some(customers()),
        entity_id: Some(EntityId::integer(7)),
        payload: RecordBuilder::new()
            .field("to", "north")
            .field("list", list)
            .field("by", -1)
            .build(),
        effects: vec![
            Effect::new(
                key("7"),
                EffectBody::Merge(Patch::new().set("at", "north").unset("was")),
            ),
            Effect::new(key("8"), EffectBody::Put(record("id", "8"))),
            Effect::new(key("9"), EffectBody::Remove),
            Effect::new(
                key("7"),
                EffectBody::Increment {
                    field: "moves".into(),
                    by: Value::Int(1),
                },
            ),
            Effect::new(
                key("7"),
                EffectBody::Append {
                    field: "path".into(),
                    value: Value::from("north"),
                },
            ),
        ],
        base: Version::new(12),
        after: vec![id(1)],
    }
}

/// A store with an action of every state and every reason.
fn disk() -> Disk {
    let mut disk = Disk::default();
    let mut queue = Queue::new(Settings::default(), [0xab; 16]);
    disk.store(&queue.bump_run());
    disk.store(&queue.set_principal("ada").unwrap());
    let _ = queue.on_connected(None);
    disk.store(&put(&mut queue, 1, update("c1")));
    disk.store(&queue.submit(LATER, id(2), full()).unwrap());
    disk.store(&queue.poll_send().unwrap().txn.unwrap());
    disk.store(&put(
        &mut queue,
        3,
        Draft {
            lane: lane("parked"),
            ..Draft::new("x")
        },
    ));
    disk.store(
        &queue
            .park(
                LATER,
                id(3),
                Refusal::new(RefusalClass::Permanent, "unknown_action", "Nobody knows x."),
            )
            .txn
            .unwrap(),
    );
    disk.store(&put(
        &mut queue,
        4,
        Draft {
            lane: lane("uncertain"),
            ..Draft::new("y")
        },
    ));
    disk.store(&put(&mut queue, 5, after(Draft::new("z"), &[id(4)])));
    let sending = queue.poll_send().unwrap();
    disk.store(&sending.txn.unwrap());
    disk.store(&queue.on_answer_lost(id(4), sending.action.seq).txn.unwrap());
    disk.store(&put(
        &mut queue,
        6,
        Draft {
            lane: lane("gone"),
            ..Draft::new("x")
        },
    ));
    disk.store(&put(&mut queue, 7, after(update("c7"), &[id(6)])));
    disk.store(&queue.cancel(LATER, id(6)).unwrap().txn.unwrap());
    disk
}

fn text_of(disk: &Disk) -> String {
    let mut text = String::new();
    for Row { table, key, value } in disk.rows() {
        text += &format!(
            "{table} {} {}\n",
            key.escape_ascii(),
            String::from_utf8(value).unwrap()
        );
    }
    text
}

/// Every format that ever was, oldest first; the last one is written.
const FORMATS: &[&str] = &[include_str!("../golden/format-1.txt")];
const FINGERPRINTS: &str = include_str!("../golden/fingerprints.txt");

/// The rows that a golden text stands for.
fn rows_of(text: &str) -> Vec<Row> {
    text.lines()
        .map(|line| {
            let mut parts = line.splitn(3, ' ');
            let (table, key, value) = (
                parts.next().unwrap(),
                parts.next().unwrap(),
                parts.next().unwrap(),
            );
            let table: std::sync::Arc<str> = table.into();
            Row {
                table: table.into(),
                key: unescape(key),
                value: value.as_bytes().to_vec(),
            }
        })
        .collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(code) = rest.strip_prefix("\\x") {
            bytes.push(u8::from_str_radix(&code[..2], 16).unwrap());
            rest = &code[2..];
        } else if let Some(code) = rest.strip_prefix('\\') {
            let named = [('t', b'\t'), ('n', b'\n'), ('r', b'\r')];
            let letter = code.chars().next().unwrap();
            bytes.push(
                named
                    .iter()
                    .find(|(name, _)| *name == letter)
                    .map_or(letter as u8, |(_, byte)| *byte),
            );
            rest = &code[1..];
        } else {
            bytes.push(first as u8);
            rest = &rest[1..];
        }
    }
    bytes
}

#[test]
fn the_stored_form_is_the_one_that_is_checked_in() {
    assert_eq!(
        text_of(&disk()),
        FORMATS[FORMATS.len() - 1],
        "a changed form needs a new format number and a step to it"
    );
}

#[test]
fn every_format_that_ever_was_is_read_as_the_same_queue() {
    let mut expected = disk().restore();
    for (place, format) in FORMATS.iter().enumerate() {
        let (mut queue, problems) = Queue::restore(Settings::default(), [1; 16], rows_of(format));
        assert_eq!(problems, vec![], "format {}", place + 1);
        assert_eq!(kept(&queue), kept(&expected), "format {}", place + 1);
        assert_eq!(
            (confirmed(&mut queue), queue.client()),
            (confirmed(&mut expected), expected.client()),
            "format {}",
            place + 1
        );
    }
}

#[test]
fn the_golden_store_holds_what_it_should() {
    let queue = disk().restore();
    let action = queue.get(id(2)).unwrap();
    let draft = full();
    assert_eq!(
        (&action.lane, &action.name, action.base),
        (&draft.lane, &draft.name, draft.base)
    );
    assert_eq!(
        (&action.entity_type, &action.entity_id),
        (&draft.entity_type, &draft.entity_id)
    );
    assert_eq!(
        (&action.payload, &action.effects, &action.after),
        (&draft.payload, &draft.effects, &draft.after)
    );
    assert!(action.entity_id.as_ref().unwrap().is_integer());
    assert_eq!((action.submitted, action.changed), (LATER, LATER));
    assert_eq!(queue.get(id(1)).unwrap().state, ActionState::PossiblySent);
    assert_eq!(queue.get(id(1)).unwrap().submitted, NOW);
    assert_eq!(queue.get(id(4)).unwrap().state, ActionState::Uncertain);
    assert!(queue.get(id(3)).unwrap().is_parked());
    assert_eq!(
        queue.get(id(3)).unwrap().submitted,
        WallTime::from_unix_millis(1_700_000_000_000)
    );
}

#[test]
fn a_row_of_a_newer_format_is_kept_and_not_understood() {
    let newer = FORMATS[0].replace(
        "{\"v\":1,\"id\":\"018bcfe5-6802",
        "{\"v\":2,\"id\":\"018bcfe5-6802",
    );
    let (queue, problems) = Queue::restore(Settings::default(), [1; 16], rows_of(&newer));
    assert_eq!(queue.counts().unreadable, 1);
    assert!(
        problems
            .iter()
            .any(|problem| problem.detail.contains("update the program")),
        "{problems:?}"
    );
}

#[test]
fn the_fingerprint_is_the_same_on_every_machine_and_for_any_order_of_fields() {
    let mut queue = Queue::new(Settings::default(), [1; 16]);
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, full());
    let hashes = [1, 2].map(|n| queue.get(id(n)).unwrap().hash());
    assert_eq!(hashes, FINGERPRINTS.lines().collect::<Vec<_>>()[..]);
    let shuffled = RecordBuilder::new().field("by", -1);
    let shuffled = shuffled
        .field("list", full().payload.get("list").unwrap().to_value())
        .field("to", "north")
        .build();
    let mut other = Queue::new(Settings::default(), [1; 16]);
    put(&mut other, 1, update("c1"));
    put(
        &mut other,
        2,
        Draft {
            payload: shuffled,
            ..full()
        },
    );
    assert_eq!(other.get(id(2)).unwrap().hash(), hashes[1]);
}

#[test]
fn the_fingerprint_tells_different_content_apart() {
    let field = |value: Value| Draft {
        payload: RecordBuilder::new().field("a", value).build(),
        ..update("c1")
    };
    let drafts = [
        update("c1"),
        update("c2"),
        Draft {
            name: "delete".to_owned(),
            ..update("c1")
        },
        Draft {
            entity_type: None,
            ..update("c1")
        },
        Draft {
            entity_id: None,
            ..update("c1")
        },
        Draft {
            base: Some(Version::ZERO),
            ..update("c1")
        },
        field(Value::Int(1)),
        field(Value::Float(1.0)),
        field(Value::from("1")),
        field(Value::Bool(true)),
        field(Value::Null),
        field(Value::List(vec![])),
        field(Value::Object(vec![])),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for draft in drafts {
        let mut queue = Queue::new(Settings::default(), [1; 16]);
        put(&mut queue, 1, draft);
        let hash = queue.get(id(1)).unwrap().hash();
        assert_eq!(hash.len(), 16);
        assert!(seen.insert(hash));
    }
    let mut queue = Queue::new(Settings::default(), [1; 16]);
    put(&mut queue, 2, update("c1"));
    assert!(
        seen.insert(queue.get(id(2)).unwrap().hash()),
        "another action with the same content is another one"
    );
}
