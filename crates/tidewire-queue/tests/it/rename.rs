//! Temporary ids that become real ones, and bases that follow one's own writes.

use std::collections::BTreeMap;

use tidewire_model::{Effect, EffectBody, EntityId, Patch, RecordBuilder, Value, Version};
use tidewire_queue::{Accepted, ActionState, Draft, Renewal};

use crate::kit::{
    Disk, NOW, after, connected, create, customers, entity, id, key, lane, permanent, put, record,
    replaced, send, update, within,
};

fn child_of(temporary: &str) -> Draft {
    let nested = Value::object([(
        "ids",
        Value::List(vec![Value::from(temporary), Value::from("x")]),
    )]);
    Draft {
        lane: lane("other"),
        entity_type: Some(customers()),
        entity_id: Some(entity(temporary)),
        payload: RecordBuilder::new()
            .field("owner", temporary)
            .field("nested", nested)
            .field("text", "a tmp_x")
            .build(),
        effects: vec![
            Effect::new(
                key(temporary),
                EffectBody::Merge(Patch::new().set("self", temporary).unset("gone")),
            ),
            Effect::new(
                key("c9"),
                EffectBody::Append {
                    field: "refs".into(),
                    value: Value::from(temporary),
                },
            ),
            Effect::new(key("c8"), EffectBody::Put(record("of", temporary))),
        ],
        ..Draft::new("update")
    }
}

#[test]
fn the_answer_to_a_creation_renames_every_queued_action_in_its_own_transaction() {
    let mut queue = connected();
    let mut disk = Disk::default();
    disk.store(&put(&mut queue, 1, create("tmp_x")));
    disk.store(&put(&mut queue, 2, child_of("tmp_x")));
    disk.store(&queue.poll_send().unwrap().txn.unwrap());
    let accepted = Accepted {
        replaced: replaced("tmp_x", "c1"),
        ..Accepted::default()
    };
    let txn = queue.on_accepted(id(1), 1, &accepted).txn.unwrap();
    disk.store(&txn);
    assert_eq!(disk.restore().get(id(2)), queue.get(id(2)));
    let action = queue.get(id(2)).unwrap();
    let expected = child_of("c1");
    assert_eq!(action.entity_id, expected.entity_id);
    assert_eq!(action.payload, expected.payload);
    assert_eq!(action.effects, expected.effects);
    assert_eq!(send(&mut queue), Some((id(2), 1, 0)));
}

#[test]
fn an_integer_id_is_written_back_as_one() {
    let mut queue = connected();
    put(&mut queue, 1, create("tmp_x"));
    put(&mut queue, 2, child_of("tmp_x"));
    queue
        .renamed(&BTreeMap::from([(entity("tmp_x"), EntityId::integer(42))]))
        .unwrap();
    assert_eq!(
        queue.get(id(2)).unwrap().payload.get("owner").unwrap(),
        Value::Int(42)
    );
}

#[test]
fn an_echo_before_the_answer_renames_but_does_not_release() {
    let mut queue = connected();
    put(&mut queue, 1, create("tmp_x"));
    put(&mut queue, 2, child_of("tmp_x"));
    send(&mut queue);
    assert!(queue.renamed(&replaced("tmp_x", "c1")).is_some());
    assert_eq!(queue.get(id(2)).unwrap().entity_id, Some(entity("c1")));
    assert_eq!(send(&mut queue), None);
    assert_eq!(
        queue.renamed(&replaced("tmp_x", "c1")),
        None,
        "nothing mentions it any more but what was sent"
    );
    let accepted = Accepted {
        replaced: replaced("tmp_x", "c1"),
        ..Accepted::default()
    };
    let _ = queue.on_accepted(id(1), 1, &accepted);
    assert_eq!(send(&mut queue), Some((id(2), 1, 0)));
}

#[test]
fn what_was_possibly_sent_keeps_its_content_while_its_prediction_follows() {
    let mut queue = connected();
    put(&mut queue, 1, create("tmp_x"));
    send(&mut queue);
    let before = queue.get(id(1)).unwrap().clone();
    queue.renamed(&replaced("tmp_x", "c1")).unwrap();
    let action = queue.get(id(1)).unwrap();
    assert_eq!(action.hash(), before.hash());
    assert_eq!(action.entity_id, before.entity_id);
    assert_eq!(action.effects, create("c1").effects);
}

#[test]
fn a_creation_that_another_copy_of_the_store_made_is_still_a_creation_and_still_waited_for() {
    let mut queue = connected();
    put(&mut queue, 1, create("tmp_x"));
    let before = queue.get(id(1)).unwrap().clone();
    for _ in 0..2 {
        assert_eq!(queue.renamed(&replaced("tmp_x", "c1")), None);
    }
    assert_eq!(queue.get(id(1)), Some(&before));
    put(&mut queue, 2, child_of("tmp_x"));
    send(&mut queue);
    let accepted = Accepted {
        replaced: replaced("tmp_x", "c2"),
        ..Accepted::default()
    };
    let _ = queue.on_accepted(id(1), 1, &accepted);
    assert_eq!(queue.get(id(2)).unwrap().entity_id, Some(entity("c2")));
}

#[test]
fn a_transaction_that_makes_an_entity_keeps_its_temporary_id_until_it_was_sent() {
    let mut queue = connected();
    let nested = Value::object([("entityId", Value::from("tmp_x"))]);
    let draft = Draft {
        entity_type: None,
        entity_id: None,
        payload: RecordBuilder::new().field("writes", nested).build(),
        ..create("tmp_x")
    };
    put(
        &mut queue,
        1,
        Draft {
            name: "transaction".to_owned(),
            ..draft
        },
    );
    let before = queue.get(id(1)).unwrap().clone();
    for _ in 0..2 {
        assert_eq!(queue.renamed(&replaced("tmp_x", "c1")), None);
    }
    assert_eq!(queue.get(id(1)), Some(&before));
    put(&mut queue, 2, update("tmp_x"));
    assert_eq!(queue.get(id(2)).unwrap().after, [id(1)]);
}

#[test]
fn what_is_uncertain_and_never_went_out_under_its_number_is_renamed() {
    let mut queue = connected();
    put(&mut queue, 1, create("tmp_x"));
    put(&mut queue, 2, child_of("tmp_x"));
    let _ = queue.new_incarnation(Renewal::Copied);
    let _ = queue.on_connected(Some(&BTreeMap::new()));
    let _ = queue.retry(NOW, id(1)).unwrap();
    let (_, seq, _) = send(&mut queue).unwrap();
    let accepted = Accepted {
        replaced: replaced("tmp_x", "c1"),
        ..Accepted::default()
    };
    let _ = queue.on_accepted(id(1), seq, &accepted);
    let action = queue.get(id(2)).unwrap();
    assert_eq!(action.state, ActionState::Uncertain);
    assert_eq!(action.entity_id, Some(entity("c1")));
    assert_eq!(action.payload, child_of("c1").payload);
}

#[test]
fn only_temporary_ids_are_replaced() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    assert_eq!(queue.renamed(&replaced("c1", "c2")), None);
    assert_eq!(queue.get(id(1)).unwrap().entity_id, Some(entity("c1")));
}

#[test]
fn a_parked_action_is_renamed_too() {
    let mut queue = connected();
    put(&mut queue, 1, create("tmp_x"));
    put(&mut queue, 2, update("tmp_x"));
    let _ = queue.park(NOW, id(2), permanent());
    send(&mut queue);
    let accepted = Accepted {
        replaced: replaced("tmp_x", "c1"),
        ..Accepted::default()
    };
    let _ = queue.on_accepted(id(1), 1, &accepted);
    assert_eq!(queue.get(id(2)).unwrap().entity_id, Some(entity("c1")));
}

#[test]
fn the_base_of_a_write_behind_ones_own_is_the_accepted_version() {
    let mut queue = connected();
    let base = |draft: Draft| Draft {
        base: Version::new(3),
        ..draft
    };
    put(&mut queue, 1, base(update("c1")));
    put(&mut queue, 2, base(after(update("c1"), &[id(1)])));
    put(&mut queue, 3, base(after(update("c2"), &[id(1)])));
    put(&mut queue, 4, after(update("c1"), &[id(1)]));
    put(&mut queue, 5, within(base(update("c1")), "other"));
    send(&mut queue);
    let versions = BTreeMap::from([(key("c1"), Version::new(9).unwrap())]);
    let _ = queue.on_accepted(
        id(1),
        1,
        &Accepted {
            versions,
            ..Accepted::default()
        },
    );
    let bases: Vec<_> = (2..=5)
        .map(|n| queue.get(id(n)).unwrap().base.map(Version::get))
        .collect();
    assert_eq!(bases, [Some(9), Some(3), None, Some(3)]);
}
