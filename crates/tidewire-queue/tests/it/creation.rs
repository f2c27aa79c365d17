//! Creations under an id that the application chose: the entity is there only once the server said so, and until then
//! nobody else's entity of that id is written in its stead (law 14).

use tidewire_model::{Effect, EffectBody, EntityId, EntityKey, EntityType};
use tidewire_queue::{
    ActionState, DecideError, Draft, Fate, Queue, RefusalClass, Renewal, Settings, SubmitError,
};
use tidewire_store::Table;

use crate::kit::{
    Disk, NOW, RANDOM, after, class, connected, create, customers, entity, id, key, permanent, put,
    record, send_all, state, update, within, yes,
};

fn delete(target: &str) -> Draft {
    Draft {
        entity_type: Some(customers()),
        entity_id: Some(entity(target)),
        effects: vec![Effect::new(key(target), EffectBody::Remove)],
        ..Draft::new("delete")
    }
}

/// Several writes as one action: it names no entity but by its effects.
fn transaction(effects: Vec<Effect>) -> Draft {
    Draft {
        effects,
        ..Draft::new("transaction")
    }
}

fn of_type(draft: Draft, name: &str) -> Draft {
    let entity_type = EntityType::new(name).unwrap();
    let effects = draft.effects.into_iter().map(|effect| {
        let key = EntityKey::new(entity_type.clone(), effect.key.id);
        Effect::new(key, effect.body)
    });
    Draft {
        effects: effects.collect(),
        entity_type: Some(entity_type.clone()),
        ..draft
    }
}

#[test]
fn law_14_a_write_on_an_entity_that_was_never_created_is_not_sent() {
    let mut queue = connected();
    put(&mut queue, 1, create("c1"));
    put(&mut queue, 2, update("c1"));
    put(&mut queue, 3, within(delete("c1"), "other"));
    assert_eq!(send_all(&mut queue), [id(1)]);
    let outcome = queue.on_refused(NOW, id(1), 1, permanent(), None);
    let parked = |n| (id(n), Fate::Parked);
    assert_eq!(outcome.fates, [parked(1), parked(2), parked(3)]);
    assert_eq!(class(&queue, 2), Some(RefusalClass::Dependency(id(1))));
    assert_eq!(class(&queue, 3), Some(RefusalClass::Dependency(id(1))));
    assert_eq!(send_all(&mut queue), []);
}

#[test]
fn what_waited_for_a_creation_goes_once_it_was_accepted() {
    let mut queue = connected();
    put(&mut queue, 1, create("c1"));
    put(&mut queue, 2, update("c1"));
    put(&mut queue, 3, update("c1"));
    assert_eq!(send_all(&mut queue), [id(1)]);
    let _ = queue.on_accepted(id(1), 1, &yes());
    assert_eq!(send_all(&mut queue), [id(2), id(3)]);
}

#[test]
fn creations_and_writes_on_other_entities_wait_for_nobody() {
    let mut queue = connected();
    put(&mut queue, 1, create("c1"));
    put(&mut queue, 2, create("c2"));
    put(&mut queue, 3, update("c3"));
    put(&mut queue, 4, of_type(update("c1"), "orders"));
    assert_eq!(send_all(&mut queue), [id(1), id(2), id(3), id(4)]);
}

#[test]
fn a_transaction_waits_for_what_it_writes_and_is_waited_for_where_it_creates() {
    let mut queue = connected();
    let made = Effect::new(key("c2"), EffectBody::Put(record("name", "A")));
    put(&mut queue, 1, create("c1"));
    let mut both = update("c1").effects;
    both.push(made);
    put(&mut queue, 2, transaction(both));
    put(&mut queue, 3, update("c2"));
    assert_eq!(queue.get(id(2)).unwrap().behind, [id(1)]);
    assert_eq!(queue.get(id(3)).unwrap().behind, [id(2)]);
}

#[test]
fn law_14_nothing_is_written_to_an_entity_whose_creation_was_refused_before_somebody_decided() {
    let mut queue = connected();
    put(&mut queue, 1, create("c1"));
    put(&mut queue, 2, update("c9"));
    assert_eq!(send_all(&mut queue), [id(1), id(2)]);
    let _ = queue.on_refused(NOW, id(1), 1, permanent(), None);
    for draft in [update("c1"), delete("c1"), create("c1")] {
        let refused = queue.submit(NOW, id(3), draft).unwrap_err();
        assert_eq!(refused, SubmitError::DependsOnParked { id: id(1) });
    }
    let _ = queue.discard(NOW, id(1)).unwrap();
    put(&mut queue, 3, update("c1"));
    assert_eq!(send_all(&mut queue), [id(3)], "now it means what is there");
}

#[test]
fn the_latest_creation_is_the_one_waited_for() {
    let mut queue = connected();
    put(&mut queue, 1, create("c1"));
    put(&mut queue, 2, delete("c1"));
    put(&mut queue, 3, create("c1"));
    put(&mut queue, 4, update("c1"));
    assert_eq!(queue.get(id(3)).unwrap().behind, [id(1)]);
    assert_eq!(queue.get(id(4)).unwrap().behind, [id(3)]);
    let _ = queue.park(NOW, id(3), permanent());
    assert_eq!(class(&queue, 4), Some(RefusalClass::Dependency(id(3))));
    let _ = queue.cancel(NOW, id(3)).unwrap();
    put(&mut queue, 5, update("c1"));
    assert_eq!(queue.get(id(5)).unwrap().behind, [id(1)]);
}

#[test]
fn a_restored_queue_knows_its_creations() {
    let mut queue = connected();
    let mut disk = Disk::default();
    disk.store(&put(&mut queue, 1, create("c1")));
    disk.store(&put(&mut queue, 2, update("c1")));
    let mut restored = disk.restore();
    put(&mut restored, 3, update("c1"));
    assert_eq!(restored.get(id(2)).unwrap().behind, [id(1)]);
    assert_eq!(restored.get(id(3)).unwrap().behind, [id(1)]);
}

#[test]
fn a_write_sent_again_waits_for_a_creation_made_since() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    let _ = queue.park(NOW, id(1), permanent());
    put(&mut queue, 2, create("c1"));
    let _ = queue.retry(NOW, id(1)).unwrap();
    assert_eq!(queue.get(id(1)).unwrap().behind, [id(2)]);
    assert_eq!(state(&queue, 1), ActionState::Waiting);
    assert_eq!(send_all(&mut queue), [id(2)]);
}

#[test]
fn a_write_that_comes_back_with_another_waits_for_a_creation_made_since() {
    let mut queue = connected();
    put(&mut queue, 1, update("c9"));
    put(
        &mut queue,
        2,
        within(after(update("c1"), &[id(1)]), "other"),
    );
    let _ = queue.park(NOW, id(1), permanent());
    put(&mut queue, 3, create("c1"));
    let _ = queue.retry(NOW, id(1)).unwrap();
    assert_eq!(send_all(&mut queue), [id(3), id(1)]);
    let _ = queue.on_accepted(id(1), 3, &yes());
    assert_eq!(send_all(&mut queue), [], "the creation is unanswered");
    let _ = queue.on_accepted(id(3), 2, &yes());
    assert_eq!(send_all(&mut queue), [id(2)]);
}

#[test]
fn law_14_a_write_does_not_come_back_with_another_while_a_creation_made_since_is_parked() {
    let mut queue = connected();
    put(&mut queue, 1, update("c9"));
    put(&mut queue, 2, after(update("c1"), &[id(1)]));
    put(&mut queue, 3, within(create("c1"), "other"));
    assert_eq!(send_all(&mut queue), [id(1), id(3)]);
    let _ = queue.on_refused(NOW, id(1), 1, permanent(), None);
    let _ = queue.on_refused(NOW, id(3), 1, permanent(), None);
    let _ = queue.retry(NOW, id(1)).unwrap();
    assert_eq!(send_all(&mut queue), [id(1)]);
    assert_eq!(class(&queue, 2), Some(RefusalClass::Dependency(id(3))));
}

#[test]
fn an_accepted_creation_is_one_small_transaction_however_many_writes_wait_for_it() {
    let ops = |count: u8| {
        let mut queue = connected();
        put(&mut queue, 1, create("c1"));
        for n in 2..2 + count {
            put(&mut queue, n, update("c1"));
        }
        assert_eq!(send_all(&mut queue), [id(1)]);
        let txn = queue.on_accepted(id(1), 1, &yes()).txn.unwrap();
        assert_eq!(queue.get(id(2)).unwrap().behind, []);
        txn.ops.len()
    };
    assert_eq!(ops(100), ops(1));
}

#[test]
fn a_restored_write_knows_whether_its_creation_was_accepted() {
    let mut queue = connected();
    let mut disk = Disk::default();
    disk.store(&put(&mut queue, 1, create("c1")));
    disk.store(&put(&mut queue, 2, update("c1")));
    disk.store(&queue.poll_send().unwrap().txn.unwrap());
    disk.store(&queue.on_accepted(id(1), 1, &yes()).txn.unwrap());
    let restored = disk.restore();
    assert_eq!(restored.get(id(2)), queue.get(id(2)));
}

#[test]
fn a_write_whose_creation_cannot_be_read_any_more_is_parked() {
    let mut queue = connected();
    let mut disk = Disk::default();
    disk.store(&put(&mut queue, 1, create("c1")));
    disk.store(&put(&mut queue, 2, update("c1")));
    disk.store(&put(&mut queue, 3, update("c2")));
    let mut rows = disk.rows();
    let row = rows
        .iter_mut()
        .find(|row| row.table == Table::new("actions"));
    row.unwrap().value = b"damaged".to_vec();
    let (restored, problems) = Queue::restore(Settings::default(), RANDOM, rows);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(class(&restored, 2), Some(RefusalClass::Dependency(id(1))));
    assert_eq!(state(&restored, 3), ActionState::Waiting);
}

/// A creation that was refused and given up, and a write on its entity that was parked with it.
fn given_up() -> Queue {
    let mut queue = connected();
    put(&mut queue, 1, create("c1"));
    put(&mut queue, 2, update("c1"));
    assert_eq!(send_all(&mut queue), [id(1)]);
    let _ = queue.on_refused(NOW, id(1), 1, permanent(), None);
    let _ = queue.discard(NOW, id(1)).unwrap();
    assert_eq!(class(&queue, 2), Some(RefusalClass::Dependency(id(1))));
    queue
}

#[test]
fn law_14_a_write_whose_creation_was_given_up_is_not_sent_to_whoever_has_the_id_now() {
    let mut queue = given_up();
    let refused = queue.retry(NOW, id(2)).unwrap_err();
    assert_eq!(refused, DecideError::NeverCreated(id(1)));
    assert!(refused.to_string().contains("write anew"), "{refused}");
    assert_eq!(class(&queue, 2), Some(RefusalClass::Dependency(id(1))));
    assert_eq!(send_all(&mut queue), []);
    // To say once more what is meant, or to give it up too, is a decision.
    let _ = queue.edit(NOW, id(2), update("c1")).unwrap();
    queue.on_durable(id(2));
    assert_eq!(send_all(&mut queue), [id(2)]);
    let mut queue = given_up();
    let _ = queue.discard(NOW, id(2)).unwrap();
    assert_eq!(queue.counts().parked, 0);
}

#[test]
fn law_14_a_write_whose_creation_was_given_up_may_follow_a_newer_creation() {
    let mut queue = given_up();
    put(&mut queue, 3, create("c1"));
    let _ = queue.retry(NOW, id(2)).unwrap();
    assert_eq!(queue.get(id(2)).unwrap().behind, [id(3)]);
    assert_eq!(send_all(&mut queue), [id(3)]);
    let _ = queue.on_accepted(id(3), 3, &yes());
    assert_eq!(send_all(&mut queue), [id(2)]);
}

#[test]
fn law_14_an_uncertain_write_whose_creation_was_given_up_does_not_go_before_a_newer_one() {
    let mut queue = connected();
    put(&mut queue, 1, create("c1"));
    put(&mut queue, 2, within(update("c1"), "other"));
    let _ = queue.new_incarnation(Renewal::Copied);
    let _ = queue.discard(NOW, id(1)).unwrap();
    put(&mut queue, 3, create("c1"));
    let refused = queue.retry(NOW, id(2)).unwrap_err();
    assert_eq!(refused, DecideError::NeverCreated(id(1)));
}

#[test]
fn a_creation_behind_one_that_was_given_up_is_sent_again() {
    let mut queue = connected();
    put(&mut queue, 1, create("c1"));
    put(&mut queue, 2, delete("c1"));
    put(&mut queue, 3, create("c1"));
    let _ = queue.cancel(NOW, id(1)).unwrap();
    let _ = queue.retry(NOW, id(3)).unwrap();
    assert_eq!(send_all(&mut queue), [id(3)]);
}

#[test]
fn law_14_a_creation_that_was_named_too_is_a_creation() {
    let mut queue = connected();
    put(&mut queue, 1, create("c1"));
    put(&mut queue, 2, after(update("c1"), &[id(1)]));
    let _ = queue.cancel(NOW, id(1)).unwrap();
    let refused = queue.retry(NOW, id(2)).unwrap_err();
    assert_eq!(refused, DecideError::NeverCreated(id(1)));
}

#[test]
fn law_14_what_mentions_an_id_that_was_never_made_is_not_sent() {
    let mut queue = connected();
    let temporary = EntityId::temporary(id(1));
    put(&mut queue, 1, create(temporary.as_str()));
    put(&mut queue, 2, update(temporary.as_str()));
    let _ = queue.cancel(NOW, id(1)).unwrap();
    let refused = queue.retry(NOW, id(2)).unwrap_err();
    assert_eq!(refused, DecideError::NeverCreated(id(1)));
}

#[test]
fn an_action_that_was_only_to_come_first_need_not_have_come() {
    let mut queue = connected();
    put(&mut queue, 1, create("c1"));
    put(&mut queue, 2, after(update("c9"), &[id(1)]));
    let _ = queue.cancel(NOW, id(1)).unwrap();
    let _ = queue.retry(NOW, id(2)).unwrap();
    assert_eq!(send_all(&mut queue), [id(2)]);
}

#[test]
fn law_14_what_was_given_up_and_what_was_accepted_is_told_apart_after_a_restart() {
    for is_accepted in [true, false] {
        let mut queue = connected();
        let mut disk = Disk::default();
        disk.store(&put(&mut queue, 1, create("c1")));
        disk.store(&put(&mut queue, 2, update("c1")));
        disk.store(&put(&mut queue, 3, within(update("c1"), "other")));
        let copied = queue.new_incarnation(Renewal::Copied);
        disk.store(&copied.txn.unwrap());
        let outcome = if is_accepted {
            queue.on_accepted(id(1), 1, &yes())
        } else {
            queue.discard(NOW, id(1)).unwrap()
        };
        disk.store(&outcome.txn.unwrap());
        for queue in [&mut queue, &mut disk.restore()] {
            assert_eq!(state(queue, 3), ActionState::Uncertain);
            let retried = queue.retry(NOW, id(3));
            assert_eq!(retried.is_ok(), is_accepted, "{retried:?}");
        }
    }
}
