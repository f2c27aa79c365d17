//! A live entity: its current reading, and those that follow.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use serde::de::DeserializeOwned;
use tidewire_cache::{Presence, Target, Trust};
use tidewire_model::{EntityId, EntityKey, Record, RecordError, Version};

use crate::client::Handles;
use crate::error::{CallError, LoadError};
use crate::shared::Watch;
use crate::typed::Typed;
use crate::watch::{Cell, Follower, OnChange};

/// A live entity. While a handle is held, it is kept in step with the server.
#[derive(Debug)]
pub struct EntityHandle<T> {
    inner: Arc<Inner<T>>,
}

impl<T> Clone for EntityHandle<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

#[derive(Debug)]
struct Inner<T> {
    key: EntityKey,
    typed: Arc<Typed<T>>,
    cell: Arc<Cell>,
    _watch: Watch,
    // Last, so that the client ends only after the watch was given back.
    handles: Arc<Handles>,
}

/// An entity as it was at one revision.
#[derive(Debug)]
pub struct EntityReading<T> {
    /// The entity's id, as it is known by now.
    pub id: EntityId,
    /// Its fields; `None` where it is absent or nothing is known.
    pub record: Option<Record>,
    /// Its fields as a `T`, or why they do not fit; `None` where it is absent or nothing is known.
    pub value: Option<Result<Arc<T>, RecordError>>,
    /// Whether it is known to be absent.
    pub absent: bool,
    /// The point of its last change on the server.
    pub version: Option<Version>,
    /// Whether pending actions shaped it.
    pub pending: bool,
    /// How far it can be trusted, with the reason.
    pub trust: Trust,
    /// How long ago it was known to be so.
    pub age: Option<Duration>,
}

impl<T: DeserializeOwned> EntityHandle<T> {
    pub(crate) fn new(
        handles: Arc<Handles>,
        typed: Arc<Typed<T>>,
        key: EntityKey,
    ) -> Result<Self, CallError> {
        let cell = Arc::new(Cell::default());
        let watch = handles.shared.watch(Target::Entity(key.clone()), &cell)?;
        Ok(Self {
            inner: Arc::new(Inner {
                handles,
                typed,
                cell,
                key,
                _watch: watch,
            }),
        })
    }

    /// The entity as it is now. Never waits.
    #[must_use]
    pub fn current(&self) -> EntityReading<T> {
        read(&self.inner.handles, &self.inner.typed, &self.inner.key)
    }

    /// The current reading, then every later one that differs, until the client is closed. Whoever is
    /// slow gets the latest, never a backlog.
    #[must_use]
    pub fn updates(&self) -> EntityUpdates<T> {
        EntityUpdates {
            entity: self.clone(),
            last: None,
            follower: Follower::new(Arc::clone(&self.inner.cell)),
        }
    }

    /// Calls `listener` after every change, outside of any lock, until the returned value is dropped;
    /// for the last time when the client ends.
    pub fn on_change(&self, listener: impl Fn() + Send + Sync + 'static) -> OnChange {
        self.inner.cell.on_change(Arc::new(listener))
    }

    /// Waits until it is known and up to date; without a connection that is without an end. The future may be
    /// dropped at any time, as by `tokio::time::timeout`.
    ///
    /// # Errors
    /// The server refused it for good, the connection is stopped, or the client was closed.
    pub async fn loaded(&self) -> Result<EntityReading<T>, LoadError> {
        let target = Target::Entity(self.inner.handles.shared.current_key(&self.inner.key));
        self.inner
            .handles
            .until(&self.inner.cell, &target, || {
                let reading = self.current();
                matches!(reading.trust, Trust::Live | Trust::Fresh).then_some(reading)
            })
            .await
    }
}

/// The readings of an entity, the latest one wins.
#[derive(Debug)]
pub struct EntityUpdates<T> {
    entity: EntityHandle<T>,
    last: Option<Look>,
    follower: Follower,
}

/// What a reader sees of an entity; its age is no news.
#[derive(Debug, PartialEq)]
struct Look {
    id: EntityId,
    record: Option<Record>,
    absent: bool,
    version: Option<Version>,
    pending: bool,
    trust: Trust,
}

impl Look {
    fn of<T>(reading: &EntityReading<T>) -> Self {
        Self {
            id: reading.id.clone(),
            record: reading.record.clone(),
            absent: reading.absent,
            version: reading.version,
            pending: reading.pending,
            trust: reading.trust,
        }
    }
}

impl<T: DeserializeOwned> EntityUpdates<T> {
    /// The next reading that differs from the one given before; `None` once the client is closed.
    pub async fn next(&mut self) -> Option<EntityReading<T>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<T: DeserializeOwned> Stream for EntityUpdates<T> {
    type Item = EntityReading<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while ready!(this.follower.poll_change(context)).is_some() {
            let reading = this.entity.current();
            let look = Look::of(&reading);
            if this.last.as_ref() != Some(&look) {
                this.last = Some(look);
                return Poll::Ready(Some(reading));
            }
        }
        Poll::Ready(None)
    }
}

pub(crate) fn read<T: DeserializeOwned>(
    handles: &Handles,
    typed: &Typed<T>,
    key: &EntityKey,
) -> EntityReading<T> {
    let shared = &handles.shared;
    let key = shared.current_key(key);
    let reading = shared.get(&key);
    let record = reading.presence.record().cloned();
    EntityReading {
        value: record.as_ref().map(|record| typed.read(&key.id, record)),
        record,
        absent: reading.presence == Presence::Absent,
        version: reading.version,
        pending: reading.pending,
        trust: reading.trust,
        age: reading.age,
        id: key.id,
    }
}
