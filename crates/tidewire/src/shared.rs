//! What callers and the driver share: the engine behind its lock, and who is to be told.
//!
//! Under the engine's lock runs nothing but the engine: no wakers, no application code, no I/O.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard};
use tidewire_cache::{Reader, Target, WatchId};
use tidewire_engine::{Command, CommandError, Engine, Input, Reply, Status, Submission};
use tidewire_model::{ActionId, EntityKey, Now, Tick, WallTime};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::action::{ActionCell, ActionHandle};
use crate::client::Held;
use crate::driver::Unsent;
use crate::watch::{Cell, Cells};

/// The time since the client was started, as the engine counts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        // Callers subtract from ticks; a start well above zero keeps that simple.
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let wall = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Now {
            tick: self.tick(),
            wall: WallTime::from_unix_millis(wall),
        }
    }

    pub(crate) fn tick(&self) -> Tick {
        Tick::from_micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// The instant of a tick, for a timer.
    pub(crate) fn instant(&self, tick: Tick) -> Instant {
        self.0 + (tick - Tick::from_micros(0))
    }
}

/// What callers and the driver share.
pub(crate) struct Shared {
    engine: Mutex<Engine>,
    pub(crate) clock: Clock,
    pub(crate) reader: Reader,
    /// Tells the driver that outputs wait.
    pub(crate) nudge: Notify,
    pub(crate) cells: Cells,
    actions: Mutex<BTreeMap<ActionId, Weak<ActionCell>>>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) durable: Result<(), String>,
    pub(crate) unsent: Arc<Unsent>,
    /// Set once the driver has ended.
    pub(crate) ended: watch::Sender<bool>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(engine: Engine, clock: Clock, durable: Result<(), String>) -> Self {
        let status = engine.status();
        Self {
            reader: engine.reader(),
            engine: Mutex::new(engine),
            clock,
            nudge: Notify::new(),
            cells: Cells::default(),
            actions: Mutex::default(),
            status: watch::Sender::new(status),
            durable,
            unsent: Arc::default(),
            ended: watch::Sender::new(false),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock()
    }

    /// Has a command done; what it changed is in the view when this returns.
    pub(crate) fn command(&self, command: Command) -> Result<Reply, CommandError> {
        let reply = {
            let mut engine = self.engine.lock();
            engine.handle(self.clock.now(), Input::Command(command))
        };
        self.nudge.notify_one();
        match reply {
            Reply::Refused(error) => Err(error),
            reply => Ok(reply),
        }
    }

    pub(crate) fn submit(
        self: &Arc<Self>,
        submission: Submission,
    ) -> Result<ActionHandle, CommandError> {
        let cell;
        let submitted = {
            let mut engine = self.engine.lock();
            let input = Input::Command(Command::Submit(submission));
            match engine.handle(self.clock.now(), input) {
                Reply::Submitted(submitted) => {
                    // Before the lock is given back, or the driver could have news of an action
                    // that nobody listens for yet.
                    cell = Arc::new(ActionCell::default());
                    self.actions
                        .lock()
                        .insert(submitted.id, Arc::downgrade(&cell));
                    submitted
                }
                Reply::Refused(error) => return Err(error),
                Reply::Done | Reply::Watching(_) => return Err(CommandError::Empty),
            }
        };
        self.nudge.notify_one();
        Ok(ActionHandle::new(
            Arc::clone(self),
            submitted.id,
            submitted.keys,
            cell,
        ))
    }

    /// The handle of an action of this process, if somebody still holds one.
    pub(crate) fn action(&self, id: ActionId) -> Option<Arc<ActionCell>> {
        self.actions.lock().get(&id).and_then(Weak::upgrade)
    }

    pub(crate) fn forget_action(&self, id: ActionId) {
        self.actions.lock().remove(&id);
    }

    /// Every action somebody still holds a handle of.
    pub(crate) fn held_actions(&self) -> Vec<Arc<ActionCell>> {
        self.actions
            .lock()
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    pub(crate) fn watch(
        self: &Arc<Self>,
        target: Target,
        cell: Arc<Cell>,
    ) -> Result<Watch, CommandError> {
        match self.command(Command::Watch(target))? {
            Reply::Watching(id) => {
                self.cells.insert(id, cell);
                Ok(Watch {
                    shared: Arc::clone(self),
                    id,
                })
            }
            Reply::Done | Reply::Submitted(_) | Reply::Refused(_) => Err(CommandError::Empty),
        }
    }

    pub(crate) fn held(&self) -> Held {
        Held {
            watches: self.cells.len(),
            actions: self.actions.lock().len(),
            unsent_frames: self.unsent.frames(),
            unsent_bytes: self.unsent.bytes(),
        }
    }

    /// The id an entity has by now; the one given, unless the server named it since.
    pub(crate) fn current_key(&self, key: &EntityKey) -> EntityKey {
        self.reader.current_key(key)
    }
}

/// Keeps something watched; dropping it gives the interest back.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    id: WatchId,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.cells.remove(self.id);
        // Giving back is never refused.
        let _ = self.shared.command(Command::Unwatch(self.id));
    }
}
