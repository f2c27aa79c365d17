//! Decisions: cancel, retry, discard, edit.

use tidewire_queue::{ActionState, CancelError, DecideError, Fate, Queue, RefusalClass, Renewal};

use crate::kit::{
    Disk, LATER, NOW, after, class, connected, create, id, ids, permanent, put, send, send_all,
    state, update, within, yes,
};

/// 1 is refused for good; 2 depends on 1, 3 on 2.
fn a_parked_family() -> Queue {
    let mut queue = connected();
    put(&mut queue, 1, create("tmp_x"));
    put(&mut queue, 2, update("tmp_x"));
    put(
        &mut queue,
        3,
        after(within(update("c3"), "other"), &[id(2)]),
    );
    send(&mut queue);
    let _ = queue.on_refused(NOW, id(1), 1, permanent(), None);
    queue
}

#[test]
fn what_was_never_sent_can_be_cancelled_and_takes_its_dependants_out_of_the_line() {
    let mut queue = connected();
    put(&mut queue, 1, create("tmp_x"));
    put(&mut queue, 2, update("tmp_x"));
    let outcome = queue.cancel(NOW, id(1)).unwrap();
    assert_eq!(outcome.fates, [(id(1), Fate::Gone), (id(2), Fate::Parked)]);
    assert_eq!(class(&queue, 2), Some(RefusalClass::Dependency(id(1))));
    assert_eq!(send(&mut queue), None);
}

#[test]
fn what_may_have_been_sent_cannot_be_cancelled() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    send(&mut queue);
    assert_eq!(
        queue.cancel(NOW, id(1)),
        Err(CancelError::PossiblySent(id(1)))
    );
    queue.on_disconnected();
    assert_eq!(
        queue.cancel(NOW, id(1)),
        Err(CancelError::PossiblySent(id(1)))
    );
    let _ = queue.new_incarnation(Renewal::Unknown);
    assert_eq!(queue.cancel(NOW, id(1)), Err(CancelError::Uncertain(id(1))));
    assert_eq!(queue.cancel(NOW, id(9)), Err(CancelError::NotFound(id(9))));
}

#[test]
fn a_parked_action_can_be_cancelled() {
    let mut queue = a_parked_family();
    let outcome = queue.cancel(NOW, id(1)).unwrap();
    assert_eq!(outcome.fates, [(id(1), Fate::Gone)]);
    assert_eq!(ids(queue.parked()), [id(2), id(3)]);
}

#[test]
fn a_retried_action_takes_a_new_number_and_brings_its_dependants_back_behind_it() {
    let mut queue = a_parked_family();
    put(&mut queue, 4, update("c4"));
    let mut disk = Disk::default();
    let outcome = queue.retry(LATER, id(1)).unwrap();
    assert_eq!(
        outcome.fates,
        [
            (id(1), Fate::Revived),
            (id(2), Fate::Revived),
            (id(3), Fate::Revived)
        ]
    );
    disk.store(&outcome.txn.unwrap());
    assert_eq!(ids(queue.pending()), [id(4), id(1), id(2), id(3)]);
    assert_eq!(send(&mut queue), Some((id(4), 3, 1)));
    assert_eq!(send(&mut queue), Some((id(1), 4, 3)));
    assert_eq!(send(&mut queue), None, "the dependants wait for it again");
    let _ = queue.on_accepted(id(1), 4, &yes());
    assert_eq!(send_all(&mut queue), [id(2)]);
    assert_eq!(queue.get(id(1)), None);
}

#[test]
fn a_dependant_cannot_be_retried_before_its_parent() {
    let mut queue = a_parked_family();
    assert_eq!(
        queue.retry(NOW, id(2)),
        Err(DecideError::DependsOnParked(id(1)))
    );
    assert_eq!(
        queue.retry(NOW, id(3)),
        Err(DecideError::DependsOnParked(id(2)))
    );
    assert_eq!(ids(queue.parked()), [id(1), id(2), id(3)]);
}

#[test]
fn the_dependants_of_a_discarded_action_stay_parked_and_name_it() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, after(update("c2"), &[id(1)]));
    put(
        &mut queue,
        3,
        after(within(update("c3"), "other"), &[id(2)]),
    );
    let _ = queue.park(NOW, id(1), permanent());
    let outcome = queue.discard(NOW, id(1)).unwrap();
    assert_eq!(outcome.fates, [(id(1), Fate::Gone)]);
    assert_eq!(class(&queue, 2), Some(RefusalClass::Dependency(id(1))));
    assert_eq!(ids(queue.parked()), [id(2), id(3)]);
    let outcome = queue.retry(NOW, id(2)).unwrap();
    assert_eq!(
        outcome.fates,
        [(id(2), Fate::Revived), (id(3), Fate::Revived)]
    );
    assert_eq!(send_all(&mut queue), [id(2)], "the application insisted");
}

#[test]
fn a_dependant_of_two_parked_actions_comes_back_with_the_second() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, update("c2"));
    put(&mut queue, 3, after(update("c3"), &[id(1), id(2)]));
    let _ = queue.park(NOW, id(1), permanent());
    let _ = queue.park(NOW, id(2), permanent());
    assert_eq!(
        queue.retry(NOW, id(1)).unwrap().fates,
        [(id(1), Fate::Revived)]
    );
    assert_eq!(
        class(&queue, 3),
        Some(RefusalClass::Dependency(id(2))),
        "it says what it waits for now"
    );
    let outcome = queue.retry(NOW, id(2)).unwrap();
    assert_eq!(
        outcome.fates,
        [(id(2), Fate::Revived), (id(3), Fate::Revived)]
    );
}

#[test]
fn an_edited_action_is_durable_with_its_new_content_only_once_that_is_stored() {
    let mut queue = a_parked_family();
    let before = queue.get(id(1)).unwrap().clone();
    let mut draft = create("tmp_x");
    draft.payload = crate::kit::record("name", "other");
    let outcome = queue.edit(LATER, id(1), draft.clone()).unwrap();
    assert_eq!(outcome.fates.len(), 3);
    let action = queue.get(id(1)).unwrap();
    assert_eq!(
        (&action.payload, action.submitted, action.changed),
        (&draft.payload, NOW, LATER)
    );
    assert_ne!(action.hash(), before.hash());
    assert!(!queue.is_durable(id(1)));
    assert_eq!(send(&mut queue), None);
    queue.on_durable(id(1));
    assert_eq!(send(&mut queue), Some((id(1), 3, 1)));
}

#[test]
fn an_edited_action_takes_a_number_it_never_had_in_another_lane_either() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    send(&mut queue);
    let _ = queue.on_refused(NOW, id(1), 1, permanent(), None);
    let _ = queue
        .edit(NOW, id(1), within(update("c1"), "other"))
        .unwrap();
    queue.on_durable(id(1));
    assert_eq!(send(&mut queue), Some((id(1), 2, 0)));
    let late = queue.on_refused(NOW, id(1), 1, permanent(), None);
    assert_eq!(late.fates, [], "the late answer was to another number");
}

#[test]
fn an_edit_cannot_make_an_action_wait_for_its_own_dependant() {
    let mut queue = a_parked_family();
    let refused = queue.edit(NOW, id(1), after(create("tmp_x"), &[id(3)]));
    assert!(refused.is_err());
    assert_eq!(ids(queue.parked()), [id(1), id(2), id(3)]);
}

#[test]
fn decisions_about_what_is_on_its_way_are_refused() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    for _ in 0..2 {
        assert_eq!(queue.retry(NOW, id(1)), Err(DecideError::NotParked(id(1))));
        assert_eq!(
            queue.discard(NOW, id(1)),
            Err(DecideError::NotParked(id(1)))
        );
        assert_eq!(
            queue.edit(NOW, id(1), update("c2")),
            Err(DecideError::NotParked(id(1)))
        );
        send(&mut queue);
    }
    assert_eq!(queue.retry(NOW, id(9)), Err(DecideError::NotFound(id(9))));
    assert_eq!(queue.discard(NOW, id(9)), Err(DecideError::NotFound(id(9))));
    assert_eq!(
        queue.edit(NOW, id(9), update("c2")),
        Err(DecideError::NotFound(id(9)))
    );
}

#[test]
fn an_uncertain_action_is_retried_in_its_place_under_its_number() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, update("c1"));
    send(&mut queue);
    let _ = queue.on_answer_lost(id(1), 1);
    assert_eq!(
        queue.edit(NOW, id(1), update("c2")),
        Err(DecideError::Uncertain(id(1)))
    );
    let outcome = queue.retry(NOW, id(1)).unwrap();
    assert_eq!(outcome.fates, [(id(1), Fate::Resumed)]);
    assert_eq!(state(&queue, 1), ActionState::PossiblySent);
    assert_eq!(send_all(&mut queue), [id(1), id(2)]);
}

#[test]
fn a_discarded_uncertain_action_parks_what_waits_for_it_and_frees_its_lane() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, after(update("c1"), &[id(1)]));
    put(&mut queue, 3, update("c1"));
    send(&mut queue);
    let _ = queue.on_answer_lost(id(1), 1);
    let outcome = queue.discard(NOW, id(1)).unwrap();
    assert_eq!(outcome.fates, [(id(1), Fate::Gone), (id(2), Fate::Parked)]);
    assert_eq!(send_all(&mut queue), [id(3)]);
}

#[test]
fn an_uncertain_action_never_stands_in_the_way_of_what_it_waits_for() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, after(update("c2"), &[id(1)]));
    put(&mut queue, 3, after(update("c3"), &[id(2)]));
    let _ = queue.new_incarnation(Renewal::Copied);
    let _ = queue.retry(NOW, id(1)).unwrap();
    let _ = queue.on_connected(None);
    let (sent, seq, _) = send(&mut queue).unwrap();
    let _ = queue.on_refused(NOW, sent, seq, permanent(), None);
    let _ = queue.retry(NOW, id(1)).unwrap();
    assert_eq!(
        send_all(&mut queue),
        [],
        "2 is uncertain and stands before 1"
    );
    let _ = queue.retry(NOW, id(2)).unwrap();
    let _ = queue.retry(NOW, id(3)).unwrap();
    assert_eq!(ids(queue.pending()), [id(1), id(2), id(3)]);
    for n in 1..=3 {
        let (sent, seq, _) = send(&mut queue).unwrap();
        assert_eq!(sent, id(n));
        let _ = queue.on_accepted(sent, seq, &yes());
    }
}
