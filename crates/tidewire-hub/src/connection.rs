//! What the hub knows of one connection.
//!
//! State only; what happens to it is decided elsewhere.

pub(crate) mod bucket;
pub(crate) mod feed;
pub(crate) mod outbox;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidewire_model::{EntityType, Lane, Offset, Tick};
use tidewire_protocol::{ClientInfo, Hello, RequestId};

use crate::{Frame, Principal, ReadAnswer, Ticket};

use bucket::Bucket;
use feed::Feed;
use outbox::Outbox;

/// One connection, from its opening until it is closed.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Its dialect, by its place in the settings.
    pub(crate) dialect: usize,
    /// The connection's name in logs.
    pub(crate) session: String,
    pub(crate) phase: Phase,
    pub(crate) clocks: Clocks,
    pub(crate) bucket: Bucket,
    pub(crate) outbox: Outbox,
    /// Whether it waits in the line of those that may have something to hand out.
    pub(crate) in_line: bool,
}

/// How far the handshake has come.
#[derive(Debug)]
pub(crate) enum Phase {
    /// The client has not said who it is.
    Silent,
    /// Somebody finds out who it is.
    Authenticating(Box<Hello>),
    /// The backend looks it up.
    Greeting(Box<Hello>, Principal),
    /// It was let in.
    Ready(Box<Client>),
}

/// When a connection was heard of, and when something is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    pub(crate) opened_at: Tick,
    /// When its last frame came.
    pub(crate) heard_at: Tick,
    /// When its socket last took something.
    pub(crate) taken_at: Tick,
    /// When the socket was last given something while it had nothing.
    pub(crate) handed_at: Tick,
    /// When the last ping went out.
    pub(crate) pinged_at: Option<Tick>,
    /// When the next ping is due.
    pub(crate) ping_at: Tick,
    pub(crate) token_at: Option<Tick>,
    pub(crate) close_at: Option<Tick>,
    /// The time for which the connection stands in the timers.
    pub(crate) wake_at: Option<Tick>,
}

/// A client that was let in.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) principal: Principal,
    pub(crate) info: ClientInfo,
    /// The largest frame it takes, in bytes.
    pub(crate) max_frame_bytes: usize,
    /// Per lane, the last number used up, as far as the streams have come.
    pub(crate) lanes: BTreeMap<Lane, u64>,
    /// Actions without an answer.
    pub(crate) pending_actions: usize,
    /// Its subscriptions.
    pub(crate) feeds: BTreeMap<EntityType, Feed>,
    /// Feeds that have a commit to hand out, by its place in the one order of all commits.
    pub(crate) ready: BTreeSet<(u64, EntityType)>,
    /// Streams whose snapshot is under way.
    pub(crate) snapshots: BTreeSet<EntityType>,
    /// Streams that wait to have a snapshot opened, in their order.
    pub(crate) snapshot_line: Vec<EntityType>,
    /// Whose turn it is when a snapshot and events could both go out.
    pub(crate) turn: Turn,
    /// The place of the commit of which a frame went out last.
    pub(crate) last_out: Option<u64>,
    /// Fetches under way, until their last part is handed out.
    pub(crate) fetches: usize,
    /// Questions to the backend that are still of use.
    pub(crate) asked: BTreeSet<Ticket>,
    /// Answers that speak for a point the hub has not reached.
    pub(crate) waiting: Vec<WaitingAnswer>,
    /// Answers to actions, in their order, of which the first waits for a snapshot.
    pub(crate) held: VecDeque<HeldAnswer>,
    /// Counts the pings.
    pub(crate) pings: u64,
}

/// Whose turn it is when a snapshot and events could both go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Events,
    Snapshot,
}

/// An answer that speaks for a point the hub has not reached.
#[derive(Debug)]
pub(crate) struct WaitingAnswer {
    pub(crate) entity_type: EntityType,
    pub(crate) until: Offset,
    pub(crate) what: Waiting,
}

/// The answer to an action, while a snapshot is on its way of something it speaks of.
#[derive(Debug)]
pub(crate) struct HeldAnswer {
    pub(crate) frame: Frame,
    /// The subscriptions it waits for, by stream and key, each with the offset it speaks for.
    pub(crate) behind: Vec<(EntityType, u64, Offset)>,
}

/// What waits.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The rows of a fetch.
    Fetch {
        request: RequestId,
        answer: Box<ReadAnswer>,
    },
    /// A snapshot that was opened.
    Snapshot { ticket: Ticket },
}

impl Connection {
    pub(crate) fn client(&self) -> Option<&Client> {
        match &self.phase {
            Phase::Ready(client) => Some(client),
            _ => None,
        }
    }

    pub(crate) fn client_mut(&mut self) -> Option<&mut Client> {
        match &mut self.phase {
            Phase::Ready(client) => Some(client),
            _ => None,
        }
    }
}

impl Client {
    pub(crate) fn new(principal: Principal, hello: Hello, lanes: BTreeMap<Lane, u64>) -> Self {
        Self {
            principal,
            info: hello.client,
            max_frame_bytes: usize::try_from(hello.max_frame_bytes).unwrap_or(usize::MAX),
            lanes,
            pending_actions: 0,
            feeds: BTreeMap::new(),
            ready: BTreeSet::new(),
            snapshots: BTreeSet::new(),
            snapshot_line: Vec::new(),
            turn: Turn::Events,
            last_out: None,
            fetches: 0,
            asked: BTreeSet::new(),
            waiting: Vec::new(),
            held: VecDeque::new(),
            pings: 0,
        }
    }
}
