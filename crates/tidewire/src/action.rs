//! A write on its way, as the one who made it sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidewire_engine::{Command, CommandError, Stage};
use tidewire_model::{ActionId, EntityId, EntityKey};
use tokio::sync::watch;

use crate::error::ActionError;
use crate::shared::Shared;

/// How far an action is, as told by the driver.
#[derive(Clone, Debug, Default)]
struct Progress {
    durable: Option<Result<(), String>>,
    accepted: bool,
    visible: bool,
    ended: Option<ActionError>,
    names: BTreeMap<EntityId, EntityId>,
}

/// Where the driver tells how far an action is.
#[derive(Debug)]
pub(crate) struct ActionCell(watch::Sender<Progress>);

impl Default for ActionCell {
    fn default() -> Self {
        Self(watch::Sender::new(Progress::default()))
    }
}

impl ActionCell {
    pub(crate) fn tell(&self, stage: Stage) {
        self.0.send_modify(|progress| match stage {
            Stage::Durable => progress.durable = Some(Ok(())),
            Stage::NotDurable(reason) => progress.durable = Some(Err(reason)),
            Stage::Accepted(names) => {
                progress.accepted = true;
                progress.ended = None;
                progress.names.extend(names);
            }
            Stage::Visible => progress.visible = true,
            Stage::Parked(refusal) => progress.ended = Some(ActionError::Refused(refusal)),
            Stage::Uncertain => progress.ended = Some(ActionError::Uncertain),
            Stage::Gone => progress.ended = Some(ActionError::Gone),
            // A stage added later says nothing this handle waits for.
            _ => {}
        });
    }

    /// The client is gone; nothing further will be told.
    pub(crate) fn close(&self) {
        self.0.send_modify(|progress| {
            if !progress.visible && progress.ended.is_none() {
                progress.ended = Some(ActionError::Closed);
            }
        });
    }
}

/// A write on its way.
///
/// The write is in the view already. Dropping the handle cancels nothing.
#[derive(Clone, Debug)]
pub struct ActionHandle {
    shared: Arc<Shared>,
    id: ActionId,
    keys: Vec<EntityKey>,
    cell: Arc<ActionCell>,
}

impl ActionHandle {
    pub(crate) fn new(
        shared: Arc<Shared>,
        id: ActionId,
        keys: Vec<EntityKey>,
        cell: Arc<ActionCell>,
    ) -> Self {
        Self {
            shared,
            id,
            keys,
            cell,
        }
    }

    /// The action's own id, the same on the server.
    #[must_use]
    pub fn id(&self) -> ActionId {
        self.id
    }

    /// The id of the (first) entity it writes, as it is known by now: a temporary one until the
    /// server has named the entity.
    #[must_use]
    pub fn current_id(&self) -> EntityId {
        let Some(key) = self.keys.first() else {
            return EntityId::temporary(self.id);
        };
        if let Some(name) = self.cell.0.borrow().names.get(&key.id) {
            return name.clone();
        }
        self.shared.current_key(key).id
    }

    /// The entities it writes, as they were named when it was submitted.
    #[must_use]
    pub fn keys(&self) -> &[EntityKey] {
        &self.keys
    }

    /// Waits until it survives a crash.
    ///
    /// # Errors
    /// The client has no durable store, the store failed, or the client was closed before.
    pub async fn durable(&self) -> Result<(), ActionError> {
        if let Err(reason) = &self.shared.durable {
            return Err(ActionError::NotDurable(reason.clone()));
        }
        self.wait(|progress| match &progress.durable {
            Some(Ok(())) => Some(Ok(())),
            Some(Err(reason)) => Some(Err(ActionError::NotDurable(reason.clone()))),
            None => progress.ended.clone().map(Err),
        })
        .await
    }

    /// Waits until the server said yes.
    ///
    /// # Errors
    /// The server refused it, its outcome cannot be known, or it was given up.
    pub async fn accepted(&self) -> Result<(), ActionError> {
        self.wait(|progress| match &progress.ended {
            Some(error) => Some(Err(error.clone())),
            None => progress.accepted.then_some(Ok(())),
        })
        .await
    }

    /// Waits until its result, as the server confirmed it, is in the view.
    ///
    /// # Errors
    /// As [`accepted`](Self::accepted).
    pub async fn visible(&self) -> Result<(), ActionError> {
        self.wait(|progress| match &progress.ended {
            Some(error) => Some(Err(error.clone())),
            None => progress.visible.then_some(Ok(())),
        })
        .await
    }

    /// Takes the write back, as long as it was never sent.
    ///
    /// # Errors
    /// It may have been sent already, or is done.
    pub fn cancel(&self) -> Result<(), CommandError> {
        self.shared.command(Command::Cancel(self.id)).map(|_| ())
    }

    async fn wait(
        &self,
        found: impl Fn(&Progress) -> Option<Result<(), ActionError>>,
    ) -> Result<(), ActionError> {
        let mut progress = self.cell.0.subscribe();
        loop {
            if let Some(result) = found(&progress.borrow_and_update()) {
                return result;
            }
            if progress.changed().await.is_err() {
                return Err(ActionError::Closed);
            }
        }
    }
}
