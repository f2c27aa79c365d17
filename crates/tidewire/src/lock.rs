//! The engine's lock: callers come before the driver.
//!
//! The driver takes the lock thousands of times a second while much arrives, and gives it back for
//! moments only. A caller who has to wait is asleep by then and would find it taken each time it wakes.
//! So the driver, before each of its turns, lets callers have as many as had been asked for.
//!
//! It rests on the lock of the standard library, which sleeps after a short spin. One that yields its
//! core while it spins gives its time slice away, and on a busy machine waits for those of all others:
//! milliseconds, for a lock that is held for a tenth of one (`docs/decisions/0012`).

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[cfg(test)]
mod tests;

/// A value for many callers and one driver.
#[derive(Debug)]
pub(crate) struct Lock<T> {
    /// Callers that ever asked for a turn. Counted before they wait, and so outside the lock.
    came: AtomicU64,
    inside: Mutex<Inside<T>>,
    /// Where the driver waits until callers had their turns.
    driver: Condvar,
}

#[derive(Debug)]
struct Inside<T> {
    value: T,
    /// Callers that ever had their turn.
    served: u64,
    driver_waits: bool,
}

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        let inside = Inside {
            value,
            served: 0,
            driver_waits: false,
        };
        Self {
            came: AtomicU64::new(0),
            inside: Mutex::new(inside),
            driver: Condvar::new(),
        }
    }

    /// A caller's turn, which ends with the guard.
    pub(crate) fn caller(&self) -> CallersTurn<'_, T> {
        // Nothing but the count is shared by it: a driver that does not see it yet came first.
        self.came.fetch_add(1, Ordering::Relaxed);
        CallersTurn {
            inside: self.enter(),
            driver: &self.driver,
        }
    }

    /// The driver's turn, after as many of callers as had come before it.
    pub(crate) fn driver(&self) -> DriversTurn<'_, T> {
        let mut inside = self.enter();
        // Who comes later than this does not count, or callers could keep the driver out.
        let came = self.came.load(Ordering::Relaxed);
        while inside.served < came {
            inside.driver_waits = true;
            let woken = self.driver.wait(inside);
            inside = woken.unwrap_or_else(PoisonError::into_inner);
        }
        DriversTurn(inside)
    }

    /// What a panic left behind is told by the phase beside the engine, not by the lock.
    fn enter(&self) -> MutexGuard<'_, Inside<T>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct CallersTurn<'a, T> {
    inside: MutexGuard<'a, Inside<T>>,
    driver: &'a Condvar,
}

impl<T> Drop for CallersTurn<'_, T> {
    fn drop(&mut self) {
        self.inside.served += 1;
        // Who finds that it is not enough says so again.
        if std::mem::take(&mut self.inside.driver_waits) {
            self.driver.notify_all();
        }
    }
}

impl<T> Deref for CallersTurn<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inside.value
    }
}

impl<T> DerefMut for CallersTurn<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inside.value
    }
}

pub(crate) struct DriversTurn<'a, T>(MutexGuard<'a, Inside<T>>);

impl<T> Deref for DriversTurn<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> DerefMut for DriversTurn<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0.value
    }
}
