//! Who is to be told when something watched has changed.
//!
//! A cell counts the changes of one watch and wakes whoever waits. It holds no data: the news is
//! always read from the view, so nobody can fall behind.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tidewire_cache::WatchId;
use tidewire_model::{EntityType, Notice};
use tokio::sync::Notify;

use crate::change::Change;
use crate::unharmed::unharmed;

/// Notices kept for a listener that does not take them.
const NOTICES_MAX: usize = 1_024;

type Callback = Arc<dyn Fn() + Send + Sync>;

/// One watch.
#[derive(Default)]
pub(crate) struct Cell {
    version: AtomicU64,
    closed: AtomicBool,
    changed: Notify,
    callbacks: Mutex<Callbacks>,
    /// Where the notices of a type are listened to.
    notices: Option<Mutex<Notices>>,
    /// Whether the driver is to tell everybody at its next turn.
    due: AtomicBool,
}

#[derive(Default)]
struct Callbacks {
    next: u64,
    all: BTreeMap<u64, Callback>,
}

struct Notices {
    entity_type: EntityType,
    waiting: VecDeque<Notice>,
    lost: bool,
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Cell {
    /// A cell that also keeps the notices of a type.
    pub(crate) fn of_stream(entity_type: EntityType) -> Self {
        Self {
            notices: Some(Mutex::new(Notices {
                entity_type,
                waiting: VecDeque::new(),
                lost: false,
            })),
            ..Self::default()
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Waits until the version is another one than `seen`, and gives it; `None` once no further one
    /// can come.
    pub(crate) async fn changed_since(&self, seen: u64) -> Option<u64> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let closed = self.closed.load(Ordering::Acquire);
            let version = self.version();
            if version != seen {
                return Some(version);
            }
            if closed {
                return None;
            }
            changed.await;
        }
    }

    /// The client has ended: everybody is told for the last time, and whoever follows that nothing
    /// further comes. As [`tell`](Self::tell) otherwise.
    pub(crate) fn close(&self) {
        self.version.fetch_add(1, Ordering::Release);
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        // A waker is not ours; what it does must not keep the others from being told.
        if unharmed(|| self.changed.notify_waiters()).is_err() {
            tracing::error!("a waker panicked");
        }
        self.call_back();
    }

    /// Tells everybody. Runs application code, so no lock may be held.
    pub(crate) fn tell(&self) {
        self.due.store(false, Ordering::Release);
        self.version.fetch_add(1, Ordering::Release);
        self.changed.notify_waiters();
        self.call_back();
    }

    fn call_back(&self) {
        let mut from = 0;
        // Who registers now is not told of what was before.
        let end = self.callbacks.lock().next;
        while let Some((number, callback)) = self.callback_in(from..end) {
            // One listener's panic, also in dropping what it holds, must not silence the others or
            // end the driver.
            if unharmed(move || callback()).is_err() {
                tracing::error!("a listener panicked; the others go on");
            }
            from = number + 1;
        }
    }

    /// Looked up anew for each call: a listener may be dropped by the one before it.
    fn callback_in(&self, numbers: Range<u64>) -> Option<(u64, Callback)> {
        let callbacks = self.callbacks.lock();
        let (number, callback) = callbacks.all.range(numbers).next()?;
        Some((*number, Arc::clone(callback)))
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

    /// Keeps those of `notices` that this cell listens to.
    pub(crate) fn push_notices(&self, notices: &[Notice]) {
        let Some(held) = &self.notices else { return };
        let mut held = held.lock();
        for notice in notices {
            if entity_type_of(notice) != &held.entity_type {
                continue;
            }
            if held.waiting.len() == NOTICES_MAX {
                held.waiting.clear();
                held.lost = true;
            }
            held.waiting.push_back(notice.clone());
        }
    }

    /// What a listener to the notices of a type has not taken yet.
    pub(crate) fn next_change(&self) -> Option<Change> {
        let mut held = self.notices.as_ref()?.lock();
        if std::mem::take(&mut held.lost) {
            return Some(Change::Resync);
        }
        held.waiting.pop_front().map(Change::Notice)
    }
}

fn entity_type_of(notice: &Notice) -> &EntityType {
    match notice {
        Notice::Update { key, .. } | Notice::Create { key, .. } | Notice::Delete { key } => {
            &key.entity_type
        }
        Notice::Bulk { entity_type, .. } => entity_type,
    }
}

/// One follower's place in the changes of a cell: it misses none, and takes as one those that came
/// while it did not look.
pub(crate) struct Follower {
    cell: Arc<Cell>,
    seen: Option<u64>,
    waiting: Option<Pin<Box<dyn Future<Output = Option<u64>> + Send>>>,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl Follower {
    pub(crate) fn new(cell: Arc<Cell>) -> Self {
        Self {
            cell,
            seen: None,
            waiting: None,
        }
    }

    /// Ready at first, and whenever something has changed since it was ready; what is read then is
    /// new enough. `None` once nothing further can come.
    pub(crate) fn poll_change(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        let Some(seen) = self.seen else {
            self.seen = Some(self.cell.version());
            return Poll::Ready(Some(()));
        };
        let waiting = self.waiting.get_or_insert_with(|| {
            let cell = Arc::clone(&self.cell);
            Box::pin(async move { cell.changed_since(seen).await })
        });
        let version = ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        self.seen = version.or(self.seen);
        Poll::Ready(version.map(|_| ()))
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
pub(crate) struct Cells {
    all: Mutex<BTreeMap<WatchId, Arc<Cell>>>,
    due: Mutex<Vec<Arc<Cell>>>,
}

impl Cells {
    pub(crate) fn insert(&self, id: WatchId, cell: Arc<Cell>) {
        self.all.lock().insert(id, cell);
    }

    pub(crate) fn remove(&self, id: WatchId) {
        let removed = self.all.lock().remove(&id);
        drop(removed);
    }

    pub(crate) fn get(&self, ids: &[WatchId]) -> Vec<Arc<Cell>> {
        let cells = self.all.lock();
        ids.iter().filter_map(|id| cells.get(id).cloned()).collect()
    }

    /// Has everybody told at the driver's next turn.
    pub(crate) fn tell_soon(&self, cell: &Arc<Cell>) {
        if !cell.due.swap(true, Ordering::AcqRel) {
            self.due.lock().push(Arc::clone(cell));
        }
    }

    /// The same for all.
    pub(crate) fn tell_all_soon(&self) {
        let cells: Vec<_> = self.all.lock().values().cloned().collect();
        for cell in &cells {
            self.tell_soon(cell);
        }
    }

    /// Those that are to be told now.
    pub(crate) fn take_due(&self) -> Vec<Arc<Cell>> {
        std::mem::take(&mut *self.due.lock())
    }

    pub(crate) fn len(&self) -> usize {
        self.all.lock().len()
    }

    pub(crate) fn close(&self) {
        let cells: Vec<_> = self.all.lock().values().cloned().collect();
        for cell in cells {
            cell.close();
        }
    }
}
