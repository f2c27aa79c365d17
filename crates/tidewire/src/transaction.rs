//! Several writes that become one action: all of them are done, or none.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidewire_engine::{Submission, Write};
use tidewire_model::{ActionId, Lane, Patch, Record};

use crate::action::ActionHandle;
use crate::client::Handles;
use crate::collection::Collection;
use crate::error::CallError;

/// Several writes, of one collection or of several, that become one action.
#[derive(Debug)]
pub struct Transaction {
    handles: Arc<Handles>,
    writes: Vec<Write>,
    after: Vec<ActionId>,
}

impl Transaction {
    pub(crate) fn new(handles: Arc<Handles>) -> Self {
        Self {
            handles,
            writes: Vec::new(),
            after: Vec::new(),
        }
    }

    pub(crate) fn submit(self) -> Result<ActionHandle, CallError> {
        let submission = Submission {
            lane: Lane::main(),
            writes: self.writes,
            after: self.after,
        };
        ActionHandle::submit(&self.handles, submission)
    }

    /// Creates an entity. Without its id field, or with null there, the server names it.
    ///
    /// # Errors
    /// The value is no object, or the collection is another client's.
    pub fn create<T: Serialize + DeserializeOwned>(
        &mut self,
        collection: &Collection<T>,
        value: &T,
    ) -> Result<&mut Self, CallError> {
        self.create_record(collection, Record::from_serialize(value)?)
    }

    /// Creates an entity from its fields.
    ///
    /// # Errors
    /// The collection is another client's.
    pub fn create_record<T: Serialize + DeserializeOwned>(
        &mut self,
        collection: &Collection<T>,
        record: Record,
    ) -> Result<&mut Self, CallError> {
        let entity_type = collection.entity_type().clone();
        let write = Write::Create {
            entity_type,
            record,
        };
        self.push(collection, write)
    }

    /// Changes fields of an entity; see [`Collection::update`]. A patch that changes the id field is
    /// refused when the transaction is submitted; one that changes nothing is left out of it.
    ///
    /// # Errors
    /// The id cannot be used, or the collection is another client's.
    pub fn update<T: Serialize + DeserializeOwned>(
        &mut self,
        collection: &Collection<T>,
        id: &str,
        patch: Patch,
    ) -> Result<&mut Self, CallError> {
        let key = collection.key(id)?;
        self.push(collection, Write::Update { key, patch })
    }

    /// Removes an entity.
    ///
    /// # Errors
    /// The id cannot be used, or the collection is another client's.
    pub fn delete<T: Serialize + DeserializeOwned>(
        &mut self,
        collection: &Collection<T>,
        id: &str,
    ) -> Result<&mut Self, CallError> {
        let key = collection.key(id)?;
        self.push(collection, Write::Delete { key })
    }

    /// The action is sent only after this one was accepted.
    pub fn after(&mut self, action: &ActionHandle) -> &mut Self {
        self.after.push(action.id());
        self
    }

    fn push<T: Serialize + DeserializeOwned>(
        &mut self,
        collection: &Collection<T>,
        write: Write,
    ) -> Result<&mut Self, CallError> {
        if !Arc::ptr_eq(&self.handles, collection.handles()) {
            return Err(CallError::OtherClient(collection.entity_type().clone()));
        }
        self.writes.push(write);
        Ok(self)
    }
}
