//! What callers and the driver share: the engine behind its lock, and who is to be told.
//!
//! Under the engine's lock runs nothing but the engine: no wakers, no application code, no I/O. A
//! panic of the engine ends the client and is told; it never reaches the caller.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tidewire_cache::{
    Keys, ListReading, Matching, Provenance, Reader, Reading, Regex, StaleReason, Target, Trust,
    ValueReading, WatchId,
};
use tidewire_engine::{
    CacheCommand, Command, CommandError, Connection, Engine, Input, Reply, Status, Submission,
    Submitted, Switch,
};
use tidewire_model::{ActionId, CacheKey, EntityKey, Now, Query, Record, Tick, ValueKey, WallTime};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::action::ActionCell;
use crate::client::Held;
use crate::driver::Unsent;
use crate::error::CallError;
use crate::flights::Flights;
use crate::lock::Lock;
use crate::refusals::Refusals;
use crate::typed::Copies;
use crate::unharmed::unharmed;
use crate::watch::{Cell, Cells};

/// The time since the client was started, as the engine counts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
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

/// How a client came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was closed, and everything given to the store is stored.
    Closed,
    /// Something broke: what.
    Failed(String),
}

/// How far a client is with its life. Stands beside the engine, so that no call can come between a
/// look at the one and a change of the other.
#[derive(Debug)]
enum Phase {
    Open,
    /// No call is taken any more; what was taken is on its way into the store.
    Closing,
    Ended(End),
}

struct Core {
    engine: Engine,
    phase: Phase,
}

/// What callers and the driver share.
pub(crate) struct Shared {
    core: Lock<Core>,
    pub(crate) clock: Clock,
    reader: Reader,
    /// Set at the end, before anybody is told of it.
    over: AtomicBool,
    /// Tells the driver that outputs wait, or that it is to end.
    pub(crate) nudge: Notify,
    pub(crate) cells: Cells,
    pub(crate) flights: Flights,
    actions: Mutex<BTreeMap<ActionId, Weak<ActionCell>>>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) refusals: watch::Sender<Refusals>,
    pub(crate) durable: Result<(), String>,
    pub(crate) unsent: Arc<Unsent>,
    pub(crate) copies: Arc<Copies>,
    /// Set once the driver has let go of everything, of the store above all.
    pub(crate) gone: watch::Sender<bool>,
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
            over: AtomicBool::new(false),
            core: Lock::new(Core {
                engine,
                phase: Phase::Open,
            }),
            clock,
            nudge: Notify::new(),
            cells: Cells::default(),
            flights: Flights::default(),
            actions: Mutex::default(),
            status: watch::Sender::new(status),
            refusals: watch::Sender::default(),
            durable,
            unsent: Arc::default(),
            copies: Arc::default(),
            gone: watch::Sender::new(false),
        }
    }

    /// A caller's turn with the engine.
    ///
    /// # Errors
    /// The client is closed, or has stopped.
    pub(crate) fn ask<R>(&self, work: impl FnOnce(&mut Engine, Now) -> R) -> Result<R, CallError> {
        let mut core = self.core.caller();
        let result = match &core.phase {
            Phase::Open => self.work(&mut core, work).map_err(CallError::Stopped),
            Phase::Closing | Phase::Ended(End::Closed) => Err(CallError::Closed),
            Phase::Ended(End::Failed(reason)) => Err(CallError::Stopped(reason.clone())),
        };
        drop(core);
        self.nudge.notify_one();
        result
    }

    /// The driver's turn with the engine; `None` once the client has ended.
    pub(crate) fn drive<R>(&self, work: impl FnOnce(&mut Engine, Now) -> R) -> Option<R> {
        let mut core = self.core.driver();
        match &core.phase {
            Phase::Open | Phase::Closing => self.work(&mut core, work).ok(),
            Phase::Ended(_) => None,
        }
    }

    /// A look at the engine, also after the end.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Engine) -> R) -> R {
        look(&self.core.caller().engine)
    }

    /// The one place where the engine runs. The time is read here, so that it never goes back.
    fn work<R>(
        &self,
        core: &mut Core,
        work: impl FnOnce(&mut Engine, Now) -> R,
    ) -> Result<R, String> {
        let now = self.clock.now();
        unharmed(|| work(&mut core.engine, now)).inspect_err(|panic| {
            // What it was at work on is half done; nobody may build on that.
            core.phase = Phase::Ended(End::Failed(panic.clone()));
        })
    }

    /// From here on every call is refused. The connection closes, and the driver ends once what was
    /// taken is stored.
    pub(crate) fn begin_close(&self) {
        let mut core = self.core.caller();
        if matches!(core.phase, Phase::Open) {
            core.phase = Phase::Closing;
            let off = Input::Command(Command::Switch(Switch::Off));
            // A panic has set the phase, which is all that counts now.
            let _ = self.work(&mut core, |engine, now| engine.handle(now, off));
        }
        drop(core);
        self.nudge.notify_one();
    }

    /// Ends the client if it is closing and everything is stored; tells whether it has ended.
    pub(crate) fn end_if_stored(&self) -> bool {
        let mut core = self.core.caller();
        if matches!(core.phase, Phase::Closing) && core.engine.is_stored() {
            core.phase = Phase::Ended(End::Closed);
        }
        matches!(core.phase, Phase::Ended(_))
    }

    /// Why the store takes nothing any more, where it failed.
    pub(crate) fn store_failure(&self) -> Option<String> {
        self.look(|engine| engine.store_failure().map(str::to_owned))
    }

    /// How the client ended, if it has.
    pub(crate) fn end(&self) -> Option<End> {
        match &self.core.caller().phase {
            Phase::Open | Phase::Closing => None,
            Phase::Ended(end) => Some(end.clone()),
        }
    }

    /// The client has ended, as it is known already or else so: whoever waits is told.
    pub(crate) fn end_with(&self, end: End) {
        let end = {
            let mut core = self.core.caller();
            if let Phase::Ended(known) = &core.phase {
                known.clone()
            } else {
                core.phase = Phase::Ended(end.clone());
                end
            }
        };
        self.over.store(true, Ordering::Release);
        let reason = match &end {
            End::Closed => "the client is closed".to_owned(),
            End::Failed(reason) => format!("the client has stopped: {reason}"),
        };
        self.status.send_replace(Status {
            connection: Connection::Stopped,
            reason,
            next_attempt: None,
        });
        let actions: Vec<_> = self.actions.lock().values().cloned().collect();
        for cell in actions.iter().filter_map(Weak::upgrade) {
            cell.end(&end);
        }
        self.cells.close();
    }

    /// Has a command done; what it changed is in the view when this returns.
    pub(crate) fn command(&self, command: Command) -> Result<(), CallError> {
        match self.ask(|engine, now| engine.handle(now, Input::Command(command)))? {
            Reply::Refused(error) => Err(error.into()),
            Reply::Done
            | Reply::Shows(_)
            | Reply::Watching(_)
            | Reply::Submitted(_)
            | Reply::Unchanged(_) => Ok(()),
        }
    }

    /// Has a command done that changes the base. It is in the view when this returns: a batch that is being
    /// shown is helped along, a slice at a turn.
    pub(crate) fn show(&self, command: CacheCommand) -> Result<(), CallError> {
        let input = Input::Command(Command::Cache(command));
        let reply = self.ask(|engine, now| engine.handle(now, input))?;
        let shows = match reply {
            Reply::Refused(error) => return Err(error.into()),
            Reply::Shows(shows) => shows,
            Reply::Done | Reply::Watching(_) | Reply::Submitted(_) | Reply::Unchanged(_) => {
                return Ok(());
            }
        };
        while !self.reader.read(|snapshot| snapshot.shows(shows)) {
            self.ask(|engine, now| engine.handle(now, Input::Time))?;
        }
        Ok(())
    }

    /// Has a command done that shows at once, or with a later batch.
    pub(crate) fn tell(&self, command: CacheCommand) -> Result<(), CallError> {
        self.command(Command::Cache(command))
    }

    /// Submits a write; `None`, with nothing done, where the entity is not any more as it was `seen`.
    pub(crate) fn submit(
        &self,
        submission: Submission,
        seen: Option<(&EntityKey, &Record)>,
    ) -> Result<Option<Taken>, CallError> {
        self.ask(|engine, now| {
            if seen.is_some_and(|(key, record)| !self.is_still(now.tick, key, record)) {
                return Ok(None);
            }
            match engine.handle(now, Input::Command(Command::Submit(submission))) {
                Reply::Submitted(submitted) => {
                    // Before the lock is given back, or the driver could have news of an action
                    // that nobody listens for yet.
                    let cell = Arc::new(ActionCell::default());
                    let weak = Arc::downgrade(&cell);
                    self.actions.lock().insert(submitted.id, weak);
                    Ok(Some(Taken::Action(submitted, cell)))
                }
                Reply::Unchanged(keys) => Ok(Some(Taken::Nothing(keys))),
                Reply::Refused(error) => Err(error.into()),
                Reply::Done | Reply::Shows(_) | Reply::Watching(_) => {
                    Err(CommandError::Empty.into())
                }
            }
        })?
    }

    fn is_still(&self, now: Tick, key: &EntityKey, record: &Record) -> bool {
        let reading = self.reader.get(now, key);
        let shown = reading.presence.record();
        shown.is_some_and(|shown| shown.shares_memory(record) || shown == record)
    }

    /// The handle of an action of this process, if somebody still holds one.
    pub(crate) fn action(&self, id: ActionId) -> Option<Arc<ActionCell>> {
        self.actions.lock().get(&id).and_then(Weak::upgrade)
    }

    pub(crate) fn forget_action(&self, id: ActionId) {
        self.actions.lock().remove(&id);
    }

    /// Watches something.
    pub(crate) fn watch(
        self: &Arc<Self>,
        target: Target,
        cell: &Arc<Cell>,
    ) -> Result<Watch, CallError> {
        self.watch_by(Command::Watch(target), cell)
    }

    /// Watches what a command names.
    pub(crate) fn watch_by(
        self: &Arc<Self>,
        command: Command,
        cell: &Arc<Cell>,
    ) -> Result<Watch, CallError> {
        let input = Input::Command(command);
        let watching = self.ask(|engine, now| match engine.handle(now, input) {
            Reply::Watching(id) => {
                // Before the lock is given back, or the cell would miss what happens meanwhile.
                self.cells.insert(id, Arc::clone(cell));
                Ok(id)
            }
            Reply::Refused(error) => Err(CallError::from(error)),
            Reply::Done | Reply::Shows(_) | Reply::Submitted(_) | Reply::Unchanged(_) => {
                Err(CommandError::Empty.into())
            }
        });
        Ok(Watch {
            shared: Arc::clone(self),
            id: watching??,
        })
    }

    pub(crate) fn held(&self) -> Held {
        Held {
            watches: self.cells.len(),
            actions: self.actions.lock().len(),
            unsent_frames: self.unsent.frames(),
            unsent_bytes: self.unsent.bytes(),
        }
    }

    /// An entity as the view has it.
    pub(crate) fn get(&self, key: &EntityKey) -> Reading {
        let mut reading = self.reader.get(self.clock.tick(), key);
        reading.trust = self.trust(reading.trust);
        reading
    }

    /// A window of a list as the view has it.
    pub(crate) fn list(&self, query: &Query) -> ListReading {
        let mut reading = self.reader.list(self.clock.tick(), query);
        reading.trust = self.trust(reading.trust);
        reading
    }

    /// A plain value as the view has it.
    pub(crate) fn value(&self, key: &ValueKey) -> Option<ValueReading> {
        self.reader.value(self.clock.tick(), key)
    }

    /// Whether something is shown under a key.
    pub(crate) fn has(&self, key: &CacheKey) -> bool {
        let now = self.clock.tick();
        self.reader.read(|snapshot| snapshot.has(now, key))
    }

    /// The keys of what is shown that a pattern matches.
    pub(crate) fn keys(&self, pattern: &Regex) -> Keys {
        self.reader.keys(self.clock.tick(), pattern)
    }

    /// The same, for marks.
    pub(crate) fn matching(&self, pattern: &Regex) -> Matching {
        let now = self.clock.tick();
        self.reader.read(|snapshot| snapshot.matching(now, pattern))
    }

    /// Why an entity reads as it does.
    pub(crate) fn why(&self, key: &EntityKey) -> Option<Provenance> {
        let mut why = self.reader.why(self.clock.tick(), key)?;
        why.trust = self.trust(why.trust);
        Some(why)
    }

    /// After the end nothing is live, whatever the engine came to say of it (law 16).
    fn trust(&self, trust: Trust) -> Trust {
        if trust == Trust::Live && self.over.load(Ordering::Acquire) {
            Trust::Stale(StaleReason::Disconnected)
        } else {
            trust
        }
    }

    /// The id an entity has by now; the one given, unless the server named it since.
    pub(crate) fn current_key(&self, key: &EntityKey) -> EntityKey {
        self.reader.current_key(key)
    }
}

/// What became of a write that was taken.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is an action, in the view already.
    Action(Submitted, Arc<ActionCell>),
    /// It changes nothing of these entities, so there is no action.
    Nothing(Vec<EntityKey>),
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
        // Refused only after the end, when nothing is watched anyway.
        let _ = self.shared.command(Command::Unwatch(self.id));
    }
}

/// Held by the driver: when it goes, for whatever reason, nobody waits for it any longer.
#[derive(Debug)]
pub(crate) struct Pumped(pub(crate) Arc<Shared>);

impl Drop for Pumped {
    fn drop(&mut self) {
        // Does nothing where the end was told already.
        self.0
            .end_with(End::Failed("its tokio runtime has ended".into()));
        self.0.gone.send_replace(true);
    }
}

#[cfg(test)]
mod tests;
