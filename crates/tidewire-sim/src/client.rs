//! One client: its engine while it runs, its store, what it watches, and what it was promised.
//! Judges promises (laws 12 to 14); the world decides what happens to it.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_cache::{CollectionSettings, Interest, Target, WatchId};
use tidewire_engine::{Command, Connection, Engine, Event, Generation, Problem, Stage};
use tidewire_model::{ActionId, EntityKey, EntityType, Now, Tick};
use tidewire_protocol::Naming;
use tidewire_queue::Queue;

use crate::broken::Broken;
use crate::disk::Disk;
use crate::history::History;
use crate::hits::{Hit, Hits};
use crate::network::LinkId;
use crate::observer::{Look, Observer};
use crate::options::ClientOptions;
use crate::twin::Twin;

/// A client with more rows than this in a complete collection is not thought of.
const MANY_ROWS: u64 = 1000;

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) index: usize,
    pub(crate) options: ClientOptions,
    /// Nothing while it is crashed.
    pub(crate) engine: Option<Engine>,
    /// Counts its starts; what belongs to an earlier one is dropped.
    pub(crate) life: u64,
    pub(crate) disk: Disk,
    /// The connection it wants or has.
    pub(crate) generation: Option<Generation>,
    pub(crate) link: Option<LinkId>,
    pub(crate) wake_at: Option<Tick>,
    pub(crate) watches: BTreeMap<WatchId, Target>,
    pub(crate) slow_until: Tick,
    /// When a frame came last.
    pub(crate) heard_at: Tick,
    /// Since when it knows that it has no connection.
    pub(crate) down_since: Option<Tick>,
    pub(crate) twin: Twin,
    pub(crate) observer: Observer,
    pub(crate) promises: BTreeMap<ActionId, Promise>,
    /// Entities it created and the server is to name.
    pub(crate) unnamed: Vec<(ActionId, EntityKey)>,
    /// Entities it created under its own ids, the latest last.
    pub(crate) own: Vec<(ActionId, EntityKey)>,
}

/// What a client was told of one of its actions.
#[derive(Debug, Default)]
pub(crate) struct Promise {
    pub(crate) durable: bool,
    pub(crate) accepted: bool,
    pub(crate) parked: bool,
    /// Given up by the application.
    pub(crate) gone: bool,
    /// Lost in a crash before it was durable.
    pub(crate) lost: bool,
    /// Sent again by the application after it was parked.
    pub(crate) retried: bool,
    /// What must be done before it.
    pub(crate) after: BTreeSet<ActionId>,
}

impl Client {
    pub(crate) fn new(index: usize, options: ClientOptions, now: Tick) -> Self {
        Self {
            index,
            options,
            engine: None,
            life: 0,
            disk: Disk::default(),
            generation: None,
            link: None,
            wake_at: None,
            watches: BTreeMap::new(),
            slow_until: now,
            heard_at: now,
            down_since: Some(now),
            twin: Twin::default(),
            observer: Observer::default(),
            promises: BTreeMap::new(),
            unnamed: Vec::new(),
            own: Vec::new(),
        }
    }

    /// Begins from what is stored; gives what is to be defined.
    pub(crate) fn start(
        &mut self,
        now: Now,
        seed: u64,
        hits: &mut Hits,
    ) -> Result<Vec<Command>, Broken> {
        self.life += 1;
        let mut settings = self.options.engine.clone();
        settings.seed = seed;
        let engine = Engine::new(now, settings, self.disk.load());
        self.observer.restart();
        self.twin.restart();
        for (id, effects) in engine.queue().effects_in_order() {
            hits.note(Hit::RestoredAction);
            self.twin.submitted(id, effects.to_vec(), 0);
        }
        self.check_nothing_durable_is_lost(engine.queue())?;
        self.engine = Some(engine);
        self.down_since = Some(now.tick);
        let define = |(entity_type, interest): (&EntityType, &Interest)| Command::Define {
            entity_type: entity_type.clone(),
            settings: CollectionSettings {
                interest: *interest,
                ..CollectionSettings::default()
            },
            naming: Naming::default(),
        };
        Ok(self.options.interests.iter().map(define).collect())
    }

    /// Everything in memory is gone.
    pub(crate) fn crash(&mut self) {
        self.engine = None;
        self.generation = None;
        self.link = None;
        self.wake_at = None;
        self.watches.clear();
        self.unnamed.clear();
        self.own.clear();
    }

    /// The creation under way of an entity with an id of the client's own; one that is parked is past.
    pub(crate) fn maker(&self, key: &EntityKey) -> Option<ActionId> {
        let queue = self.queue()?;
        let made = self.own.iter().rev().filter(|(_, other)| other == key);
        let open = |id: &ActionId| queue.get(*id).is_some_and(|action| !action.is_parked());
        made.map(|(creator, _)| *creator).find(open)
    }

    /// Law 12, at the only moment at which it can be broken.
    fn check_nothing_durable_is_lost(&mut self, queue: &Queue) -> Result<(), Broken> {
        for (id, promise) in &mut self.promises {
            if promise.accepted || promise.gone || promise.lost || queue.get(*id).is_some() {
                continue;
            }
            if promise.durable {
                return Err(Broken::law(
                    12,
                    format!("action {id} was durable and is gone after a crash"),
                ));
            }
            promise.lost = true;
        }
        Ok(())
    }

    pub(crate) fn queue(&self) -> Option<&Queue> {
        self.engine.as_ref().map(Engine::queue)
    }

    /// Notes what the client tells its application.
    pub(crate) fn on_event(
        &mut self,
        now: Tick,
        event: Event,
        history: &History,
        hits: &mut Hits,
    ) -> Result<(), Broken> {
        match event {
            Event::Status(status) => {
                let connected = status.connection == Connection::Connected;
                if status.connection == Connection::Stopped {
                    return Err(Broken::law(
                        15,
                        format!("the client stopped: {}", status.reason),
                    ));
                }
                self.down_since = if connected {
                    None
                } else {
                    self.down_since.or(Some(now))
                };
                Ok(())
            }
            Event::Action { id, stage } => self.on_stage(id, &stage, history, hits),
            Event::Problem(problem) => match problem {
                Problem::StreamRefused { .. }
                | Problem::WritePutOff { .. }
                | Problem::FetchRefused { .. }
                // A collection may turn out larger than it may be.
                | Problem::SnapshotTooLarge(_) => Ok(()),
                other => Err(Broken::law(
                    19,
                    format!("a sound server was blamed, or a sound store: {other}"),
                )),
            },
            Event::Refused { .. } | Event::Answered { .. } => Ok(()),
            other => Err(Broken::world(format!("{other:?} is not expected"))),
        }
    }

    fn on_stage(
        &mut self,
        id: ActionId,
        stage: &Stage,
        history: &History,
        hits: &mut Hits,
    ) -> Result<(), Broken> {
        let Some(promise) = self.promises.get_mut(&id) else {
            return Err(Broken::law(
                13,
                format!("{stage:?} was told of action {id}, which nobody submitted"),
            ));
        };
        let done = history.fate(id).map_or(0, |fate| fate.done);
        match stage {
            Stage::Durable => {
                promise.durable = true;
                return self.check_stored(id);
            }
            Stage::Accepted(_) if done == 0 => {
                return Err(Broken::law(
                    13,
                    format!("action {id} is called accepted, and was never done"),
                ));
            }
            Stage::Accepted(_) => promise.accepted = true,
            Stage::Visible => {
                self.twin.gone(id);
                return self.check_names(id, history);
            }
            Stage::Parked(_) => {
                hits.note(Hit::Refused);
                if done > 0 {
                    return Err(Broken::law(
                        14,
                        format!("action {id} is parked, and was done"),
                    ));
                }
                promise.parked = true;
                self.twin.gone(id);
            }
            Stage::Gone => {
                promise.gone = true;
                self.twin.gone(id);
            }
            Stage::Uncertain => {
                return Err(Broken::law(
                    13,
                    format!("action {id} is uncertain, and the server forgot nothing"),
                ));
            }
            Stage::Revived if promise.parked || promise.retried => {}
            Stage::Revived => {
                return Err(Broken::law(
                    14,
                    format!("action {id} is to be sent again, and nobody asked for that"),
                ));
            }
            other => {
                return Err(Broken::law(
                    12,
                    format!("action {id}: {other:?}, and the store works"),
                ));
            }
        }
        Ok(())
    }

    /// Once a creation is visible, its entity is found by the old id and by the server's.
    fn check_names(&self, id: ActionId, history: &History) -> Result<(), Broken> {
        let Some(engine) = &self.engine else {
            return Ok(());
        };
        for (_, key) in self.unnamed.iter().filter(|(creator, _)| *creator == id) {
            let current = engine
                .reader()
                .read(|snapshot| snapshot.current_id(&key.id));
            let named = history.named(&key.id);
            if named != Some(&current) {
                return Err(Broken::law(
                    11,
                    format!("{key:?} is followed to {current}, and was named {named:?}"),
                ));
            }
        }
        Ok(())
    }

    /// What is called durable would be there after a crash now (law 12).
    fn check_stored(&self, id: ActionId) -> Result<(), Broken> {
        let (queue, _) = Queue::restore(
            tidewire_queue::Settings::default(),
            [0; 16],
            self.disk.load(),
        );
        let known =
            queue.get(id).is_some() || self.queue().is_some_and(|queue| queue.get(id).is_none());
        if known {
            return Ok(());
        }
        Err(Broken::law(
            12,
            format!("action {id} is called durable and is not in the store"),
        ))
    }

    /// Nothing it depends on may be undone when an action is done (law 14).
    pub(crate) fn check_order(&self, id: ActionId, history: &History) -> Result<(), Broken> {
        let Some(promise) = self.promises.get(&id) else {
            return Ok(());
        };
        let is_done = |id: ActionId| history.fate(id).is_some_and(|fate| fate.done > 0);
        if promise.lost && is_done(id) {
            return Err(Broken::law(
                13,
                format!("action {id} was lost before it was durable, and was done"),
            ));
        }
        if promise.retried || !is_done(id) {
            return Ok(());
        }
        match promise.after.iter().find(|parent| !is_done(**parent)) {
            Some(parent) => Err(Broken::law(
                14,
                format!("action {id} was done before {parent}, which it depends on"),
            )),
            None => Ok(()),
        }
    }

    /// Looks at everything the client shows.
    pub(crate) fn look(
        &mut self,
        now: Tick,
        history: &History,
        types: &[EntityType],
        silence: std::time::Duration,
        hits: &mut Hits,
    ) -> Result<(), Broken> {
        let Some(engine) = &self.engine else {
            return Ok(());
        };
        let silent = now > self.heard_at + silence;
        let not_live = match self.down_since {
            Some(since) if now > since => Some(format!(
                "it knows since {since:?} that it has no connection"
            )),
            Some(_) | None if silent => {
                Some(format!("nothing was heard since {:?}", self.heard_at))
            }
            Some(_) | None => None,
        };
        let is_complete = |interest: &Interest| matches!(interest, Interest::Complete { max_rows } if *max_rows > MANY_ROWS);
        // One that is over the budget of bytes is windowed as a whole.
        let complete = self.options.interests.iter().filter(|(name, interest)| {
            is_complete(interest) && is_complete(&engine.interest(name))
        });
        let look = Look {
            now,
            history,
            twin: &self.twin,
            targets: self.watches.values().collect(),
            complete: complete.map(|(name, _)| name).collect(),
            types,
            not_live,
        };
        let reader = engine.reader();
        let observer = &mut self.observer;
        let looked = reader.read(|snapshot| observer.look(&look, snapshot, hits));
        looked.map_err(|broken| broken.of(format!("client {}", self.index)))
    }
}
