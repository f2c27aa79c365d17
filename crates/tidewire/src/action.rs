//! A write on its way, as the one who made it sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidewire_engine::{Command, CommandError, Stage, Submission, Submitted};
use tidewire_model::{ActionId, EntityId, EntityKey, Record};
use tokio::sync::watch;

use crate::client::Handles;
use crate::error::{ActionError, CallError};
use crate::shared::{End, Taken};

/// The id of what is no action; none is made with it.
const NOTHING: [u8; 16] = [0; 16];

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
            Stage::Revived => progress.ended = None,
            // A stage added later says nothing this handle waits for.
            _ => {}
        });
    }

    /// It is to be sent again: what it came to before does not count. Gives that back.
    pub(crate) fn revive(&self) -> Option<ActionError> {
        let mut before = None;
        self.0
            .send_modify(|progress| before = progress.ended.take());
        before
    }

    /// It is not sent again after all.
    pub(crate) fn restore(&self, before: Option<ActionError>) {
        self.0.send_modify(|progress| {
            if progress.ended.is_none() {
                progress.ended = before;
            }
        });
    }

    /// The client has ended; nothing further will be told.
    pub(crate) fn end(&self, end: &End) {
        let error = match end {
            End::Closed => ActionError::Closed,
            End::Failed(reason) => ActionError::Stopped(reason.clone()),
        };
        self.0.send_modify(|progress| {
            if !progress.visible && progress.ended.is_none() {
                progress.ended = Some(error);
            }
        });
    }
}

/// A write on its way.
///
/// The write is in the view already. Dropping the handle cancels nothing. While it is held the client
/// goes on, like with every other handle.
#[derive(Clone, Debug)]
pub struct ActionHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: ActionId,
    keys: Vec<EntityKey>,
    cell: Arc<ActionCell>,
    handles: Arc<Handles>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.handles.shared.forget_action(self.id);
    }
}

impl ActionHandle {
    /// Submits a write.
    pub(crate) fn submit(
        handles: &Arc<Handles>,
        submission: Submission,
    ) -> Result<Self, CallError> {
        let taken = handles.shared.submit(submission, None)?;
        let taken = taken.ok_or(CommandError::Empty)?;
        Ok(Self::of(handles, taken))
    }

    /// Submits a write made from what an entity was; `None`, with nothing done, where it is not that
    /// any more.
    pub(crate) fn submit_if_still(
        handles: &Arc<Handles>,
        submission: Submission,
        key: &EntityKey,
        record: &Record,
    ) -> Result<Option<Self>, CallError> {
        let taken = handles.shared.submit(submission, Some((key, record)))?;
        Ok(taken.map(|taken| Self::of(handles, taken)))
    }

    fn of(handles: &Arc<Handles>, taken: Taken) -> Self {
        match taken {
            Taken::Action(submitted, cell) => Self::new(handles, submitted, cell),
            Taken::Nothing(keys) => Self::nothing(handles, keys),
        }
    }

    /// A write that changes nothing: there is nothing to send, so everything is reached.
    fn nothing(handles: &Arc<Handles>, keys: Vec<EntityKey>) -> Self {
        let cell = ActionCell(watch::Sender::new(Progress {
            durable: Some(Ok(())),
            accepted: true,
            visible: true,
            ..Progress::default()
        }));
        let submitted = Submitted {
            id: ActionId::from_bytes(NOTHING),
            keys,
        };
        Self::new(handles, submitted, Arc::new(cell))
    }

    fn new(handles: &Arc<Handles>, submitted: Submitted, cell: Arc<ActionCell>) -> Self {
        Self {
            inner: Arc::new(Inner {
                id: submitted.id,
                keys: submitted.keys,
                cell,
                handles: Arc::clone(handles),
            }),
        }
    }

    /// Whether there was nothing to write, as after an [`edit`](crate::Collection::edit) that changed
    /// nothing, or an [`update`](crate::Collection::update) with an empty patch. Such a handle stands for no action: it is accepted and visible, and durable if the
    /// client has a durable store. Its [`id`](Self::id) is all zeros.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.inner.id.as_bytes() == &NOTHING
    }

    /// The action's own id, the same on the server.
    #[must_use]
    pub fn id(&self) -> ActionId {
        self.inner.id
    }

    /// The id of the (first) entity it writes, as it is known by now: a temporary one until the
    /// server has named the entity.
    #[must_use]
    pub fn current_id(&self) -> EntityId {
        let inner = &self.inner;
        let Some(key) = inner.keys.first() else {
            return EntityId::temporary(inner.id);
        };
        if let Some(name) = inner.cell.0.borrow().names.get(&key.id) {
            return name.clone();
        }
        inner.handles.shared.current_key(key).id
    }

    /// The entities it writes, as they were named when it was submitted.
    #[must_use]
    pub fn keys(&self) -> &[EntityKey] {
        &self.inner.keys
    }

    /// Waits until it survives a crash.
    ///
    /// # Errors
    /// The client has no durable store, the store failed, or the client was closed before.
    pub async fn durable(&self) -> Result<(), ActionError> {
        if let Err(reason) = &self.inner.handles.shared.durable {
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
    /// It may have been sent already, or is done, or the client is closed.
    pub fn cancel(&self) -> Result<(), CallError> {
        let shared = &self.inner.handles.shared;
        shared.command(Command::Cancel(self.inner.id))
    }

    async fn wait(
        &self,
        found: impl Fn(&Progress) -> Option<Result<(), ActionError>>,
    ) -> Result<(), ActionError> {
        let mut progress = self.inner.cell.0.subscribe();
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
