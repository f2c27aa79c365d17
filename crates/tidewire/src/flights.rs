//! Loads of plain values under way: one for each key, however many wait for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tidewire_model::{Value, ValueKey};

/// What a load came to: the value, or why there is none.
pub(crate) type Outcome = Result<Arc<Value>, String>;

/// One load.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    /// Held by whoever loads; the others wait for it. Where that one gives up, the next one loads.
    pub(crate) outcome: tokio::sync::Mutex<Option<Outcome>>,
    /// Something newer was said of the value since the load began.
    superseded: AtomicBool,
}

/// The loads under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    by_key: Mutex<BTreeMap<ValueKey, Weak<Flight>>>,
}

impl Flights {
    /// The load of a key, begun if there is none.
    pub(crate) fn join(&self, key: &ValueKey) -> Arc<Flight> {
        let mut by_key = self.by_key.lock();
        if let Some(flight) = by_key.get(key).and_then(Weak::upgrade) {
            return flight;
        }
        by_key.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::new(Flight::default());
        by_key.insert(key.clone(), Arc::downgrade(&flight));
        flight
    }

    /// Something newer is about to be said of these keys: a load that began before says nothing of them any
    /// more but to those who wait for it, and whoever comes from now on begins another one.
    pub(crate) fn supersede(&self, is_meant: impl Fn(&ValueKey) -> bool) {
        self.by_key.lock().retain(|key, flight| {
            if !is_meant(key) {
                return true;
            }
            if let Some(flight) = flight.upgrade() {
                flight.superseded.store(true, Ordering::Release);
            }
            false
        });
    }

    /// A load is over. `keep` keeps what it brought, unless something newer was said meanwhile: who says so
    /// comes before this or after it.
    pub(crate) fn land<R>(
        &self,
        key: &ValueKey,
        flight: &Arc<Flight>,
        keep: impl FnOnce() -> R,
    ) -> Option<R> {
        let mut by_key = self.by_key.lock();
        let is_same = |held: &Weak<Flight>| std::ptr::eq(held.as_ptr(), Arc::as_ptr(flight));
        if by_key.get(key).is_some_and(is_same) {
            by_key.remove(key);
        }
        (!flight.superseded.load(Ordering::Acquire)).then(keep)
    }
}
