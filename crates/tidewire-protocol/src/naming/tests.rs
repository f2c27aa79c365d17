//! The laws of the way from the wire to the model.

use tidewire_model::{EntityId, EntityType, MAX_NAME_BYTES, MAX_WIRE, Value};

use super::*;
use crate::{Basic, Dialect, Payload, ServerMessage};

fn entity_type() -> EntityType {
    EntityType::new("customers").unwrap()
}

fn id(text: &str) -> EntityId {
    EntityId::text(text).unwrap()
}

fn version(number: u64) -> Option<Version> {
    Version::new(number)
}

fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

fn entity(id: &str) -> Record {
    Record::new().with("id", id).with("name", "A")
}

fn updated(changes: Patch) -> Op {
    Op::Updated {
        id: id("c1"),
        version: version(7),
        base: version(3),
        changes,
        entity: None,
        was: None,
    }
}

fn made(op: Op, points: Points) -> Ops {
    changes(vec![op], &entity_type(), &Naming::default(), points)
}

/// The one change that an op came to.
fn change(op: Op, points: Points) -> Change {
    let mut ops = made(op, points);
    assert_eq!(
        (ops.changes.len(), &ops.stale_all, &*ops.bad),
        (1, &None, &[][..])
    );
    ops.changes.remove(0)
}

fn problem(op: Op, points: Points) -> DecodeError {
    let mut ops = made(op, points);
    assert_eq!((ops.changes.len(), ops.bad.len()), (0, 1));
    ops.bad.remove(0).1
}

const SERVER: fn(u64) -> Points = |number| Points::Server(offset(number));
const CLIENT: fn(u64) -> Points = |number| Points::Client(offset(number));

#[test]
fn every_change_has_the_point_of_its_events() {
    let all = || {
        vec![
            Op::Created {
                entity: entity("c1"),
                version: version(5),
            },
            updated(Patch::new().set("name", "B")),
            Op::Deleted {
                id: id("c3"),
                version: version(5),
                was: None,
            },
            Op::Stale(vec![id("c4"), id("c5")]),
        ]
    };
    for points in [SERVER(42), CLIENT(42)] {
        let ops = changes(all(), &entity_type(), &Naming::default(), points);
        assert_eq!(ops.bad, []);
        assert!(ops.changes.iter().all(|change| change.point == offset(42) && change.key.entity_type == entity_type()));
        let ids: Vec<_> = ops
            .changes
            .iter()
            .map(|change| change.key.id.as_str())
            .collect();
        assert_eq!(ids, ["c1", "c1", "c3", "c4", "c5"]);
    }
}

#[test]
fn from_a_server_a_partial_change_holds_on_exactly_its_base() {
    let patch = Patch::new().set("name", "B").unset("nick");
    let change = change(updated(patch.clone()), SERVER(42));
    assert_eq!(
        (change.base, change.version),
        (Base::Exactly(Version::new(3).unwrap()), version(7))
    );
    assert_eq!(
        change.body,
        ChangeBody::Merge {
            patch,
            after: None,
            was: None
        }
    );
}

#[test]
fn from_a_server_a_partial_change_without_a_base_says_nothing_about_versions() {
    let op = Op::Updated {
        id: id("c1"),
        version: version(7),
        base: None,
        changes: Patch::new(),
        entity: None,
        was: None,
    };
    assert_eq!(change(op, SERVER(42)).base, Base::None);
}

#[test]
fn in_basic_a_partial_change_holds_on_any_lower_version_and_brings_its_version_into_the_entity() {
    let change = change(updated(Patch::new().set("name", "B")), CLIENT(1));
    assert_eq!((change.base, change.version), (Base::AnyLower, version(7)));
    let patch = Patch::new().set("name", "B").set("version", 7);
    assert_eq!(
        change.body,
        ChangeBody::Merge {
            patch,
            after: None,
            was: None
        }
    );
}

#[test]
fn in_basic_a_partial_change_without_a_version_leaves_the_version_field_alone() {
    let op = Op::Updated {
        id: id("c1"),
        version: None,
        base: None,
        changes: Patch::new(),
        entity: None,
        was: None,
    };
    let change = change(op, CLIENT(1));
    assert_eq!((change.base, change.version), (Base::AnyLower, None));
    assert_eq!(
        change.body,
        ChangeBody::Merge {
            patch: Patch::new(),
            after: None,
            was: None
        }
    );
}

#[test]
fn images_are_kept() {
    let (after, was) = (entity("c1"), Record::new().with("name", "Z"));
    let op = Op::Updated {
        id: id("c1"),
        version: version(7),
        base: version(3),
        changes: Patch::new(),
        entity: Some(after.clone()),
        was: Some(was.clone()),
    };
    let expected = ChangeBody::Merge {
        patch: Patch::new(),
        after: Some(after.clone()),
        was: Some(was),
    };
    assert_eq!(change(op, SERVER(42)).body, expected);
    let op = Op::Deleted {
        id: id("c1"),
        version: version(7),
        was: Some(after.clone()),
    };
    assert_eq!(
        change(op, SERVER(42)).body,
        ChangeBody::Remove { was: Some(after) }
    );
}

#[test]
fn the_version_of_a_creation_stands_beside_it_in_v1_and_inside_it_in_basic() {
    let inside = entity("c1").with("version", 3);
    let beside = Op::Created {
        entity: inside.clone(),
        version: version(5),
    };
    assert_eq!(change(beside, SERVER(42)).version, version(5));
    let without = || Op::Created {
        entity: inside.clone(),
        version: None,
    };
    assert_eq!(change(without(), SERVER(42)).version, None);
    assert_eq!(change(without(), CLIENT(1)).version, version(3));
    let none = Op::Created {
        entity: entity("c1").with("version", Option::<i64>::None),
        version: None,
    };
    assert_eq!(change(none, CLIENT(1)).version, None);
}

#[test]
fn a_version_inside_an_entity_that_is_none_is_an_error_that_names_the_field() {
    for wrong in [
        Value::from("7"),
        Value::from(-1),
        Value::from(1.5),
        Value::from(MAX_WIRE + 1),
    ] {
        let op = Op::Created {
            entity: entity("c1").with("version", wrong),
            version: None,
        };
        let DecodeError::BadField { message, field, .. } = problem(op, CLIENT(1)) else {
            panic!("another error")
        };
        assert_eq!((message, &*field), ("ENTITY_CREATED", "entity.version"));
    }
}

#[test]
fn an_id_that_is_missing_or_no_id_is_an_error_that_names_the_field() {
    let row = |entity| {
        WireRow {
            entity,
            version: None,
        }
        .into_row(&Naming::default())
        .unwrap_err()
    };
    let created = |entity| {
        problem(
            Op::Created {
                entity,
                version: None,
            },
            SERVER(42),
        )
    };
    let missing = |message| DecodeError::MissingField {
        message,
        field: "entity.id".into(),
    };
    assert_eq!(row(Record::new()), missing("row"));
    assert_eq!(created(Record::new()), missing("ENTITY_CREATED"));
    let too_long = "i".repeat(MAX_NAME_BYTES + 1);
    for wrong in [
        Value::from(too_long),
        Value::from(""),
        Value::from(1.5),
        Value::Null,
        Value::from(true),
    ] {
        for (error, expected) in [
            (row(Record::new().with("id", wrong.clone())), "row"),
            (
                created(Record::new().with("id", wrong.clone())),
                "ENTITY_CREATED",
            ),
        ] {
            let DecodeError::BadField { message, field, .. } = error else {
                panic!("{error}")
            };
            assert_eq!((message, &*field), (expected, "entity.id"));
        }
    }
}

#[test]
fn ids_are_text_or_integers() {
    for (value, text, integer) in [
        (Value::from("c1"), "c1", false),
        (Value::from(42), "42", true),
        (Value::from(u64::MAX), "18446744073709551615", true),
    ] {
        let row = WireRow {
            entity: Record::new().with("id", value),
            version: None,
        }
        .into_row(&Naming::default());
        let id = row.unwrap().id;
        assert_eq!((id.as_str(), id.is_integer()), (text, integer));
    }
}

#[test]
fn the_version_of_a_row_stands_beside_it_or_else_inside_it() {
    let inside = entity("c1").with("version", 3);
    let row = |entity: &Record, beside| {
        WireRow {
            entity: entity.clone(),
            version: beside,
        }
        .into_row(&Naming::default())
    };
    assert_eq!(row(&inside, version(5)).unwrap().version, version(5));
    assert_eq!(row(&inside, None).unwrap().version, version(3));
    assert_eq!(row(&entity("c1"), None).unwrap().version, None);
    // Where the version stands beside the entity, a field of that name is the application's own.
    let own = entity("c1").with("version", "2.0-beta");
    assert_eq!(row(&own, version(5)).unwrap().version, version(5));
    assert!(row(&own, None).is_err());
}

#[test]
fn an_application_names_its_fields() {
    let naming = Naming {
        id_field: "key".into(),
        version_field: "rev".into(),
    };
    let entity = Record::new()
        .with("key", "c9")
        .with("rev", 4)
        .with("id", true)
        .with("version", true);
    let row = WireRow {
        entity: entity.clone(),
        version: None,
    }
    .into_row(&naming)
    .unwrap();
    assert_eq!((row.id, row.version), (id("c9"), version(4)));
    let ops = vec![
        Op::Created {
            entity,
            version: None,
        },
        updated(Patch::new()),
    ];
    let ops = changes(ops, &entity_type(), &naming, CLIENT(1));
    assert_eq!(ops.bad, []);
    assert_eq!(
        (&ops.changes[0].key.id, ops.changes[0].version),
        (&id("c9"), version(4))
    );
    let patch = Patch::new().set("rev", 7);
    assert_eq!(
        ops.changes[1].body,
        ChangeBody::Merge {
            patch,
            after: None,
            was: None
        }
    );
}

#[test]
fn an_update_cannot_make_an_entity_another_one() {
    for points in [SERVER(42), CLIENT(1)] {
        assert_eq!(
            change(updated(Patch::new().set("id", "c1")), points).key.id,
            id("c1")
        );
        for patch in [
            Patch::new().set("id", "c2"),
            Patch::new().unset("id"),
            Patch::new().set("id", Value::Null),
        ] {
            let DecodeError::BadField { field, .. } = problem(updated(patch), points) else {
                panic!("another error")
            };
            assert_eq!(field, "changes.id");
        }
    }
    let other = Op::Updated {
        id: id("c1"),
        version: version(7),
        base: None,
        changes: Patch::new(),
        entity: Some(entity("c2")),
        was: None,
    };
    let DecodeError::BadField { field, .. } = problem(other, SERVER(42)) else {
        panic!("another error")
    };
    assert_eq!(field, "entity.id");
}

#[test]
fn one_bad_op_does_not_lose_the_others() {
    let ops = vec![
        Op::Created {
            entity: entity("c1"),
            version: None,
        },
        Op::Created {
            entity: Record::new(),
            version: None,
        },
        Op::Deleted {
            id: id("c3"),
            version: None,
            was: None,
        },
    ];
    let ops = changes(ops, &entity_type(), &Naming::default(), CLIENT(1));
    let ids: Vec<_> = ops
        .changes
        .iter()
        .map(|change| change.key.id.as_str())
        .collect();
    assert_eq!(ids, ["c1", "c3"]);
    assert_eq!(ops.bad.iter().map(|bad| bad.0).collect::<Vec<_>>(), [1]);
}

#[test]
fn stale_ids_are_changes_and_a_stale_type_is_not() {
    let ops = vec![Op::Stale(vec![id("c1"), id("c2")]), Op::StaleAll(Some(500))];
    let ops = changes(ops, &entity_type(), &Naming::default(), SERVER(42));
    assert!(
        ops.changes
            .iter()
            .all(|change| change.body == ChangeBody::Stale)
    );
    assert_eq!(
        (ops.changes.len(), ops.stale_all),
        (2, Some(StaleAll { count: Some(500) }))
    );
}

/// A backend without a tidewire server sets the version of an entity with each update that it merges.
#[test]
fn a_basic_push_becomes_what_the_source_document_does_with_it() {
    let frame = r#"{"type":"ENTITY_UPDATED","data":{"entityType":"customers","entityId":"c1","changes":{"name":"B"},"version":7}}"#;
    let Ok(ServerMessage::Push(push)) = Basic::DEFAULT.decode_server(Payload::Text(frame)) else {
        panic!("no push")
    };
    let ops = changes(push.ops, &push.entity_type, &Naming::default(), CLIENT(1));
    let ChangeBody::Merge { patch, .. } = &ops.changes[0].body else {
        panic!("no merge")
    };
    let merged = entity("c1").with("version", 6).merge(patch);
    assert_eq!(
        merged,
        Record::new()
            .with("id", "c1")
            .with("name", "B")
            .with("version", 7)
    );
}
