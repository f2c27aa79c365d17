//! What the index promises, held against the naive way: every run is asked, as if there were no index.
//!
//! Compiled for this crate's own tests only.

use tidewire_model::EntityId;

use super::Stream;
use super::tell::Logged;
use crate::base::Image;
use crate::rename;
use crate::run::{Reaction, Run, Scope};

impl Stream {
    /// Runs that were not asked would have done nothing, and the log tells of each what it would have told.
    pub(super) fn check_ask<'a>(
        &self,
        asked: &[&Run],
        logged: Option<&Logged>,
        react: impl Fn(&Run) -> Reaction<'a>,
    ) {
        assert!(asked.is_sorted_by(|one, other| one.key() < other.key()));
        for run in self.runs.iter() {
            let reaction = react(run);
            let is_asked = asked.iter().any(|asked| asked.key() == run.key());
            assert!(
                is_asked || reaction.is_empty(),
                "{} was not asked: {reaction:?}",
                run.query()
            );
            let told = logged.and_then(|logged| Some((logged.at, logged.rows(self, run.key())?)));
            assert_eq!(told, reaction.logged, "{} for pages", run.query());
        }
        self.check_counts();
    }

    /// The runs that hold an entity are among those that may.
    pub(crate) fn check_holders(&self, id: &EntityId, image: &Image, holders: &[&Run]) {
        for run in self
            .runs
            .iter()
            .filter(|run| run.holds(id, image, self.rows()))
        {
            assert!(holders.iter().any(|holder| holder.key() == run.key()));
        }
    }

    /// The runs that a name given to an id would change are those that are found.
    fn check_naming(&self, id: &EntityId) {
        let real = EntityId::integer(1);
        let real_of = |other: &EntityId| (other == id).then(|| real.clone());
        let is_renamed = |run: &&Run| rename::query(run.query(), &real_of).is_some();
        let renamed: Vec<&Run> = self.runs.iter().filter(is_renamed).collect();
        let named = self.runs.naming(id);
        assert!(named.eq(renamed.into_iter().map(Run::key)), "{id}");
    }

    fn check_counts(&self) {
        let rows: usize = self.runs.iter().map(Run::rows).sum();
        assert_eq!(self.runs.rows(), rows);
        let empty = self.runs.iter().filter(|run| run.shows_own_rows_only());
        assert!(self.runs.empty().eq(empty.map(Run::key)));
        let windows = self.runs.iter().any(|run| run.scope() == Scope::Window);
        assert_eq!(self.runs.has_windows(), windows);
    }
}

#[cfg(test)]
mod tests;
