//! How long clients, their numbers and their answers are remembered.

use rusqlite::Connection;

use super::*;
use crate::backend::schema;

const START: u64 = 1_800_000_000_000;

fn info(name: &str, run: u64) -> ClientInfo {
    ClientInfo {
        id: name.to_owned(),
        incarnation: 1,
        run,
        may_have_sent: run > 1,
        app: "tests".to_owned(),
        version: "1".to_owned(),
    }
}

fn answer() -> Answer {
    Answer::Applied {
        as_of: BTreeMap::new(),
        rows: Vec::new(),
        replaced: BTreeMap::new(),
    }
}

fn with_tables(test: impl FnOnce(&mut Prepared<'_>)) {
    let connection = Connection::open_in_memory().unwrap();
    schema::create(&connection).unwrap();
    test(&mut Prepared::new(&connection));
}

fn join(prepared: &mut Prepared<'_>, now_ms: u64, name: &str) -> KnownClient {
    let greeting = greet(prepared, now_ms, "p", &info(name, 1), &BTreeMap::new()).unwrap();
    assert_eq!(greeting, Greeting::Known(BTreeMap::new()));
    find(prepared, "p", name).unwrap().unwrap()
}

#[test]
fn who_has_written_is_remembered_for_ninety_days_after_the_last_contact() {
    with_tables(|prepared| {
        let writer = join(prepared, START, "writer");
        use_up(prepared, writer.key, &Lane::main(), 1, "hash", &answer()).unwrap();
        join(prepared, START, "reader");

        forget_old(prepared, START + 6 * DAY_MS).unwrap();
        assert!(find(prepared, "p", "reader").unwrap().is_some());
        forget_old(prepared, START + 8 * DAY_MS).unwrap();
        assert_eq!(find(prepared, "p", "reader").unwrap(), None);

        // An action on an open connection is a contact too.
        let acted_ms = START + 60 * DAY_MS;
        note_contact(prepared, acted_ms, &writer).unwrap();
        forget_old(prepared, acted_ms + 89 * DAY_MS).unwrap();
        let known = greet(
            prepared,
            acted_ms + 89 * DAY_MS,
            "p",
            &info("writer", 2),
            &BTreeMap::new(),
        )
        .unwrap();
        assert_eq!(known, Greeting::Known(BTreeMap::from([(Lane::main(), 1)])));

        forget_old(prepared, acted_ms + 180 * DAY_MS).unwrap();
        let confirmed = BTreeMap::from([(Lane::main(), 1)]);
        let forgotten = greet(
            prepared,
            acted_ms + 180 * DAY_MS,
            "p",
            &info("writer", 3),
            &confirmed,
        )
        .unwrap();
        assert_eq!(forgotten, Greeting::Unknown);
        // Also where no answer was confirmed: the first action may have been done, and its answer lost.
        let silent = greet(
            prepared,
            acted_ms + 180 * DAY_MS,
            "p",
            &info("writer", 4),
            &BTreeMap::new(),
        )
        .unwrap();
        assert_eq!(silent, Greeting::Unknown);
        assert_eq!(
            super::answer(prepared, writer.key, &Lane::main(), 1).unwrap(),
            None
        );
    });
}

#[test]
fn of_unconfirmed_answers_as_many_are_kept_as_a_client_can_wait_for() {
    with_tables(|prepared| {
        let client = join(prepared, START, "phone");
        let other = Lane::new("other").unwrap();
        use_up(prepared, client.key, &other, 1, "hash", &answer()).unwrap();
        let last = ANSWERS_PER_LANE + 10;
        for seq in 1..=last {
            use_up(prepared, client.key, &Lane::main(), seq, "hash", &answer()).unwrap();
        }
        let kept: Vec<u64> = (1..=last)
            .filter(|&seq| {
                super::answer(prepared, client.key, &Lane::main(), seq)
                    .unwrap()
                    .is_some()
            })
            .collect();
        assert_eq!(kept, (11..=last).collect::<Vec<_>>());
        assert!(
            super::answer(prepared, client.key, &other, 1)
                .unwrap()
                .is_some(),
            "lanes do not push each other out"
        );
        assert_eq!(
            lane(prepared, client.key, &Lane::main()).unwrap(),
            Some(last)
        );
    });
}

#[test]
fn a_client_that_knows_more_than_the_file_is_unknown_to_it() {
    with_tables(|prepared| {
        let client = join(prepared, START, "phone");
        use_up(prepared, client.key, &Lane::main(), 1, "hash", &answer()).unwrap();
        let confirmed = BTreeMap::from([(Lane::main(), 2)]);
        let greeting = greet(prepared, START, "p", &info("phone", 2), &confirmed).unwrap();
        assert_eq!(greeting, Greeting::Unknown, "the file is an older copy");
    });
}
