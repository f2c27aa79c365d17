//! An action: what it asks for, its place in its lane, and its state.
//!
//! Holds values only. What leads from one state to the next stands in the queue.

use tidewire_model::{
    ActionId, Effect, EntityId, EntityType, Lane, MAX_DEPTH, Record, Version, WallTime,
};

use crate::fingerprint::Fingerprint;
use crate::refusal::Refusal;

/// A write as the application asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The line it stands in.
    pub lane: Lane,
    /// `create`, `update`, `delete`, or an application's own name. 1 to [`Draft::MAX_NAME_BYTES`] bytes.
    pub name: String,
    /// The entity type it writes, where it writes one entity.
    pub entity_type: Option<EntityType>,
    /// The entity it writes; a temporary id where the server is to name it.
    pub entity_id: Option<EntityId>,
    /// The arguments.
    pub payload: Record,
    /// What it is predicted to do. Not sent, and no part of the fingerprint.
    pub effects: Vec<Effect>,
    /// The version it was made on, when it must be refused on any other.
    pub base: Option<Version>,
    /// The actions that must be accepted before it is sent. Ids that are not in the queue count as accepted.
    pub after: Vec<ActionId>,
}

impl Draft {
    /// The longest name of an action, in bytes.
    pub const MAX_NAME_BYTES: usize = 256;

    /// The deepest nesting of a payload, itself counted as one: the message that carries it is one level more, and a
    /// server counts the whole frame.
    pub const MAX_PAYLOAD_DEPTH: usize = MAX_DEPTH - 1;

    /// A draft in the main lane, without target, arguments, effects, base and dependencies.
    pub fn new(name: &str) -> Self {
        Self {
            lane: Lane::main(),
            name: name.to_owned(),
            entity_type: None,
            entity_id: None,
            payload: Record::new(),
            effects: Vec::new(),
            base: None,
            after: Vec::new(),
        }
    }
}

/// A write on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Its own id, the same at every attempt.
    pub id: ActionId,
    /// Its place among all actions of the queue: earlier submissions have smaller numbers.
    pub number: u64,
    /// The line it stands in.
    pub lane: Lane,
    /// Its number in its lane, from 1. Once it is parked, the one it had.
    pub seq: u64,
    /// `create`, `update`, `delete`, or an application's own name.
    pub name: String,
    /// The entity type it writes, where it writes one entity.
    pub entity_type: Option<EntityType>,
    /// The entity it writes; a temporary id where the server is to name it.
    pub entity_id: Option<EntityId>,
    /// The arguments.
    pub payload: Record,
    /// What it is predicted to do.
    pub effects: Vec<Effect>,
    /// The version it was made on, when it must be refused on any other.
    pub base: Option<Version>,
    /// The actions it still waits for: those it named, and the creators of the temporary ids it mentions. One leaves
    /// when it is accepted.
    pub after: Vec<ActionId>,
    /// The creations it still waits for: those of the entities it writes that were under way when it was submitted or
    /// retried. One leaves when it is accepted; the store may name it longer.
    pub behind: Vec<ActionId>,
    /// When it was submitted.
    pub submitted: WallTime,
    /// When it was submitted, parked, retried or edited, whichever came last.
    pub changed: WallTime,
    /// How often it was offered for sending since this program began; offers that were refused for lack of rights do
    /// not count.
    pub attempts: u32,
    /// Where it stands.
    pub state: ActionState,
}

/// Where an action stands. One that was accepted is no longer in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionState {
    /// Never sent.
    Waiting,
    /// Offered for sending at least once, and unanswered. Its content no longer changes.
    PossiblySent,
    /// Possibly done, and nobody can say. It blocks its lane until somebody decides.
    Uncertain,
    /// Refused, kept for a decision.
    Parked(Refusal),
}

impl Action {
    /// A fingerprint of what the server is asked to do: the action's id, name, entity type, entity id, payload and
    /// base. 64 bits in hexadecimal. The same on every machine and in every version; the order of fields does not
    /// matter to it. A server that sees a number again tells by it a repeated action from another one.
    pub fn hash(&self) -> String {
        let mut fingerprint = Fingerprint::new();
        fingerprint.bytes(self.id.as_bytes());
        fingerprint.text(&self.name);
        fingerprint.optional(self.entity_type.as_ref().map(EntityType::as_str));
        fingerprint.optional(self.entity_id.as_ref().map(EntityId::as_str));
        fingerprint.object(self.payload.as_object());
        fingerprint.number(self.base.map(Version::get));
        fingerprint.finish()
    }

    /// Everything that is to be accepted before it goes out.
    pub fn parents(&self) -> impl Iterator<Item = ActionId> {
        self.after.iter().chain(&self.behind).copied()
    }

    /// Whether it is parked.
    pub fn is_parked(&self) -> bool {
        matches!(self.state, ActionState::Parked(_))
    }
}
