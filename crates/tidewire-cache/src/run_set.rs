//! The runs of a stream, with the index by which those are found that a change can affect.
//!
//! Keeps the two in step, whoever changes a run. Cheap to copy. Does not know what a change is.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use smallvec::SmallVec;
use tidewire_model::EntityId;

use crate::base::Image;
use crate::fetch::RunKey;
use crate::run::Run;
use crate::run_index::{Candidates, Footing, Gap, RunIndex, Traces};
use crate::sorted_map::SortedMap;

/// The runs of a stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunSet {
    runs: SortedMap<RunKey, Arc<Run>>,
    index: RunIndex,
}

/// A run that is being changed.
#[derive(Debug)]
pub(crate) struct RunEdit<'a> {
    run: &'a mut Run,
    index: &'a mut RunIndex,
    before: Footing,
}

impl RunSet {
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    pub(crate) fn get(&self, key: &RunKey) -> Option<&Run> {
        self.runs.get(key).map(|run| &**run)
    }

    pub(crate) fn contains(&self, key: &RunKey) -> bool {
        self.runs.contains_key(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().map(|(_, run)| &**run)
    }

    pub(crate) fn keys(&self) -> Vec<RunKey> {
        self.runs.iter().map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn insert(&mut self, run: Run) {
        self.index.add(&run, false);
        self.runs.insert(run.key().clone(), Arc::new(run));
    }

    /// Puts a run in that went by another name. Its rows and shares came by its old filter, so it
    /// may be concerned by what the new one leaves out.
    pub(crate) fn insert_renamed(&mut self, run: Arc<Run>) {
        self.index.add(&run, true);
        self.runs.insert(run.key().clone(), run);
    }

    pub(crate) fn remove(&mut self, key: &RunKey) -> Option<Arc<Run>> {
        let run = self.runs.remove(key)?;
        self.index.remove(&run);
        Some(run)
    }

    /// A run, to be changed.
    pub(crate) fn edit(&mut self, key: &RunKey) -> Option<RunEdit<'_>> {
        let run = Arc::make_mut(self.runs.get_mut(key)?);
        Some(RunEdit {
            before: Footing::of(run),
            run,
            index: &mut self.index,
        })
    }

    /// Changes what all worlds share of the rows of a run.
    pub(crate) fn change_shared<R>(
        &mut self,
        key: &RunKey,
        change: impl FnOnce(&Run) -> R,
    ) -> Option<R> {
        let run = self.runs.get(key)?;
        let before = Footing::of(run);
        let changed = change(run);
        self.index.settle(key, before, Footing::of(run));
        Some(changed)
    }

    /// How many places the runs about what was asked for hold together.
    pub(crate) fn rows(&self) -> usize {
        self.index.rows()
    }

    /// What was asked of the allocator for the runs.
    pub(crate) fn held_bytes(&self) -> usize {
        self.runs.held_bytes() + self.index.held_bytes()
    }

    /// What the budget counts for the runs.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.index.counted_bytes()
    }

    /// Whether a run is about what was asked for.
    pub(crate) fn has_windows(&self) -> bool {
        self.index.has_windows()
    }

    /// The runs of which nothing came yet, so that readers see own rows only.
    pub(crate) fn empty(&self) -> impl Iterator<Item = &RunKey> {
        self.index.empty()
    }

    /// The runs whose query names an id.
    pub(crate) fn naming(&self, id: &EntityId) -> impl Iterator<Item = &RunKey> {
        self.index.naming(id)
    }

    /// The runs that a change may affect, in order.
    pub(crate) fn affected(&self, traces: Traces<'_>) -> SmallVec<[&Run; 8]> {
        match self.index.candidates(traces) {
            Candidates::All => self.iter().collect(),
            Candidates::These(keys) => keys.into_iter().filter_map(|key| self.get(key)).collect(),
        }
    }

    /// The runs that may hold an entity that looks like this.
    pub(crate) fn holders(&self, image: &Image) -> SmallVec<[&Run; 8]> {
        self.affected(Traces {
            images: &[image],
            gap: Gap::None,
        })
    }
}

impl Deref for RunEdit<'_> {
    type Target = Run;

    fn deref(&self) -> &Run {
        self.run
    }
}

impl DerefMut for RunEdit<'_> {
    fn deref_mut(&mut self) -> &mut Run {
        self.run
    }
}

impl Drop for RunEdit<'_> {
    fn drop(&mut self) {
        let after = Footing::of(self.run);
        self.index.settle(self.run.key(), self.before, after);
    }
}
