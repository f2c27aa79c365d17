//! The maps that ours is compared with, behind one face. All hash with ahash and hold `Arc<Customer>` by `Arc<str>`.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};

use ahash::RandomState;

use super::run::Subject;
use crate::customer::Customer;
use crate::figures::Samples;
use crate::floor::{Message, message};
use crate::texts::Texts;

/// A customer as others hold it.
pub(crate) type Held = Arc<Customer>;

/// A map that many read and one writes.
pub(crate) trait SharedMap: Sync {
    /// A map for so many entries.
    fn make(entries: usize) -> Self;
    /// A copy of the handle.
    fn get(&self, id: &str) -> Option<Held>;
    /// Puts an entry in, or in the place of another.
    fn put(&self, id: Arc<str>, customer: Held);
    /// Takes an entry out.
    fn remove(&self, id: &str);

    /// Applies one message of the basic dialect.
    fn apply_basic(&self, text: &str) {
        match message(text) {
            Message::Created { entity } => self.put(Arc::from(&*entity.id), Arc::new(entity)),
            Message::Updated {
                entity_id,
                changes,
                version,
            } => {
                if let Some(held) = self.get(entity_id) {
                    let mut changed = Customer::clone(&held);
                    changes.apply(&mut changed, version);
                    self.put(Arc::from(entity_id), Arc::new(changed));
                }
            }
            Message::Deleted { entity_id } => self.remove(entity_id),
        }
    }
}

pub(crate) type Dashmap = dashmap::DashMap<Arc<str>, Held, RandomState>;
pub(crate) type Scc = scc::HashMap<Arc<str>, Held, RandomState>;
pub(crate) type Papaya = papaya::HashMap<Arc<str>, Held, RandomState>;
pub(crate) type QuickCache =
    quick_cache::sync::Cache<Arc<str>, Held, quick_cache::UnitWeighter, RandomState>;
pub(crate) type Moka = moka::sync::Cache<Arc<str>, Held, RandomState>;
pub(crate) type Locked = parking_lot::RwLock<HashMap<Arc<str>, Held, RandomState>>;

impl SharedMap for Dashmap {
    fn make(entries: usize) -> Self {
        Self::with_capacity_and_hasher(entries, RandomState::new())
    }
    fn get(&self, id: &str) -> Option<Held> {
        Self::get(self, id).map(|held| Arc::clone(&held))
    }
    fn put(&self, id: Arc<str>, customer: Held) {
        self.insert(id, customer);
    }
    fn remove(&self, id: &str) {
        Self::remove(self, id);
    }
}

impl SharedMap for Scc {
    fn make(entries: usize) -> Self {
        Self::with_capacity_and_hasher(entries, RandomState::new())
    }
    fn get(&self, id: &str) -> Option<Held> {
        self.read_sync(id, |_, held| Arc::clone(held))
    }
    fn put(&self, id: Arc<str>, customer: Held) {
        self.upsert_sync(id, customer);
    }
    fn remove(&self, id: &str) {
        self.remove_sync(id);
    }
}

impl SharedMap for Papaya {
    fn make(entries: usize) -> Self {
        Self::with_capacity_and_hasher(entries, RandomState::new())
    }
    fn get(&self, id: &str) -> Option<Held> {
        self.pin().get(id).map(Arc::clone)
    }
    fn put(&self, id: Arc<str>, customer: Held) {
        self.pin().insert(id, customer);
    }
    fn remove(&self, id: &str) {
        self.pin().remove(id);
    }
}

impl SharedMap for QuickCache {
    fn make(entries: usize) -> Self {
        Self::with(
            entries * 2,
            entries as u64 * 2,
            quick_cache::UnitWeighter,
            RandomState::new(),
            quick_cache::sync::DefaultLifecycle::default(),
        )
    }
    fn get(&self, id: &str) -> Option<Held> {
        Self::get(self, id)
    }
    fn put(&self, id: Arc<str>, customer: Held) {
        self.insert(id, customer);
    }
    fn remove(&self, id: &str) {
        Self::remove(self, id);
    }
}

impl SharedMap for Moka {
    fn make(entries: usize) -> Self {
        moka::sync::Cache::builder()
            .max_capacity(entries as u64 * 2)
            .build_with_hasher(RandomState::new())
    }
    fn get(&self, id: &str) -> Option<Held> {
        Self::get(self, id)
    }
    fn put(&self, id: Arc<str>, customer: Held) {
        self.insert(id, customer);
    }
    fn remove(&self, id: &str) {
        self.invalidate(id);
    }
}

impl SharedMap for Locked {
    fn make(entries: usize) -> Self {
        Self::new(HashMap::with_capacity_and_hasher(
            entries,
            RandomState::new(),
        ))
    }
    fn get(&self, id: &str) -> Option<Held> {
        self.read().get(id).map(Arc::clone)
    }
    fn put(&self, id: Arc<str>, customer: Held) {
        self.write().insert(id, customer);
    }
    fn remove(&self, id: &str) {
        self.write().remove(id);
    }
}

/// A map with what is there at first, and its place in the stream of events.
pub(crate) struct MapSubject<'a, M> {
    name: &'static str,
    map: M,
    ids: &'a [String],
    texts: &'a Texts,
    next: Mutex<usize>,
}

impl<'a, M: SharedMap> MapSubject<'a, M> {
    /// The map of this name with these customers; ids by heat; and the events that will come.
    pub(crate) fn new(
        name: &'static str,
        (customers, ids, texts): (&[Customer], &'a [String], &'a Texts),
    ) -> Self {
        let map = M::make(customers.len());
        for customer in customers {
            map.put(Arc::from(&*customer.id), Arc::new(customer.clone()));
        }
        Self {
            name,
            map,
            ids,
            texts,
            next: Mutex::new(0),
        }
    }
}

impl<M: SharedMap> Subject for MapSubject<'_, M> {
    fn called(&self) -> String {
        self.name.to_owned()
    }

    fn read(&self, places: &[u32]) {
        for place in places {
            black_box(self.map.get(&self.ids[*place as usize]));
        }
    }

    fn write(&self, events: usize, _publications: &mut Samples) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let end = (*next + events).min(self.texts.len());
        for place in *next..end {
            self.map.apply_basic(self.texts.get(place));
        }
        *next = end;
        end < self.texts.len()
    }
}
