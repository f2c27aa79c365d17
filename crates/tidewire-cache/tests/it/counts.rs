//! What an event costs, as numbers that must not grow with what it does not touch: lists looked at, and
//! allocations. Times are for the benches.

use std::hint::black_box;
use std::ops::Range;

use allocation_counter::measure;
use tidewire_cache::Commit;
use tidewire_model::{Patch, Tick};

use crate::customers::{Customers, MAX_SCORE, by_score, key, of_company, score};

/// Events of one kind that are counted together: what grows now and then, does so once among them.
const EVENTS: u64 = 64;
/// What one event may allocate, in a cache in which nothing shows it but a page and the list of a company.
const MOST_ALLOCATIONS: u64 = 40;
/// So many bytes are asked for by them all, most of them given back at once.
const MOST_BYTES: u64 = 8 * 1024;

/// A cache with this many lists: one of each company, the first of which is that of the first ten
/// customers, and the first page of all.
fn with_lists(lists: u64) -> Customers {
    let mut customers = Customers::load(100);
    for number in 1..lists {
        customers.watch(of_company((number - 1) * 10).limit(50));
    }
    customers.watch(by_score().limit(50));
    drop(customers.show());
    customers
}

/// A cache with this many customers, and the first page of all of them, of which the score is at
/// least ten lower than the highest there can be.
fn with_rows(rows: u64) -> Customers {
    let mut customers = Customers::load(rows);
    customers.watch(by_score().limit(50));
    drop(customers.show());
    customers
}

/// How many lists are looked at, and how many rows are worked.
fn looks(customers: &mut Customers, event: impl Fn(&mut Customers)) -> (u64, u64) {
    let before = customers.cache.stats();
    event(customers);
    let after = customers.cache.stats();
    (
        after.runs_asked - before.runs_asked,
        after.rows_worked - before.rows_worked,
    )
}

#[test]
fn each_kind_of_event_looks_at_as_many_lists_of_ten_as_of_ten_thousand() {
    for lists in [10, 100, 1_000, 10_000] {
        let mut customers = with_lists(lists);
        let mut looks = |event: fn(&mut Customers)| looks(&mut customers, event);
        let stays = looks(|customers| {
            let commit = customers.update(3, Patch::new().set("notes", "new"));
            customers.apply(commit);
        });
        let moves = looks(|customers| {
            let commit = customers.update(3, score(MAX_SCORE));
            customers.apply(commit);
        });
        let changes_company = looks(|customers| {
            let commit = customers.update(3, Patch::new().set("companyId", "k-000001"));
            customers.apply(commit);
        });
        let created = looks(|customers| {
            let commit = customers.create(105);
            customers.apply(commit);
        });
        let deleted = looks(|customers| {
            let commit = customers.delete(4);
            customers.apply(commit);
        });
        let found = [stays, moves, changes_company, created, deleted];
        let of_created = u64::from(lists > 11);
        let (lists_asked, rows): (Vec<u64>, Vec<u64>) = found.into_iter().unzip();
        assert_eq!(
            lists_asked,
            [2, 2, 3, 1 + of_created, 2],
            "of {lists} lists"
        );
        assert!(
            rows.iter().all(|rows| *rows <= 3),
            "{rows:?} of {lists} lists"
        );
    }
}

/// What events allocate, each of them alone in its batch: the mean number, and the mean of bytes. Some go
/// before, so that what is made once is made.
fn allocated(
    customers: &mut Customers,
    event: impl Fn(&mut Customers, u64) -> Commit,
) -> (u64, u64) {
    let made = |customers: &mut Customers, numbers: Range<u64>| -> Vec<Commit> {
        numbers.map(|number| event(customers, number)).collect()
    };
    for commit in made(customers, 0..EVENTS) {
        customers.apply(commit);
    }
    let commits = made(customers, EVENTS..2 * EVENTS);
    let info = measure(|| {
        for commit in commits {
            customers.apply(commit);
        }
    });
    (info.count_total / EVENTS, info.bytes_total / EVENTS)
}

/// What each kind of event allocates is bounded, whatever else there is: an update in place, one that
/// moves the row, a creation, a deletion.
fn assert_bounded(customers: &mut Customers, rows: u64, of: &str) {
    let stays = allocated(customers, |customers, number| {
        customers.update(number % rows, Patch::new().set("notes", number))
    });
    let moves = allocated(customers, |customers, number| {
        customers.update(number % rows, score(number * 7_919 % MAX_SCORE))
    });
    let created = allocated(customers, |customers, number| {
        customers.create(rows + number)
    });
    let deleted = allocated(customers, |customers, number| {
        customers.delete(rows + number)
    });
    // The table of what is held grows by a quarter now and then: that is in the bytes of creations.
    for (kind, (count, bytes), most) in [
        ("stays", stays, (MOST_ALLOCATIONS, MOST_BYTES)),
        ("moves", moves, (MOST_ALLOCATIONS, MOST_BYTES)),
        ("created", created, (MOST_ALLOCATIONS, 2 * MOST_BYTES)),
        ("deleted", deleted, (MOST_ALLOCATIONS, MOST_BYTES)),
    ] {
        println!("{of}, {kind}: {count} allocations, {bytes} bytes");
        assert!(
            count <= most.0 && bytes <= most.1,
            "{of}, {kind}: {count}, {bytes} bytes"
        );
    }
}

#[test]
fn what_an_event_allocates_does_not_grow_with_the_lists() {
    for lists in [10, 1_000, 10_000] {
        let mut customers = with_lists(lists);
        assert_bounded(&mut customers, 100, &format!("{lists} lists"));
    }
}

#[test]
fn what_an_event_allocates_does_not_grow_with_the_rows() {
    for rows in [1_000, 10_000, 100_000] {
        let mut customers = with_rows(rows);
        assert_bounded(&mut customers, rows, &format!("{rows} rows"));
    }
}

#[test]
fn a_read_that_hits_allocates_nothing() {
    let customers = with_rows(1_000);
    let keys: Vec<_> = (0..100).map(key).collect();
    let missing = key(1_000_000);
    let read = || {
        customers.reader.read(|view| {
            for key in &keys {
                black_box(view.get(Tick::ZERO, key));
            }
        });
        black_box(customers.reader.get(Tick::ZERO, &keys[7]));
        black_box(customers.reader.get(Tick::ZERO, &missing));
    };
    read();
    assert_eq!(measure(read).count_total, 0);
}

#[test]
fn reading_a_page_allocates_little_more_for_a_hundred_rows_than_for_ten() {
    let mut customers = Customers::load(10_000);
    for limit in [10, 100] {
        customers.watch(by_score().limit(limit));
    }
    drop(customers.show());
    let allocated = |limit, offset| {
        let query = by_score().offset(offset).limit(limit);
        let info = measure(|| drop(black_box(customers.reader.list(Tick::ZERO, &query))));
        info.count_total
    };
    let found = [(10, 0), (100, 0), (100, 9_000)].map(|(limit, offset)| allocated(limit, offset));
    // The numbers of rows are gathered in a vector that grows.
    assert!(found.iter().all(|count| *count <= 16), "{found:?}");
}
