//! A live list: the current page, and those that follow.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tidewire_cache::{Target, Trust};
use tidewire_engine::Connection;
use tidewire_model::{ListDiff, Query};

use crate::client::Handles;
use crate::error::LoadError;
use crate::page::Page;
use crate::shared::Watch;
use crate::typed::Typed;
use crate::watch::{Cell, OnChange};

/// A live list.
///
/// While a handle is held, the list is kept in step with the server; dropping the last one gives
/// the interest back.
#[derive(Debug)]
pub struct List<T> {
    inner: Arc<Inner<T>>,
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

#[derive(Debug)]
struct Inner<T> {
    typed: Arc<Typed<T>>,
    cell: Arc<Cell>,
    window: Mutex<(Query, Option<Watch>)>,
    // Last, so that the client ends only after the watch was given back.
    handles: Arc<Handles>,
}

impl<T: DeserializeOwned> List<T> {
    pub(crate) fn new(handles: Arc<Handles>, typed: Arc<Typed<T>>, query: Query) -> Self {
        let cell = Arc::new(Cell::default());
        let target = Target::List(query.clone());
        // A collection exists only once its type is defined, so watching is not refused.
        let watch = handles.shared.watch(target, Arc::clone(&cell)).ok();
        Self {
            inner: Arc::new(Inner {
                handles,
                typed,
                cell,
                window: Mutex::new((query, watch)),
            }),
        }
    }

    /// The query this list is a window of.
    #[must_use]
    pub fn query(&self) -> Query {
        self.inner.window.lock().0.clone()
    }

    /// The page as it is now. Never waits.
    #[must_use]
    pub fn current(&self) -> Arc<Page<T>> {
        let shared = &self.inner.handles.shared;
        let reading = shared.reader.list(shared.clock.tick(), &self.query());
        Arc::new(Page::new(reading, &self.inner.typed))
    }

    /// Calls `listener` after every change, outside of any lock, until the returned value is
    /// dropped. The listener may call anything, also write.
    pub fn on_change(&self, listener: impl Fn() + Send + Sync + 'static) -> OnChange {
        self.inner.cell.on_change(Arc::new(listener))
    }

    /// The current page, then every later one. Whoever is slow gets the latest, never a backlog.
    #[must_use]
    pub fn updates(&self) -> Updates<T>
    where
        T: Send + Sync + 'static,
    {
        Updates {
            list: self.clone(),
            last: None,
            seen: None,
            waiting: None,
        }
    }

    /// Waits until the list is known and up to date, and gives its page.
    ///
    /// # Errors
    /// The connection is stopped, or the client was closed.
    pub async fn loaded(&self) -> Result<Arc<Page<T>>, LoadError> {
        self.inner
            .handles
            .until(&self.inner.cell, || {
                let page = self.current();
                let good = matches!(page.trust(), Trust::Live | Trust::Fresh);
                (good && page.is_known()).then_some(page)
            })
            .await
    }

    /// Makes the window `rows` longer; the rows come in the background.
    pub fn more(&self, rows: u64) {
        let mut window = self.inner.window.lock();
        let Some(limit) = window.0.row_limit() else {
            return;
        };
        let query = window.0.clone().limit(limit.saturating_add(rows));
        let target = Target::List(query.clone());
        // The longer window is watched before the shorter one is given back, so the run stays.
        let watch = self
            .inner
            .handles
            .shared
            .watch(target, Arc::clone(&self.inner.cell))
            .ok();
        let shorter = std::mem::replace(&mut *window, (query, watch));
        drop(window);
        drop(shorter);
        self.inner.cell.tell();
    }
}

impl Handles {
    /// Waits until `found` gives something, looking again whenever the cell tells of a change.
    pub(crate) async fn until<R>(
        &self,
        cell: &Cell,
        found: impl Fn() -> Option<R>,
    ) -> Result<R, LoadError> {
        let mut status = self.shared.status.subscribe();
        let mut ended = self.shared.ended.subscribe();
        loop {
            let seen = cell.version();
            if let Some(result) = found() {
                return Ok(result);
            }
            if *ended.borrow_and_update() {
                return Err(LoadError::Closed);
            }
            let now = status.borrow_and_update().clone();
            if now.connection == Connection::Stopped {
                return Err(LoadError::Stopped(now.reason));
            }
            tokio::select! {
                _ = cell.changed_since(seen) => {}
                _ = status.changed() => {}
                _ = ended.changed() => {}
            }
        }
    }
}

/// The pages of a list, the latest one wins.
#[derive(Debug)]
pub struct Updates<T> {
    list: List<T>,
    last: Option<Arc<Page<T>>>,
    seen: Option<u64>,
    waiting: Option<Waiting>,
}

struct Waiting(Pin<Box<dyn Future<Output = u64> + Send>>);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiting")
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Updates<T> {
    /// The next page that differs from the one given before; never ends while the list is held.
    pub async fn next(&mut self) -> Option<Arc<Page<T>>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The next page, with what leads to it from the one given before; the first is a reset.
    pub async fn next_diff(&mut self) -> Option<(Arc<Page<T>>, ListDiff)> {
        let before = self.last.clone();
        let page = self.next().await?;
        let diff = before.map_or(ListDiff::Reset, |before| page.diff_from(&before));
        Some((page, diff))
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Stream for Updates<T> {
    type Item = Arc<Page<T>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(waiting) = &mut this.waiting {
                match waiting.0.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(version) => {
                        this.waiting = None;
                        this.seen = Some(version);
                    }
                }
            }
            let seen = this.seen.unwrap_or_else(|| this.list.inner.cell.version());
            let page = this.list.current();
            let news = this.last.as_ref().is_none_or(|last| !page.looks_like(last));
            let cell = Arc::clone(&this.list.inner.cell);
            this.waiting = Some(Waiting(Box::pin(
                async move { cell.changed_since(seen).await },
            )));
            this.seen = Some(seen);
            if news {
                this.last = Some(Arc::clone(&page));
                return Poll::Ready(Some(page));
            }
        }
    }
}
