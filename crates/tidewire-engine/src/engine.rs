//! One object, one way in, one way out.
//!
//! [`Engine::handle`] takes what happened and has the view in order before it returns;
//! [`Engine::poll`] gives what is to be done outside. The engine dispatches: each concern is its
//! own struct, and this file only says in which order they are asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidewire_cache::{
    Cache, CollectionSettings, DetachReason, FetchTicket, Intake, Interest, Pressure, Progress,
    Publication, Reader, Wanted, WatchId,
};
use tidewire_model::{ActionId, EntityKey, EntityType, Lane, Now, Point, Tick};
use tidewire_protocol::Naming;
use tidewire_queue::Queue;
use tidewire_store::Row;

use crate::ageing::Ageing;
use crate::answers::Answers;
use crate::assembly::{Assembly, Weight};
use crate::batch::{Batch, Begun, Verdict};
use crate::frame::{FrameReader, Speaking};
use crate::hold::Hold;
use crate::input::Input;
use crate::output::{Event, Output, Problem, Reply, Stage, Term};
use crate::pace::Pace;
use crate::persistence::Persistence;
use crate::random::Random;
use crate::refetch::Refetch;
use crate::session::Session;
use crate::settings::Settings;
use crate::status::{Skipped, Status};
use crate::subscriptions::{RequestIds, Subscriptions};
use crate::timers::{TimerReason, Timers};

mod actions;
mod by_key;
mod commands;
mod connection;
mod executes;
mod fetches;
mod inbound;
mod knowledge;
mod names;
mod streams;

/// The code of what a server, or the application's own backend, does not answer in time.
const NO_ANSWER: &str = "no_answer";

/// How the engine keeps a collection.
#[derive(Debug)]
pub(crate) struct Collection {
    settings: CollectionSettings,
    naming: Naming,
}

/// The client as one state machine.
///
/// It has no clock, no socket, no file and no thread. Give it what happened with
/// [`handle`](Self::handle), then take outputs with [`poll`](Self::poll) until there are none.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    now: Now,
    random: Random,
    speaking: Speaking,
    cache: Cache,
    queue: Queue,
    collections: BTreeMap<EntityType, Collection>,
    watches: BTreeMap<WatchId, EntityType>,
    session: Session,
    subscriptions: Subscriptions,
    assembly: Assembly,
    refetch: Refetch,
    persistence: Persistence,
    batch: Batch,
    timers: Timers,
    ids: RequestIds,
    unwritten_bytes: usize,
    /// What of it is up to the latest answer to a ping, this included.
    unwritten_pong: usize,
    /// The number of the latest ping that was not answered yet.
    unanswered_ping: Option<u64>,
    pace: Pace,
    server_max_frame_bytes: usize,
    /// The deepest nesting of a frame the server takes.
    server_max_depth: usize,
    token: Option<String>,
    answers: Answers,
    /// Actions the application's own backend is at work on, with where their streams stood.
    executing: BTreeMap<ActionId, BTreeMap<EntityType, Point>>,
    hold: Hold,
    /// Complete streams of which a new snapshot was asked for.
    snapshots: BTreeMap<EntityType, FetchTicket>,
    /// Lanes that wait before they are tried again.
    retries: BTreeMap<Lane, Tick>,
    /// Why the server put writes off, as far as it was told: the codes.
    told_put_off: BTreeSet<String>,
    wants_changed: bool,
    ageing: Ageing,
    skipped: Skipped,
    told_status: Option<Status>,
    told_wake: Option<(Tick, TimerReason)>,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// An engine that begins with what was stored, switched off.
    ///
    /// Pending actions are in the view when this returns.
    #[must_use]
    pub fn new(now: Now, settings: Settings, stored: Vec<Row>) -> Self {
        let mut random = Random::new(settings.seed);
        let (queue, problems) = Queue::restore(settings.queue, random.name_bytes(), stored);
        let mut engine = Self {
            now,
            speaking: Speaking::V1,
            cache: Cache::new(tidewire_cache::Settings {
                hash_seed: settings.seed,
                ..settings.cache.clone()
            }),
            queue,
            collections: BTreeMap::new(),
            watches: BTreeMap::new(),
            session: Session::new(settings.session),
            subscriptions: Subscriptions::new(&settings),
            assembly: Assembly::new(Weight {
                rows: settings.unfinished_max_rows,
                bytes: settings.unfinished_max_bytes,
            }),
            refetch: Refetch::new(&settings),
            persistence: Persistence::default(),
            batch: Batch::new(
                settings.batch_window,
                Weight {
                    rows: settings.batch_max_rows,
                    bytes: settings.staged_max_bytes,
                },
            ),
            timers: Timers::default(),
            ids: RequestIds::default(),
            unwritten_bytes: 0,
            unwritten_pong: 0,
            unanswered_ping: None,
            pace: Pace::default(),
            server_max_frame_bytes: usize::MAX,
            server_max_depth: usize::MAX,
            token: None,
            answers: Answers::default(),
            executing: BTreeMap::new(),
            hold: Hold::new(
                settings.create_hold,
                Weight {
                    rows: settings.create_hold_max_changes,
                    bytes: settings.create_hold_max_bytes,
                },
            ),
            snapshots: BTreeMap::new(),
            retries: BTreeMap::new(),
            told_put_off: BTreeSet::new(),
            wants_changed: false,
            ageing: Ageing::new(now.tick),
            skipped: Skipped::default(),
            told_status: None,
            told_wake: None,
            outputs: VecDeque::new(),
            random,
            settings,
        };
        for problem in problems {
            engine.report(Problem::Unreadable(problem.to_string()));
        }
        engine.restore_overlay();
        engine
    }

    /// A handle that reads the view, from any thread, without asking the engine.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.cache.reader()
    }

    /// The queue of actions, for listing.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The connection as it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.session.status()
    }

    /// What the server said that was skipped, since this engine was made.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Reads the frames of the present connection; to be asked for anew with each.
    #[must_use]
    pub fn frame_reader(&self) -> FrameReader {
        FrameReader {
            generation: self.session.generation(),
            speaking: self.speaking,
        }
    }

    /// Whether frames are wanted. While they are not, a driver stops reading from the transport,
    /// which makes the server wait.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        let is_full = self.batch.is_full() && self.cache.has_staged();
        self.cache.workable_rows() < self.settings.staged_max_rows && !is_full
    }

    /// What was read of the entities that the cache would let go next. Belongs into the next input,
    /// [`Input::Touched`], in the same turn: by itself it changes nothing.
    #[must_use]
    pub fn take_touched(&self) -> Vec<EntityKey> {
        self.cache.take_touched()
    }

    /// How what the cache holds stands to its budget of bytes.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        self.cache.pressure()
    }

    /// How a collection is kept by now: a complete one that grew too large is windowed.
    #[must_use]
    pub fn interest(&self, entity_type: &EntityType) -> Interest {
        self.cache.interest(entity_type)
    }

    /// Whether everything given to the store was stored.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.persistence.is_idle()
    }

    /// Why the store takes nothing any more, where it failed: what was given to it and not stored is lost.
    #[must_use]
    pub fn store_failure(&self) -> Option<&str> {
        self.persistence.failure()
    }

    /// Whether nothing is held of any stream: no subscription, no watch.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.subscriptions.is_empty() && self.watches.is_empty()
    }

    /// Takes what happened. The view is in order when this returns; what is to be done outside
    /// waits in [`poll`](Self::poll).
    pub fn handle(&mut self, now: Now, input: Input) -> Reply {
        self.now = now;
        let command = matches!(input, Input::Command(_));
        let reply = self.dispatch(input);
        self.send_streams();
        self.release();
        // A caller does not pay for what came in from the network, nor for looking over everything
        // that is watched; the driver does.
        if command {
            self.plan_batch();
        } else {
            self.run_batch();
        }
        self.tell_visible();
        self.answer_ping();
        if command {
            self.plan_ask();
        } else {
            self.ask();
        }
        self.send_actions();
        self.store();
        self.tell();
        reply
    }

    /// The next thing to be done outside.
    pub fn poll(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        let wake = self.timers.next();
        if wake == self.told_wake {
            return None;
        }
        self.told_wake = wake;
        Some(Output::WakeAt(wake))
    }

    fn dispatch(&mut self, input: Input) -> Reply {
        match input {
            Input::Command(command) => return self.on_command(command),
            Input::Connected {
                generation,
                subprotocol,
                token,
            } => {
                self.on_connected(generation, subprotocol.as_deref(), token);
            }
            Input::ConnectFailed {
                generation,
                reason,
                trouble,
            } => {
                self.on_connect_failed(generation, reason, trouble);
            }
            Input::Frame(incoming) => self.on_frame(incoming),
            Input::Disconnected {
                generation,
                code,
                reason,
            } => {
                self.on_disconnected(generation, code, reason);
            }
            Input::Written { generation, bytes } => {
                if generation == self.session.generation() {
                    self.on_written(bytes);
                }
            }
            Input::Stored { ticket, result } => self.on_stored(ticket, result),
            Input::Fetched { number, result } => self.on_fetched(number, result),
            Input::Executed { action, result } => self.on_executed(action, result),
            Input::Pong { generation } => {
                if generation == self.session.generation() {
                    self.session_event(crate::session::Event::Heard);
                }
            }
            Input::PingUnsupported { generation } => {
                if generation == self.session.generation() {
                    self.session_event(crate::session::Event::NoPing);
                }
            }
            Input::Touched {
                entities,
                outside_bytes,
            } => {
                self.cache.touch(&entities);
                self.cache.set_outside_bytes(outside_bytes);
            }
            // Whatever was asked for is over; what is still to come is asked for again.
            Input::Time => self.told_wake = None,
        }
        self.on_time();
        Reply::Done
    }

    fn on_time(&mut self) {
        for reason in self.timers.take_due(self.now.tick) {
            match reason {
                TimerReason::Connect
                | TimerReason::Handshake
                | TimerReason::Silence
                | TimerReason::Probe => {
                    self.session_event(crate::session::Event::Due);
                }
                TimerReason::Linger | TimerReason::Resubscribe => self.on_streams_due(),
                TimerReason::Settle => self.refresh_watched(),
                TimerReason::Retry => self.on_retry_due(),
                TimerReason::Hold => self.on_hold_due(),
                TimerReason::Ageing => self.on_aged(),
                TimerReason::Refetch => self.on_unanswered(),
                // What these are for is looked at after every input.
                TimerReason::Batch
                | TimerReason::Work
                | TimerReason::Ask
                | TimerReason::Pace
                | TimerReason::Requery => {}
            }
            self.wants_changed = true;
        }
    }

    /// Works a slice of the batch, and shows it when it is whole. One slice for each call bounds
    /// how long a caller waits for the lock.
    fn run_batch(&mut self) {
        if self.batch.verdict(self.now.tick, self.staged()) == Verdict::Work {
            if self.batch.on_work() == Begun::Yes {
                self.answers.on_work();
            }
            match self.cache.work(self.now.tick, self.settings.slice_rows) {
                Progress::Idle => self.batch.on_shown(self.now.tick),
                Progress::More => {}
                Progress::Ready => {
                    self.batch.on_shown(self.now.tick);
                    self.answers.on_shown();
                    if let Some(publication) = self.cache.publish() {
                        self.publish(publication);
                    }
                }
            }
        }
        self.plan_batch();
    }

    fn plan_batch(&mut self) {
        let (mut batch, mut work) = (None, None);
        match self.batch.verdict(self.now.tick, self.staged()) {
            Verdict::Rest => {}
            Verdict::Wait(until) => batch = Some(until),
            Verdict::Work => work = Some(self.now.tick),
        }
        self.timers.set(TimerReason::Batch, batch);
        self.timers.set(TimerReason::Work, work);
    }

    fn staged(&self) -> Option<usize> {
        self.cache.has_staged().then(|| self.cache.staged_rows())
    }

    /// What is watched and became too old reads otherwise now, and is worth asking for.
    fn on_aged(&mut self) {
        let since = self.ageing.on_due(self.now.tick);
        if let Some(publication) = self.cache.age(since, self.now.tick) {
            self.publish(publication);
        }
    }

    /// Hands a publication out.
    fn publish(&mut self, mut publication: Publication) {
        for query in std::mem::take(&mut publication.disputed) {
            let query = query.cache_key();
            self.report(Problem::OtherOrder { query });
        }
        self.outputs.push_back(Output::Published(publication));
        self.wants_changed = true;
        self.ageing.on_changed();
    }

    /// Says which accepted actions have left the overlay: their results are in the base.
    fn tell_visible(&mut self) {
        for id in self.answers.take_visible(|id| self.cache.has_action(id)) {
            self.stage(id, Stage::Visible);
        }
    }

    /// Everything that is told only when it changed.
    fn tell(&mut self) {
        let deadlines = self.session.deadlines();
        self.timers.set(TimerReason::Connect, deadlines.connect);
        self.timers.set(TimerReason::Handshake, deadlines.handshake);
        self.timers.set(TimerReason::Silence, deadlines.silence);
        self.timers.set(TimerReason::Probe, deadlines.probe);
        let now = self.now.tick;
        let (linger, again) = self.subscriptions.deadlines(now);
        self.timers.set(TimerReason::Linger, linger);
        self.timers
            .set_behind_due(TimerReason::Resubscribe, now, again);
        let refetch = self.refetch.deadline(now);
        self.timers
            .set_behind_due(TimerReason::Refetch, now, refetch);
        self.timers.set(TimerReason::Hold, self.hold.deadline());
        let pace = self.session.is_ready().then_some(&self.pace);
        self.timers.set(
            TimerReason::Pace,
            pace.and_then(|pace| pace.next(self.now.tick)),
        );
        if let Some(since) = self.ageing.take_changed() {
            let next = self.cache.next_ageing(since);
            self.timers.set(TimerReason::Ageing, next);
            let requery = self.cache.next_requery(now);
            self.timers
                .set_behind_due(TimerReason::Requery, now, requery);
        }
        let status = self.session.status();
        if self.told_status.as_ref() != Some(&status) {
            self.told_status = Some(status.clone());
            self.outputs.push_back(Output::Event(Event::Status(status)));
        }
    }

    fn stage(&mut self, id: ActionId, stage: Stage) {
        self.outputs
            .push_back(Output::Event(Event::Action { id, stage }));
    }

    fn refused(
        &mut self,
        entity_type: EntityType,
        wanted: Option<Wanted>,
        code: String,
        term: Term,
    ) {
        self.outputs.push_back(Output::Event(Event::Refused {
            entity_type,
            wanted: wanted.map(Box::new),
            code,
            term,
        }));
    }

    fn answered(&mut self, entity_type: EntityType, wanted: Option<Wanted>) {
        self.outputs.push_back(Output::Event(Event::Answered {
            entity_type,
            wanted: wanted.map(Box::new),
        }));
    }

    fn report(&mut self, problem: Problem) {
        self.outputs
            .push_back(Output::Event(Event::Problem(problem)));
    }

    fn naming(&self, entity_type: &EntityType) -> Naming {
        self.collections
            .get(entity_type)
            .map(|collection| collection.naming.clone())
            .unwrap_or_default()
    }

    /// What the cache still shows of a stream as live is not live any more; said before anything
    /// later is shown (law 16).
    fn detach(&mut self, entity_type: &EntityType, why: DetachReason) {
        // What came before the loss counts.
        let held = self.hold.release(entity_type);
        self.take_held(held);
        self.assembly.detach(entity_type);
        self.take(Intake::Detached {
            entity_type: entity_type.clone(),
            why,
        });
        self.batch.hurry();
    }
}
