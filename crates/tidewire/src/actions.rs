//! The writes that are still to be said, and those that wait for a decision.

use std::sync::Arc;

use tidewire_engine::Command;
use tidewire_model::ActionId;
use tidewire_queue::{Action, Counts};

use crate::error::CallError;
use crate::shared::Shared;

/// An action of the queue, as it stood when it was listed.
pub type StoredAction = Action;

/// The queue of a client: what is under way, and what waits for a decision.
#[derive(Clone, Debug)]
pub struct Actions {
    shared: Arc<Shared>,
}

impl Actions {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// How many actions stand where.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.look(|engine| engine.queue().counts())
    }

    /// The actions under way, in order of submission; those whose outcome cannot be known among
    /// them.
    #[must_use]
    pub fn pending(&self) -> Vec<StoredAction> {
        self.shared
            .look(|engine| engine.queue().pending().cloned().collect())
    }

    /// The actions that were refused and wait for a decision.
    #[must_use]
    pub fn parked(&self) -> Vec<StoredAction> {
        self.shared
            .look(|engine| engine.queue().parked().cloned().collect())
    }

    /// Sends a parked or uncertain action again.
    ///
    /// # Errors
    /// It is not there, or not in a state that allows this, or the client is closed; or it depends on an action that is
    /// parked, or on a creation that was given up.
    pub fn retry(&self, id: ActionId) -> Result<(), CallError> {
        // Before the engine is asked: what it comes to next may be told before this returns.
        let cell = self.shared.action(id);
        let before = cell.as_ref().and_then(|cell| cell.revive());
        let retried = self.shared.command(Command::Retry(id));
        if let (Err(_), Some(cell)) = (&retried, &cell) {
            cell.restore(before);
        }
        retried
    }

    /// Gives a parked or uncertain action up.
    ///
    /// # Errors
    /// It is not there, or not in a state that allows this, or the client is closed.
    pub fn discard(&self, id: ActionId) -> Result<(), CallError> {
        self.shared.command(Command::Discard(id))
    }

    /// Takes back an action that was never sent.
    ///
    /// # Errors
    /// It may have been sent already, or is not there, or the client is closed.
    pub fn cancel(&self, id: ActionId) -> Result<(), CallError> {
        self.shared.command(Command::Cancel(id))
    }
}
