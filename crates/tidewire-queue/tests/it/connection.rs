//! Connections, the server's word on lanes, renewals, the client record.

use tidewire_queue::{
    ActionState, Fate, Outcome, Queue, RefusalClass, Renewal, Settings, SyncReason,
};

use crate::kit::{
    Disk, NOW, RANDOM, after, connected, id, kept, lane, numbers, permanent, put, refusal, send,
    send_all, state, update, within, yes,
};

/// 1 and 2 sent, 3 waiting, all in the main lane.
fn two_sent() -> Queue {
    let mut queue = connected();
    for n in 1..=2 {
        put(&mut queue, n, update("c1"));
    }
    send_all(&mut queue);
    put(&mut queue, 3, update("c1"));
    queue
}

#[test]
fn nothing_is_offered_before_a_connection_and_after_its_end() {
    let mut queue = Queue::new(Settings::default(), RANDOM);
    put(&mut queue, 1, update("c1"));
    assert_eq!(send(&mut queue), None);
    assert_eq!(
        queue.on_connected(None),
        Outcome::default(),
        "a client that never sent anything need not be known"
    );
    queue.on_disconnected();
    assert_eq!(send(&mut queue), None);
    let _ = queue.on_connected(Some(&numbers(&[])));
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
}

#[test]
fn what_was_possibly_sent_is_offered_again_with_the_same_number_and_content() {
    for last_seq in 0..=2 {
        let mut queue = two_sent();
        let before: Vec<_> = queue
            .pending()
            .map(|action| (action.seq, action.hash()))
            .collect();
        queue.on_disconnected();
        let _ = queue.on_connected(Some(&numbers(&[("main", last_seq)])));
        let mut again = Vec::new();
        while let Some(sending) = queue.poll_send() {
            again.push((sending.action.seq, sending.action.hash(), sending.previous));
        }
        assert_eq!(again.len(), 3);
        for (place, (seq, hash, previous)) in again.into_iter().enumerate() {
            assert_eq!(before[place], (seq, hash));
            assert_eq!(previous, seq - 1);
        }
    }
}

#[test]
fn a_server_that_does_not_know_the_client_makes_what_was_sent_uncertain() {
    let mut queue = two_sent();
    let mut disk = Disk::default();
    put(&mut queue, 4, within(update("c1"), "other"));
    let before = queue.client().clone();
    let outcome = queue.on_connected(None);
    assert!(outcome.renewed);
    assert_eq!(
        outcome.fates,
        [(id(1), Fate::Uncertain), (id(2), Fate::Uncertain)]
    );
    disk.store(&outcome.txn.unwrap());
    assert_eq!(queue.client().id, before.id);
    assert_eq!(queue.client().incarnation, before.incarnation + 1);
    let restored = disk.restore();
    assert_eq!(restored.client(), queue.client());
    assert_eq!(kept(&restored), kept(&queue));
    assert_eq!(
        send(&mut queue),
        None,
        "the connection still speaks for the old client"
    );
    assert_eq!(queue.on_connected(None), Outcome::default());
    assert_eq!(
        send(&mut queue),
        Some((id(4), 1, 0)),
        "the uncertain ones block only their lane"
    );
    let _ = queue.discard(NOW, id(1)).unwrap();
    let _ = queue.retry(NOW, id(2)).unwrap();
    assert_eq!(send(&mut queue), Some((id(2), 2, 0)));
    assert_eq!(send(&mut queue), Some((id(3), 3, 2)));
}

#[test]
fn a_server_that_knows_less_than_it_answered_was_restored() {
    let mut queue = two_sent();
    let _ = queue.on_accepted(id(1), 1, &yes());
    queue.on_disconnected();
    let outcome = queue.on_connected(Some(&numbers(&[("main", 0)])));
    assert!(outcome.renewed);
    assert_eq!(outcome.fates, [(id(2), Fate::Uncertain)]);
    assert_eq!(state(&queue, 3), ActionState::Waiting);
}

#[test]
fn a_permanently_refused_number_counts_as_answered() {
    let mut queue = two_sent();
    let _ = queue.on_refused(NOW, id(1), 1, permanent(), None);
    queue.on_disconnected();
    assert!(queue.on_connected(Some(&numbers(&[("main", 0)]))).renewed);
}

#[test]
fn a_server_that_knows_more_than_was_sent_has_met_a_copy_of_this_store() {
    for last_seq in [numbers(&[("main", 3)]), numbers(&[("stranger", 1)])] {
        let mut queue = two_sent();
        let before = queue.client().clone();
        queue.on_disconnected();
        let outcome = queue.on_connected(Some(&last_seq));
        assert!(outcome.renewed);
        assert_eq!(
            outcome.fates.len(),
            3,
            "the copy may have sent every one of them"
        );
        assert_ne!(queue.client().id, before.id, "the two never meet again");
        assert_eq!(queue.counts().uncertain, 3);
    }
}

#[test]
fn two_copies_of_a_store_take_different_names() {
    let mut disk = Disk::default();
    let mut queue = Queue::new(Settings::default(), RANDOM);
    disk.store(&queue.bump_run());
    let names = [[1; 16], [2; 16]].map(|random| {
        let (mut copy, _) = Queue::restore(Settings::default(), random, disk.rows());
        let _ = copy.new_incarnation(Renewal::Copied);
        copy.client().id.clone()
    });
    assert_ne!(names[0], names[1]);
}

#[test]
fn a_lane_out_of_order_is_sent_again_behind_what_the_server_used_up() {
    let mut queue = two_sent();
    assert_eq!(
        queue.on_sync(&lane("main"), 0, SyncReason::Order),
        Outcome::default()
    );
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
    assert_eq!(send(&mut queue), Some((id(2), 2, 1)));
    assert_eq!(
        queue.on_sync(&lane("main"), 1, SyncReason::Order),
        Outcome::default()
    );
    assert_eq!(
        send(&mut queue),
        Some((id(1), 1, 0)),
        "its stored answer is asked for"
    );
    assert_eq!(send(&mut queue), Some((id(2), 2, 1)));
}

#[test]
fn a_lane_that_stays_out_of_order_waits_instead_of_asking_for_ever() {
    let mut queue = two_sent();
    let mut rounds = 0;
    let wait = loop {
        let outcome = queue.on_sync(&lane("main"), 0, SyncReason::Order);
        rounds += 1;
        if let Some(wait) = outcome.wait {
            break wait;
        }
        assert!(rounds < 10, "a loop without progress");
        send_all(&mut queue);
    };
    assert_eq!((wait.lane, rounds), (lane("main"), 3));
    assert_eq!(send(&mut queue), None);
    queue.resume(&lane("main"));
    assert_eq!(send(&mut queue), Some((id(1), 1, 0)));
}

#[test]
fn what_the_server_used_up_without_saying_how_becomes_uncertain() {
    let mut queue = two_sent();
    let mut rounds = 0;
    let outcome = loop {
        let outcome = queue.on_sync(&lane("main"), 1, SyncReason::Order);
        rounds += 1;
        assert_eq!(outcome.wait, None);
        if !outcome.fates.is_empty() {
            break outcome;
        }
        assert!(rounds < 10, "a loop without progress");
        send_all(&mut queue);
    };
    assert_eq!(outcome.fates, [(id(1), Fate::Uncertain)]);
    assert!(outcome.txn.is_some());
    assert_eq!(state(&queue, 2), ActionState::PossiblySent);
    let _ = queue.discard(NOW, id(1)).unwrap();
    assert_eq!(send(&mut queue), Some((id(2), 2, 1)));
}

#[test]
fn many_words_about_one_disorder_count_once() {
    let mut queue = two_sent();
    for _ in 0..10 {
        assert_eq!(
            queue.on_sync(&lane("main"), 0, SyncReason::Order).wait,
            None
        );
    }
    assert_eq!(send_all(&mut queue).len(), 3);
}

#[test]
fn a_lane_that_contradicts_what_was_answered_renews() {
    let mut queue = two_sent();
    let _ = queue.on_accepted(id(1), 1, &yes());
    let outcome = queue.on_sync(&lane("main"), 0, SyncReason::Order);
    assert!(outcome.renewed);
    assert_eq!(outcome.fates, [(id(2), Fate::Uncertain)]);
    assert_eq!(
        queue.on_sync(&lane("main"), 0, SyncReason::Order),
        Outcome::default(),
        "once"
    );
    let mut queue = two_sent();
    assert!(queue.on_sync(&lane("main"), 9, SyncReason::Order).renewed);
    let mut queue = two_sent();
    assert!(queue.on_sync(&lane("main"), 0, SyncReason::Unknown).renewed);
}

#[test]
fn a_fenced_client_stops_sending() {
    let mut queue = two_sent();
    assert_eq!(
        queue.on_sync(&lane("main"), 0, SyncReason::Fenced),
        Outcome::default()
    );
    assert_eq!(send(&mut queue), None);
    let _ = queue.on_connected(Some(&numbers(&[])));
    assert_eq!(send_all(&mut queue).len(), 3);
}

#[test]
fn parked_actions_outlive_a_renewal() {
    let mut queue = two_sent();
    let _ = queue.on_refused(NOW, id(1), 1, permanent(), None);
    let _ = queue.new_incarnation(Renewal::Unknown);
    assert_eq!(queue.counts().parked, 1);
    let _ = queue.on_connected(None);
    let _ = queue.discard(NOW, id(2)).unwrap();
    let _ = queue.retry(NOW, id(1)).unwrap();
    assert_eq!(send_all(&mut queue), [id(3), id(1)]);
}

#[test]
fn an_uncertain_dependant_is_released_by_its_parent() {
    let mut queue = connected();
    put(&mut queue, 1, update("c1"));
    put(
        &mut queue,
        2,
        after(within(update("c2"), "other"), &[id(1)]),
    );
    let _ = queue.new_incarnation(Renewal::Copied);
    let _ = queue.on_connected(None);
    let _ = queue.retry(NOW, id(1)).unwrap();
    let _ = queue.retry(NOW, id(2)).unwrap();
    assert_eq!(send_all(&mut queue), [id(1)]);
    let _ = queue.on_accepted(id(1), 1, &yes());
    assert_eq!(send_all(&mut queue), [id(2)]);
}

#[test]
fn the_run_rises_with_every_connection_and_is_stored() {
    let mut queue = Queue::new(Settings::default(), RANDOM);
    let mut disk = Disk::default();
    disk.store(&queue.bump_run());
    disk.store(&queue.bump_run());
    disk.store(&queue.set_principal("ada").unwrap());
    assert_eq!(queue.set_principal("ada"), None);
    let mut restored = disk.restore();
    assert_eq!(restored.client(), queue.client());
    assert_eq!(restored.client().run, 2);
    disk.store(&restored.bump_run());
    assert_eq!(disk.restore().client().run, 3);
}

#[test]
fn an_executor_without_numbers_gets_everything_possibly_sent_again_one_by_one() {
    let mut queue = two_sent();
    queue.on_disconnected();
    queue.on_executor_ready();
    assert_eq!(send_all(&mut queue), [id(1)]);
    let _ = queue.on_refused(NOW, id(1), 1, refusal(RefusalClass::Retry), None);
    assert_eq!(queue.waiting_lanes().count(), 1);
    queue.resume(&lane("main"));
    assert_eq!(send_all(&mut queue), [id(1)]);
    for (n, next) in [(1, id(2)), (2, id(3))] {
        let _ = queue.on_accepted(id(n), u64::from(n), &yes());
        assert_eq!(send_all(&mut queue), [next]);
    }
}

#[test]
fn what_an_executor_is_at_is_not_offered_again_and_its_answer_counts() {
    let mut queue = Queue::new(Settings::default(), RANDOM);
    queue.on_executor_ready();
    put(&mut queue, 1, update("c1"));
    put(&mut queue, 2, update("c1"));
    assert_eq!(send_all(&mut queue), [id(1)]);
    queue.on_disconnected();
    queue.on_executor_ready();
    assert_eq!(send_all(&mut queue), []);
    assert_eq!(queue.lost().count(), 0);
    let outcome = queue.on_accepted(id(1), 1, &yes());
    assert_eq!(outcome.fates, [(id(1), Fate::Accepted)]);
    assert_eq!(send_all(&mut queue), [id(2)]);
    queue.on_withheld(id(2));
    assert_eq!(send_all(&mut queue), [id(2)], "it was not given after all");
}

#[test]
fn an_answer_is_lost_with_the_connection_or_the_program_that_waited_for_it() {
    let lost = |queue: &Queue| queue.lost().map(|action| action.id).collect::<Vec<_>>();
    let mut queue = two_sent();
    assert_eq!(lost(&queue), []);
    queue.on_disconnected();
    assert_eq!(lost(&queue), [id(1), id(2)]);

    let mut queue = Queue::new(Settings::default(), RANDOM);
    let mut disk = Disk::default();
    queue.on_executor_ready();
    disk.store(&put(&mut queue, 1, update("c1")));
    disk.store(&queue.poll_send().unwrap().txn.unwrap());
    assert_eq!(lost(&disk.restore()), [id(1)]);
    let _ = queue.on_refused(NOW, id(1), 1, refusal(RefusalClass::Retry), None);
    assert_eq!(lost(&queue), [], "it is known that it did nothing");
}
