//! What is held, by string keys: `customers:detail-c-42`, `customers:list-where score > 5`, and plain values
//! such as `dashboard:metrics`.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::de::value::SeqDeserializer;
use tidewire_cache::{Regex, Stats, Target, Trust};
use tidewire_engine::{CacheCommand, Command};
use tidewire_model::{CacheKey, Patch, Query, Record, RecordError, Value, ValueKey, ValueRef};

use crate::client::Handles;
use crate::error::{CallError, LoadError};
use crate::flights::Outcome;
use crate::shared::{Shared, Watch};
use crate::watch::{Cell, OnChange};

/// What is held, by string keys.
///
/// A key `type:detail-id` names an entity, `type:list-` with the text of a query a list, and any other text a
/// plain value. Types are those of collections that were built; what stands before the first colon is the
/// namespace, and [`Collection`](crate::Collection) is its typed face. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CacheHandle {
    handles: Arc<Handles>,
}

/// What is shown under a key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyReading<T> {
    /// It, or nothing where nothing is shown.
    pub value: Option<T>,
    /// How far it can be trusted, with the reason.
    pub trust: Trust,
}

impl CacheHandle {
    pub(crate) fn new(handles: Arc<Handles>) -> Self {
        Self { handles }
    }

    /// What is shown under a key: an entity, the rows of a list in order, or a plain value. Never waits.
    ///
    /// # Errors
    /// The key cannot be read, or what is there does not fit `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, CallError> {
        Ok(self.read(key)?.value)
    }

    /// The same, with how far it can be trusted. Never waits.
    ///
    /// # Errors
    /// The key cannot be read, or what is there does not fit `T`.
    pub fn read<T: DeserializeOwned>(&self, key: &str) -> Result<KeyReading<T>, CallError> {
        Ok(read(self.shared(), &CacheKey::parse(key)?)?)
    }

    /// Whether something is shown under a key. Never waits.
    ///
    /// # Errors
    /// The key cannot be read.
    pub fn has(&self, key: &str) -> Result<bool, CallError> {
        let key = CacheKey::parse(key)?;
        Ok(self.shared().has(&key))
    }

    /// An entity or a list, asked for if it is not known well enough; one request however many wait for the
    /// same. A plain value is given as it is, since nobody can be asked; see
    /// [`fetch_with`](Self::fetch_with). Waits as [`Collection::fetch`](crate::Collection::fetch) does.
    ///
    /// # Errors
    /// The key cannot be read, its collection was not built, what comes does not fit `T`, or nothing can be
    /// loaded.
    pub async fn fetch<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, LoadError> {
        let key = CacheKey::parse(key).map_err(CallError::from)?;
        let target = match &key {
            CacheKey::Detail(key) => Target::Entity(self.shared().current_key(key)),
            CacheKey::List(query) => Target::List(query.clone()),
            CacheKey::Value(_) => {
                return Ok(read(self.shared(), &key).map_err(CallError::from)?.value);
            }
        };
        let cell = Arc::new(Cell::default());
        let _watch = self.shared().watch(target.clone(), &cell)?;
        let reading = self
            .handles
            .until(&cell, &target, || {
                let reading = read(self.shared(), &key);
                let is_good = |reading: &KeyReading<T>| {
                    let known = reading.value.is_some() || matches!(key, CacheKey::Detail(_));
                    known && matches!(reading.trust, Trust::Live | Trust::Fresh)
                };
                reading.as_ref().map_or(true, is_good).then_some(reading)
            })
            .await?;
        Ok(reading.map_err(CallError::from)?.value)
    }

    /// A plain value that is held and not marked, or else what `load` brings, which is then held under the
    /// key. Those who ask for the same key while a load is under way share it, its failure too; where the one
    /// whose `load` runs is dropped, the next one loads. What is set, marked or cleared meanwhile is newer than
    /// what a load brings, which is then given to those who wait and not held.
    ///
    /// # Errors
    /// The key names no plain value, what is there does not fit `T`, the load failed
    /// ([`LoadError::Source`]), or the client is closed.
    pub async fn fetch_with<T, E, F>(
        &self,
        key: &str,
        time_to_live: Option<Duration>,
        load: impl FnOnce() -> F,
    ) -> Result<T, LoadError>
    where
        T: Serialize + DeserializeOwned,
        E: Display,
        F: Future<Output = Result<T, E>>,
    {
        let key = value_key(key)?;
        let shared = self.shared();
        let flight = shared.flights.join(&key);
        let mut outcome = flight.outcome.lock().await;
        if let Some(outcome) = &*outcome {
            return given(outcome);
        }
        let held: KeyReading<T> =
            read(shared, &CacheKey::Value(key.clone())).map_err(CallError::from)?;
        if let (Some(value), Trust::Fresh) = (held.value, held.trust) {
            return Ok(value);
        }
        let loaded = match load().await {
            Ok(loaded) => Value::from_serialize(&loaded).map_err(CallError::from)?,
            Err(error) => {
                let failed: Outcome = Err(error.to_string());
                *outcome = Some(failed.clone());
                shared.flights.land(&key, &flight, || ());
                return given(&failed);
            }
        };
        let brought: Outcome = Ok(Arc::new(loaded.clone()));
        *outcome = Some(brought.clone());
        let command = CacheCommand::SetValue {
            key: key.clone(),
            value: loaded,
            time_to_live,
        };
        let kept = shared.flights.land(&key, &flight, || shared.tell(command));
        kept.transpose()?;
        given(&brought)
    }

    /// An entity as it was got just now in another way, or a plain value. It is in the view when this returns.
    ///
    /// An entity is what the server says of it, so it can be set only where the client makes the points: see
    /// [`CollectionBuilder::client_points`](crate::CollectionBuilder::client_points). It counts as an answer got
    /// now: what was asked for before does not overwrite it, and one with a version below the one held changes
    /// nothing. A list cannot be set: it is worked out from its entities.
    ///
    /// # Errors
    /// The key cannot be read or names a list, the value is no object with the key's id, the server owns the
    /// type, a plain value is too large, or the client is closed.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), CallError> {
        self.set_at(key, value, None)
    }

    /// The same, for a plain value that is shown for so long only.
    ///
    /// # Errors
    /// As [`set`](Self::set); the key names no plain value.
    pub fn set_for<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        time_to_live: Duration,
    ) -> Result<(), CallError> {
        value_key(key)?;
        self.set_at(key, value, Some(time_to_live))
    }

    fn set_at<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        time_to_live: Option<Duration>,
    ) -> Result<(), CallError> {
        match CacheKey::parse(key)? {
            CacheKey::Detail(key) => {
                let key = self.shared().current_key(&key);
                let record = Record::from_serialize(value)?;
                self.shared().show(CacheCommand::Set {
                    entity_type: key.entity_type,
                    id: Some(key.id),
                    record,
                })
            }
            CacheKey::List(_) => Err(CallError::ListKey),
            CacheKey::Value(key) => {
                let value = Value::from_serialize(value)?;
                self.shared().flights.supersede(|other| *other == key);
                self.shared().tell(CacheCommand::SetValue {
                    key,
                    value,
                    time_to_live,
                })
            }
        }
    }

    /// Some fields of an entity as they were got just now, on what is held of it, apart from own writes; nothing
    /// where nothing is held. It is in the view when this returns. Otherwise as [`set`](Self::set).
    ///
    /// # Errors
    /// The key names no entity, the patch changes the id, the server owns the type, or the client is closed.
    pub fn update(&self, key: &str, patch: Patch) -> Result<(), CallError> {
        match CacheKey::parse(key)? {
            CacheKey::Detail(key) => self.shared().show(CacheCommand::SetFields { key, patch }),
            CacheKey::List(_) => Err(CallError::ListKey),
            CacheKey::Value(_) => Err(CallError::ValueKey),
        }
    }

    /// Marks what a key names as stale: it stays, and is asked for again if it is watched.
    ///
    /// # Errors
    /// The key cannot be read, or the client is closed.
    pub fn invalidate(&self, key: &str) -> Result<(), CallError> {
        self.mark(vec![CacheKey::parse(key)?])
    }

    /// Marks what a pattern matches of the keys of what is shown. A pattern of `^` and a literal that every key
    /// of a type begins with, such as `^customers:`, is one mark on the type.
    ///
    /// # Errors
    /// The client is closed.
    pub fn invalidate_matching(&self, pattern: &Regex) -> Result<(), CallError> {
        let found = self.shared().matching(pattern);
        self.index(&found.keys.not_indexed);
        for entity_type in found.types {
            let ids = None;
            self.shared()
                .command(Command::Invalidate { entity_type, ids })?;
        }
        self.mark(found.keys.keys)
    }

    fn mark(&self, keys: Vec<CacheKey>) -> Result<(), CallError> {
        let values: Vec<ValueKey> = keys
            .iter()
            .filter_map(|key| match key {
                CacheKey::Value(key) => Some(key.clone()),
                CacheKey::Detail(_) | CacheKey::List(_) => None,
            })
            .collect();
        self.shared().flights.supersede(|key| values.contains(key));
        self.shared().tell(CacheCommand::InvalidateKeys(keys))
    }

    /// The keys of what is shown that a pattern matches: type by type, entities before lists, then values. Lists
    /// are named without their window.
    ///
    /// A pattern that begins with `^` and a literal is held against the keys with that beginning only. From the
    /// first such search on, the ids of the types it is about are kept in order, which takes a place for each
    /// entity. Any other pattern is held against every key: one without `^`, and one that contains white space,
    /// `#` or a flag such as `(?i)`.
    #[must_use]
    pub fn keys(&self, pattern: &Regex) -> Vec<String> {
        let found = self.shared().keys(pattern);
        self.index(&found.not_indexed);
        found.keys.iter().map(ToString::to_string).collect()
    }

    fn index(&self, types: &[tidewire_model::EntityType]) {
        for entity_type in types {
            // Refused only after the end, when nothing is looked for any more.
            let _ = self
                .shared()
                .tell(CacheCommand::IndexKeys(entity_type.clone()));
        }
    }

    /// Forgets everything that is held. What is watched is unknown when this returns, and asked for again; own
    /// writes stay.
    ///
    /// # Errors
    /// The client is closed.
    pub fn clear(&self) -> Result<(), CallError> {
        self.shared().flights.supersede(|_| true);
        self.shared().show(CacheCommand::Clear(None))
    }

    /// How much is held.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared().look(tidewire_engine::Engine::cache_stats)
    }

    /// Watches what a key names. An entity or a list is kept in step with the server while it is watched.
    ///
    /// # Errors
    /// The key cannot be read, its collection was not built, or the client is closed.
    pub fn watch(&self, key: &str) -> Result<KeyHandle, CallError> {
        let key = CacheKey::parse(key)?;
        let cell = Arc::new(Cell::default());
        let shared = self.shared();
        let watch = match &key {
            CacheKey::Detail(key) => shared.watch(Target::Entity(shared.current_key(key)), &cell),
            CacheKey::List(query) => shared.watch(Target::List(query.clone()), &cell),
            CacheKey::Value(key) => {
                shared.watch_by(Command::Cache(CacheCommand::WatchValue(key.clone())), &cell)
            }
        };
        Ok(KeyHandle {
            _watch: watch?,
            seen: cell.version(),
            key,
            cell,
            handles: Arc::clone(&self.handles),
        })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handles.shared
    }
}

/// A key that is watched; dropping it ends that.
#[derive(Debug)]
pub struct KeyHandle {
    key: CacheKey,
    cell: Arc<Cell>,
    seen: u64,
    _watch: Watch,
    // Last, so that the client ends only after the watch was given back.
    handles: Arc<Handles>,
}

impl KeyHandle {
    /// What is shown now. Never waits.
    ///
    /// # Errors
    /// What is there does not fit `T`.
    pub fn current<T: DeserializeOwned>(&self) -> Result<KeyReading<T>, CallError> {
        Ok(read(&self.handles.shared, &self.key)?)
    }

    /// Waits for the next change since this was called last, or since the watch began. False once no further
    /// one can come.
    pub async fn changed(&mut self) -> bool {
        match self.cell.changed_since(self.seen).await {
            Some(seen) => {
                self.seen = seen;
                true
            }
            None => false,
        }
    }

    /// Calls `listener` after every change, outside of any lock, until the returned value is dropped; for the
    /// last time when the client ends.
    pub fn on_change(&self, listener: impl Fn() + Send + Sync + 'static) -> OnChange {
        self.cell.on_change(Arc::new(listener))
    }
}

fn value_key(key: &str) -> Result<ValueKey, CallError> {
    match CacheKey::parse(key)? {
        CacheKey::Value(key) => Ok(key),
        CacheKey::Detail(_) | CacheKey::List(_) => Err(CallError::NotAValueKey),
    }
}

fn given<T: DeserializeOwned>(outcome: &Outcome) -> Result<T, LoadError> {
    match outcome {
        Ok(value) => Ok(value.as_value_ref().to().map_err(CallError::from)?),
        Err(reason) => Err(LoadError::Source(reason.clone())),
    }
}

fn read<T: DeserializeOwned>(
    shared: &Shared,
    key: &CacheKey,
) -> Result<KeyReading<T>, RecordError> {
    match key {
        CacheKey::Detail(key) => {
            let reading = shared.get(&shared.current_key(key));
            Ok(KeyReading {
                value: reading.presence.record().map(Record::to).transpose()?,
                trust: reading.trust,
            })
        }
        CacheKey::List(query) => read_list(shared, query),
        CacheKey::Value(key) => {
            let reading = shared.value(key);
            let value = reading.as_ref().map(|reading| reading.value().to());
            Ok(KeyReading {
                value: value.transpose()?,
                trust: reading.map_or(Trust::Unknown, |reading| reading.trust),
            })
        }
    }
}

fn read_list<T: DeserializeOwned>(
    shared: &Shared,
    query: &Query,
) -> Result<KeyReading<T>, RecordError> {
    let reading = shared.list(query);
    let rows = reading.rows.iter();
    let rows = rows.map(|row| ValueRef::Object(row.record.as_object()));
    let value = reading
        .known
        .then(|| T::deserialize(SeqDeserializer::new(rows)));
    Ok(KeyReading {
        value: value.transpose()?,
        trust: reading.trust,
    })
}
