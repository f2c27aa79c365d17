//! Why an action was refused, and what that asks of this side.
//!
//! The class decides; code and message are for programs and people. Never knows how a refusal looks on the wire.

use tidewire_model::ActionId;

/// A refusal, as the server or this side gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it asks for.
    pub class: RefusalClass,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub message: String,
}

/// What a refusal asks for; holds even where the code is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalClass {
    /// Never again as it is. The action is parked and its number is used up.
    Permanent,
    /// Made on something that has changed. The action is parked and its number is used up.
    Conflict,
    /// The same again, later. The action keeps its number and its lane waits.
    Retry,
    /// After a new token. Everything waits, and the attempt does not count.
    Auth,
    /// The client or its store is not what the server knows. The action is parked; whether its number is used up is
    /// left to what the server says next.
    Session,
    /// Refused on this side: the action it depends on is parked, was cancelled or was discarded.
    Dependency(ActionId),
}

impl Refusal {
    /// Puts class, code and message together.
    pub fn new(class: RefusalClass, code: &str, message: &str) -> Self {
        Self {
            class,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    pub(crate) fn dependency(on: ActionId) -> Self {
        Self {
            class: RefusalClass::Dependency(on),
            code: "dependency".to_owned(),
            message: format!("depends on action {on}, which was not done"),
        }
    }
}
