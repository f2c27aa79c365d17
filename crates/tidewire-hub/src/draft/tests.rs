//! What writes come to, against a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use tidewire_model::Value;

use super::*;

/// What is there, and how it was asked.
#[derive(Default)]
struct There {
    entities: BTreeMap<EntityKey, (Record, Offset)>,
    head: u64,
    made: u64,
}

impl Present for There {
    type Error = String;

    fn entity(&mut self, key: &EntityKey) -> Result<Option<(Record, Offset)>, String> {
        if key.id.as_str() == "unreadable" {
            return Err("unreadable".to_owned());
        }
        Ok(self.entities.get(key).cloned())
    }

    fn head(&mut self, _: &EntityType) -> Result<Offset, String> {
        Ok(offset(self.head))
    }

    fn new_id(&mut self, _: &EntityType) -> EntityId {
        self.made += 1;
        id(&format!("made-{}", self.made))
    }
}

fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

fn id(text: &str) -> EntityId {
    EntityId::text(text).unwrap()
}

fn tasks() -> EntityType {
    EntityType::new("tasks").unwrap()
}

fn there(entities: &[(&str, i64)]) -> There {
    let row = |(name, score): &(&str, i64)| {
        let entity = Record::new().with("id", *name).with("score", *score);
        (EntityKey::new(tasks(), id(name)), (entity, offset(4)))
    };
    There {
        entities: entities.iter().map(row).collect(),
        head: 9,
        made: 0,
    }
}

fn update(name: &str, score: i64) -> Write {
    let changes = Record::new().with("score", score);
    Write::Update {
        entity_type: tasks(),
        id: id(name),
        changes,
        unset: Vec::new(),
    }
}

fn create(name: Option<&str>, entity: Record) -> Write {
    Write::Create {
        entity_type: tasks(),
        id: name.map(id),
        entity,
    }
}

fn work(there: &mut There, writes: Vec<Write>) -> Result<Draft, DraftRefused> {
    work_out(there, writes, None).unwrap()
}

fn code(result: Result<Draft, DraftRefused>) -> String {
    result.unwrap_err().refused.code
}

#[test]
fn what_cannot_be_read_is_an_error_and_no_refusal() {
    assert_eq!(
        work_out(&mut there(&[]), vec![update("unreadable", 1)], None),
        Err("unreadable".to_owned())
    );
}

#[test]
fn every_entity_written_is_named_with_its_version_changed_or_not() {
    let draft = work(
        &mut there(&[("a", 1), ("b", 1)]),
        vec![update("a", 1), update("b", 2)],
    )
    .unwrap();
    let versions: Vec<_> = draft
        .rows
        .iter()
        .map(|(_, _, version)| version.get())
        .collect();
    assert_eq!((versions, draft.changed.len()), (vec![4, 10], 1));
    assert_eq!(draft.as_of, BTreeMap::from([(tasks(), offset(10))]));
    let nothing = work(&mut there(&[("a", 1)]), vec![update("a", 1)]).unwrap();
    assert_eq!(
        (nothing.streams.len(), nothing.as_of[&tasks()]),
        (0, offset(9))
    );
}

#[test]
fn the_id_of_an_entity_cannot_change() {
    let with = |changes: Record, unset: &[&str]| {
        let unset = unset.iter().map(|name| (*name).to_owned()).collect();
        vec![Write::Update {
            entity_type: tasks(),
            id: id("a"),
            changes,
            unset,
        }]
    };
    let changed = Record::new().with("id", "b");
    assert_eq!(
        code(work(&mut there(&[("a", 1)]), with(changed, &[]))),
        "invalid"
    );
    assert_eq!(
        code(work(&mut there(&[("a", 1)]), with(Record::new(), &["id"]))),
        "invalid"
    );
    let same = Record::new().with("id", "a").with("score", 2);
    assert!(work(&mut there(&[("a", 1)]), with(same, &[])).is_ok());
    let put = Write::Put {
        entity_type: tasks(),
        id: id("a"),
        entity: Record::new().with("id", "b"),
    };
    let draft = work(&mut there(&[("a", 1)]), vec![put]).unwrap();
    assert_eq!(
        draft.rows[0].1.entity_id("id"),
        Ok(id("a")),
        "a put keeps it"
    );
}

#[test]
fn one_temporary_id_stands_for_one_entity() {
    let two = vec![
        create(Some("tmp_1"), Record::new()),
        create(Some("tmp_1"), Record::new()),
    ];
    assert_eq!(code(work(&mut there(&[]), two)), "bad_request");
}

#[test]
fn a_temporary_id_is_known_to_writes_before_the_one_that_makes_it() {
    let mention = Record::new().with("owner", "tmp_1");
    let writes = vec![
        create(Some("a"), mention),
        create(Some("tmp_1"), Record::new()),
        create(None, Record::new()),
    ];
    let draft = work(&mut there(&[]), writes).unwrap();
    let owner = draft.rows[0].1.get("owner").map(|value| value.to_value());
    assert_eq!(owner, Some(Value::from("made-1")));
    assert_eq!(
        draft.replaced,
        BTreeMap::from([(id("tmp_1"), id("made-1"))])
    );
    assert_eq!(draft.rows[2].1.entity_id("id"), Ok(id("made-2")));
}

#[test]
fn base_counts_for_what_was_there_before() {
    let version = Version::new(4);
    let both = vec![update("a", 2), update("a", 3)];
    assert!(
        work_out(&mut there(&[("a", 1)]), both.clone(), version)
            .unwrap()
            .is_ok()
    );
    let refused = work_out(&mut there(&[("a", 1)]), both, Version::new(3))
        .unwrap()
        .unwrap_err();
    assert_eq!(
        (refused.refused.class, refused.rows.len()),
        (Class::Conflict, 1)
    );
    let gone = vec![Write::Delete {
        entity_type: tasks(),
        id: id("a"),
    }];
    assert_eq!(
        code(work_out(&mut there(&[]), gone, version).unwrap()),
        "base_mismatch"
    );
}

#[test]
fn the_bounds_hold_for_what_an_entity_becomes() {
    let half = "x".repeat(MAX_ENTITY_BYTES / 2);
    let entity = Record::new().with("one", half.as_str());
    let grow = Write::Update {
        entity_type: tasks(),
        id: id("a"),
        changes: Record::new().with("two", half.as_str()),
        unset: Vec::new(),
    };
    assert!(work(&mut there(&[]), vec![create(Some("a"), entity.clone())]).is_ok());
    assert_eq!(
        code(work(&mut there(&[]), vec![create(Some("a"), entity), grow])),
        "too_large"
    );
}

#[test]
fn an_entity_as_deep_as_may_be_fits_every_message() {
    use tidewire_protocol::{
        Dialect, Limits, Payload, ServerMessage, Snapshot, V1Json, Want, WireRow,
    };
    let value = (0..MAX_ENTITY_DEPTH - 1).fold(Value::from(1), |inner, _| Value::List(vec![inner]));
    let entity = Record::new().with("id", "a").with("value", value);
    let draft = work(&mut there(&[]), vec![create(Some("a"), entity.clone())]).unwrap();
    let row = WireRow {
        entity,
        version: Version::new(1),
    };
    let snapshot = Snapshot {
        entity_type: tasks(),
        part: 0,
        as_of: offset(1),
        rows: vec![row],
    };
    let events = tidewire_protocol::Events {
        entity_type: tasks(),
        from: offset(9),
        to: offset(10),
        ops: draft.streams[0].ops.clone(),
        commit: None,
        chunk: None,
        actions: Vec::new(),
    };
    let dialect = V1Json::new(Limits::DEFAULT);
    for message in [
        ServerMessage::Snapshot(snapshot),
        ServerMessage::Events(events),
    ] {
        let encoded = dialect.encode_server(&message, Want::Changes).unwrap();
        let tidewire_protocol::Encoded::Text(text) = encoded else {
            panic!()
        };
        assert_eq!(dialect.decode_server(Payload::Text(&text)), Ok(message));
    }
}

fn write() -> impl Strategy<Value = Write> {
    let name = || prop::sample::select(vec!["a", "b", "c"]);
    let entity = || {
        (0..3_i64, prop::option::of(0..2_i64)).prop_map(|(score, rank)| {
            let record = Record::new().with("score", score);
            rank.map_or(record.clone(), |rank| record.with("rank", rank))
        })
    };
    prop_oneof![
        (name(), entity()).prop_map(|(name, entity)| create(Some(name), entity)),
        (name(), entity()).prop_map(|(name, entity)| Write::Put {
            entity_type: tasks(),
            id: id(name),
            entity
        }),
        name().prop_map(|name| Write::Delete {
            entity_type: tasks(),
            id: id(name)
        }),
        (name(), entity(), any::<bool>()).prop_map(|(name, changes, unset)| Write::Update {
            entity_type: tasks(),
            id: id(name),
            changes,
            unset: if unset {
                vec!["rank".to_owned()]
            } else {
                Vec::new()
            },
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The changes of a commit, applied as the protocol says, lead from what was to what is to be stored.
    #[test]
    fn the_changes_lead_from_before_to_after(writes in prop::collection::vec(write(), 0..8)) {
        let mut there = there(&[("a", 1), ("b", 2)]);
        let before = there.entities.clone();
        let Ok(draft) = work(&mut there, writes) else { return Ok(()) };
        let mut stored = before.clone();
        for (key, image, version) in &draft.changed {
            match image {
                Some(image) => stored.insert(key.clone(), (image.clone(), *version)),
                None => stored.remove(key),
            };
        }
        let mut applied = before;
        for op in draft.streams.iter().flat_map(|part| &part.ops) {
            match op {
                Op::Created { entity, version } => {
                    let key = EntityKey::new(tasks(), entity.entity_id("id").unwrap());
                    prop_assert!(applied.insert(key, (entity.clone(), version.unwrap().into())).is_none());
                }
                Op::Updated { id, version, base, changes, entity, was } => {
                    let held = applied.get_mut(&EntityKey::new(tasks(), id.clone())).unwrap();
                    prop_assert_eq!(*base, Some(held.1.into()));
                    let old = changes.names().filter(|name| held.0.get(name).is_some()).count();
                    prop_assert_eq!(was.as_ref().map(Record::len), Some(old));
                    *held = (held.0.merge(changes), version.unwrap().into());
                    prop_assert_eq!(entity.as_ref(), Some(&held.0));
                }
                Op::Deleted { id, was, .. } => {
                    let held = applied.remove(&EntityKey::new(tasks(), id.clone())).unwrap();
                    prop_assert_eq!(was.as_ref(), Some(&held.0));
                }
                _ => prop_assert!(false, "a draft names its content"),
            }
        }
        prop_assert_eq!(applied, stored);
    }
}

#[test]
fn every_field_of_a_wide_entity_may_name_a_temporary_id_and_change() {
    const FIELDS: usize = 4000;
    let wide = |value: &str| {
        let mut entity = tidewire_model::RecordBuilder::new();
        for number in 0..FIELDS {
            entity.push(&format!("f{number}"), value);
        }
        entity.build()
    };
    let mut held = There::default();
    let id = EntityId::text("tmp_1").unwrap();
    let create = |id, entity| Write::Create {
        entity_type: EntityType::new("t").unwrap(),
        id,
        entity,
    };
    let draft = work_out(
        &mut held,
        vec![create(Some(id.clone()), wide("tmp_1"))],
        None,
    )
    .unwrap()
    .unwrap();
    let made = draft.replaced[&id].clone();
    let (_, entity, version) = draft.rows[0].clone();
    assert!(
        entity
            .fields()
            .all(|(_, value)| value.as_text() == Some(made.as_str()))
    );
    let key = EntityKey::new(EntityType::new("t").unwrap(), made.clone());
    held.entities.insert(key, (entity, version));
    let update = Write::Update {
        entity_type: EntityType::new("t").unwrap(),
        id: made,
        changes: wide("new"),
        unset: Vec::new(),
    };
    let draft = work_out(&mut held, vec![update], None).unwrap().unwrap();
    let Op::Updated { was: Some(was), .. } = &draft.streams[0].ops[0] else {
        panic!()
    };
    assert_eq!(was.len(), FIELDS);
}
