//! What a hub is told when it is made: its bounds, its times, and the application's say in rights and actions.
//!
//! Values and two traits. Nothing here looks at a connection.

use std::fmt::Debug;
use std::sync::Arc;

use tidewire_model::EntityType;
use tidewire_protocol::{ActionMessage, Dialect, Limits, V1Json};

use crate::{Principal, Refused, Write, decide};

/// Settings of a hub. [`Settings::new`] has sound defaults for all but the seed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The bounds of the protocol, announced and enforced. Commands beyond the rate are refused
    /// with class retry and leave no trace; a client that goes on for a second burst regardless is
    /// closed with 4102.
    pub limits: Limits,
    /// The dialects spoken, in order of preference; each by its subprotocol.
    pub dialects: Vec<Arc<dyn Dialect>>,
    /// A ping goes out this often, in milliseconds.
    pub heartbeat_ms: u64,
    /// Silence for a heartbeat and this is death, in milliseconds.
    pub grace_ms: u64,
    /// Clients coming back spread themselves over this time, in milliseconds.
    pub reconnect_jitter_ms: u64,
    /// The most connections at once.
    pub connections: usize,
    /// The most commits a stream's log keeps.
    pub log_commits: usize,
    /// The most bytes a stream's log keeps, frames included; the newest commit always stays.
    pub log_bytes: usize,
    /// The most bytes all logs keep together.
    pub logs_bytes: usize,
    /// Where a commit, an answer or a snapshot is cut into frames, in bytes. A single row or
    /// change may be larger, up to what the client takes.
    pub chunk_bytes: usize,
    /// The most bytes of one connection that are with the shell.
    pub window_bytes: usize,
    /// The most snapshots of one connection under way at once; others wait their turn.
    pub snapshots: usize,
    /// The most fetches of one connection under way at once; others are refused for the moment.
    pub fetches: usize,
    /// The most rows one fetch may ask for.
    pub fetch_rows: usize,
    /// The most bytes of rows that were read for one connection and not yet sent.
    pub answer_bytes: usize,
    /// The same for all connections together. Where it is used up, connections make way whose sockets take nothing: their
    /// fetches are refused with `slow` and class retry. Counts as `answer_bytes` where that is more.
    pub answers_bytes: usize,
    /// The most commits that are read from the journal to resume one stream.
    pub replay_commits: usize,
    /// The most bytes of such commits that wait for one connection.
    pub replay_bytes: usize,
    /// The most items written in one group.
    pub group_items: usize,
    /// About the most bytes that are asked to be written in one group. A backend may end a group
    /// earlier, by what it comes to.
    pub group_bytes: usize,
    /// The most items waiting to be written. A principal has at most three quarters of the room that others leave, and
    /// each of its connections half of what its others leave of that; but each connection may always have one small item
    /// waiting, and the application one of any size.
    pub waiting_items: usize,
    /// About the most bytes waiting to be written; shared in the same way.
    pub waiting_bytes: usize,
    /// The name of this node, announced to clients.
    pub node: String,
    /// Makes the names of sessions and the spread of closes. Different for each start of a server.
    pub seed: u64,
    /// Who may see and write what.
    pub rights: Arc<dyn Rights>,
    /// What actions write.
    pub actions: Arc<dyn Actions>,
}

impl Settings {
    /// The defaults: v1 in JSON, everybody may see and write everything, and the actions `create`,
    /// `update`, `delete` and `transaction`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            limits: Limits::DEFAULT,
            dialects: vec![Arc::new(V1Json::new(Limits::DEFAULT))],
            heartbeat_ms: 25_000,
            grace_ms: 10_000,
            reconnect_jitter_ms: 5_000,
            connections: 10_000,
            log_commits: 4096,
            log_bytes: 8 * 1024 * 1024,
            logs_bytes: 256 * 1024 * 1024,
            chunk_bytes: 64 * 1024,
            window_bytes: 64 * 1024,
            snapshots: 2,
            fetches: 16,
            fetch_rows: 1000,
            answer_bytes: 4 * 1024 * 1024,
            answers_bytes: 128 * 1024 * 1024,
            replay_commits: 1000,
            replay_bytes: 1024 * 1024,
            group_items: 256,
            group_bytes: 1024 * 1024,
            waiting_items: 16 * 1024,
            waiting_bytes: 64 * 1024 * 1024,
            node: "node-1".to_owned(),
            seed,
            rights: Arc::new(OpenToAll),
            actions: Arc::new(StandardActions),
        }
    }
}

/// Who may see and write what. Asked at every subscription, fetch and action; pure and quick.
pub trait Rights: Debug + Send + Sync {
    /// What a principal sees of a stream: a name for it, or `None` for nothing at all. When the
    /// name changes, the client's copy is no longer what it may see, and it starts over
    /// (protocol rule 8).
    fn may_read(&self, principal: &Principal, entity_type: &EntityType) -> Option<String>;

    /// Whether a principal may do one write.
    ///
    /// # Errors
    /// It may not; the action that contains it is refused with this.
    fn may_write(&self, principal: &Principal, write: &Write) -> Result<(), Refused>;
}

/// Everybody may see and write everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenToAll;

impl Rights for OpenToAll {
    fn may_read(&self, _principal: &Principal, _entity_type: &EntityType) -> Option<String> {
        Some("all".to_owned())
    }

    fn may_write(&self, _principal: &Principal, _write: &Write) -> Result<(), Refused> {
        Ok(())
    }
}

/// What actions write. Pure: the same action always gives the same writes.
pub trait Actions: Debug + Send + Sync {
    /// The writes an action stands for. An application with actions of its own handles their names
    /// and leaves the others to [`StandardActions`].
    ///
    /// # Errors
    /// The action makes no sense or is not known. With the classes permanent and conflict its
    /// number is used up; with the others the client sends it again later.
    fn decide(&self, principal: &Principal, action: &ActionMessage) -> Result<Vec<Write>, Refused>;
}

/// `create`, `update`, `delete`, and `transaction`, which is several of them at once.
///
/// | name | target | payload |
/// |---|---|---|
/// | `create` | type, and id where the client chose one | `{"entity": {…}}` |
/// | `update` | type and id | `{"changes": {…}, "unset": ["…"]}` |
/// | `delete` | type and id | empty |
/// | `transaction` | none | `{"writes": [{"name", "entityType", "entityId", "payload"}, …]}` |
#[derive(Clone, Copy, Debug, Default)]
pub struct StandardActions;

impl Actions for StandardActions {
    fn decide(
        &self,
        _principal: &Principal,
        action: &ActionMessage,
    ) -> Result<Vec<Write>, Refused> {
        decide::standard(action)
    }
}
