//! Records as values of an application's type, made once per record and remembered.

use std::any::type_name;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tidewire_model::{EntityId, Record, RecordError};

/// Values remembered at most; beyond it all are forgotten and made again when asked for.
const REMEMBERED_MAX: usize = 8_192;

/// The values of one collection.
pub(crate) struct Typed<T> {
    remembered: Mutex<HashMap<EntityId, (Record, Arc<T>)>>,
}

impl<T> Default for Typed<T> {
    fn default() -> Self {
        Self {
            remembered: Mutex::new(HashMap::new()),
        }
    }
}

impl<T> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Typed").field(&type_name::<T>()).finish()
    }
}

impl<T: DeserializeOwned> Typed<T> {
    /// The value of a record; the same `Arc` as before while the record is the same.
    pub(crate) fn read(&self, id: &EntityId, record: &Record) -> Result<Arc<T>, RecordError> {
        if let Some((known, value)) = self.remembered.lock().get(id)
            && known.shares_memory(record)
        {
            return Ok(Arc::clone(value));
        }
        // Application code runs here, so the lock is not held.
        let value = Arc::new(record.to::<T>()?);
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(id.clone(), (record.clone(), Arc::clone(&value)));
        Ok(value)
    }
}
