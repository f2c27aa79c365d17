//! Processes killed without warning while they write: what was reported stored is there, and nothing is torn.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use tidewire_store::{Op, SqliteStore, Store, Table, Txn, suite::wait};

const NUMBERS: Table = Table::new("numbers");
const TWICE: Table = Table::new("twice");
const AFTER: Table = Table::new("after");

/// How many processes are killed.
fn rounds() -> u32 {
    env::var("TIDEWIRE_CRASH_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(8)
}

/// The process that is killed: stores number after number, each in two tables at once, prints it, and then puts it
/// in a third table without a sync.
#[test]
fn child_that_is_killed() {
    let Some(path) = env::var_os("TIDEWIRE_TEST_CRASH") else {
        return;
    };
    let store = SqliteStore::open(path).unwrap();
    let first = store
        .load()
        .unwrap()
        .iter()
        .filter(|row| row.table == NUMBERS)
        .count() as u64;
    let mut out = std::io::stdout();
    for number in first.. {
        let key = number.to_be_bytes();
        let group = vec![
            Txn::ordered(vec![Op::put(NUMBERS, key, vec![number as u8; 300])]),
            Txn::synced(vec![Op::put(TWICE, key, vec![number as u8; 300])]),
        ];
        wait(store.commit(group)).unwrap();
        writeln!(out, "\nstored {number}").unwrap();
        wait(store.commit(vec![Txn::ordered(vec![Op::put(
            AFTER,
            key,
            vec![number as u8; 300],
        )])]))
        .unwrap();
    }
}

/// Runs the child until it has printed `count` numbers, kills it, and returns the last number it printed.
fn kill_after(path: &Path, count: u32) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_is_killed", "--nocapture"])
        .env("TIDEWIRE_TEST_CRASH", path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut last = None;
    let mut seen = 0;
    // The child goes on while it is being killed; what it managed to print until then counts too.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(number) = line.unwrap().strip_prefix("stored ") {
            last = Some(number.parse().unwrap());
            seen += 1;
            if seen == count {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    last.expect("the child stored nothing")
}

#[test]
fn what_was_reported_stored_survives_a_kill_and_nothing_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    // A step that shares no factor with the page and checkpoint sizes, so that kills fall everywhere.
    for round in 0..rounds() {
        let reported = kill_after(&path, 1 + round * 37 % 91);
        let rows = SqliteStore::open(&path).unwrap().load().unwrap();
        let keys = |table: Table| -> Vec<u64> {
            let of_table = rows.iter().filter(|row| row.table == table);
            of_table
                .map(|row| u64::from_be_bytes(row.key.as_slice().try_into().unwrap()))
                .collect()
        };
        let numbers = keys(NUMBERS);
        assert!(
            numbers.len() as u64 > reported,
            "{reported} was reported stored, {} rows are there",
            numbers.len()
        );
        assert_eq!(
            numbers,
            (0..numbers.len() as u64).collect::<Vec<_>>(),
            "not a prefix"
        );
        assert_eq!(numbers, keys(TWICE), "a torn group");
        // Each kill may leave out the one number whose third table was not reached.
        let after = keys(AFTER);
        let missing = numbers.len() - after.len();
        assert!(
            missing <= round as usize + 1,
            "{missing} are missing behind what was stored"
        );
        assert!(
            numbers.len()
                - numbers
                    .iter()
                    .filter(|number| after.contains(number))
                    .count()
                == missing
        );
        for row in &rows {
            assert_eq!(row.value, vec![row.key[7]; 300], "a torn value");
        }
    }
}
