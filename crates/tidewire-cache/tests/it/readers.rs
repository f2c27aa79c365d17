//! Readers on threads of their own beside a writer that does not wait for them: whatever they see is
//! one step whole, never older than what they saw before, and nothing stays of what nobody reads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use tidewire_cache::{Presence, Progress, Reader, Retired, Snapshot, Target};
use tidewire_model::{Revision, Tick};

use crate::support::{Rig, by_n, create, key, put, remove, row, set};

/// Entities that each commit writes, all with one number.
const ENTITIES: u64 = 12;
/// Commits, one for each batch.
const COMMITS: u64 = 1_500;
/// Of so many commits one deletes what the next creates again.
const DELETES: u64 = 7;

fn name(number: u64) -> String {
    format!("e{number:02}")
}

/// The number that all entities have; none if all are gone. Panics if they differ, or the list does.
fn number(view: &Snapshot<'_>) -> Option<i64> {
    let list = view.list(Tick::ZERO, &by_n(100));
    let in_list = list.rows.iter().map(|row| row.record.get("n"));
    let in_list: Vec<Option<i64>> = in_list.map(|n| n?.as_i64()).collect();
    let numbers = (0..ENTITIES).map(|number| {
        let reading = view.get(Tick::ZERO, &key(&name(number)));
        match reading.presence {
            Presence::Present(record) => record.get("n")?.as_i64(),
            Presence::Absent | Presence::Unknown => None,
        }
    });
    let numbers: Vec<Option<i64>> = numbers.collect();
    let first = numbers[0];
    assert!(numbers.iter().all(|n| *n == first), "{numbers:?}");
    let expected = if first.is_some() { ENTITIES } else { 0 };
    let of_ours = in_list.iter().filter(|n| **n == first).count();
    assert_eq!(of_ours as u64, expected, "{first:?} in {in_list:?}");
    assert_eq!(list.total_count, Some(list.rows.len() as u64));
    first
}

/// Reads until told to stop, and counts how often.
fn read(reader: &Reader, stop: &AtomicBool, rounds: &AtomicU64) {
    let mut last = (Revision::default(), i64::MIN);
    loop {
        let (revision, number) = reader.read(|view| {
            let before = number(view);
            // Whatever the writer did meanwhile, the same again.
            assert_eq!(number(view), before);
            (view.revision(), before)
        });
        assert!(revision >= last.0, "the view never goes back");
        let number = number.unwrap_or(last.1);
        assert!(number >= last.1, "and neither does what it shows");
        last = (revision, number);
        let alone = reader.get(Tick::ZERO, &key(&name(0)));
        assert!(alone.revision >= revision);
        if let Some(n) = alone
            .presence
            .record()
            .and_then(|record| record.get("n")?.as_i64())
        {
            assert!(n >= number);
        }
        rounds.fetch_add(1, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// One commit, worked in slices and shown.
fn step(rig: &mut Rig, commit: u64, retired: &mpsc::Sender<Retired>) {
    let changes = (0..ENTITIES).map(|number| match commit % DELETES {
        0 => remove(&name(number), commit),
        _ => put(&name(number), commit as i64, commit),
    });
    rig.commit(commit, changes.collect());
    if commit.is_multiple_of(5) {
        // An own write shows while the batch is half worked.
        let _ = rig.cache.work(rig.now, 3);
        rig.add(commit, vec![create("own", -1)]);
        rig.add(commit, vec![set("own", serde_json::json!({"n": -2}))]);
        rig.refuse(commit);
    }
    while rig.cache.work(rig.now, 4) == Progress::More {}
    let publication = rig.cache.publish().expect("it is ready");
    // What is no longer needed is dropped elsewhere, and at any time.
    retired
        .send(publication.retired)
        .expect("somebody drops it");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "that readers are on threads of their own is what is tested"
)]
fn law_1_readers_on_other_threads_see_each_step_whole_and_never_go_back() {
    let rows = (0..ENTITIES).map(|number| row(&name(number), 1, 1));
    let mut rig = Rig::snapped(rows.collect(), 1);
    rig.cache.watch(Target::List(by_n(100)));
    rig.flush();
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let reader = rig.cache.reader();
            let (stop, rounds) = (&stop, &rounds);
            scope.spawn(move || read(&reader, stop, rounds));
        }
        let (send, retired) = mpsc::channel::<Retired>();
        scope.spawn(move || retired.into_iter().for_each(drop));
        let mut commit = 1;
        // The machine may be busy with others: each reader had its turn, and more than once.
        while commit <= COMMITS || rounds.load(Ordering::Relaxed) < 100 {
            commit += 1;
            step(&mut rig, commit, &send);
        }
        stop.store(true, Ordering::Relaxed);
        drop(send);
    });
    assert!(rounds.load(Ordering::Relaxed) >= 100);
}

#[test]
fn a_reader_that_stays_reads_what_it_began_with_and_holds_nobody_up() {
    let mut rig = Rig::snapped(
        (0..ENTITIES)
            .map(|number| row(&name(number), 1, 1))
            .collect(),
        1,
    );
    rig.cache.watch(Target::List(by_n(100)));
    rig.flush();
    let reader = rig.cache.reader();
    let (send, retired) = mpsc::channel();
    reader.read(|view| {
        let before = (view.revision(), number(view));
        for commit in 2..60 {
            step(&mut rig, commit, &send);
            assert_eq!((view.revision(), number(view)), before);
        }
    });
    drop(retired);
    assert_eq!(reader.read(number), Some(59));
}
