//! What the queue hands out: actions to send, what became of actions, and counts.
//!
//! Holds values only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidewire_model::{ActionId, EntityId, EntityKey, Lane, Version};
use tidewire_store::Txn;

use crate::action::Action;

/// An action that may go out now.
#[must_use]
#[derive(Debug, Clone, PartialEq)]
pub struct Sending {
    /// The action, as it is to be sent.
    pub action: Arc<Action>,
    /// The number sent before it in its lane, 0 for none.
    pub previous: u64,
    /// Makes "possibly sent" durable; must be stored before the action is transmitted. `None`: it is stored already.
    pub txn: Option<Txn>,
}

/// What a server's yes brings along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The ids the server made for temporary ones. Entries whose key is no temporary id are ignored.
    pub replaced: BTreeMap<EntityId, EntityId>,
    /// The versions of the entities it wrote. An action that has a base, waits for the accepted one and writes one of
    /// them takes this version as its base.
    pub versions: BTreeMap<EntityKey, Version>,
}

/// What an input led to.
#[must_use]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// What must be stored. `None`: nothing changed that is kept.
    pub txn: Option<Txn>,
    /// What became of actions, in order of submission. Empty also where an answer came twice, or for an action that
    /// is not there.
    pub fates: Vec<(ActionId, Fate)>,
    /// A lane that now waits until [`Queue::resume`](crate::Queue::resume).
    pub wait: Option<Wait>,
    /// Whether the client became somebody else: nothing is offered before a new connection says who it is now.
    pub renewed: bool,
}

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// The server did it; it left the queue.
    Accepted,
    /// It was parked; its state says why.
    Parked,
    /// Nobody can say whether it was done.
    Uncertain,
    /// It stands at the end of its lane now, behind everything submitted before, and is to be sent again.
    Revived,
    /// It was uncertain and is to be sent again, in its old place.
    Resumed,
    /// It was cancelled or discarded; it left the queue.
    Gone,
}

/// A lane that waits before its first action is offered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The lane.
    pub lane: Lane,
    /// How often in a row the lane had to wait, from 1.
    pub times: u32,
    /// The server asked for at least this long.
    pub retry_after: Option<Duration>,
}

/// How many actions stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Never sent.
    pub waiting: usize,
    /// Offered for sending, and unanswered.
    pub sent: usize,
    /// Possibly done.
    pub uncertain: usize,
    /// Refused, kept for a decision.
    pub parked: usize,
    /// Stored rows that could not be read, kept as they are.
    pub unreadable: usize,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> usize {
        self.waiting + self.sent + self.uncertain + self.parked + self.unreadable
    }
}
