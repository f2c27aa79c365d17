//! What happens to the entities of one type, as notices.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tidewire_cache::Target;
use tidewire_model::{EntityType, Notice};

use crate::client::Handles;
use crate::error::CallError;
use crate::shared::Watch;
use crate::watch::{Cell, Follower};

/// What happens to the entities of one type. The view shows a change before its notice comes.
///
/// However many listen, the type is subscribed once.
#[derive(Debug)]
pub struct Changes {
    cell: Arc<Cell>,
    follower: Follower,
    _watch: Watch,
    // Last, so that the client ends only after the watch was given back.
    _handles: Arc<Handles>,
}

/// A notice, or the news that some were lost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Something happened.
    Notice(Notice),
    /// Notices were lost because they were not taken in time: look at the current state.
    Resync,
}

impl Changes {
    pub(crate) fn new(handles: Arc<Handles>, entity_type: EntityType) -> Result<Self, CallError> {
        let cell = Arc::new(Cell::of_stream(entity_type.clone()));
        let watch = handles.shared.watch(Target::Stream(entity_type), &cell)?;
        Ok(Self {
            follower: Follower::new(Arc::clone(&cell)),
            cell,
            _watch: watch,
            _handles: handles,
        })
    }

    /// The next notice; `None` once the client is closed.
    pub async fn next(&mut self) -> Option<Change> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Changes {
    type Item = Change;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Change>> {
        let this = self.get_mut();
        loop {
            if let Some(change) = this.cell.next_change() {
                return Poll::Ready(Some(change));
            }
            if ready!(this.follower.poll_change(context)).is_none() {
                return Poll::Ready(None);
            }
        }
    }
}
