//! What happens to the entities of one type, as notices.

use std::sync::Arc;

use tidewire_cache::Target;
use tidewire_model::{EntityType, Notice};

use crate::client::Handles;
use crate::error::CallError;
use crate::shared::Watch;
use crate::watch::Cell;

/// What happens to the entities of one type. The view shows a change before its notice comes.
///
/// However many listen, the type is subscribed once.
#[derive(Debug)]
pub struct Changes {
    cell: Arc<Cell>,
    _watch: Watch,
    handles: Arc<Handles>,
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
        let cell = Arc::new(Cell::default());
        let watch = handles
            .shared
            .watch(Target::Stream(entity_type), Arc::clone(&cell))?;
        Ok(Self {
            cell,
            _watch: watch,
            handles,
        })
    }

    /// The next notice; `None` once the client is closed.
    pub async fn next(&mut self) -> Option<Change> {
        let mut ended = self.handles.shared.ended.subscribe();
        loop {
            let seen = self.cell.version();
            {
                let mut notices = self.cell.notices();
                if std::mem::take(&mut notices.lost) {
                    return Some(Change::Resync);
                }
                if let Some(notice) = notices.waiting.pop_front() {
                    return Some(Change::Notice(notice));
                }
            }
            if *ended.borrow_and_update() {
                return None;
            }
            tokio::select! {
                _ = self.cell.changed_since(seen) => {}
                _ = ended.changed() => {}
            }
        }
    }
}
