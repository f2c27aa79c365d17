//! Who watches what, and who is to be woken by what.
//!
//! Holds the watchers and their indexes. Wakes nobody: it names those to be woken.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_model::{EntityId, EntityKey, EntityType, Query, Start};

use crate::fetch::RunKey;
use crate::held::tree_bytes;
use crate::run::{Run, RunTouch};
use crate::stream::Touches;
use crate::world::World;

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// One entity.
    Entity(EntityKey),
    /// One window of a list.
    List(Query),
    /// The notices of one entity type. Keeps the stream wanted; pins nothing.
    Stream(EntityType),
}

impl Target {
    /// The type that is watched.
    pub fn entity_type(&self) -> &EntityType {
        match self {
            Self::Entity(key) => &key.entity_type,
            Self::List(query) => query.entity_type(),
            Self::Stream(entity_type) => entity_type,
        }
    }
}

/// Names one watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub(crate) u64);

/// The watchers.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    last: u64,
    all: BTreeMap<WatchId, Watch>,
    by_entity: BTreeMap<EntityKey, BTreeSet<WatchId>>,
    by_run: BTreeMap<RunKey, BTreeSet<WatchId>>,
    by_type: BTreeMap<EntityType, Counts>,
    /// The watched lists that only the server can evaluate.
    opaque: BTreeMap<EntityType, BTreeSet<RunKey>>,
    /// Runs that readers cannot use yet; whatever happens to the type may concern them.
    unbuilt: BTreeMap<EntityType, BTreeSet<RunKey>>,
}

#[derive(Debug)]
struct Watch {
    target: Target,
    /// The names the target goes by: more than one once the server has named an entity.
    entities: BTreeSet<EntityKey>,
    runs: BTreeSet<RunKey>,
}

/// The watchers of one type.
#[derive(Debug, Default)]
struct Counts {
    readers: BTreeSet<WatchId>,
    listeners: BTreeSet<WatchId>,
}

impl Watches {
    /// Adds a watcher. `run` is the run of a list.
    pub(crate) fn add(&mut self, target: Target, run: Option<RunKey>) -> WatchId {
        let watch_id = self.next_id();
        let counts = self
            .by_type
            .entry(target.entity_type().clone())
            .or_default();
        if matches!(target, Target::Stream(_)) {
            counts.listeners.insert(watch_id);
        } else {
            counts.readers.insert(watch_id);
        }
        let entity = if let Target::Entity(key) = &target {
            Some(key.clone())
        } else {
            None
        };
        self.all.insert(
            watch_id,
            Watch {
                target,
                entities: BTreeSet::new(),
                runs: BTreeSet::new(),
            },
        );
        if let Some(key) = entity {
            self.add_entity(watch_id, key);
        }
        if let Some(run) = run {
            self.add_run(watch_id, run);
        }
        watch_id
    }

    /// A name that no other watcher has.
    pub(crate) fn next_id(&mut self) -> WatchId {
        self.last += 1;
        WatchId(self.last)
    }

    /// Takes a watcher out. Returns the runs that may have lost their last one.
    pub(crate) fn remove(&mut self, watch_id: WatchId) -> BTreeSet<RunKey> {
        let Some(watch) = self.all.remove(&watch_id) else {
            return BTreeSet::new();
        };
        let entity_type = watch.target.entity_type().clone();
        for key in &watch.entities {
            remove_from(&mut self.by_entity, key, watch_id);
        }
        for run in &watch.runs {
            self.leave(run, watch_id);
        }
        if let Some(counts) = self.by_type.get_mut(&entity_type) {
            counts.readers.remove(&watch_id);
            counts.listeners.remove(&watch_id);
            if counts.readers.is_empty() && counts.listeners.is_empty() {
                self.by_type.remove(&entity_type);
            }
        }
        watch.runs
    }

    /// Lets the watchers of a run watch another one too.
    pub(crate) fn follow_run(&mut self, old: &RunKey, new: &RunKey) {
        for watch_id in self.by_run.get(old).cloned().unwrap_or_default() {
            self.add_run(watch_id, new.clone());
        }
    }

    /// Lets one watcher watch a run too.
    pub(crate) fn follow_list(&mut self, watch_id: WatchId, run: RunKey) {
        self.add_run(watch_id, run);
    }

    /// Lets those watchers of a run whose list lies in it watch no other one any more. Returns the
    /// runs they leave.
    pub(crate) fn leave_others(
        &mut self,
        run: &RunKey,
        run_of: impl Fn(&Query) -> RunKey,
    ) -> BTreeSet<RunKey> {
        let mut left = BTreeSet::new();
        for watch_id in self.by_run.get(run).cloned().unwrap_or_default() {
            let Some(watch) = self.all.get_mut(&watch_id) else {
                continue;
            };
            if !matches!(&watch.target, Target::List(query) if run_of(query) == *run) {
                continue;
            }
            for other in std::mem::replace(&mut watch.runs, BTreeSet::from([run.clone()])) {
                if other != *run {
                    self.leave(&other, watch_id);
                    left.insert(other);
                }
            }
        }
        left
    }

    fn leave(&mut self, run: &RunKey, watch_id: WatchId) {
        remove_from(&mut self.by_run, run, watch_id);
        if self.by_run.contains_key(run) {
            return;
        }
        let entity_type = run.query().entity_type();
        if let Some(unbuilt) = self.unbuilt.get_mut(entity_type) {
            unbuilt.remove(run);
        }
        if let Some(opaque) = self.opaque.get_mut(entity_type) {
            opaque.remove(run);
            if opaque.is_empty() {
                self.opaque.remove(entity_type);
            }
        }
    }

    /// Lets the watchers of a temporary id watch the entity under its real one too.
    pub(crate) fn follow_entity(&mut self, temporary: &EntityId, real: &EntityId) {
        let types: Vec<EntityType> = self.by_type.keys().cloned().collect();
        for entity_type in types {
            let old = EntityKey::new(entity_type.clone(), temporary.clone());
            for watch_id in self.by_entity.get(&old).cloned().unwrap_or_default() {
                self.add_entity(watch_id, EntityKey::new(entity_type.clone(), real.clone()));
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Roughly what was asked of the allocator for all of it.
    pub(crate) fn held_bytes(&self) -> usize {
        /// What the query of a list holds, roughly, and a set of one.
        const LIST: usize = 256;
        const ONE: usize = 128;
        let watches = tree_bytes::<WatchId, Watch>(self.all.len()) + 2 * ONE * self.all.len();
        let entities = tree_bytes::<EntityKey, BTreeSet<WatchId>>(self.by_entity.len());
        let runs = tree_bytes::<RunKey, BTreeSet<WatchId>>(self.by_run.len());
        let types = tree_bytes::<EntityType, Counts>(self.by_type.len());
        watches + entities + runs + types + LIST * self.by_run.len()
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = &EntityType> {
        self.by_type.keys()
    }

    pub(crate) fn has_type(&self, entity_type: &EntityType) -> bool {
        self.by_type.contains_key(entity_type)
    }

    /// Those who listen to the notices of a type.
    pub(crate) fn listeners(&self, entity_type: &EntityType) -> impl Iterator<Item = WatchId> {
        self.by_type
            .get(entity_type)
            .into_iter()
            .flat_map(|counts| counts.listeners.iter().copied())
    }

    pub(crate) fn has_entity(&self, key: &EntityKey) -> bool {
        self.by_entity.contains_key(key)
    }

    /// Whether somebody watches an entity by this id, of whatever type.
    pub(crate) fn watches_id(&self, id: &EntityId) -> bool {
        let mut types = self.by_type.keys();
        types.any(|entity_type| self.has_entity(&EntityKey::new(entity_type.clone(), id.clone())))
    }

    /// The watched entities of a type, by the names they go by.
    pub(crate) fn entities(&self, entity_type: &EntityType) -> impl Iterator<Item = &EntityKey> {
        self.by_entity
            .keys()
            .filter(move |key| key.entity_type == *entity_type)
    }

    /// The watched lists of a type.
    pub(crate) fn lists(
        &self,
        entity_type: &EntityType,
    ) -> impl Iterator<Item = (WatchId, &Query)> {
        let readers = self
            .by_type
            .get(entity_type)
            .into_iter()
            .flat_map(|counts| counts.readers.iter().copied());
        readers.filter_map(|watch_id| match &self.all.get(&watch_id)?.target {
            Target::List(query) => Some((watch_id, query)),
            _ => None,
        })
    }

    /// The watched runs of a type, each with how many rows are looked at.
    pub(crate) fn runs(
        &self,
        entity_type: &EntityType,
    ) -> impl Iterator<Item = (&RunKey, Option<usize>)> {
        let of_type = self
            .by_run
            .iter()
            .filter(move |(run, _)| run.query().entity_type() == entity_type);
        of_type.map(|(run, _)| (run, self.need(run).flatten()))
    }

    /// How many rows of a run are looked at, from its start: nothing when nobody does, nothing
    /// inside when all are.
    pub(crate) fn need(&self, run: &RunKey) -> Option<Option<usize>> {
        let watchers = self.by_run.get(run)?;
        let ends = watchers
            .iter()
            .map(|watch_id| self.window(*watch_id, run).1);
        ends.reduce(|one, other| Some(one?.max(other?)))
    }

    /// The types of which a list is watched that only the server can evaluate, in order.
    pub(crate) fn opaque_types(&self) -> impl Iterator<Item = &EntityType> {
        self.opaque.keys()
    }

    /// The watched lists of a type that only the server can evaluate.
    pub(crate) fn opaque_lists(&self, entity_type: &EntityType) -> impl Iterator<Item = &RunKey> {
        self.opaque.get(entity_type).into_iter().flatten()
    }

    /// Readers cannot use a run yet. Of an opaque list nothing is seen before its page came.
    pub(crate) fn set_unbuilt(&mut self, run: RunKey) {
        if run.query().is_opaque() {
            return;
        }
        let entity_type = run.query().entity_type().clone();
        self.unbuilt.entry(entity_type).or_default().insert(run);
    }

    /// Forgets the runs that readers can use by now.
    pub(crate) fn forget_built(&mut self, shown: &World) {
        self.unbuilt.retain(|entity_type, unbuilt| {
            let stream = shown.stream(entity_type);
            unbuilt.retain(|key| {
                let run = stream.and_then(|stream| stream.runs.get(key));
                !run.is_some_and(Run::is_built)
            });
            !unbuilt.is_empty()
        });
    }

    /// Names those whose reading may have changed.
    pub(crate) fn wake(&self, touches: &Touches, woken: &mut BTreeSet<WatchId>) {
        let mut last = None;
        for key in &touches.entities {
            if let Some(watchers) = self.by_entity.get(key) {
                woken.extend(watchers);
            }
            // Once for many entities of one type.
            if last.replace(&key.entity_type) != Some(&key.entity_type) {
                for run in self.unbuilt.get(&key.entity_type).into_iter().flatten() {
                    woken.extend(self.by_run.get(run).into_iter().flatten());
                }
            }
        }
        for (run, touch) in &touches.runs {
            for watch_id in self.by_run.get(run).into_iter().flatten() {
                // In a batch most are woken already.
                if !woken.contains(watch_id) && self.shows(*watch_id, run, *touch) {
                    woken.insert(*watch_id);
                }
            }
        }
        for entity_type in &touches.opaque {
            for run in self.opaque_lists(entity_type) {
                woken.extend(self.by_run.get(run).into_iter().flatten());
            }
        }
        for entity_type in &touches.streams {
            if let Some(counts) = self.by_type.get(entity_type) {
                woken.extend(&counts.readers);
            }
        }
    }

    /// Whether the window of a watcher shows what was touched.
    fn shows(&self, watch_id: WatchId, run: &RunKey, touch: RunTouch) -> bool {
        if touch == RunTouch::All {
            return true;
        }
        let (begin, end) = self.window(watch_id, run);
        let reached = |index: usize| end.is_none_or(|end| index < end);
        match touch {
            RunTouch::All => true,
            RunTouch::From(index) => reached(index),
            RunTouch::Between(first, last) => reached(first) && last >= begin,
            RunTouch::Row(index) => reached(index) && index >= begin,
        }
    }

    fn add_entity(&mut self, watch_id: WatchId, key: EntityKey) {
        let Some(watch) = self.all.get_mut(&watch_id) else {
            return;
        };
        if watch.entities.insert(key.clone()) {
            self.by_type.entry(key.entity_type.clone()).or_default();
            self.by_entity.entry(key).or_default().insert(watch_id);
        }
    }

    fn add_run(&mut self, watch_id: WatchId, run: RunKey) {
        let Some(watch) = self.all.get_mut(&watch_id) else {
            return;
        };
        if watch.runs.insert(run.clone()) {
            if run.query().is_opaque() {
                let entity_type = run.query().entity_type().clone();
                self.opaque
                    .entry(entity_type)
                    .or_default()
                    .insert(run.clone());
            }
            self.by_run.entry(run).or_default().insert(watch_id);
        }
    }

    /// Which rows of a run a watcher looks at: the first, and the one after the last.
    fn window(&self, watch_id: WatchId, run: &RunKey) -> (usize, Option<usize>) {
        let Some(Target::List(query)) = self.all.get(&watch_id).map(|watch| &watch.target) else {
            return (0, None);
        };
        let limit = query
            .row_limit()
            .map(|rows| usize::try_from(rows).unwrap_or(usize::MAX));
        match (query.start(), run.query().start()) {
            (Start::Offset(rows), Start::Offset(first)) => {
                let begin = usize::try_from(rows.saturating_sub(*first)).unwrap_or(usize::MAX);
                (begin, limit.map(|limit| begin.saturating_add(limit)))
            }
            (_, Start::After(_)) => (0, limit),
            // A window somewhere in a run about everything held.
            (Start::After(_), Start::Offset(_)) => (0, None),
        }
    }
}

fn remove_from<K: Ord>(index: &mut BTreeMap<K, BTreeSet<WatchId>>, key: &K, watch_id: WatchId) {
    if let Some(watchers) = index.get_mut(key) {
        watchers.remove(&watch_id);
        if watchers.is_empty() {
            index.remove(key);
        }
    }
}
