//! Who is to be told when something watched has changed.
//!
//! A cell counts the changes of one watch and wakes whoever waits. It holds no data: the news is
//! always read from the view, so nobody can fall behind.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tidewire_cache::WatchId;
use tidewire_model::Notice;
use tokio::sync::Notify;

/// Notices kept for a listener that does not take them.
const NOTICES_MAX: usize = 1_024;

type Callback = Arc<dyn Fn() + Send + Sync>;

/// One watch.
#[derive(Default)]
pub(crate) struct Cell {
    version: AtomicU64,
    changed: Notify,
    callbacks: Mutex<Callbacks>,
    notices: Mutex<Notices>,
}

#[derive(Default)]
struct Callbacks {
    next: u64,
    all: BTreeMap<u64, Callback>,
}

#[derive(Default)]
pub(crate) struct Notices {
    pub(crate) waiting: VecDeque<Notice>,
    pub(crate) lost: bool,
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Cell {
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Waits until the version is another one than `seen`, and gives it.
    pub(crate) async fn changed_since(&self, seen: u64) -> u64 {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let version = self.version();
            if version != seen {
                return version;
            }
            changed.await;
        }
    }

    /// Tells everybody. Runs application code, so no lock may be held.
    pub(crate) fn tell(&self) {
        self.version.fetch_add(1, Ordering::Release);
        self.changed.notify_waiters();
        let callbacks: Vec<Callback> = self.callbacks.lock().all.values().cloned().collect();
        for callback in callbacks {
            // One listener's panic must not silence the others or end the driver.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| callback())).is_err() {
                tracing::error!("a listener panicked; the others go on");
            }
        }
    }

    pub(crate) fn on_change(self: &Arc<Self>, callback: Callback) -> OnChange {
        let mut callbacks = self.callbacks.lock();
        let number = callbacks.next;
        callbacks.next += 1;
        callbacks.all.insert(number, callback);
        OnChange {
            cell: Arc::downgrade(self),
            number,
        }
    }

    pub(crate) fn push_notices(&self, notices: impl Iterator<Item = Notice>) {
        let mut held = self.notices.lock();
        for notice in notices {
            if held.waiting.len() == NOTICES_MAX {
                held.waiting.clear();
                held.lost = true;
            }
            held.waiting.push_back(notice);
        }
    }

    pub(crate) fn notices(&self) -> parking_lot::MutexGuard<'_, Notices> {
        self.notices.lock()
    }
}

/// Keeps a listener registered; dropping it ends that.
#[must_use = "the listener is removed when this is dropped"]
pub struct OnChange {
    cell: Weak<Cell>,
    number: u64,
}

impl fmt::Debug for OnChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnChange")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Drop for OnChange {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.upgrade() {
            let removed = cell.callbacks.lock().all.remove(&self.number);
            // What the listener holds may itself unregister when dropped.
            drop(removed);
        }
    }
}

/// Every watch of a client.
#[derive(Debug, Default)]
pub(crate) struct Cells(Mutex<BTreeMap<WatchId, Arc<Cell>>>);

impl Cells {
    pub(crate) fn insert(&self, id: WatchId, cell: Arc<Cell>) {
        self.0.lock().insert(id, cell);
    }

    pub(crate) fn remove(&self, id: WatchId) {
        let removed = self.0.lock().remove(&id);
        drop(removed);
    }

    pub(crate) fn get(&self, ids: &[WatchId]) -> Vec<Arc<Cell>> {
        let cells = self.0.lock();
        ids.iter().filter_map(|id| cells.get(id).cloned()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}
