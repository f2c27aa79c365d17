//! The entities of one type, as values of an application's type.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidewire_cache::{CollectionSettings, Interest, Points, Provenance, Versions};
use tidewire_engine::{CacheCommand, Command, Submission, Write};
use tidewire_model::{
    CacheKey, EntityId, EntityKey, EntityType, Lane, NameError, Patch, Query, Record,
};
use tidewire_protocol::Naming;

use crate::action::ActionHandle;
use crate::change::Changes;
use crate::client::Handles;
use crate::entity::{self, EntityHandle, EntityReading};
use crate::error::{CallError, LoadError};
use crate::list::List;
use crate::query::QueryBuilder;
use crate::typed::Typed;

/// How often an edit is tried while others change the entity. Each failure means that somebody else
/// got on, so this is reached only by an edit that changes the entity itself.
const EDIT_ATTEMPTS: usize = 1_000;

/// Puts a collection together.
#[must_use = "a collection is there only once it is built"]
pub struct CollectionBuilder<T> {
    handles: Arc<Handles>,
    entity_type: Result<EntityType, NameError>,
    settings: CollectionSettings,
    naming: Naming,
    typed: Typed<T>,
}

impl<T> fmt::Debug for CollectionBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectionBuilder")
            .field("entity_type", &self.entity_type)
            .finish_non_exhaustive()
    }
}

impl<T: Serialize + DeserializeOwned> CollectionBuilder<T> {
    pub(crate) fn new(handles: Arc<Handles>, entity_type: Result<EntityType, NameError>) -> Self {
        Self {
            typed: Typed::new(Arc::clone(&handles.shared.copies)),
            handles,
            entity_type,
            settings: CollectionSettings::default(),
            naming: Naming::default(),
        }
    }

    /// The field that holds an entity's id; by default `id`.
    pub fn id_field(mut self, name: impl Into<String>) -> Self {
        self.naming.id_field = name.into();
        self
    }

    /// The field that holds an entity's version where the dialect is basic; by default `version`.
    pub fn version_field(mut self, name: impl Into<String>) -> Self {
        self.naming.version_field = name.into();
        self
    }

    /// Holds every entity of the type, up to this many: lists are then answered without a request.
    pub fn complete(mut self, max_rows: u64) -> Self {
        self.settings.interest = Interest::Complete { max_rows };
        self
    }

    /// Holds what pushes have shown, where the dialect is basic and nothing can be fetched.
    pub fn pushes_only(mut self) -> Self {
        self.settings.interest = Interest::PushesOnly;
        self.settings.points = Points::Client;
        self
    }

    /// Keeps points itself, as the basic dialect asks for: readings are at most fresh.
    pub fn client_points(mut self) -> Self {
        self.settings.points = Points::Client;
        self
    }

    /// Versions merely rise: a jump in them is no sign that something was missed.
    pub fn rising_versions(mut self) -> Self {
        self.settings.versions = Versions::Rising;
        self
    }

    /// A reading that is not live is stale once it is older than this.
    pub fn stale_after(mut self, age: Duration) -> Self {
        self.settings.stale_after = Some(age);
        self
    }

    /// A reading that no stream vouches for is not shown at all once it is older than this; it is unknown
    /// then, with [`StaleReason::Expired`](crate::StaleReason::Expired) as the reason. What own writes
    /// shaped is shown however old the rest is.
    pub fn expire_after(mut self, age: Duration) -> Self {
        self.settings.expire_after = Some(age);
        self
    }

    /// When lists that only the server can evaluate are asked for again after changes: once nothing of
    /// the type has changed for `quiet`, and `max` after the first change at the latest. By default a
    /// second and five.
    pub fn opaque_wait(mut self, quiet: Duration, max: Duration) -> Self {
        self.settings.opaque_quiet = quiet;
        self.settings.opaque_wait_max = max;
        self
    }

    /// The collection.
    ///
    /// # Errors
    /// The type's name cannot be used, or the type was built before in another way.
    pub fn build(self) -> Result<Collection<T>, CallError> {
        let entity_type = self.entity_type?;
        self.handles.shared.command(Command::Define {
            entity_type: entity_type.clone(),
            settings: self.settings,
            naming: self.naming,
        })?;
        let typed = Arc::new(self.typed);
        let inner = Inner {
            entity_type,
            typed,
            handles: self.handles,
        };
        Ok(Collection {
            inner: Arc::new(inner),
        })
    }
}

/// The entities of one type.
#[derive(Debug)]
pub struct Collection<T> {
    inner: Arc<Inner<T>>,
}

impl<T> Clone for Collection<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

#[derive(Debug)]
struct Inner<T> {
    entity_type: EntityType,
    typed: Arc<Typed<T>>,
    handles: Arc<Handles>,
}

impl<T: Serialize + DeserializeOwned> Collection<T> {
    /// The entity type.
    #[must_use]
    pub fn entity_type(&self) -> &EntityType {
        &self.inner.entity_type
    }

    /// Begins a query.
    pub fn query(&self) -> QueryBuilder<T> {
        QueryBuilder::new(self.clone(), Query::new(self.inner.entity_type.clone()))
    }

    /// The live list of a query put together elsewhere.
    ///
    /// # Errors
    /// The query is about another entity type.
    pub fn list(&self, query: Query) -> Result<List<T>, CallError> {
        if query.entity_type() == self.entity_type() {
            Ok(self.live(query))
        } else {
            Err(CallError::OtherType(
                query.entity_type().clone(),
                self.entity_type().clone(),
            ))
        }
    }

    pub(crate) fn live(&self, query: Query) -> List<T> {
        List::new(
            Arc::clone(&self.inner.handles),
            Arc::clone(&self.inner.typed),
            query,
        )
    }

    /// A live entity.
    ///
    /// # Errors
    /// The id cannot be used.
    pub fn entity(&self, id: &str) -> Result<EntityHandle<T>, CallError> {
        let key = self.key(id)?;
        EntityHandle::new(
            Arc::clone(&self.inner.handles),
            Arc::clone(&self.inner.typed),
            key,
        )
    }

    /// The entity as the cache has it; `None` where it is absent or not known. Never waits.
    ///
    /// # Errors
    /// The id cannot be used, or the entity does not fit `T`.
    pub fn get(&self, id: &str) -> Result<Option<Arc<T>>, CallError> {
        Ok(self.read(id)?.value.transpose()?)
    }

    /// The entity as the cache has it, with how far it can be trusted. Never waits.
    ///
    /// # Errors
    /// The id cannot be used.
    pub fn read(&self, id: &str) -> Result<EntityReading<T>, CallError> {
        let key = self.key(id)?;
        Ok(entity::read(&self.inner.handles, &self.inner.typed, &key))
    }

    /// The entity, asked for if it is not known well enough; `None` where it is absent.
    ///
    /// While there is no connection this waits, without an end. To wait for a time only, put it into
    /// `tokio::time::timeout`: dropping the future gives back what it asked for and changes nothing else. To
    /// wait not at all, use [`get`](Self::get).
    ///
    /// # Errors
    /// The id cannot be used, the entity does not fit `T`, or nothing can be loaded.
    pub async fn fetch(&self, id: &str) -> Result<Option<Arc<T>>, LoadError> {
        let reading = self.entity(id)?.loaded().await?;
        Ok(reading.value.transpose().map_err(CallError::from)?)
    }

    /// Several entities, asked for together. Waits as [`fetch`](Self::fetch) does.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch), for the first that fails.
    pub async fn fetch_many(&self, ids: &[&str]) -> Result<Vec<Option<Arc<T>>>, LoadError> {
        // All are watched before the first is waited for, so they share requests.
        let handles: Vec<EntityHandle<T>> = ids
            .iter()
            .map(|id| self.entity(id))
            .collect::<Result<_, _>>()?;
        let mut found = Vec::with_capacity(handles.len());
        for handle in &handles {
            let reading = handle.loaded().await?;
            found.push(reading.value.transpose().map_err(CallError::from)?);
        }
        Ok(found)
    }

    /// What happens to the entities of this type, as notices.
    ///
    /// # Errors
    /// The collection was not defined, which `build` has ruled out.
    pub fn changes(&self) -> Result<Changes, CallError> {
        Changes::new(
            Arc::clone(&self.inner.handles),
            self.inner.entity_type.clone(),
        )
    }

    /// Marks one entity as stale: it stays, and is asked for again if it is watched.
    ///
    /// # Errors
    /// The id cannot be used.
    pub fn invalidate(&self, id: &str) -> Result<(), CallError> {
        let ids = Some(vec![self.key(id)?.id]);
        let entity_type = self.inner.entity_type.clone();
        self.inner
            .handles
            .shared
            .command(Command::Invalidate { entity_type, ids })?;
        Ok(())
    }

    /// Marks everything of the type as stale.
    ///
    /// # Errors
    /// The collection was not defined, which `build` has ruled out.
    pub fn invalidate_all(&self) -> Result<(), CallError> {
        let entity_type = self.inner.entity_type.clone();
        self.inner.handles.shared.command(Command::Invalidate {
            entity_type,
            ids: None,
        })?;
        Ok(())
    }

    /// Whether the entity is there, as the cache has it. Never waits.
    ///
    /// # Errors
    /// The id cannot be used.
    pub fn has(&self, id: &str) -> Result<bool, CallError> {
        let key = CacheKey::Detail(self.key(id)?);
        Ok(self.inner.handles.shared.has(&key))
    }

    /// An entity as the application got it just now in another way, such as by a request of its own. It is in
    /// the view when this returns, and nobody is asked or told outside. See [`CacheHandle::set`](crate::CacheHandle::set).
    ///
    /// # Errors
    /// The value is no object or its id cannot be used, the server owns the type, which is so unless
    /// [`client_points`](CollectionBuilder::client_points) or [`pushes_only`](CollectionBuilder::pushes_only) was
    /// chosen, or the client is closed.
    pub fn set(&self, value: &T) -> Result<(), CallError> {
        let entity_type = self.inner.entity_type.clone();
        let record = Record::from_serialize(value)?;
        self.inner.handles.shared.show(CacheCommand::Set {
            entity_type,
            id: None,
            record,
        })
    }

    /// Forgets what is held of this type, plain values in its namespace included. What is watched is unknown when
    /// this returns, and asked for again; own writes stay.
    ///
    /// # Errors
    /// The client is closed.
    pub fn clear(&self) -> Result<(), CallError> {
        let shared = &self.inner.handles.shared;
        let entity_type = &self.inner.entity_type;
        shared.flights.supersede(|key| key.is_in(entity_type));
        shared.show(CacheCommand::Clear(Some(entity_type.clone())))
    }

    /// Why the entity reads as it does: where it comes from, how new it is, and what pending actions do to it.
    /// `to_string` makes a paragraph of it, for a log. Nothing where the type may not be shown.
    ///
    /// # Errors
    /// The id cannot be used.
    pub fn why(&self, id: &str) -> Result<Option<Provenance>, CallError> {
        let key = self.key(id)?;
        Ok(self.inner.handles.shared.why(&key))
    }

    /// Creates an entity. Without its id field, or with null there, the server names it, and until then it
    /// has a temporary id, of text. A type for such entities therefore has `id: Option<String>`, with
    /// `#[serde(skip_serializing_if = "Option::is_none")]` if it likes; a `String` cannot be left out when
    /// creating, an integer cannot hold the temporary id.
    ///
    /// A value without any field creates an entity that has nothing but its id.
    ///
    /// # Errors
    /// The value is no object, its id cannot be used, the queue is full, or the client is closed.
    pub fn create(&self, value: &T) -> Result<ActionHandle, CallError> {
        self.create_record(Record::from_serialize(value)?)
    }

    /// Creates an entity from its fields, as [`create`](Self::create) does.
    ///
    /// # Errors
    /// The id cannot be used, the queue is full, or the client is closed.
    pub fn create_record(&self, record: Record) -> Result<ActionHandle, CallError> {
        self.submit(Write::Create {
            entity_type: self.inner.entity_type.clone(),
            record,
        })
    }

    /// Changes fields of an entity. It is in the view when this returns, online or not.
    ///
    /// The entity need not be known here. Where the server does not have it either, the action is refused
    /// with `not_found`, and parked.
    ///
    /// The id field may be among them with the id the entity has, as in a patch made of a whole record; it
    /// is left out then. A patch without any other field writes nothing and asks the server nothing, and the
    /// handle says so with [`is_nothing`](ActionHandle::is_nothing).
    ///
    /// # Errors
    /// The id cannot be used, the patch changes or unsets the id field, the queue is full, or the client is
    /// closed.
    pub fn update(&self, id: &str, patch: Patch) -> Result<ActionHandle, CallError> {
        self.submit(Write::Update {
            key: self.key(id)?,
            patch,
        })
    }

    /// Changes an entity as a value: what differs afterwards is what is written.
    ///
    /// Where somebody else changes the entity meanwhile, `change` is called again with what it is then,
    /// so that no change is lost: two threads that add one add two. It must therefore do nothing but
    /// change the value. Where nothing differs afterwards, nothing is written, and the handle says so
    /// with [`is_nothing`](ActionHandle::is_nothing).
    ///
    /// # Errors
    /// The entity is not known here, does not fit `T`, was changed during each of many attempts, `change`
    /// gave it another id, the queue is full, or the client is closed.
    pub fn edit(&self, id: &str, mut change: impl FnMut(&mut T)) -> Result<ActionHandle, CallError>
    where
        T: Clone,
    {
        let handles = &self.inner.handles;
        for _ in 0..EDIT_ATTEMPTS {
            let key = self.key(id)?;
            let reading = entity::read(handles, &self.inner.typed, &key);
            let (Some(record), Some(value)) = (reading.record, reading.value.transpose()?) else {
                return Err(CallError::NotKnown(id.to_owned()));
            };
            let mut edited = T::clone(&value);
            change(&mut edited);
            let patch = Patch::between(&*value, &edited)?;
            let write = Write::Update {
                key: key.clone(),
                patch,
            };
            let edit = ActionHandle::submit_if_still(handles, alone(write), &key, &record)?;
            if let Some(edit) = edit {
                return Ok(edit);
            }
        }
        Err(CallError::Contended(id.to_owned()))
    }

    /// Removes an entity. That it is gone is all that counts: where the server does not have it, the action
    /// is accepted too.
    ///
    /// # Errors
    /// The id cannot be used, the queue is full, or the client is closed.
    pub fn delete(&self, id: &str) -> Result<ActionHandle, CallError> {
        self.submit(Write::Delete { key: self.key(id)? })
    }

    fn submit(&self, write: Write) -> Result<ActionHandle, CallError> {
        ActionHandle::submit(&self.inner.handles, alone(write))
    }

    pub(crate) fn handles(&self) -> &Arc<Handles> {
        &self.inner.handles
    }

    /// The key of an id as it is known by now: a temporary id leads to the name the server gave.
    pub(crate) fn key(&self, id: &str) -> Result<EntityKey, CallError> {
        let key = EntityKey::new(self.inner.entity_type.clone(), EntityId::text(id)?);
        Ok(self.inner.handles.shared.current_key(&key))
    }
}

/// A write that is an action by itself.
fn alone(write: Write) -> Submission {
    Submission {
        lane: Lane::main(),
        writes: vec![write],
        after: Vec::new(),
    }
}
