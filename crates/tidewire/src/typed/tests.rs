//! What is remembered, for how long, and what runs under the lock.

use std::cell::Cell;
use std::sync::OnceLock;

use serde::Deserialize;

use super::*;

thread_local! {
    static MADE: Cell<usize> = const { Cell::new(0) };
}

#[derive(Debug, Deserialize)]
#[serde(from = "Plain")]
struct Counted(i64);

#[derive(Deserialize)]
struct Plain {
    score: i64,
}

impl From<Plain> for Counted {
    fn from(plain: Plain) -> Self {
        MADE.set(MADE.get() + 1);
        Self(plain.score)
    }
}

fn rows(count: usize, prefix: &str) -> Vec<(EntityId, Record)> {
    let row = |n| {
        let id = EntityId::text(&format!("{prefix}{n}")).expect("a good id");
        (id, Record::new().with("score", 7))
    };
    (0..count).map(row).collect()
}

fn read_page(typed: &Typed<Counted>, rows: &[(EntityId, Record)]) -> usize {
    MADE.set(0);
    typed.make_room(rows.len());
    for (id, record) in rows {
        assert_eq!(typed.read(id, record).expect("it fits").0, 7);
    }
    MADE.get()
}

#[test]
fn a_page_of_any_length_is_made_once() {
    let typed = Typed::default();
    let (small, large) = (rows(5_000, "s"), rows(20_000, "l"));
    assert_eq!(read_page(&typed, &small), 5_000);
    assert_eq!(read_page(&typed, &large), 20_000);
    assert_eq!(read_page(&typed, &large), 0);
    assert_eq!(read_page(&typed, &small), 0);
}

#[test]
fn what_is_not_asked_for_any_more_is_forgotten() {
    let typed = Typed::default();
    for prefix in ["a", "b", "c", "d", "e"] {
        read_page(&typed, &rows(GENERATION_MAX, prefix));
        let memory = typed.memory.lock();
        let held = memory.young.len() + memory.old.len();
        assert!(held <= 2 * GENERATION_MAX, "{held}");
    }
    assert_eq!(
        read_page(&typed, &rows(10, "a")),
        10,
        "the first are forgotten"
    );
}

#[test]
fn law_17_copies_are_counted_and_go_where_room_is_short() {
    let copies = Arc::new(Copies::default());
    let (typed, other) = (
        Typed::new(Arc::clone(&copies)),
        Typed::new(Arc::clone(&copies)),
    );
    let (kept, left) = (rows(10, "k"), rows(1_000, "l"));
    read_page(&other, &kept);
    read_page(&typed, &left);
    let all = copies.bytes();
    assert!(all > 1_010 * size_of::<Counted>());
    for _ in 0..2 {
        copies.shrink();
        assert_eq!(
            read_page(&typed, &left[..10]),
            0,
            "they are asked for again"
        );
    }
    assert!(copies.bytes() < all / 10, "the rest is gone");
    drop((typed, other));
    assert_eq!(copies.bytes(), 0, "law 18");
}

#[test]
fn that_a_record_does_not_fit_is_remembered_too() {
    let typed = Typed::<Counted>::default();
    let id = EntityId::text("c1").expect("a good id");
    let odd = Record::new().with("score", "many");
    let error = typed.read(&id, &odd).expect_err("it does not fit");
    assert_eq!(typed.memory.lock().young.len(), 1);
    assert_eq!(typed.read(&id, &odd).expect_err("it does not fit"), error);
}

static LOUD: OnceLock<Typed<Loud>> = OnceLock::new();

#[derive(Debug, Deserialize)]
struct Loud {}

impl Drop for Loud {
    fn drop(&mut self) {
        let typed = LOUD.get_or_init(Typed::default);
        assert!(
            typed.memory.try_lock().is_some(),
            "dropped under the lock: reading the collection here would hang"
        );
    }
}

#[test]
fn values_are_dropped_outside_the_lock() {
    let typed = LOUD.get_or_init(Typed::default);
    let id = |n: usize| EntityId::text(&format!("c{n}")).expect("a good id");
    // One is replaced, then a whole generation goes.
    for n in [0].into_iter().chain(0..3 * GENERATION_MAX) {
        typed
            .read(&id(n), &Record::new().with("n", 1))
            .expect("it fits");
    }
}
