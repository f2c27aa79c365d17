//! What one seed's world is like. Each seed draws its own mixture, so that a rare pair of things is
//! not drowned by everything else happening as well. Holds choices; makes nothing happen.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewire_cache::Interest;
use tidewire_engine::{BackoffSettings, SessionSettings};
use tidewire_model::EntityType;

use crate::names;
use crate::plant::Plant;
use crate::random::Random;

/// Lines of the trace that are kept for people, unless told otherwise.
const TAIL_LINES: usize = 40;

/// One world, before it begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where all chance comes from.
    pub seed: u64,
    /// A mistake built into the world itself, to see that it is found.
    pub plant: Option<Plant>,
    /// So many lines of the trace are kept to be shown.
    pub tail_lines: usize,
    pub(crate) clients: Vec<ClientOptions>,
    pub(crate) server: ServerOptions,
    pub(crate) faults: Vec<Fault>,
    pub(crate) fault_mean_ms: u64,
    pub(crate) work: Vec<Work>,
    pub(crate) work_mean_ms: u64,
    pub(crate) network_ms: (u64, u64),
    pub(crate) backend_ms: (u64, u64),
    pub(crate) disk_ms: (u64, u64),
    /// So long things happen and go wrong.
    pub(crate) trouble: Duration,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Cut,
    SilentCut,
    HalfOpen,
    DeafServer,
    ServerRestart,
    ClientCrash,
    Offline,
    SlowReader,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    PublishCreate,
    PublishUpdate,
    PublishDelete,
    PublishSeveral,
    PublishTwoStreams,
    PublishLarge,
    CreateOwnId,
    CreateUnnamed,
    Update,
    Delete,
    Transaction,
    Decide,
    Cancel,
    WatchEntity,
    WatchList,
    Unwatch,
    Invalidate,
}

/// One client.
#[derive(Clone, Debug)]
pub(crate) struct ClientOptions {
    pub(crate) principal: &'static str,
    pub(crate) interests: BTreeMap<EntityType, Interest>,
    pub(crate) engine: tidewire_engine::Settings,
}

/// The server's bounds.
#[derive(Clone, Debug)]
pub(crate) struct ServerOptions {
    pub(crate) hub: tidewire_hub::Settings,
    pub(crate) journal_commits: usize,
}

const FAULTS: [Fault; 8] = [
    Fault::Cut,
    Fault::SilentCut,
    Fault::HalfOpen,
    Fault::DeafServer,
    Fault::ServerRestart,
    Fault::ClientCrash,
    Fault::Offline,
    Fault::SlowReader,
];

/// Each kind of work with how often it is drawn when a seed has it at all.
const WORK: [(Work, u64); 17] = [
    (Work::PublishCreate, 3),
    (Work::PublishUpdate, 5),
    (Work::PublishDelete, 2),
    (Work::PublishSeveral, 2),
    (Work::PublishTwoStreams, 3),
    (Work::PublishLarge, 1),
    (Work::CreateOwnId, 2),
    (Work::CreateUnnamed, 2),
    (Work::Update, 5),
    (Work::Delete, 1),
    (Work::Transaction, 2),
    (Work::Decide, 2),
    (Work::Cancel, 1),
    (Work::WatchEntity, 2),
    (Work::WatchList, 3),
    (Work::Unwatch, 2),
    (Work::Invalidate, 1),
];

impl Options {
    /// The world of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let clients = random.between(1, 3);
        Self {
            seed,
            plant: None,
            tail_lines: TAIL_LINES,
            clients: (0..clients).map(|_| draw_client(&mut random)).collect(),
            server: draw_server(&mut random),
            faults: FAULTS.into_iter().filter(|_| random.chance(45)).collect(),
            fault_mean_ms: random.one([1500, 3000, 6000]),
            work: draw_work(&mut random),
            work_mean_ms: random.one([60, 150, 300]),
            network_ms: random.one([(0, 1), (5, 30), (1, 300)]),
            backend_ms: random.one([(0, 1), (1, 20), (1, 400)]),
            disk_ms: random.one([(0, 1), (1, 10), (1, 300)]),
            trouble: Duration::from_secs(random.between(10, 25)),
        }
    }

    /// The same world with a mistake built into it.
    #[must_use]
    pub fn with_plant(self, plant: Plant) -> Self {
        Self {
            plant: Some(plant),
            ..self
        }
    }

    pub(crate) fn silence(&self) -> Duration {
        Duration::from_millis(self.server.hub.heartbeat_ms + self.server.hub.grace_ms)
    }
}

fn draw_work(random: &mut Random) -> Vec<Work> {
    let mut work = Vec::new();
    for (kind, weight) in WORK {
        if random.chance(75) {
            let count = usize::try_from(weight).unwrap_or(1);
            work.extend(std::iter::repeat_n(kind, count));
        }
    }
    if work.is_empty() {
        work.push(Work::PublishUpdate);
    }
    work
}

fn draw_client(random: &mut Random) -> ClientOptions {
    let interests = names::types().into_iter().map(|name| {
        let interest = match random.below(10) {
            0..5 => Interest::Windowed,
            5..9 => Interest::Complete {
                max_rows: 1_000_000,
            },
            _ => Interest::Complete { max_rows: 5 },
        };
        (name, interest)
    });
    ClientOptions {
        interests: interests.collect(),
        principal: random.one(["ann", "ben"]),
        engine: draw_engine(random),
    }
}

fn draw_engine(random: &mut Random) -> tidewire_engine::Settings {
    let backoff = BackoffSettings {
        max: Duration::from_secs(3),
        ..BackoffSettings::default()
    };
    tidewire_engine::Settings {
        batch_window: Duration::from_millis(random.one([0, 20, 100])),
        batch_max_rows: random.one([2, 10_000]),
        slice_rows: random.one([1, 4, 32]),
        staged_max_rows: random.one([4, 20_000, 20_000]),
        linger: Duration::from_millis(random.one([0, 500, 5000])),
        max_fetches: random.one([1, 4]),
        transmit_window_bytes: random.one([1000, 256 * 1024]),
        session: SessionSettings {
            backoff,
            ..SessionSettings::default()
        },
        cache: tidewire_cache::Settings {
            max_absent: random.one([2, 16_384]),
            max_bytes: random.one([8 * 1024, 256 * 1024 * 1024]),
            max_page_rows: random.one([3, 1000]),
            refill_rows: random.one([0, 2, 16]),
            max_fetch_ids: random.one([2, 256]),
            max_logged_changes: random.one([1, 4096]),
            max_notices: random.one([1, 1024]),
            ..tidewire_cache::Settings::default()
        },
        queue: tidewire_queue::Settings {
            max_in_flight: random.one([1, 3, 16]),
            ..tidewire_queue::Settings::default()
        },
        ..tidewire_engine::Settings::default()
    }
}

fn draw_server(random: &mut Random) -> ServerOptions {
    let mut hub = tidewire_hub::Settings::new(random.number());
    hub.heartbeat_ms = 5000;
    hub.grace_ms = 2000;
    hub.reconnect_jitter_ms = random.one([0, 500]);
    hub.log_commits = random.one([2, 10, 4096]);
    hub.chunk_bytes = random.one([600, 2000, 64 * 1024]);
    hub.window_bytes = random.one([1500, 64 * 1024]);
    hub.replay_commits = random.one([5, 1000]);
    hub.replay_bytes = random.one([4000, 1024 * 1024]);
    hub.group_items = random.one([1, 256]);
    hub.limits.outbound_bytes = random.one([20_000, 1024 * 1024]);
    // More than the answers to all that one client has asked for at once, or it is closed each time it comes back.
    hub.limits.outbound_frames = random.one([64, 4096]);
    ServerOptions {
        hub,
        journal_commits: random.one([4, 10_000, 10_000]),
    }
}
