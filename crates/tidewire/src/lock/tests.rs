//! Who is next, whoever is quicker.

use std::time::{Duration, Instant};

use super::*;

/// Waits for what another thread does.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_driver_that_comes_back_at_once_finds_that_who_waited_had_a_turn() {
    let lock = Lock::new(0_u64);
    for round in 1..=200 {
        std::thread::scope(|scope| {
            let turn = lock.driver();
            scope.spawn(|| *lock.caller() += 1);
            until("the caller came", || {
                lock.came.load(Ordering::Relaxed) == round
            });
            drop(turn);
            assert_eq!(*lock.driver(), round);
        });
    }
}

#[test]
fn a_driver_waits_for_as_many_callers_as_came_before_it() {
    let lock = Lock::new(Vec::new());
    std::thread::scope(|scope| {
        let turn = lock.caller();
        for n in 2..=5 {
            scope.spawn(|| lock.caller().push("caller"));
            until("the caller came", || lock.came.load(Ordering::Relaxed) == n);
        }
        scope.spawn(|| lock.driver().push("driver"));
        drop(turn);
    });
    let turns = lock.caller();
    assert_eq!(*turns, ["caller", "caller", "caller", "caller", "driver"]);
}

#[test]
fn a_driver_does_not_wait_for_callers_that_come_after_it() {
    let lock = Lock::new(());
    // Two that came and do not get on: one before the driver, one after it.
    let slow = || lock.came.fetch_add(1, Ordering::Relaxed);
    slow();
    std::thread::scope(|scope| {
        scope.spawn(|| drop(lock.driver()));
        until("the driver waits", || lock.enter().driver_waits);
        slow();
        drop(lock.caller());
    });
    assert_eq!(lock.enter().served, 1, "and three came");
}

#[test]
fn one_turn_lets_all_get_on_that_wait_for_it_as_the_driver_does() {
    for _ in 0..200 {
        let lock = Lock::new(());
        lock.came.fetch_add(1, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                lock.enter().driver_waits = false;
                scope.spawn(|| drop(lock.driver()));
                until("one waits", || lock.enter().driver_waits);
            }
            drop(lock.caller());
        });
    }
}

#[test]
fn callers_that_never_stop_do_not_keep_the_driver_out() {
    let lock = Lock::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| while !*lock.caller() {});
        }
        until("the callers are at it", || {
            lock.came.load(Ordering::Relaxed) > 1_000
        });
        *lock.driver() = true;
    });
}

#[test]
fn a_turn_that_ends_in_a_panic_is_over_like_any_other() {
    let lock = Lock::new(0);
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _turn = lock.caller();
        panic!("a broken caller");
    }));
    assert!(broken.is_err());
    *lock.driver() += 1;
    assert_eq!(*lock.caller(), 1);
}
