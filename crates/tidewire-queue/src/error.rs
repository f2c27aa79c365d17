//! What a caller did wrong, or what a store held that could not be read.
//!
//! Each error says who must do what. Refusals of the server are no errors; they park actions.

use tidewire_model::{ActionId, RESERVED_FIELD};
use tidewire_store::Table;

/// A submission was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The queue holds as many actions as it may. Wait for answers, or discard parked ones.
    #[error("the queue is full: {limit} actions; wait for answers or discard parked ones")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// The queue holds as many bytes as it may. Wait for answers, or discard parked ones.
    #[error("the queue is full: {limit} bytes; wait for answers or discard parked ones")]
    FullBytes {
        /// The limit.
        limit: usize,
    },
    /// The action is too large. Make it smaller, or several of it.
    #[error("the action has {bytes} bytes, more than {limit}; make it smaller")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The client uses as many lanes as it may. Use one that is there.
    #[error("no further lane: {limit} are in use; use one of them")]
    TooManyLanes {
        /// The limit.
        limit: usize,
    },
    /// An action of this id is in the queue. Use another id.
    #[error("action {id} is already in the queue; give the action an id of its own")]
    DuplicateId {
        /// The id.
        id: ActionId,
    },
    /// An action it depends on is parked. Decide on that one first.
    #[error("depends on action {id}, which is parked; retry or discard that one first")]
    DependsOnParked {
        /// The parked action.
        id: ActionId,
    },
    /// The name is empty or longer than [`Draft::MAX_NAME_BYTES`](crate::Draft::MAX_NAME_BYTES). Give it another.
    #[error("an action's name has 1 to 256 bytes, this one has {bytes}")]
    Name {
        /// What it has.
        bytes: usize,
    },
    /// The payload is nested deeper than a message carries, or an effect deeper than can be read back. Make it flatter.
    #[error("the action is nested deeper than {limit}; make it flatter")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The payload or an effect holds a number that is not finite. Leave it out, or use null.
    #[error("the action holds a number that is not finite; leave it out or use null")]
    NotFinite,
    /// A field has the one name that JSON readers take for the mark of a number. Give it another.
    #[error(
        "a field is named {RESERVED_FIELD:?}, which readers take for a number; give it another name"
    )]
    ReservedField,
}

/// An action could not be cancelled. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CancelError {
    /// No such action is in the queue: it was accepted, cancelled or discarded, or never submitted.
    #[error("action {0} is not in the queue")]
    NotFound(ActionId),
    /// The action may have been sent. Wait for the answer, then write the opposite.
    #[error("action {0} may have been sent already; wait for the answer")]
    PossiblySent(ActionId),
    /// The action was possibly done. Retry or discard it instead.
    #[error("action {0} was possibly done; retry or discard it")]
    Uncertain(ActionId),
}

/// A parked or uncertain action could not be retried, edited or discarded. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// No such action is in the queue: it was accepted, cancelled or discarded, or never submitted.
    #[error("action {0} is not in the queue")]
    NotFound(ActionId),
    /// The action is on its way; there is nothing to decide.
    #[error("action {0} is on its way; there is nothing to decide")]
    NotParked(ActionId),
    /// Only a parked action can be edited, an uncertain one cannot. Retry or discard it.
    #[error("action {0} was possibly done, so its content cannot change; retry or discard it")]
    Uncertain(ActionId),
    /// The action it depends on is parked. Decide on that one first.
    #[error("depends on action {0}, which is parked; retry or discard that one first")]
    DependsOnParked(ActionId),
    /// The entity it writes was to be created by this action, which was given up or cannot be read any more. The entity
    /// of that id, if there is one, is somebody else's. Discard it; if that entity is meant, write anew.
    #[error(
        "its entity was to be created by action {0}, which was given up or cannot be read any more; discard this too, and write anew if the entity that has the id by now is meant"
    )]
    NeverCreated(ActionId),
    /// The new content was refused.
    #[error(transparent)]
    Refused(#[from] SubmitError),
}

/// Something in the store that could not be used as it stands. Nothing of it was removed from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub table: Table,
    /// Its key.
    pub key: Vec<u8>,
    /// What is wrong and what was done about it.
    pub detail: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "stored row {} in {}: {}",
            self.key.escape_ascii(),
            self.table,
            self.detail
        )
    }
}
