//! What the standard actions make of what is asked for, sense and nonsense.

use tidewire_model::{ActionId, Lane, Value, Version};

use super::*;

fn action(name: &str, target: (Option<&str>, Option<&str>), payload: Record) -> ActionMessage {
    ActionMessage {
        id: ActionId::from_bytes([1; 16]),
        lane: Lane::main(),
        seq: 1,
        previous: 0,
        name: name.to_owned(),
        entity_type: target.0.map(|name| EntityType::new(name).unwrap()),
        entity_id: target.1.map(|text| EntityId::text(text).unwrap()),
        payload,
        base: None,
        hash: String::new(),
    }
}

fn payload(field: &str, value: impl Into<Value>) -> Record {
    Record::new().with(field, value)
}

fn object(fields: &[(&str, Value)]) -> Value {
    Value::object(fields.iter().map(|(name, value)| (*name, value.clone())))
}

fn code(action: &ActionMessage) -> String {
    standard(action)
        .map(|writes| format!("{writes:?}"))
        .unwrap_or_else(|refused| refused.code)
}

const TASK: (Option<&str>, Option<&str>) = (Some("tasks"), Some("a"));

#[test]
fn the_id_of_a_creation_may_stand_inside_or_beside() {
    let id_of = |target, entity: &[(&str, Value)]| match standard(&action(
        "create",
        target,
        payload("entity", object(entity)),
    )) {
        Ok(writes) => match &writes[..] {
            [Write::Create { id, .. }] => Ok(id.clone()),
            other => panic!("{other:?}"),
        },
        Err(refused) => Err(refused.code),
    };
    let without = (Some("tasks"), None);
    let a = EntityId::text("a").unwrap();
    assert_eq!(id_of(TASK, &[]), Ok(Some(a.clone())));
    assert_eq!(
        id_of(without, &[("id", Value::from("a"))]),
        Ok(Some(a.clone()))
    );
    assert_eq!(id_of(TASK, &[("id", Value::from("a"))]), Ok(Some(a)));
    assert_eq!(id_of(without, &[]), Ok(None));
    assert_eq!(id_of(without, &[("id", Value::Null)]), Ok(None));
    assert_eq!(
        id_of(TASK, &[("id", Value::from("b"))]),
        Err("bad_request".to_owned())
    );
    assert_eq!(
        id_of(TASK, &[("id", Value::from(true))]),
        Err("bad_request".to_owned())
    );
    let seven = id_of((Some("tasks"), Some("7")), &[("id", Value::from(7))])
        .unwrap()
        .unwrap();
    assert!(
        seven.is_integer(),
        "inside it is as the application wrote it"
    );
    let long = format!("tmp_{}", "x".repeat(61));
    assert_eq!(
        id_of((Some("tasks"), Some(&long)), &[]),
        Err("bad_request".to_owned())
    );
    assert!(id_of((Some("tasks"), Some(&long[..64])), &[]).is_ok());
}

#[test]
fn what_makes_no_sense_is_refused_for_good() {
    let bad = [
        action("create", TASK, Record::new()),
        action("create", TASK, payload("entity", "text")),
        action("create", (None, Some("a")), payload("entity", object(&[]))),
        action(
            "update",
            (Some("tasks"), None),
            payload("changes", object(&[])),
        ),
        action("update", TASK, payload("changes", 7)),
        action("update", TASK, payload("unset", "name")),
        action("update", TASK, payload("unset", vec![1])),
        action("delete", (Some("tasks"), None), Record::new()),
        action("delete", (None, None), Record::new()),
        action("transaction", (None, None), Record::new()),
        action("transaction", (None, None), payload("writes", vec![1])),
        action(
            "transaction",
            (None, None),
            payload("writes", vec![object(&[("name", Value::from("delete"))])]),
        ),
        ActionMessage {
            base: Version::new(1),
            ..action(
                "transaction",
                (None, None),
                payload("writes", Vec::<Value>::new()),
            )
        },
    ];
    for action in bad {
        assert_eq!(code(&action), "bad_request", "{action:?}");
    }
    for name in ["", "Create", "put", "truncate"] {
        assert_eq!(code(&action(name, TASK, Record::new())), "unknown_action");
    }
    let inside = object(&[
        ("name", Value::from("transaction")),
        ("payload", object(&[])),
    ]);
    assert_eq!(
        code(&action(
            "transaction",
            (None, None),
            payload("writes", vec![inside])
        )),
        "unknown_action"
    );
}

#[test]
fn an_update_sets_and_unsets() {
    let both = payload("changes", object(&[("name", Value::Null)])).with("unset", vec!["note"]);
    let writes = standard(&action("update", TASK, both)).unwrap();
    let [Write::Update { changes, unset, .. }] = &writes[..] else {
        panic!("{writes:?}")
    };
    assert_eq!(
        (changes, &unset[..]),
        (
            &Record::new().with("name", Value::Null),
            &["note".to_owned()][..]
        )
    );
    assert!(
        standard(&action("update", TASK, Record::new())).is_ok(),
        "an update of nothing is one"
    );
}

#[test]
fn a_transaction_is_bounded_in_writes_and_streams() {
    let delete = |number: usize, types: usize| {
        object(&[
            ("name", Value::from("delete")),
            ("entityType", Value::from(format!("t{}", number % types))),
            ("entityId", Value::from(number as u64)),
        ])
    };
    let of = |count: usize, types: usize| {
        let writes: Vec<Value> = (0..count).map(|number| delete(number, types)).collect();
        standard(&action(
            "transaction",
            (None, None),
            payload("writes", writes),
        ))
        .map(|writes| writes.len())
    };
    assert_eq!(of(256, 32), Ok(256));
    assert_eq!(
        of(257, 1).map_err(|refused| refused.code),
        Err("too_large".to_owned())
    );
    assert_eq!(
        of(256, 33).map_err(|refused| refused.code),
        Err("too_large".to_owned())
    );
    assert_eq!(of(0, 1), Ok(0));
}
