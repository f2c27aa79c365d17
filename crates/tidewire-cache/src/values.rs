//! Plain values by name: neither entity nor list, such as the figures of a dashboard.
//!
//! The application sets them; no server is asked about them and nothing is stored. Bounded in number and
//! bytes. A change shows at once, whatever batch is being worked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tidewire_model::{
    ChangeSet, EntityType, Record, RecordBuilder, Revision, Tick, Value, ValueKey, ValueRef,
};

use crate::cache::Cache;
use crate::publish::Publication;
use crate::reader::{Reader, Snapshot};
use crate::sorted_map::SortedMap;
use crate::trust::{StaleReason, Trust};
use crate::watch::WatchId;

/// The field of the record that a value is kept in.
const FIELD: &str = "value";
/// What a value takes beside its name and content: its entry, and its places in three maps.
const ENTRY_BYTES: usize = 256;

/// A plain value as it is seen at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueReading {
    packed: Record,
    /// Fresh, or stale where somebody marked it.
    pub trust: Trust,
    /// How long ago it was set.
    pub age: Duration,
    /// When it is not shown any more.
    pub expires_at: Option<Tick>,
    /// The revision it was read at.
    pub revision: Revision,
}

impl ValueReading {
    /// The value.
    pub fn value(&self) -> ValueRef<'_> {
        self.packed.get(FIELD).unwrap_or(ValueRef::Null)
    }
}

/// A value takes more than all values may together; nothing was set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value \"{key}\" takes {bytes} bytes, more than the {limit} for all values together")]
pub struct ValueTooLarge {
    /// Its name.
    pub key: ValueKey,
    /// What it takes.
    pub bytes: usize,
    /// What all may take.
    pub limit: usize,
}

/// How much of something there may be.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    values: usize,
    bytes: usize,
}

/// The values, as a world has them. Cheap to copy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    held: SortedMap<ValueKey, Arc<HeldValue>>,
    /// In the order in which they were set.
    by_place: SortedMap<u64, ValueKey>,
    by_end: SortedMap<(Tick, ValueKey), ()>,
    bytes: usize,
    next_place: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct HeldValue {
    packed: Record,
    bytes: usize,
    set_at: Tick,
    expires_at: Option<Tick>,
    place: u64,
    marked: bool,
}

impl HeldValue {
    fn is_over(&self, now: Tick) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The names that begin with a text, of values that are shown.
    #[cfg(feature = "regex")]
    pub(crate) fn starting_with<'a>(
        &'a self,
        beginning: &'a str,
        now: Tick,
    ) -> impl Iterator<Item = &'a ValueKey> {
        let from = ValueKey::new(beginning).ok();
        let iter = match &from {
            Some(from) => Some(self.held.iter_from(from)),
            None if beginning.is_empty() => Some(self.held.iter()),
            // What no name can be, no name begins with either.
            None => None,
        };
        iter.into_iter()
            .flatten()
            .take_while(move |(key, _)| key.as_str().starts_with(beginning))
            .filter(move |(_, held)| !held.is_over(now))
            .map(|(key, _)| key)
    }

    fn get(&self, now: Tick, key: &ValueKey) -> Option<&HeldValue> {
        self.held
            .get(key)
            .map(|held| &**held)
            .filter(|held| !held.is_over(now))
    }

    fn insert(&mut self, key: ValueKey, held: HeldValue) {
        self.remove(&key);
        self.bytes += held.bytes;
        self.by_place.insert(held.place, key.clone());
        if let Some(end) = held.expires_at {
            self.by_end.insert((end, key.clone()), ());
        }
        self.held.insert(key, Arc::new(held));
    }

    fn remove(&mut self, key: &ValueKey) -> bool {
        let Some(held) = self.held.remove(key) else {
            return false;
        };
        self.bytes -= held.bytes;
        self.by_place.remove(&held.place);
        if let Some(end) = held.expires_at {
            self.by_end.remove(&(end, key.clone()));
        }
        true
    }

    /// Takes out what is over.
    fn drop_expired(&mut self, now: Tick, gone: &mut BTreeSet<ValueKey>) {
        while let Some(((end, key), ())) = self.by_end.first() {
            if *end > now {
                break;
            }
            let key = key.clone();
            self.remove(&key);
            gone.insert(key);
        }
    }

    /// Takes out what there is too much of, what was set first before the rest, and what is watched last
    /// of all.
    fn evict(
        &mut self,
        bounds: Bounds,
        kept: &ValueKey,
        is_watched: impl Fn(&ValueKey) -> bool,
        gone: &mut BTreeSet<ValueKey>,
    ) {
        while self.len() > bounds.values.max(1) || self.bytes > bounds.bytes {
            let others = || {
                let keys = self.by_place.iter().map(|(_, key)| key);
                keys.filter(|key| *key != kept)
            };
            let first = others().find(|key| !is_watched(key));
            let Some(key) = first.or_else(|| others().next()).cloned() else {
                break;
            };
            self.remove(&key);
            gone.insert(key);
        }
    }
}

/// Who watches which value.
#[derive(Debug, Default)]
pub(crate) struct ValueWatches {
    by_key: BTreeMap<ValueKey, BTreeSet<WatchId>>,
    by_id: BTreeMap<WatchId, ValueKey>,
}

impl ValueWatches {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &ValueKey> {
        self.by_key.keys()
    }

    pub(crate) fn of(&self, key: &ValueKey) -> impl Iterator<Item = WatchId> {
        self.by_key.get(key).into_iter().flatten().copied()
    }

    fn add(&mut self, id: WatchId, key: ValueKey) {
        self.by_key.entry(key.clone()).or_default().insert(id);
        self.by_id.insert(id, key);
    }

    /// Whether the watch was one of these.
    pub(crate) fn remove(&mut self, id: WatchId) -> bool {
        let Some(key) = self.by_id.remove(&id) else {
            return false;
        };
        if let Some(ids) = self.by_key.get_mut(&key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_key.remove(&key);
            }
        }
        true
    }
}

impl Cache {
    /// Sets a plain value, to be shown for as long as `time_to_live`, or until it has to make room: of what
    /// there is too much of, what was set first goes first, and what is watched last. Visible at once.
    ///
    /// # Errors
    /// [`ValueTooLarge`] where it alone takes more than [`Settings::max_value_bytes`](crate::Settings).
    pub fn set_value(
        &mut self,
        now: Tick,
        key: ValueKey,
        value: &Value,
        time_to_live: Option<Duration>,
    ) -> Result<Publication, ValueTooLarge> {
        let packed = RecordBuilder::new().field(FIELD, value.clone()).build();
        let bounds = Bounds {
            values: self.settings.max_values,
            bytes: self.settings.max_value_bytes,
        };
        let bytes = ENTRY_BYTES + key.as_str().len() + packed.held_bytes();
        if bytes > bounds.bytes {
            return Err(ValueTooLarge {
                key,
                bytes,
                limit: bounds.bytes,
            });
        }
        let mut values = self.shown().values.clone();
        let mut touched = BTreeSet::from([key.clone()]);
        values.drop_expired(now, &mut touched);
        let place = values.next_place;
        values.next_place += 1;
        let held = HeldValue {
            packed,
            bytes,
            set_at: now,
            expires_at: time_to_live.map(|limit| now + limit),
            place,
            marked: false,
        };
        values.insert(key.clone(), held);
        let watches = &self.value_watches;
        let is_watched = |key: &ValueKey| watches.of(key).next().is_some();
        values.evict(bounds, &key, is_watched, &mut touched);
        Ok(self.show_values(values, &touched))
    }

    /// Marks plain values: they stay, and are stale until they are set again. Visible at once.
    pub fn invalidate_values(&mut self, now: Tick, keys: &[ValueKey]) -> Option<Publication> {
        let mut values = self.shown().values.clone();
        let mut touched = BTreeSet::new();
        for key in keys {
            let held = values.get(now, key).filter(|held| !held.marked).cloned();
            if let Some(held) = held {
                let marked = HeldValue {
                    marked: true,
                    ..held
                };
                values.insert(key.clone(), marked);
                touched.insert(key.clone());
            }
        }
        (!touched.is_empty()).then(|| self.show_values(values, &touched))
    }

    /// Forgets plain values: those in the namespace of a type, or all. Visible at once.
    pub fn clear_values(&mut self, within: Option<&EntityType>) -> Option<Publication> {
        let mut values = self.shown().values.clone();
        let keys = values.held.iter().map(|(key, _)| key);
        let meant = keys.filter(|key| within.is_none_or(|entity_type| key.is_in(entity_type)));
        let touched: BTreeSet<ValueKey> = meant.cloned().collect();
        for key in &touched {
            values.remove(key);
        }
        (!touched.is_empty()).then(|| self.show_values(values, &touched))
    }

    /// Watches a plain value, also one that is not there. Ends with [`Cache::unwatch`].
    pub fn watch_value(&mut self, key: ValueKey) -> WatchId {
        let id = self.next_watch_id();
        self.value_watches.add(id, key);
        id
    }

    fn show_values(&mut self, values: Values, touched: &BTreeSet<ValueKey>) -> Publication {
        let mut woken: Vec<WatchId> = touched
            .iter()
            .flat_map(|key| self.value_watches.of(key))
            .collect();
        woken.sort_unstable();
        let mut world = self.shown().clone();
        world.values = values;
        let (revision, retired) = self.show_next(world);
        Publication {
            change_set: ChangeSet {
                revision,
                ..ChangeSet::default()
            },
            woken,
            disputed: Vec::new(),
            retired,
        }
    }
}

impl Reader {
    /// A plain value; nothing where there is none, or its time is over.
    pub fn value(&self, now: Tick, key: &ValueKey) -> Option<ValueReading> {
        self.read(|snapshot| snapshot.value(now, key))
    }
}

impl Snapshot<'_> {
    /// A plain value; nothing where there is none, or its time is over.
    pub fn value(&self, now: Tick, key: &ValueKey) -> Option<ValueReading> {
        let held = self.world().values.get(now, key)?;
        Some(ValueReading {
            packed: held.packed.clone(),
            trust: if held.marked {
                Trust::Stale(StaleReason::Marked)
            } else {
                Trust::Fresh
            },
            age: now - held.set_at,
            expires_at: held.expires_at,
            revision: self.revision(),
        })
    }
}

impl Values {
    /// When a value is over.
    pub(crate) fn ends_at(&self, key: &ValueKey) -> Option<Tick> {
        self.held.get(key)?.expires_at
    }
}
