//! Submission: numbers, limits, dependencies.

use tidewire_model::{
    Effect, EffectBody, EntityId, EntityKey, EntityType, MAX_DEPTH, Patch, RESERVED_FIELD, Record,
    RecordBuilder, Value,
};
use tidewire_queue::{ActionState, Draft, Queue, RefusalClass, Settings, SubmitError};
use tidewire_store::Commit;

use crate::kit::{
    Disk, NOW, RANDOM, after, connected, create, id, ids, key, lane, permanent, put, send, update,
    within,
};

#[test]
fn a_submission_is_stored_synced_and_restored_as_it_was() {
    let mut queue = connected();
    let mut disk = Disk::default();
    let txn = queue.submit(NOW, id(1), update("c1")).unwrap();
    assert_eq!(txn.commit, Commit::Synced);
    disk.store(&txn);
    let restored = disk.restore();
    assert_eq!(restored.get(id(1)), queue.get(id(1)));
    assert!(restored.is_durable(id(1)));
}

#[test]
fn numbers_rise_by_lane_and_are_never_given_twice() {
    let mut queue = connected();
    let mut disk = Disk::default();
    for (n, name) in [(1, "a"), (2, "a"), (3, "b")] {
        disk.store(&put(&mut queue, n, within(update("c1"), name)));
    }
    let seqs = |queue: &Queue| queue.pending().map(|action| action.seq).collect::<Vec<_>>();
    assert_eq!(seqs(&queue), [1, 2, 1]);
    disk.store(&queue.cancel(NOW, id(2)).unwrap().txn.unwrap());
    let mut restored = disk.restore();
    put(&mut restored, 4, within(update("c1"), "a"));
    assert_eq!(restored.get(id(4)).unwrap().seq, 3);
}

#[test]
fn an_action_is_durable_only_once_it_is_said_to_be_stored() {
    let mut queue = connected();
    queue.submit(NOW, id(1), update("c1")).unwrap();
    assert!(!queue.is_durable(id(1)));
    assert_eq!(
        send(&mut queue),
        None,
        "nothing is offered before it is durable"
    );
    queue.on_durable(id(1));
    assert!(queue.is_durable(id(1)));
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
    assert!(
        !queue.is_durable(id(2)),
        "an action that is not there is not durable"
    );
}

#[test]
fn a_full_queue_refuses_and_keeps_what_it_has() {
    let settings = Settings {
        max_actions: 2,
        ..Settings::default()
    };
    let mut queue = Queue::new(settings, RANDOM);
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, update("c2"));
    let refused = queue.submit(NOW, id(3), update("c3")).unwrap_err();
    assert_eq!(refused, SubmitError::Full { limit: 2 });
    assert_eq!(ids(queue.pending()), [id(1), id(2)]);
    let _ = queue.cancel(NOW, id(1)).unwrap();
    put(&mut queue, 3, update("c3"));
}

#[test]
fn the_byte_limits_refuse_one_large_action_and_many_small_ones() {
    let mut queue = Queue::new(
        Settings {
            max_action_bytes: 600,
            max_bytes: 900,
            ..Settings::default()
        },
        RANDOM,
    );
    let large = Draft {
        payload: RecordBuilder::new().field("text", "x".repeat(600)).build(),
        ..update("c1")
    };
    let refused = queue.submit(NOW, id(1), large).unwrap_err();
    assert!(
        matches!(refused, SubmitError::TooLarge { limit: 600, .. }),
        "{refused}"
    );
    let mut taken = 0;
    let refused = loop {
        match queue.submit(NOW, id(taken), update("c1")) {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, SubmitError::FullBytes { limit: 900 });
    assert_eq!(usize::from(taken), queue.pending().count());
    assert!(taken > 0);
}

#[test]
fn a_lane_too_many_is_refused() {
    let mut queue = Queue::new(
        Settings {
            max_lanes: 1,
            ..Settings::default()
        },
        RANDOM,
    );
    put(&mut queue, 1, within(update("c1"), "a"));
    let refused = queue
        .submit(NOW, id(2), within(update("c1"), "b"))
        .unwrap_err();
    assert_eq!(refused, SubmitError::TooManyLanes { limit: 1 });
    put(&mut queue, 2, within(update("c1"), "a"));
}

#[test]
fn content_that_could_not_be_read_back_is_refused() {
    let mut queue = connected();
    let mut deep = Value::Null;
    for _ in 0..40 {
        deep = Value::List(vec![deep]);
    }
    let drafts = [
        (
            Draft {
                payload: RecordBuilder::new().field("a", deep).build(),
                ..update("c1")
            },
            "deep",
        ),
        (
            Draft {
                payload: RecordBuilder::new()
                    .field("a", Value::Float(f64::NAN))
                    .build(),
                ..update("c1")
            },
            "finite",
        ),
        (
            Draft {
                name: String::new(),
                ..update("c1")
            },
            "0",
        ),
        (
            Draft {
                name: "n".repeat(257),
                ..update("c1")
            },
            "257",
        ),
    ];
    for (draft, word) in drafts {
        let refused = queue.submit(NOW, id(1), draft).unwrap_err();
        assert!(refused.to_string().contains(word), "{refused}");
    }
    assert_eq!(queue.pending().count(), 0);
}

#[test]
fn a_field_that_would_be_read_back_as_a_number_is_refused() {
    let mut queue = connected();
    let tags = || Value::object([(RESERVED_FIELD, Value::from("5"))]);
    let payload = RecordBuilder::new().field("tags", vec![tags()]).build();
    let put = put_effect(RecordBuilder::new().field(RESERVED_FIELD, 1).build());
    let merge = EffectBody::Merge(Patch::new().set("tags", tags()));
    let append = EffectBody::Append {
        field: "list".into(),
        value: tags(),
    };
    let of_effect = |effect| Draft {
        effects: vec![effect],
        ..update("c1")
    };
    let drafts = [
        Draft {
            payload,
            ..update("c1")
        },
        of_effect(put),
        of_effect(Effect::new(key("c1"), merge)),
        of_effect(Effect::new(key("c1"), append)),
    ];
    for draft in drafts {
        let refused = queue.submit(NOW, id(1), draft).unwrap_err();
        assert_eq!(refused, SubmitError::ReservedField);
    }
    assert_eq!(queue.pending().count(), 0);
}

/// A record that nests so deep, itself counted as one.
fn nested(depth: usize) -> Record {
    let deep = (1..depth).fold(Value::Null, |value, _| Value::List(vec![value]));
    RecordBuilder::new().field("a", deep).build()
}

fn put_effect(record: Record) -> Effect {
    Effect {
        key: EntityKey::new(
            EntityType::new("customers").unwrap(),
            EntityId::text("c1").unwrap(),
        ),
        body: EffectBody::Put(record),
    }
}

#[test]
fn content_deeper_than_a_frame_carries_or_a_store_gives_back_is_refused() {
    let mut queue = connected();
    let deep_payload = Draft {
        payload: nested(Draft::MAX_PAYLOAD_DEPTH + 1),
        ..update("c1")
    };
    let deep_effect = Draft {
        effects: vec![put_effect(nested(MAX_DEPTH + 1))],
        ..update("c1")
    };
    for (draft, limit) in [
        (deep_payload, Draft::MAX_PAYLOAD_DEPTH),
        (deep_effect, MAX_DEPTH),
    ] {
        let refused = queue.submit(NOW, id(1), draft).unwrap_err();
        assert_eq!(refused, SubmitError::TooDeep { limit });
    }
    assert_eq!(queue.pending().count(), 0);
}

#[test]
fn the_deepest_content_that_is_taken_is_read_back() {
    let mut queue = connected();
    let draft = Draft {
        payload: nested(Draft::MAX_PAYLOAD_DEPTH),
        effects: vec![put_effect(nested(MAX_DEPTH))],
        ..update("c1")
    };
    let mut disk = Disk::default();
    disk.store(&put(&mut queue, 1, draft));
    assert_eq!(disk.restore().get(id(1)), queue.get(id(1)));
}

#[test]
fn an_id_in_the_queue_is_refused_a_second_time() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    let refused = queue.submit(NOW, id(1), update("c2")).unwrap_err();
    assert_eq!(refused, SubmitError::DuplicateId { id: id(1) });
}

#[test]
fn an_action_waits_for_what_it_names_and_for_the_creator_of_a_temporary_id() {
    let mut queue = connected();
    put(&mut queue, 1, create("tmp_x"));
    put(&mut queue, 2, update("c1"));
    let mut child = within(after(update("c2"), &[id(2), id(99)]), "other");
    child.payload = RecordBuilder::new()
        .field("ref", Value::List(vec![Value::from("tmp_x")]))
        .build();
    put(&mut queue, 3, child);
    assert_eq!(
        queue.get(id(3)).unwrap().after,
        [id(1), id(2)],
        "what is not in the queue counts as done"
    );
    let mut mentions_in_text = within(update("c2"), "other");
    mentions_in_text.payload = RecordBuilder::new().field("text", "see tmp_x").build();
    put(&mut queue, 4, mentions_in_text);
    assert_eq!(
        queue.get(id(4)).unwrap().after,
        [],
        "only a whole text value is an id"
    );
}

#[test]
fn a_temporary_id_made_from_an_action_names_its_creator_whatever_the_action_is_called() {
    let mut queue = connected();
    put(&mut queue, 1, Draft::new("open_account"));
    let temporary = EntityId::temporary(id(1));
    put(&mut queue, 2, within(update(temporary.as_str()), "other"));
    assert_eq!(queue.get(id(2)).unwrap().after, [id(1)]);
}

#[test]
fn what_depends_on_a_parked_action_is_refused() {
    let mut queue = connected();
    put(&mut queue, 1, create("tmp_x"));
    send(&mut queue);
    let _ = queue.on_refused(NOW, id(1), 1, permanent(), None);
    let refused = queue.submit(NOW, id(2), update("tmp_x")).unwrap_err();
    assert_eq!(refused, SubmitError::DependsOnParked { id: id(1) });
    let refused = queue
        .submit(NOW, id(2), after(update("c1"), &[id(1)]))
        .unwrap_err();
    assert_eq!(refused, SubmitError::DependsOnParked { id: id(1) });
}

#[test]
fn the_overlay_is_what_is_not_parked_in_order_of_submission() {
    let mut queue = connected();
    for (n, name) in [(1, "b"), (2, "a"), (3, "b")] {
        put(&mut queue, n, within(update("c1"), name));
    }
    let order = |queue: &Queue| {
        queue
            .effects_in_order()
            .map(|(id, _)| id)
            .collect::<Vec<_>>()
    };
    assert_eq!(order(&queue), [id(1), id(2), id(3)]);
    let _ = queue.park(NOW, id(2), permanent());
    assert_eq!(order(&queue), [id(1), id(3)]);
    assert_eq!(crate::kit::class(&queue, 2), Some(RefusalClass::Permanent));
    assert_eq!(queue.waiting_lanes().count(), 0);
    assert!(
        queue.get(id(1)).unwrap().state == ActionState::Waiting
            && queue.get(id(1)).unwrap().lane == lane("b")
    );
}
