//! What should be asked for of opaque lists: what is not known or out of date at once, what changes
//! speak against when their burst is over.

use tidewire_model::{EntityId, EntityType, Query, Start, Tick};

use super::OpaqueList;
use crate::cache::Cache;
use crate::fetch::{RunKey, Wanted};
use crate::stream::Stream;
use crate::wants::Wants;

impl Wants<'_> {
    pub(crate) fn find_opaque(&self, stream: &Stream, wanted: &mut Vec<Wanted>) {
        let mut pages: Vec<(RunKey, Query)> = Vec::new();
        for key in self.watches.opaque_lists(&stream.name) {
            let is_renamed = self.world.resolve_query(key.query()).is_some();
            if !is_renamed && !self.under_way.runs.contains(key) {
                let page = self.opaque_page(stream, key);
                pages.extend(page.map(|query| (key.clone(), query)));
            }
        }
        pages.sort_unstable_by(|one, other| one.1.cmp(&other.1));
        wanted.extend(pages.into_iter().map(|(run, query)| Wanted::Page {
            entity_type: stream.name.clone(),
            run,
            query,
        }));
    }

    /// Whether a list shows an entity that no page of its own will bring.
    pub(crate) fn is_in_opaque(&self, stream: &Stream, id: &EntityId) -> bool {
        let mut holders = stream.opaque.holders_of(id);
        holders.any(|(number, place)| {
            let Some(list) = stream.opaque.lists.get(&number) else {
                return false;
            };
            let need = self.watches.need(list.key());
            // Rows before it that nobody sees bring it nearer.
            let reaches = |end: usize| list.rows.rank(&place) < end.saturating_add(list.hidden);
            self.is_good(stream, list) && need.is_some_and(|need| need.is_none_or(reaches))
        })
    }

    /// The stretch of a list that is missing, if any.
    fn opaque_page(&self, stream: &Stream, key: &RunKey) -> Option<Query> {
        let need = self.watches.need(key)?;
        let usable = stream
            .opaque
            .get(key)
            .filter(|list| self.is_good(stream, list));
        let Some(list) = usable else {
            return Some(key.query().clone().limit(self.rows_to_ask(need)));
        };
        let reached = usize::try_from(list.reached).unwrap_or(usize::MAX);
        let is_short = !list.end && need.is_none_or(|need| reached < need);
        // Only the server knows a row behind which a list that begins after a row would go on.
        let goes_on = matches!(key.query().start(), Start::Offset(_)) && is_short;
        let behind = list
            .first_row()
            .checked_add(list.reached)
            .filter(|_| goes_on)?;
        let missing = need.map(|need| need.saturating_sub(reached));
        Some(
            key.query()
                .clone()
                .offset(behind)
                .limit(self.rows_to_ask(missing)),
        )
    }

    /// Whether what a list has is good, or not to be asked for again yet.
    fn is_good(&self, stream: &Stream, list: &OpaqueList) -> bool {
        let (standing, settings) = (&stream.standing, &stream.settings);
        let sound = list
            .evidence()
            .is_some_and(|evidence| !standing.is_outdated(self.now, settings, &evidence));
        sound && !stream.opaque.is_due(list, standing.era, self.now, settings)
    }
}

impl Cache {
    /// When the next burst of changes is over, after `now`, so that lists which only the server can
    /// evaluate are wanted again. Costs as much as is watched of such lists.
    pub fn next_requery(&self, now: Tick) -> Option<Tick> {
        let (world, watches) = (self.shown(), self.watches());
        let due = |entity_type: &EntityType| {
            let stream = world.stream(entity_type)?;
            let ends = stream
                .opaque
                .falls_due(&stream.settings)
                .filter(|ends| *ends > now)?;
            let mut lists = watches.opaque_lists(entity_type);
            lists
                .any(|key| stream.opaque.waits(key, stream.standing.era))
                .then_some(ends)
        };
        watches.opaque_types().filter_map(due).min()
    }
}
