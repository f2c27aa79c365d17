//! By key, whatever it names: whether something is shown, and marks on what the application distrusts.

use std::collections::BTreeMap;

use tidewire_model::{CacheKey, EntityId, EntityType, Tick, ValueKey};

use crate::base::Mark;
use crate::cache::Cache;
use crate::fetch::RunKey;
use crate::intake::Intake;
use crate::publish::Publication;
use crate::reader::Snapshot;
use crate::trust::StaleReason;
use crate::work::{IndexKeys, Item, MarkRuns};

/// What is marked of one type.
#[derive(Debug, Default)]
struct Meant {
    ids: Vec<EntityId>,
    runs: Vec<RunKey>,
}

impl Cache {
    /// Keeps the ids of a type in order from now on, so that `Reader::keys` looks at no others than its
    /// pattern selects. Costs one look at each entity now, a slice at a time, in the next batch; and from then
    /// on a place, of the size of an id, for each entity that is there.
    pub fn index_keys(&mut self, entity_type: &EntityType) {
        let stream = self.shown().stream(entity_type);
        if stream.is_some_and(|stream| stream.index.is_none()) {
            let index = IndexKeys::new(entity_type.clone());
            self.staged.push_back(Item::IndexKeys(index));
        }
    }

    /// Marks what these keys name as out of date: it stays, and what is watched of it is wanted again.
    /// Entities and lists show it with the next batch, values at once. A mark on a list of a complete
    /// collection is one on the collection, since such a list is worked out from all of it; where nothing can
    /// be asked for, there is nothing to mark.
    pub fn invalidate(&mut self, now: Tick, keys: Vec<CacheKey>) -> Option<Publication> {
        let mut by_type: BTreeMap<EntityType, Meant> = BTreeMap::new();
        let mut values: Vec<ValueKey> = Vec::new();
        for key in keys {
            match key {
                CacheKey::Detail(key) => {
                    by_type.entry(key.entity_type).or_default().ids.push(key.id);
                }
                CacheKey::List(query) => {
                    let meant = by_type.entry(query.entity_type().clone()).or_default();
                    meant.runs.push(RunKey::of(&query));
                }
                CacheKey::Value(key) => values.push(key),
            }
        }
        for (entity_type, Meant { ids, runs }) in by_type {
            if !ids.is_empty() {
                let ids = Some(ids);
                let entity_type = entity_type.clone();
                self.take(now, Intake::Stale { entity_type, ids });
            }
            if !runs.is_empty() {
                self.ensure(&entity_type);
                let mark = Mark {
                    moment: self.next_moment(),
                    why: StaleReason::Marked,
                };
                self.staged.push_back(Item::MarkRuns(MarkRuns {
                    entity_type,
                    runs,
                    mark,
                }));
            }
        }
        self.invalidate_values(now, &values)
    }
}

impl Snapshot<'_> {
    /// Whether something is shown under a key: an entity that is there, a list that is known, or a value.
    pub fn has(&self, now: Tick, key: &CacheKey) -> bool {
        match key {
            CacheKey::Detail(key) => self.get(now, key).presence.record().is_some(),
            CacheKey::List(query) => self.list(now, query).known,
            CacheKey::Value(key) => self.value(now, key).is_some(),
        }
    }
}
