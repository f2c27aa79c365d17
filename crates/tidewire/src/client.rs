//! The client: a cheap handle on one connection, one cache and one queue.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidewire_engine::{Command, Status, Switch};
use tidewire_model::{EntityType, NameError};
use tokio::sync::watch;

use crate::action::ActionHandle;
use crate::actions::Actions;
use crate::builder::ClientBuilder;
use crate::cache_handle::CacheHandle;
use crate::collection::CollectionBuilder;
use crate::error::CallError;
use crate::shared::{End, Shared};
use crate::transaction::Transaction;

/// A client of one server.
///
/// Cheap to clone. The connection ends when the last handle (client, collection, list, entity,
/// action) is dropped; actions that were not sent stay in the store.
#[derive(Clone, Debug)]
pub struct Client {
    handles: Arc<Handles>,
}

/// Shared by every handle; the last one to go ends the driver.
#[derive(Debug)]
pub(crate) struct Handles {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.shared.begin_close();
    }
}

/// A client did not come to a good end, or not in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// What was given to the store was not stored in time; it goes on in the background.
    #[error("the store was not done in time; it goes on in the background")]
    Deadline,
    /// The client had stopped because something in it broke: what. What was not durable then may be
    /// lost.
    #[error("the client had stopped: {0}; what was not durable then may be lost")]
    Stopped(String),
    /// The store failed before: why. What it was given since then is not stored; of writes, each handle was told.
    #[error("the store failed: {0}; what was decided or written since then is not kept")]
    NotStored(String),
}

/// What a client holds, for whoever looks after leaks and growth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Live lists, live entities and listeners to a type.
    pub watches: usize,
    /// Actions of which somebody holds a handle.
    pub actions: usize,
    /// Frames given to the connection that the server has not taken yet.
    pub unsent_frames: usize,
    /// Their bytes.
    pub unsent_bytes: usize,
}

impl Client {
    /// Begins a client of the server at `url`.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into())
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            handles: Arc::new(Handles { shared }),
        }
    }

    /// Begins the collection of an entity type.
    pub fn collection<T: Serialize + DeserializeOwned>(
        &self,
        entity_type: &str,
    ) -> CollectionBuilder<T> {
        let entity_type: Result<EntityType, NameError> = EntityType::new(entity_type);
        CollectionBuilder::new(Arc::clone(&self.handles), entity_type)
    }

    /// Several writes, of one collection or of several, as one action: all of them are done, or none.
    /// Where every one of them changes nothing, there is no action
    /// ([`is_nothing`](ActionHandle::is_nothing)).
    ///
    /// # Errors
    /// A write was refused, there was none, the queue is full, or the client is closed.
    pub fn transaction(
        &self,
        fill: impl FnOnce(&mut Transaction) -> Result<(), CallError>,
    ) -> Result<ActionHandle, CallError> {
        let mut transaction = Transaction::new(Arc::clone(&self.handles));
        fill(&mut transaction)?;
        transaction.submit()
    }

    /// The connection as it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.handles.shared.status.borrow().clone()
    }

    /// The connection as it stands, and every change of it.
    #[must_use]
    pub fn status_updates(&self) -> watch::Receiver<Status> {
        self.handles.shared.status.subscribe()
    }

    /// How long from now until a point in the client's own time, such as
    /// [`Status::next_attempt`].
    #[must_use]
    pub fn until(&self, tick: tidewire_model::Tick) -> Duration {
        tick - self.handles.shared.clock.tick()
    }

    /// Switches the connection off and on again. Switched off, everything goes on working offline.
    /// Does nothing once the client is closed.
    pub fn set_online(&self, online: bool) {
        let switch = if online { Switch::On } else { Switch::Off };
        // A switch is refused only after the end.
        let _ = self.handles.shared.command(Command::Switch(switch));
    }

    /// The writes that are under way, and those that wait for a decision.
    #[must_use]
    pub fn actions(&self) -> Actions {
        Actions::new(Arc::clone(&self.handles.shared))
    }

    /// What is held, by string keys.
    #[must_use]
    pub fn cache(&self) -> CacheHandle {
        CacheHandle::new(Arc::clone(&self.handles))
    }

    /// What is held for the application and for the connection. All zero when everything was given
    /// back and nothing is under way.
    #[must_use]
    pub fn held(&self) -> Held {
        self.handles.shared.held()
    }

    /// Closes the connection, waits until everything given to the store is stored, and gives the store
    /// back: another client may open it at once.
    ///
    /// From the first poll on, every call of this client and of its other handles is refused with
    /// [`CallError::Closed`](crate::CallError::Closed); what is known can still be read. At the end
    /// whoever waits for something is told that it will not come.
    ///
    /// # Errors
    /// The store was not done before `deadline` had passed, or it failed, or the client had stopped before.
    pub async fn close(self, deadline: Duration) -> Result<(), CloseError> {
        let shared = &self.handles.shared;
        shared.begin_close();
        let mut gone = shared.gone.subscribe();
        let wait = gone.wait_for(|gone| *gone);
        if tokio::time::timeout(deadline, wait).await.is_err() {
            return Err(CloseError::Deadline);
        }
        match shared.end() {
            Some(End::Failed(reason)) => Err(CloseError::Stopped(reason)),
            Some(End::Closed) | None => match shared.store_failure() {
                Some(reason) => Err(CloseError::NotStored(reason)),
                None => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests;
