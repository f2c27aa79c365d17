//! Sending and answers: order, window, previous numbers, every class of refusal.

use std::time::Duration;

use tidewire_queue::{ActionState, Counts, Fate, Queue, RefusalClass, Settings, SyncReason};
use tidewire_store::Commit;

use crate::kit::{
    Disk, LATER, NOW, RANDOM, after, class, confirmed, connected, id, lane, numbers, permanent,
    put, refusal, send, send_all, state, update, within, yes,
};

#[test]
fn a_lane_goes_out_in_order_and_each_names_the_number_before() {
    let mut queue = connected();
    for n in 1..=4 {
        put(&mut queue, n, update("c1"));
    }
    let _ = queue.cancel(NOW, id(2)).unwrap();
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
    assert_eq!(
        send(&mut queue),
        Some((id(3), 3, 1)),
        "a cancelled action leaves no hole"
    );
    let _ = queue.on_accepted(id(1), 1, &yes());
    let _ = queue.on_accepted(id(3), 3, &yes());
    assert_eq!(send(&mut queue), Some((id(4), 4, 3)));
    assert_eq!(send(&mut queue), None);
}

#[test]
fn the_window_bounds_what_is_under_way_in_a_lane() {
    let mut queue = Queue::new(
        Settings {
            max_in_flight: 2,
            ..Settings::default()
        },
        RANDOM,
    );
    let _ = queue.on_connected(None);
    for n in 1..=3 {
        put(&mut queue, n, update("c1"));
    }
    put(&mut queue, 4, within(update("c1"), "other"));
    assert_eq!(
        send_all(&mut queue),
        [id(1), id(2), id(4)],
        "another lane has a window of its own"
    );
    let _ = queue.on_accepted(id(1), 1, &yes());
    assert_eq!(send_all(&mut queue), [id(3)]);
}

#[test]
fn the_mark_is_stored_before_the_first_sending_and_not_again_after_it_is_known() {
    let mut queue = connected();
    let mut disk = Disk::default();
    disk.store(&put(&mut queue, 1, update("c1")));
    assert_eq!(
        disk.restore().get(id(1)).unwrap().state,
        ActionState::Waiting
    );
    let first = queue.poll_send().unwrap();
    let mark = first.txn.expect("the first sending has a mark");
    assert_eq!(mark.commit, Commit::Synced);
    disk.store(&mark);
    assert_eq!(
        disk.restore().get(id(1)).unwrap().state,
        ActionState::PossiblySent
    );
    queue.on_disconnected();
    let _ = queue.bump_run();
    let _ = queue.on_connected(Some(&Default::default()));
    let again = queue.poll_send().unwrap();
    assert_eq!(again.txn, None, "the run was stored after the mark");
    assert_eq!(
        (again.action.hash(), again.action.seq),
        (first.action.hash(), first.action.seq)
    );
    assert_eq!(again.action.attempts, 2);
}

#[test]
fn a_mark_that_nothing_proves_stored_is_given_again() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    assert!(queue.poll_send().unwrap().txn.is_some());
    let _ = queue.on_sync(&lane("main"), 0, SyncReason::Order);
    assert!(queue.poll_send().unwrap().txn.is_some());
}

#[test]
fn looking_ahead_changes_nothing() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    assert_eq!(queue.peek_send().map(|action| action.id), Some(id(1)));
    assert_eq!(state(&queue, 1), ActionState::Waiting);
    let outcome = queue.park(NOW, id(1), permanent());
    assert_eq!(outcome.fates, [(id(1), Fate::Parked)]);
    assert_eq!(queue.peek_send(), None);
    put(&mut queue, 2, update("c1"));
    assert_eq!(
        send(&mut queue),
        Some((id(2), 2, 0)),
        "what was never sent uses no number up"
    );
    assert_eq!(
        queue.park(NOW, id(2), permanent()),
        Default::default(),
        "what was offered is not parked on this side"
    );
}

#[test]
fn an_accepted_action_leaves_queue_and_store_in_one_transaction() {
    let mut queue = connected();
    let mut disk = Disk::default();
    disk.store(&put(&mut queue, 1, update("c1")));
    disk.store(&queue.poll_send().unwrap().txn.unwrap());
    let outcome = queue.on_accepted(id(1), 1, &yes());
    assert_eq!(outcome.fates, [(id(1), Fate::Accepted)]);
    assert_eq!(queue.get(id(1)), None);
    disk.store(&outcome.txn.unwrap());
    let mut restored = disk.restore();
    assert_eq!(restored.pending().count(), 0);
    assert_eq!(confirmed(&mut restored), numbers(&[("main", 1)]));
    assert_eq!(
        queue.confirmed(),
        Default::default(),
        "not before the next connection"
    );
    assert_eq!(confirmed(&mut queue), confirmed(&mut restored));
}

#[test]
fn what_is_not_answered_is_not_confirmed() {
    let mut queue = connected();
    for n in 1..=3 {
        put(&mut queue, n, update("c1"));
    }
    send_all(&mut queue);
    let _ = queue.on_accepted(id(2), 2, &yes());
    assert_eq!(confirmed(&mut queue), Default::default());
    let _ = queue.on_accepted(id(1), 1, &yes());
    assert_eq!(confirmed(&mut queue), numbers(&[("main", 2)]));
}

#[test]
fn an_answer_counts_once_and_only_for_its_number() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, update("c1"));
    let nothing = Default::default();
    assert_eq!(
        queue.on_accepted(id(1), 1, &yes()),
        nothing,
        "it was never sent"
    );
    send(&mut queue);
    assert_eq!(
        queue.on_accepted(id(1), 2, &yes()),
        nothing,
        "another number"
    );
    assert_eq!(
        queue.on_accepted(id(9), 1, &yes()),
        nothing,
        "another action"
    );
    assert_ne!(queue.on_accepted(id(1), 1, &yes()), nothing);
    assert_eq!(queue.on_accepted(id(1), 1, &yes()), nothing, "a repeat");
    assert_eq!(
        queue.on_refused(NOW, id(1), 1, permanent(), None),
        nothing,
        "a repeat of another kind"
    );
}

#[test]
fn a_late_answer_to_the_old_number_of_a_retried_action_is_ignored() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    send(&mut queue);
    let _ = queue.on_refused(NOW, id(1), 1, permanent(), None);
    let _ = queue.retry(LATER, id(1)).unwrap();
    assert_eq!(send(&mut queue), Some((id(1), 2, 1)));
    assert_eq!(
        queue.on_refused(NOW, id(1), 1, permanent(), None),
        Default::default()
    );
    assert_eq!(state(&queue, 1), ActionState::PossiblySent);
}

#[test]
fn a_permanent_refusal_parks_with_its_reason_and_uses_the_number_up() {
    for kind in [RefusalClass::Permanent, RefusalClass::Conflict] {
        let mut queue = connected();
        let mut disk = Disk::default();
        disk.store(&put(&mut queue, 1, update("c1")));
        disk.store(&put(&mut queue, 2, update("c2")));
        disk.store(&queue.poll_send().unwrap().txn.unwrap());
        let outcome = queue.on_refused(LATER, id(1), 1, refusal(kind), None);
        assert_eq!(outcome.fates, [(id(1), Fate::Parked)]);
        disk.store(&outcome.txn.unwrap());
        assert_eq!(
            disk.restore().get(id(1)).unwrap().state,
            ActionState::Parked(refusal(kind))
        );
        assert_eq!(queue.get(id(1)).unwrap().changed, LATER);
        assert_eq!(confirmed(&mut queue), numbers(&[("main", 1)]));
        assert_eq!(send(&mut queue), Some((id(2), 2, 1)), "the lane goes on");
    }
}

#[test]
fn a_session_refusal_parks_and_leaves_the_number_to_the_server() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, update("c2"));
    send(&mut queue);
    let _ = queue.on_refused(NOW, id(1), 1, refusal(RefusalClass::Session), None);
    assert_eq!(class(&queue, 1), Some(RefusalClass::Session));
    assert_eq!(send(&mut queue), Some((id(2), 2, 0)));
    let _ = queue.on_sync(&lane("main"), 1, SyncReason::Order);
    assert_eq!(
        send(&mut queue),
        Some((id(2), 2, 1)),
        "the server had used it up after all"
    );
}

#[test]
fn a_session_refusal_of_one_copy_leaves_the_other_possible() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
    let _ = queue.on_sync(&lane("main"), 0, SyncReason::Order);
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)), "a second copy");
    let refused = || refusal(RefusalClass::Session);
    let outcome = queue.on_refused(NOW, id(1), 1, refused(), None);
    assert_eq!(outcome.fates, [(id(1), Fate::Uncertain)]);
    let mut other = queue.on_accepted(id(1), 1, &yes());
    assert_eq!(other.fates.pop(), Some((id(1), Fate::Accepted)));
}

#[test]
fn a_session_refusal_of_what_the_server_had_used_up_leaves_it_uncertain() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
    let _ = queue.on_connected(Some(&numbers(&[("main", 1)])));
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
    let refused = refusal(RefusalClass::Session);
    let outcome = queue.on_refused(NOW, id(1), 1, refused, None);
    assert_eq!(outcome.fates, [(id(1), Fate::Uncertain)]);
}

#[test]
fn what_was_answered_and_sent_again_is_no_second_copy() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    send(&mut queue);
    let _ = queue.on_refused(NOW, id(1), 1, refusal(RefusalClass::Retry), None);
    queue.resume(&lane("main"));
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
    let _ = queue.on_refused(NOW, id(1), 1, permanent(), None);
    let _ = queue.retry(NOW, id(1)).unwrap();
    assert_eq!(send(&mut queue), Some((id(1), 2, 1)));
    let _ = queue.on_refused(NOW, id(1), 2, refusal(RefusalClass::Session), None);
    assert_eq!(class(&queue, 1), Some(RefusalClass::Session));
}

#[test]
fn what_goes_out_in_the_place_of_one_that_left_waits_until_that_is_stored() {
    for is_lost in [false, true] {
        let mut queue = connected();
        put(&mut queue, 1, update("c1"));
        put(&mut queue, 2, update("c2"));
        send_all(&mut queue);
        queue.on_disconnected();
        let _ = queue.on_connected(Some(&Default::default()));
        send_all(&mut queue);
        if is_lost {
            let _ = queue.on_answer_lost(id(1), 1);
            let _ = queue.discard(NOW, id(1)).unwrap();
        } else {
            let _ = queue.on_refused(NOW, id(1), 1, refusal(RefusalClass::Session), None);
        }
        let _ = queue.on_sync(&lane("main"), 0, SyncReason::Order);
        let sending = queue.poll_send().unwrap();
        assert_eq!((sending.action.id, sending.previous), (id(2), 0));
        assert!(
            sending.txn.is_some(),
            "1 must not come back from the store once 2 took its place"
        );
    }
}

#[test]
fn a_refused_action_takes_everything_that_depends_on_it_along() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, after(within(update("c2"), "b"), &[id(1)]));
    put(&mut queue, 3, after(within(update("c3"), "c"), &[id(2)]));
    put(&mut queue, 4, within(update("c4"), "b"));
    assert_eq!(
        send_all(&mut queue),
        [id(1)],
        "lane b waits behind its first"
    );
    let outcome = queue.on_refused(NOW, id(1), 1, permanent(), None);
    assert_eq!(
        outcome.fates,
        [
            (id(1), Fate::Parked),
            (id(2), Fate::Parked),
            (id(3), Fate::Parked)
        ]
    );
    assert_eq!(class(&queue, 2), Some(RefusalClass::Dependency(id(1))));
    assert_eq!(class(&queue, 3), Some(RefusalClass::Dependency(id(2))));
    assert_eq!(send_all(&mut queue), [id(4)]);
}

#[test]
fn a_dependant_goes_out_only_after_its_parent_was_accepted() {
    let mut queue = connected();
    let mut disk = Disk::default();
    disk.store(&put(&mut queue, 1, update("c1")));
    disk.store(&put(&mut queue, 2, after(update("c2"), &[id(1)])));
    let sending = queue.poll_send().unwrap();
    assert_eq!(sending.action.id, id(1));
    disk.store(&sending.txn.unwrap());
    assert_eq!(send(&mut queue), None, "sent is not accepted");
    disk.store(&queue.on_accepted(id(1), 1, &yes()).txn.unwrap());
    assert_eq!(
        disk.restore().get(id(2)).unwrap().after,
        [],
        "what was accepted is no longer waited for"
    );
    assert_eq!(send(&mut queue), Some((id(2), 2, 1)));
}

#[test]
fn a_retryable_refusal_keeps_the_number_and_blocks_only_its_lane() {
    let mut queue = connected();
    for n in 1..=2 {
        put(&mut queue, n, update("c1"));
    }
    put(&mut queue, 3, within(update("c1"), "other"));
    send_all(&mut queue);
    let wait = Duration::from_secs(3);
    let outcome = queue.on_refused(NOW, id(1), 1, refusal(RefusalClass::Retry), Some(wait));
    let told = outcome.wait.unwrap();
    assert_eq!(
        (told.lane, told.times, told.retry_after),
        (lane("main"), 1, Some(wait))
    );
    assert_eq!((outcome.txn, outcome.fates), (None, vec![]));
    assert_eq!(queue.waiting_lanes().collect::<Vec<_>>(), [&lane("main")]);
    let _ = queue.on_sync(&lane("main"), 0, SyncReason::Order);
    put(&mut queue, 4, within(update("c1"), "other"));
    assert_eq!(send_all(&mut queue), [id(4)]);
    queue.resume(&lane("main"));
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
    assert_eq!(
        send(&mut queue),
        Some((id(2), 2, 1)),
        "what was sent behind it follows it again"
    );
    let outcome = queue.on_refused(NOW, id(1), 1, refusal(RefusalClass::Retry), None);
    assert_eq!(outcome.wait.unwrap().times, 2);
    assert_eq!(queue.get(id(1)).unwrap().attempts, 2);
}

#[test]
fn a_lane_goes_on_waiting_across_connections() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    send(&mut queue);
    let _ = queue.on_refused(NOW, id(1), 1, refusal(RefusalClass::Retry), None);
    queue.on_disconnected();
    let _ = queue.on_connected(Some(&Default::default()));
    assert_eq!(send(&mut queue), None);
    queue.resume(&lane("main"));
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
}

#[test]
fn missing_rights_pause_everything_and_are_no_attempt() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, within(update("c1"), "other"));
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
    let outcome = queue.on_refused(NOW, id(1), 1, refusal(RefusalClass::Auth), None);
    assert_eq!(outcome, Default::default());
    assert_eq!(queue.get(id(1)).unwrap().attempts, 0);
    assert_eq!(send(&mut queue), None, "other lanes pause too");
    queue.on_authorized();
    assert_eq!(send_all(&mut queue), [id(1), id(2)]);
    let _ = queue.on_refused(NOW, id(1), 1, refusal(RefusalClass::Auth), None);
    let _ = queue.on_connected(Some(&Default::default()));
    assert_eq!(
        send_all(&mut queue),
        [id(1), id(2)],
        "a new connection has new rights"
    );
}

#[test]
fn a_lost_answer_without_idempotency_is_uncertain_and_blocks_its_lane() {
    let mut queue = connected();
    let mut disk = Disk::default();
    disk.store(&put(&mut queue, 1, update("c1")));
    disk.store(&put(&mut queue, 2, update("c1")));
    disk.store(&queue.poll_send().unwrap().txn.unwrap());
    let outcome = queue.on_answer_lost(id(1), 1);
    assert_eq!(outcome.fates, [(id(1), Fate::Uncertain)]);
    disk.store(&outcome.txn.unwrap());
    assert_eq!(send(&mut queue), None);
    assert_eq!(
        disk.restore().get(id(1)).unwrap().state,
        ActionState::Uncertain
    );
    assert_eq!(
        queue.counts(),
        Counts {
            waiting: 1,
            uncertain: 1,
            ..Counts::default()
        }
    );
    assert_eq!(
        queue.effects_in_order().count(),
        2,
        "it stays in the overlay"
    );
    let _ = queue.on_accepted(id(1), 1, &yes());
    assert_eq!(
        send(&mut queue),
        Some((id(2), 2, 1)),
        "an echo or a person settled it"
    );
}
