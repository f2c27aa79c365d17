//! A live list: the current page, and those that follow.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tidewire_cache::{Target, Trust};
use tidewire_engine::Connection;
use tidewire_model::{ListDiff, Query};

use crate::client::Handles;
use crate::error::{CallError, LoadError};
use crate::page::Page;
use crate::shared::{End, Watch};
use crate::typed::Typed;
use crate::watch::{Cell, Follower, OnChange};

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
    /// Why it is not followed, if so.
    fault: Option<CallError>,
    // Last, so that the client ends only after the watch was given back.
    handles: Arc<Handles>,
}

impl<T: DeserializeOwned> List<T> {
    pub(crate) fn new(handles: Arc<Handles>, typed: Arc<Typed<T>>, query: Query) -> Self {
        let cell = Arc::new(Cell::default());
        let target = Target::List(query.clone());
        // Refused where the client has ended, or where the query is too long to be sent; then the list
        // shows what is known, and nothing further comes.
        let (watch, fault) = match handles.shared.watch(target, &cell) {
            Ok(watch) => (Some(watch), None),
            Err(fault) => (None, Some(fault)),
        };
        if fault.is_some() {
            cell.close();
        }
        Self {
            inner: Arc::new(Inner {
                handles,
                typed,
                cell,
                window: Mutex::new((query, watch)),
                fault,
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
        let (shared, query) = (&self.inner.handles.shared, self.query());
        let reading = shared.list(&query);
        let refused = || match &self.inner.fault {
            Some(fault) => Some(fault.to_string()),
            None => shared.refusals.borrow().why(&Target::List(query)),
        };
        Arc::new(Page::new(reading, &self.inner.typed, refused))
    }

    /// Calls `listener` after every change, outside of any lock, until the returned value is dropped;
    /// for the last time when the client ends. The listener may call anything, also write.
    pub fn on_change(&self, listener: impl Fn() + Send + Sync + 'static) -> OnChange {
        self.inner.cell.on_change(Arc::new(listener))
    }

    /// The current page, then every later one, until the client is closed. Whoever is slow gets the
    /// latest, never a backlog.
    #[must_use]
    pub fn updates(&self) -> Updates<T> {
        Updates {
            list: self.clone(),
            last: None,
            follower: Follower::new(Arc::clone(&self.inner.cell)),
        }
    }

    /// As [`updates`](Self::updates), each page with what leads to it from the one before, row by
    /// row; the first is a reset.
    #[must_use]
    pub fn diffs(&self) -> Diffs<T> {
        Diffs(self.updates())
    }

    /// Waits until the list is known and up to date, and gives its page.
    ///
    /// # Errors
    /// The query cannot be followed, the server refused it for good, the connection is stopped, or
    /// the client was closed.
    pub async fn loaded(&self) -> Result<Arc<Page<T>>, LoadError> {
        if let Some(fault) = &self.inner.fault {
            return Err(fault.clone().into());
        }
        let target = Target::List(self.query());
        self.inner
            .handles
            .until(&self.inner.cell, &target, || {
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
            .watch(target, &self.inner.cell)
            .ok();
        let shorter = std::mem::replace(&mut *window, (query, watch));
        drop(window);
        drop(shorter);
        // By the driver, so that a listener may ask for more.
        let shared = &self.inner.handles.shared;
        shared.cells.tell_soon(&self.inner.cell);
        shared.nudge.notify_one();
    }
}

impl Handles {
    /// Waits until `found` gives something, looking again whenever the cell tells of a change.
    pub(crate) async fn until<R>(
        &self,
        cell: &Cell,
        target: &Target,
        found: impl Fn() -> Option<R>,
    ) -> Result<R, LoadError> {
        let mut status = self.shared.status.subscribe();
        let mut refusals = self.shared.refusals.subscribe();
        loop {
            let seen = cell.version();
            if let Some(result) = found() {
                return Ok(result);
            }
            match self.shared.end() {
                Some(End::Closed) => return Err(LoadError::Closed),
                Some(End::Failed(reason)) => return Err(LoadError::Stopped(reason)),
                None => {}
            }
            let now = status.borrow_and_update().clone();
            if now.connection == Connection::Stopped {
                return Err(LoadError::Stopped(now.reason));
            }
            if let Some(code) = refusals.borrow_and_update().of(target) {
                let code = code.to_owned();
                return Err(LoadError::Refused { code });
            }
            tokio::select! {
                Some(_) = cell.changed_since(seen) => {}
                Ok(()) = refusals.changed() => {}
                // The end shows here too.
                _ = status.changed() => {}
            }
        }
    }
}

/// The pages of a list, the latest one wins.
#[derive(Debug)]
pub struct Updates<T> {
    list: List<T>,
    last: Option<Arc<Page<T>>>,
    follower: Follower,
}

impl<T: DeserializeOwned> Updates<T> {
    /// The next page that differs from the one given before; `None` once the client is closed.
    pub async fn next(&mut self) -> Option<Arc<Page<T>>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The next page, with what leads to it from the one given before; the first is a reset. `None`
    /// once the client is closed.
    pub async fn next_diff(&mut self) -> Option<(Arc<Page<T>>, ListDiff)> {
        poll_fn(|context| self.poll_next_diff(context)).await
    }

    fn poll_next_diff(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<(Arc<Page<T>>, ListDiff)>> {
        let before = self.last.clone();
        let page = ready!(Pin::new(self).poll_next(context));
        Poll::Ready(page.map(|page| {
            let diff = before.map_or(ListDiff::Reset, |before| page.diff_from(&before));
            (page, diff)
        }))
    }
}

impl<T: DeserializeOwned> Stream for Updates<T> {
    type Item = Arc<Page<T>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while ready!(this.follower.poll_change(context)).is_some() {
            let page = this.list.current();
            if this.last.as_ref().is_none_or(|last| !page.looks_like(last)) {
                this.last = Some(Arc::clone(&page));
                return Poll::Ready(Some(page));
            }
        }
        Poll::Ready(None)
    }
}

/// The pages of a list, each with what leads to it from the one before.
#[derive(Debug)]
pub struct Diffs<T>(Updates<T>);

impl<T: DeserializeOwned> Diffs<T> {
    /// The next page, with what leads to it from the one given before; the first is a reset. `None`
    /// once the client is closed.
    pub async fn next(&mut self) -> Option<(Arc<Page<T>>, ListDiff)> {
        self.0.next_diff().await
    }
}

impl<T: DeserializeOwned> Stream for Diffs<T> {
    type Item = (Arc<Page<T>>, ListDiff);

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_next_diff(context)
    }
}
