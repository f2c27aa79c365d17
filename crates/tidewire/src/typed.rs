//! Records as values of an application's type, made once per record and remembered.
//!
//! What is remembered is bounded and counted; what is asked for again is forgotten last. Where the
//! cache is short of room, it goes before what the cache holds. Application code, which also the drop
//! of a value is, never runs under the lock.

use std::any::type_name;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tidewire_model::{EntityId, Record, RecordError};

/// Values in one generation at most, unless a page is larger. There are two generations.
const GENERATION_MAX: usize = 8_192;

/// A record as a value, or why it does not fit.
type Value<T> = Result<Arc<T>, RecordError>;
type Generation<T> = HashMap<EntityId, (Record, Value<T>)>;

/// What the values of all collections of a client take, and that they are to take less.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    bytes: AtomicUsize,
    /// How often they were to take less.
    wishes: AtomicUsize,
}

impl Copies {
    /// Roughly how many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What was not asked for since the last time is forgotten, by each collection when it is read next.
    pub(crate) fn shrink(&self) {
        self.wishes.fetch_add(1, Ordering::Relaxed);
    }
}

/// The values of one collection.
pub(crate) struct Typed<T> {
    memory: Mutex<Memory<T>>,
    copies: Arc<Copies>,
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
    /// Roughly what both take.
    bytes: usize,
    /// The wishes that were fulfilled.
    wishes: usize,
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
                bytes: 0,
                wishes: 0,
            }),
            copies: Arc::default(),
        }
    }
}

impl<T> Typed<T> {
    /// No values yet; what they take is counted with those of other collections.
    pub(crate) fn new(copies: Arc<Copies>) -> Self {
        let mut typed = Self::default();
        typed.copies = copies;
        typed
    }

    /// Does something with what is remembered, and keeps count of it.
    fn with<R>(&self, work: impl FnOnce(&mut Memory<T>) -> R) -> R {
        let wishes = self.copies.wishes.load(Ordering::Relaxed);
        let mut memory = self.memory.lock();
        let before = memory.bytes;
        let forgotten = (memory.wishes != wishes).then(|| {
            memory.wishes = wishes;
            memory.turn()
        });
        let result = work(&mut memory);
        let after = memory.bytes;
        drop(memory);
        drop(forgotten);
        self.copies.bytes.fetch_add(after, Ordering::Relaxed);
        self.copies.bytes.fetch_sub(before, Ordering::Relaxed);
        result
    }
}

impl<T> Drop for Typed<T> {
    fn drop(&mut self) {
        let bytes = self.memory.get_mut().bytes;
        self.copies.bytes.fetch_sub(bytes, Ordering::Relaxed);
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
        if let Some(value) = self.with(|memory| memory.recall(id, record)) {
            return value;
        }
        let value = record.to::<T>().map(Arc::new);
        let entry = (record.clone(), value.clone());
        let forgotten = self.with(|memory| memory.remember(id, entry));
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

    /// The young generation becomes the old one. Returns what was the old one.
    fn turn(&mut self) -> Generation<T> {
        let young = std::mem::take(&mut self.young);
        let forgotten = std::mem::replace(&mut self.old, young);
        self.largest_old = std::mem::take(&mut self.largest_young);
        for (record, _) in forgotten.values() {
            self.bytes -= bytes_of::<T>(record);
        }
        forgotten
    }

    fn remember(&mut self, id: &EntityId, entry: (Record, Value<T>)) -> Forgotten<T> {
        let mut generation = Generation::new();
        self.bytes += bytes_of::<T>(&entry.0);
        let value = if let Some(known) = self.young.get_mut(id) {
            Some(std::mem::replace(known, entry))
        } else if let Some(known) = self.old.get_mut(id) {
            Some(std::mem::replace(known, entry))
        } else {
            if self.is_full() {
                generation = self.turn();
            }
            self.young.insert(id.clone(), entry)
        };
        if let Some((record, _)) = &value {
            self.bytes -= bytes_of::<T>(record);
        }
        Forgotten {
            _value: value,
            _generation: generation,
        }
    }
}

/// Roughly what a value takes: itself, its place, and as much beside as its record, which has the same
/// contents.
fn bytes_of<T>(record: &Record) -> usize {
    size_of::<T>() + size_of::<(EntityId, (Record, Value<T>))>() * 3 / 2 + record.held_bytes()
}

#[cfg(test)]
mod tests;
