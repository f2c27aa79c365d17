//! Which runs a change can affect, found without asking each run.
//!
//! Holds keys of runs by what their members must have, by the fields they read, and by the ids they
//! name. Cheap to copy, as a stream is. Never says that a run is affected, only that it may be.

mod guard;

use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;
use tidewire_model::{EntityId, Patch, Record};

use crate::base::Image;
use crate::fetch::RunKey;
use crate::held::Held;
use crate::rename;
use crate::run::{Run, Scope};
use crate::sorted_map::SortedMap;
use guard::Paths;

type Keys = SortedMap<RunKey, ()>;

/// The runs of a stream, by what concerns them.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunIndex {
    /// Those whose members all have certain values at certain paths.
    guarded: SortedMap<Paths, SortedMap<u64, Keys>>,
    /// Those that anything may concern.
    rest: Keys,
    /// Those that read a field.
    readers: SortedMap<Arc<str>, Keys>,
    /// Those that name an id that may turn out to be a temporary one.
    naming: SortedMap<EntityId, Keys>,
    /// Those of which nothing came yet.
    empty: Keys,
    /// How many are about what was asked for.
    windows: usize,
    /// How many places those hold together.
    rows: usize,
    /// What was asked of the allocator for the runs.
    held: usize,
    /// What the budget counts for them.
    counted: usize,
}

/// What is known of an entity around a change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traces<'a> {
    /// What it looked like, and looks like. What is unknown leads nowhere.
    pub(crate) images: &'a [&'a Image],
    pub(crate) gap: Gap<'a>,
}

/// What the images do not tell of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap<'a> {
    /// They tell all that matters.
    None,
    /// One is missing; the change was in these fields.
    Fields(&'a Patch),
    /// One is missing, and the change may have been anywhere.
    Anywhere,
}

/// The runs that a change may affect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Candidates<'a> {
    All,
    /// Each once, in order.
    These(SmallVec<[&'a RunKey; 8]>),
}

/// What the index has of a run beside its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Footing {
    rows: usize,
    held: usize,
    counted: usize,
    window: bool,
    empty: bool,
}

impl Footing {
    pub(crate) fn of(run: &Run) -> Self {
        Self {
            rows: run.rows(),
            held: run.held_bytes(),
            counted: run.counted_bytes(),
            window: run.scope() == Scope::Window,
            empty: run.shows_own_rows_only(),
        }
    }
}

impl RunIndex {
    /// Takes a run in. One that holds what another query brought may be concerned by anything.
    pub(crate) fn add(&mut self, run: &Run, inherits: bool) {
        let key = run.key();
        let terms = key.query().as_filter().and_then(guard::terms);
        match terms.filter(|_| !inherits) {
            Some(terms) => {
                for term in terms {
                    put(slot(&mut self.guarded, &term.paths), &term.number(), key);
                }
            }
            None => drop(self.rest.insert(key.clone(), ())),
        }
        for name in names(key) {
            put(&mut self.readers, &name.into(), key);
        }
        rename::named_ids(key.query(), &mut |id| put(&mut self.naming, &id, key));
        self.settle(key, Footing::default(), Footing::of(run));
    }

    /// Takes a run out.
    pub(crate) fn remove(&mut self, run: &Run) {
        let key = run.key();
        if self.rest.remove(key).is_none() {
            let terms = key.query().as_filter().and_then(guard::terms);
            for term in terms.into_iter().flatten() {
                if let Some(by_values) = self.guarded.get_mut(&term.paths) {
                    take(by_values, &term.number(), key);
                    if by_values.is_empty() {
                        self.guarded.remove(&term.paths);
                    }
                }
            }
        }
        for name in names(key) {
            take(&mut self.readers, &name.into(), key);
        }
        rename::named_ids(key.query(), &mut |id| take(&mut self.naming, &id, key));
        self.settle(key, Footing::of(run), Footing::default());
    }

    /// A run was changed.
    pub(crate) fn settle(&mut self, key: &RunKey, before: Footing, after: Footing) {
        self.rows = (self.rows + after.rows).saturating_sub(before.rows);
        self.held = (self.held + after.held).saturating_sub(before.held);
        self.counted = (self.counted + after.counted).saturating_sub(before.counted);
        self.windows =
            (self.windows + usize::from(after.window)).saturating_sub(usize::from(before.window));
        match (before.empty, after.empty) {
            (false, true) => drop(self.empty.insert(key.clone(), ())),
            (true, false) => drop(self.empty.remove(key)),
            _ => {}
        }
    }

    /// How many places the runs hold together.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// What was asked of the allocator for the runs, and to find them.
    pub(crate) fn held_bytes(&self) -> usize {
        let maps = [
            self.rest.held_bytes(),
            self.empty.held_bytes(),
            self.guarded.held_bytes(),
            self.readers.held_bytes(),
            self.naming.held_bytes(),
        ];
        self.held + maps.into_iter().sum::<usize>()
    }

    /// What the budget counts for the runs.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.counted
    }

    /// Whether a run is about what was asked for.
    pub(crate) fn has_windows(&self) -> bool {
        self.windows > 0
    }

    /// The runs of which nothing came yet, so that readers see own rows only.
    pub(crate) fn empty(&self) -> impl Iterator<Item = &RunKey> {
        self.empty.iter().map(|(key, ())| key)
    }

    /// The runs whose query names an id.
    pub(crate) fn naming(&self, id: &EntityId) -> impl Iterator<Item = &RunKey> {
        let keys = self.naming.get(id).into_iter();
        keys.flat_map(Keys::iter).map(|(key, ())| key)
    }

    /// The runs that may be affected by a change, in order.
    ///
    /// Any other run has no place for any of the images, so that it neither holds, gains nor loses
    /// the entity, and counts it neither before nor after.
    pub(crate) fn candidates(&self, traces: Traces<'_>) -> Candidates<'_> {
        let mut found: SmallVec<[&RunKey; 8]> = self.rest.iter().map(|(key, ())| key).collect();
        match traces.gap {
            Gap::Anywhere => return Candidates::All,
            Gap::Fields(patch) => {
                for name in patch.names() {
                    let keys = self.readers.get(&name.into());
                    found.extend(keys.into_iter().flat_map(Keys::iter).map(|(key, ())| key));
                }
            }
            Gap::None => {}
        }
        for record in traces.images.iter().filter_map(|image| image.record()) {
            self.find_guarded(record, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        Candidates::These(found)
    }

    fn find_guarded<'a>(&'a self, record: &Record, found: &mut SmallVec<[&'a RunKey; 8]>) {
        for (paths, by_values) in self.guarded.iter() {
            let keys = guard::number_at(record, paths).and_then(|number| by_values.get(&number));
            found.extend(keys.into_iter().flat_map(Keys::iter).map(|(key, ())| key));
        }
    }
}

/// The fields that a patch must touch to affect a list, as [`tidewire_model::Query::is_affected_by`] has it.
fn names(key: &RunKey) -> BTreeSet<&str> {
    let paths = key.query().paths().into_iter();
    paths
        .flat_map(|path| [path, path.split('.').next().unwrap_or(path)])
        .collect()
}

fn slot<'a, K: Ord + Clone + Held, V: Clone + Default + Held>(
    index: &'a mut SortedMap<K, V>,
    at: &K,
) -> &'a mut V {
    if !index.contains_key(at) {
        index.insert(at.clone(), V::default());
    }
    index.get_mut(at).expect("it was put there above")
}

fn put<K: Ord + Clone + Held>(index: &mut SortedMap<K, Keys>, at: &K, key: &RunKey) {
    slot(index, at).insert(key.clone(), ());
}

fn take<K: Ord + Clone + Held>(index: &mut SortedMap<K, Keys>, at: &K, key: &RunKey) {
    if let Some(keys) = index.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
