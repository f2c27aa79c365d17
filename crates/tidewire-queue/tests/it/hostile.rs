//! Stores that were damaged, by chance or by malice: nothing panics, nothing is dropped, nothing is sent too often.

use proptest::prelude::*;
use tidewire_model::RecordBuilder;
use tidewire_queue::{ActionState, Draft, Queue, RefusalClass, Renewal, Settings};
use tidewire_store::{Row, Table, Txn};

use crate::kit::{
    Disk, NOW, RANDOM, after, class, id, ids, kept, lane, put, send_all, state, update, within,
};

const ACTIONS: Table = Table::new("actions");
const LANES: Table = Table::new("lanes");
const CLIENT: Table = Table::new("client");

fn action_key(number: u64) -> (Table, Vec<u8>) {
    (ACTIONS, number.to_be_bytes().to_vec())
}

/// 1 sent; 2, which depends on 1, and 3 waiting; 4 in another lane.
fn disk() -> Disk {
    let mut disk = Disk::default();
    let mut queue = Queue::new(Settings::default(), RANDOM);
    disk.store(&queue.bump_run());
    let _ = queue.on_connected(None);
    disk.store(&put(&mut queue, 1, update("c1")));
    disk.store(&put(&mut queue, 2, after(update("c2"), &[id(1)])));
    disk.store(&put(&mut queue, 3, update("c3")));
    disk.store(&queue.poll_send().unwrap().txn.unwrap());
    disk.store(&put(&mut queue, 4, within(update("c4"), "other")));
    disk
}

fn restore(disk: &Disk) -> (Queue, usize) {
    let (queue, problems) = Queue::restore(Settings::default(), [9; 16], disk.rows());
    (queue, problems.len())
}

#[test]
fn an_unreadable_action_is_kept_reported_and_never_dropped() {
    let mut disk = disk();
    disk.0.insert(action_key(3), b"{\"v\":1,".to_vec());
    let (mut queue, problems) = restore(&disk);
    assert_eq!(problems, 1);
    assert_eq!(queue.counts().unreadable, 1);
    assert_eq!(queue.get(id(3)), None);
    put(&mut queue, 5, update("c5"));
    assert_eq!(
        queue.get(id(5)).unwrap().number,
        5,
        "its place is not given away"
    );
    let before = disk.clone();
    disk.store(&queue.bump_run());
    assert_eq!(disk.0.get(&action_key(3)), before.0.get(&action_key(3)));
    let key = queue.unreadable().next().unwrap().key.clone();
    disk.store(&queue.discard_unreadable(&key).unwrap());
    assert_eq!(disk.0.get(&action_key(3)), None);
    assert_eq!(queue.discard_unreadable(&key), None);
}

#[test]
fn what_waits_for_an_unreadable_action_does_not_run() {
    let mut disk = disk();
    disk.0.insert(action_key(1), b"\xff\xff".to_vec());
    let (mut queue, problems) = restore(&disk);
    assert_eq!(problems, 2);
    assert_eq!(class(&queue, 2), Some(RefusalClass::Dependency(id(1))));
    let _ = queue.on_connected(Some(&crate::kit::numbers(&[("main", 1)])));
    let sending = queue.poll_send().unwrap();
    assert_eq!(
        (sending.action.id, sending.previous),
        (id(3), 1),
        "the server's word fills the gap in the numbers"
    );
}

#[test]
fn unreadable_rows_count_towards_the_limits() {
    let mut disk = disk();
    disk.0.insert(action_key(9), vec![b'x'; 100]);
    let settings = Settings {
        max_actions: 5,
        ..Settings::default()
    };
    let (mut queue, _) = Queue::restore(settings, RANDOM, disk.rows());
    assert!(queue.submit(NOW, id(5), update("c1")).is_err());
}

#[test]
fn a_lane_without_its_numbers_becomes_uncertain_and_the_rest_goes_on() {
    for damage in [
        None,
        Some(b"{}".to_vec()),
        Some(br#"{"v":1,"next":1,"sent":5,"answered":9}"#.to_vec()),
    ] {
        let mut disk = disk();
        match damage {
            None => disk.0.remove(&(LANES, b"main".to_vec())),
            Some(value) => disk.0.insert((LANES, b"main".to_vec()), value),
        };
        let (mut queue, problems) = restore(&disk);
        assert_eq!(problems, 1);
        for n in 1..=3 {
            assert_eq!(state(&queue, n), ActionState::Uncertain);
        }
        disk.store(&queue.bump_run());
        assert_eq!(
            kept(&disk.restore()),
            kept(&queue),
            "what was set right is stored before a connection"
        );
        let _ = queue.on_connected(None);
        assert_eq!(send_all(&mut queue), [id(4)]);
    }
}

#[test]
fn a_lost_client_record_means_a_new_client_that_sends_nothing_twice() {
    for damage in [None, Some(b"[]".to_vec())] {
        let mut disk = disk();
        let before = disk.restore().client().clone();
        match damage {
            None => disk.0.remove(&(CLIENT, b"self".to_vec())),
            Some(value) => disk.0.insert((CLIENT, b"self".to_vec()), value),
        };
        let (mut queue, problems) = restore(&disk);
        assert_eq!(problems, 1);
        assert_ne!(queue.client().id, before.id);
        assert_eq!(state(&queue, 1), ActionState::Uncertain);
        assert_eq!(state(&queue, 3), ActionState::Waiting);
        disk.store(&queue.bump_run());
        assert_eq!(disk.restore().client(), queue.client());
    }
}

#[test]
fn an_action_out_of_its_order_is_parked() {
    let mut disk = disk();
    let value = disk.0[&action_key(1)].clone();
    let text = String::from_utf8(value)
        .unwrap()
        .replace(&id(1).to_string(), &id(9).to_string());
    disk.0.insert(action_key(7), text.into_bytes());
    let (queue, problems) = restore(&disk);
    assert_eq!(problems, 1);
    assert_eq!(class(&queue, 9), Some(RefusalClass::Session));
    assert_eq!(ids(queue.pending()), [id(1), id(2), id(3), id(4)]);
}

#[test]
fn an_id_that_stands_twice_is_kept_once() {
    let mut disk = disk();
    let value = disk.0[&action_key(1)].clone();
    disk.0.insert(action_key(7), value);
    let (queue, problems) = restore(&disk);
    assert_eq!((problems, queue.counts().unreadable), (1, 1));
}

#[test]
fn rows_of_other_tables_are_left_alone() {
    let mut rows = disk().rows();
    rows.push(Row {
        table: Table::new("cache"),
        key: vec![1],
        value: vec![2],
    });
    let (_, problems) = Queue::restore(Settings::default(), RANDOM, rows);
    assert_eq!(problems, vec![]);
}

#[test]
fn keys_at_the_end_of_the_number_range_are_no_place_to_count_from() {
    let mut disk = disk();
    let value = disk.0[&action_key(1)].clone();
    disk.0.insert(action_key(u64::MAX), value);
    disk.0.insert((ACTIONS, vec![1, 2, 3]), b"{}".to_vec());
    let (mut queue, problems) = restore(&disk);
    assert_eq!(problems, 2);
    put(&mut queue, 5, update("c5"));
    assert_eq!(queue.get(id(5)).unwrap().number, 5);
}

/// Changes to a store: which row, and what happens to its bytes.
fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, Damage)>> {
    let damage = prop_oneof![
        (any::<prop::sample::Index>(), any::<u8>())
            .prop_map(|(place, byte)| Damage::Set(place, byte)),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        Just(Damage::Remove),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Damage::Replace),
        any::<prop::sample::Index>().prop_map(Damage::CopyOf),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), damage), 1..6)
}

#[derive(Debug, Clone)]
enum Damage {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Remove,
    Replace(Vec<u8>),
    CopyOf(prop::sample::Index),
}

fn damaged(mut rows: Vec<Row>, damage: Vec<(prop::sample::Index, Damage)>) -> Vec<Row> {
    for (row, damage) in damage {
        if rows.is_empty() {
            break;
        }
        let at = row.index(rows.len());
        match damage {
            Damage::Set(place, byte) if !rows[at].value.is_empty() => {
                let place = place.index(rows[at].value.len());
                rows[at].value[place] = byte;
            }
            Damage::Cut(place) if !rows[at].value.is_empty() => {
                let place = place.index(rows[at].value.len());
                rows[at].value.truncate(place);
            }
            Damage::Remove => {
                rows.remove(at);
            }
            Damage::Replace(value) => rows[at].value = value,
            Damage::CopyOf(other) => rows[at].value = rows[other.index(rows.len())].value.clone(),
            Damage::Set(..) | Damage::Cut(_) => {}
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_store_never_panics_and_what_is_set_right_is_right(damage in damage()) {
        let rows = damaged(disk().rows(), damage);
        let mut disk = Disk::default();
        for Row { table, key, value } in &rows {
            disk.0.insert((table.clone(), key.clone()), value.clone());
        }
        let stored = disk.0.keys().filter(|(table, _)| *table == ACTIONS).count();
        let (mut queue, _) = restore(&disk);
        let counts = queue.counts();
        prop_assert_eq!(counts.waiting + counts.sent + counts.uncertain + counts.parked + counts.unreadable, stored);
        disk.store(&queue.bump_run());
        let store = |disk: &mut Disk, txn: Option<Txn>| txn.iter().for_each(|txn| disk.store(txn));
        store(&mut disk, queue.on_connected(None).txn);
        while let Some(sending) = queue.poll_send() {
            store(&mut disk, sending.txn);
        }
        for n in 0..20 {
            if queue.get(id(n)).is_none() {
                disk.store(&put(&mut queue, n, within(update("c1"), "third")));
            }
            if let Ok(outcome) = queue.retry(NOW, id(n)) {
                store(&mut disk, outcome.txn);
            }
        }
        let outcome = queue.new_incarnation(Renewal::Copied);
        disk.store(&outcome.txn.unwrap());
        let (restored, _) = restore(&disk);
        // A row that repeats an id could stand in for the other one at the next start.
        if queue.counts().unreadable == 0 {
            prop_assert_eq!(ids(restored.pending()), ids(queue.pending()));
            prop_assert_eq!(ids(restored.parked()), ids(queue.parked()));
        }
    }

    #[test]
    fn any_bytes_in_any_table_are_survived(
        rows in prop::collection::vec((0..3_usize, prop::collection::vec(any::<u8>(), 0..12), any::<Vec<u8>>()), 0..8)
    ) {
        let tables = [ACTIONS, LANES, CLIENT];
        let rows: Vec<Row> =
            rows.into_iter().map(|(table, key, value)| Row { table: tables[table].clone(), key, value }).collect();
        let (mut queue, _) = Queue::restore(Settings::default(), RANDOM, rows);
        let _ = queue.on_connected(None);
        prop_assert_eq!(queue.poll_send(), None);
    }

    #[test]
    fn floats_come_back_as_they_were(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
        let mut queue = Queue::new(Settings::default(), RANDOM);
        let payload = RecordBuilder::new().field("x", number).build();
        let mut disk = Disk::default();
        disk.store(&put(&mut queue, 1, Draft { payload, lane: lane("a"), ..Draft::new("x") }));
        let restored = disk.restore();
        prop_assert_eq!(restored.get(id(1)).unwrap().hash(), queue.get(id(1)).unwrap().hash());
    }
}
