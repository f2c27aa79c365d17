//! Records as values of an application's type, made once per record and remembered.
//!
//! What is remembered is bounded; what is asked for again is forgotten last. Application code, which
//! also the drop of a value is, never runs under the lock.

use std::any::type_name;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tidewire_model::{EntityId, Record, RecordError};

/// Values in one generation at most, unless a page is larger. There are two generations.
const GENERATION_MAX: usize = 8_192;

/// A record as a value, or why it does not fit.
type Value<T> = Result<Arc<T>, RecordError>;
type Generation<T> = HashMap<EntityId, (Record, Value<T>)>;

/// The values of one collection.
pub(crate) struct Typed<T> {
    memory: Mutex<Memory<T>>,
}

/// Two generations: what is asked for moves to the young one; when that is full it becomes the old
/// one, and what the old one still holds was not asked for since the last time.
struct Memory<T> {
    young: Generation<T>,
    old: Generation<T>,
    /// The rows of the largest page read in the time of each: a page must fit, or each reading of it
    /// would make all its values anew.
    largest_young: usize,
    largest_old: usize,
}

/// What is forgotten, to be dropped outside the lock.
struct Forgotten<T> {
    _value: Option<(Record, Value<T>)>,
    _generation: Generation<T>,
}

impl<T> Default for Typed<T> {
    fn default() -> Self {
        Self {
            memory: Mutex::new(Memory {
                young: HashMap::new(),
                old: HashMap::new(),
                largest_young: 0,
                largest_old: 0,
            }),
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
    pub(crate) fn read(&self, id: &EntityId, record: &Record) -> Value<T> {
        if let Some(value) = self.memory.lock().recall(id, record) {
            return value;
        }
        let value = record.to::<T>().map(Arc::new);
        let entry = (record.clone(), value.clone());
        let forgotten = self.memory.lock().remember(id, entry);
        drop(forgotten);
        value
    }

    /// A page of this many rows is about to be read.
    pub(crate) fn make_room(&self, rows: usize) {
        let mut memory = self.memory.lock();
        memory.largest_young = memory.largest_young.max(rows);
    }
}

impl<T> Memory<T> {
    fn is_full(&self) -> bool {
        let largest = self.largest_young.max(self.largest_old);
        self.young.len() >= largest.max(GENERATION_MAX)
    }

    fn recall(&mut self, id: &EntityId, record: &Record) -> Option<Value<T>> {
        let same = |(known, _): &&(Record, Value<T>)| known.shares_memory(record);
        if let Some((_, value)) = self.young.get(id).filter(same) {
            return Some(value.clone());
        }
        let (_, value) = self.old.get(id).filter(same)?;
        let value = value.clone();
        if !self.is_full()
            && let Some(entry) = self.old.remove(id)
        {
            self.young.insert(id.clone(), entry);
        }
        Some(value)
    }

    fn remember(&mut self, id: &EntityId, entry: (Record, Value<T>)) -> Forgotten<T> {
        let mut generation = Generation::new();
        let value = if let Some(known) = self.young.get_mut(id) {
            Some(std::mem::replace(known, entry))
        } else if let Some(known) = self.old.get_mut(id) {
            Some(std::mem::replace(known, entry))
        } else {
            if self.is_full() {
                let young = std::mem::take(&mut self.young);
                generation = std::mem::replace(&mut self.old, young);
                self.largest_old = std::mem::take(&mut self.largest_young);
            }
            self.young.insert(id.clone(), entry)
        };
        Forgotten {
            _value: value,
            _generation: generation,
        }
    }
}

#[cfg(test)]
mod tests;
