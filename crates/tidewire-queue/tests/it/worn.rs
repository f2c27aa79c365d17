//! Stores whose numbers stand where counting comes to its end. Counting does not lead there, but a file may say so: the
//! numbers begin anew, and nothing that was durable is lost by it (law 12).

use serde_json::Value;
use tidewire_queue::{ActionState, Queue, Settings};
use tidewire_store::Table;

use crate::kit::{Disk, NOW, RANDOM, after, id, ids, permanent, put, state, update, within, yes};

/// The largest number that is read.
const MAX: u64 = 1 << 52;
/// From here on numbers count as used up.
const WORN: u64 = 1 << 51;

/// 1 may have been sent; 2, which depends on 1, and 3 wait; 4 is parked, 5 is in another lane. The numbers of one table
/// stand so much higher than they were counted.
fn disk(table: &str, shift: u64) -> Disk {
    let mut disk = Disk::default();
    let mut queue = Queue::new(Settings::default(), RANDOM);
    disk.store(&queue.bump_run());
    disk.store(&queue.set_principal("ada").unwrap());
    let _ = queue.on_connected(None);
    disk.store(&put(&mut queue, 1, update("c1")));
    disk.store(&put(&mut queue, 2, after(update("c2"), &[id(1)])));
    disk.store(&put(&mut queue, 3, update("c3")));
    disk.store(&put(&mut queue, 4, update("c4")));
    disk.store(&queue.park(NOW, id(4), permanent()).txn.unwrap());
    disk.store(&queue.poll_send().unwrap().txn.unwrap());
    disk.store(&put(&mut queue, 5, within(update("c5"), "other")));
    let rows = std::mem::take(&mut disk.0).into_iter();
    disk.0 = rows
        .map(|((name, key), value)| shifted(table, shift, name, key, &value))
        .collect();
    disk
}

/// A row whose numbers are higher: those of a lane and its actions, of the keys of actions, or of the client.
fn shifted(
    table: &str,
    shift: u64,
    name: Table,
    key: Vec<u8>,
    value: &[u8],
) -> ((Table, Vec<u8>), Vec<u8>) {
    let mut row: Value = serde_json::from_slice(value).unwrap();
    let fields: &[&str] = match (table, name.as_str()) {
        ("lanes", "lanes") => &["next", "sent", "answered"],
        ("lanes", "actions") => &["seq"],
        ("client", "client") => &["run", "incarnation"],
        _ => &[],
    };
    for field in fields {
        let number = row[*field].as_u64().unwrap();
        row[*field] = (number + shift).into();
    }
    let key = match (table, name.as_str()) {
        ("keys", "actions") => {
            let number = u64::from_be_bytes(key.try_into().unwrap());
            (number + shift).to_be_bytes().to_vec()
        }
        _ => key,
    };
    ((name, key), serde_json::to_vec(&row).unwrap())
}

/// What every start, use and further start must keep.
fn is_usable(mut disk: Disk, context: &str) {
    let (mut queue, _) = Queue::restore(Settings::default(), [9; 16], disk.rows());
    let all = [id(1), id(2), id(3), id(5)];
    assert_eq!(ids(queue.pending()), all, "{context}");
    assert_eq!(ids(queue.parked()), [id(4)], "{context}");
    assert_eq!(
        queue.client().principal.as_deref(),
        Some("ada"),
        "{context}"
    );
    disk.store(&put(&mut queue, 6, update("c6")));
    disk.store(&put(&mut queue, 7, within(update("c7"), "other")));
    disk.store(&queue.retry(NOW, id(4)).unwrap().txn.unwrap());
    disk.store(&queue.bump_run());
    // Nothing that was written is misread at the next start. By now it may be used up.
    let (mut queue, problems) = Queue::restore(Settings::default(), [9; 16], disk.rows());
    let mut told = problems.iter().map(ToString::to_string);
    assert!(
        told.all(|text| text.contains("used up")),
        "{context}: {problems:?}"
    );
    let all = [id(1), id(2), id(3), id(5), id(6), id(7), id(4)];
    assert_eq!(ids(queue.pending()), all, "{context}");
    // A server that knows nothing of it makes it begin anew, if it has not already.
    let outcome = queue.on_connected(None);
    outcome.txn.iter().for_each(|txn| disk.store(txn));
    if state(&queue, 1) == ActionState::Uncertain {
        disk.store(&queue.retry(NOW, id(1)).unwrap().txn.unwrap());
    }
    let _ = queue.on_connected(None);
    while let Some(sending) = queue.poll_send() {
        let (id, seq) = (sending.action.id, sending.action.seq);
        assert!(seq < 100, "{context}: {seq}");
        sending.txn.iter().for_each(|txn| disk.store(txn));
        disk.store(&queue.on_accepted(id, seq, &yes()).txn.unwrap());
    }
    assert_eq!(ids(queue.pending()), [], "{context}: all are done");
    assert_eq!(ids(disk.restore().pending()), [], "{context}");
}

#[test]
fn law_12_numbers_that_come_to_their_end_begin_anew_and_nothing_is_lost() {
    for table in ["lanes", "keys", "client"] {
        for to in [
            WORN - 1_000,
            WORN - 4,
            WORN - 1,
            WORN,
            WORN + 1,
            MAX - 1_000,
            MAX - 7,
            MAX - 6,
            MAX - 5,
        ] {
            is_usable(disk(table, to), &format!("{table} at {to}"));
        }
    }
}

#[test]
fn a_lane_at_its_end_is_told_and_what_may_have_been_sent_in_it_becomes_uncertain() {
    let disk = disk("lanes", MAX - 10);
    let (queue, problems) = Queue::restore(Settings::default(), [9; 16], disk.rows());
    let told = problems.iter().map(ToString::to_string);
    let told: Vec<String> = told.filter(|text| text.contains("used up")).collect();
    assert_eq!(told.len(), 2, "{problems:?}");
    assert_eq!(state(&queue, 1), ActionState::Uncertain);
    assert_eq!(state(&queue, 3), ActionState::Waiting);
    assert_eq!(queue.client().incarnation, 2);
}

#[test]
fn a_row_that_cannot_be_read_keeps_its_place_where_numbers_begin_anew() {
    let mut disk = disk("keys", MAX - 10);
    let low = (Table::new("actions"), 2_u64.to_be_bytes().to_vec());
    let high = (Table::new("actions"), MAX.to_be_bytes().to_vec());
    disk.0.insert(low.clone(), b"damaged".to_vec());
    disk.0.insert(high.clone(), b"damaged".to_vec());
    for n in 6..20 {
        let (mut queue, _) = Queue::restore(Settings::default(), [9; 16], disk.rows());
        assert_eq!(queue.counts().unreadable, 2);
        disk.store(&put(&mut queue, n, within(update("c6"), "other")));
        assert_eq!(disk.0[&low], b"damaged");
        assert_eq!(disk.0[&high], b"damaged");
    }
    let (queue, _) = Queue::restore(Settings::default(), [9; 16], disk.rows());
    assert_eq!(queue.pending().count(), 4 + 14);
}

#[test]
fn a_client_at_the_end_of_its_runs_takes_a_new_name_and_keeps_its_owner() {
    let disk = disk("client", MAX - 1);
    let (queue, problems) = Queue::restore(Settings::default(), [9; 16], disk.rows());
    assert_eq!(problems.len(), 1, "{problems:?}");
    let (client, old) = (queue.client(), Queue::new(Settings::default(), RANDOM));
    assert_eq!(client.principal.as_deref(), Some("ada"));
    assert_eq!(client.run, 0);
    assert_ne!(client.id, old.client().id);
    assert_eq!(state(&queue, 1), ActionState::Uncertain);
}

#[test]
fn law_12_a_row_at_a_place_that_no_action_can_have_makes_no_other_lose_its_own() {
    let mut disk = disk("keys", MAX - 10);
    let actions = Table::new("actions");
    let first = disk.0.keys().find(|(table, _)| *table == actions).cloned();
    let row = disk.0.remove(&first.unwrap()).unwrap();
    disk.0.insert((actions, 0_u64.to_be_bytes().to_vec()), row);
    for n in 6..9 {
        let (mut queue, _) = Queue::restore(Settings::default(), [9; 16], disk.rows());
        assert_eq!(queue.counts().unreadable, 1);
        // 2 depends on what cannot be read.
        assert_eq!(ids(queue.parked()), [id(2), id(4)]);
        assert_eq!(ids(queue.pending())[..2], [id(3), id(5)]);
        disk.store(&put(&mut queue, n, within(update("c6"), "other")));
    }
    let (queue, _) = Queue::restore(Settings::default(), [9; 16], disk.rows());
    assert_eq!(queue.pending().count(), 2 + 3);
}

#[test]
fn what_cannot_be_read_and_stands_too_high_leaves_all_others_their_numbers() {
    let mut disk = disk("keys", 0);
    let high = (Table::new("actions"), (WORN + 5).to_be_bytes().to_vec());
    disk.0.insert(high, b"damaged".to_vec());
    let numbers = |queue: &Queue| -> Vec<u64> {
        let all = queue.pending().chain(queue.parked());
        all.map(|action| action.number).collect()
    };
    let (mut queue, _) = Queue::restore(Settings::default(), [9; 16], disk.rows());
    let before = numbers(&queue);
    disk.store(&queue.cancel(NOW, id(3)).unwrap().txn.unwrap());
    let (queue, _) = Queue::restore(Settings::default(), [9; 16], disk.rows());
    let left: Vec<u64> = before.into_iter().filter(|number| *number != 3).collect();
    assert_eq!(numbers(&queue), left);
}
