//! What should be asked for: what is watched, not known or out of date, and not on its way.
//!
//! Looks only; the order of what it finds depends on nothing but names.

use std::collections::BTreeSet;

use tidewire_model::{EntityId, EntityType, Query, Tick};

use crate::base::Image;
use crate::fetch::{RunKey, UnderWay, Wanted};
use crate::run::{Extent, Run};
use crate::settings::{Interest, Settings};
use crate::stream::Stream;
use crate::watch::Watches;
use crate::world::World;

/// What looking for wants needs.
#[derive(Debug)]
pub(crate) struct Wants<'a> {
    pub(crate) now: Tick,
    pub(crate) world: &'a World,
    pub(crate) watches: &'a Watches,
    pub(crate) under_way: UnderWay,
    pub(crate) settings: &'a Settings,
}

impl Wants<'_> {
    pub(crate) fn find(&self) -> Vec<Wanted> {
        let awaited = self.world.awaited();
        let mut types: BTreeSet<&EntityType> = self.watches.types().collect();
        types.extend(awaited.iter().map(|key| &key.entity_type));
        let mut wanted = Vec::new();
        for entity_type in types {
            let Some(stream) = self
                .world
                .stream(entity_type)
                .filter(|stream| !stream.standing.hidden)
            else {
                continue;
            };
            let awaited = awaited
                .iter()
                .filter(|key| key.entity_type == *entity_type)
                .map(|key| key.id.clone());
            match stream.settings.interest {
                Interest::PushesOnly => {}
                Interest::Complete { .. } => {
                    self.find_complete(stream, awaited.collect(), &mut wanted);
                }
                Interest::Windowed => self.find_windowed(stream, awaited.collect(), &mut wanted),
            }
            if !stream.is_pushes_only() {
                self.find_opaque(stream, &mut wanted);
            }
        }
        wanted
    }

    fn find_complete(
        &self,
        stream: &Stream,
        mut ids: BTreeSet<EntityId>,
        wanted: &mut Vec<Wanted>,
    ) {
        let standing = &stream.standing;
        let sound = standing
            .complete
            .is_some_and(|snapped| standing.objection(&snapped.evidence()).is_none());
        let ordered = standing.is_attached() && !standing.is_building();
        if ordered && !sound && !self.under_way.snapshots.contains(&stream.name) {
            wanted.push(Wanted::Snapshot {
                entity_type: stream.name.clone(),
            });
        }
        if sound && self.watches.has_type(&stream.name) {
            // A doubtful entity may belong in any list.
            ids.extend(stream.doubtful.iter().map(|(id, ())| id.clone()));
        }
        self.push_entities(stream, &ids, wanted);
    }

    fn find_windowed(
        &self,
        stream: &Stream,
        mut ids: BTreeSet<EntityId>,
        wanted: &mut Vec<Wanted>,
    ) {
        for key in self.watches.entities(&stream.name) {
            let id = self.world.resolve(&key.id);
            let outdated = stream.evidence(id).is_none_or(|evidence| {
                stream
                    .standing
                    .is_outdated(self.now, &stream.settings, &evidence)
            });
            if outdated {
                ids.insert(id.clone());
            }
        }
        for (id, ()) in stream.doubtful.iter() {
            if self.is_on_screen(stream, id) || self.is_in_opaque(stream, id) {
                ids.insert(id.clone());
            }
        }
        for (id, image) in stream.seen.iter() {
            // A pending change of what is not known cannot be shown, and one of what is out of date
            // is shown on an old base.
            let evidence = stream.evidence(id);
            let outdated = evidence.is_some_and(|evidence| {
                stream
                    .standing
                    .is_outdated(self.now, &stream.settings, &evidence)
            });
            if *image == Image::Unknown || outdated {
                ids.insert(id.clone());
            }
        }
        self.push_entities(stream, &ids, wanted);
        let mut pages = Vec::new();
        for (key, need) in self.watches.runs(&stream.name) {
            let opaque = key.query().is_opaque();
            let renamed = self.world.resolve_query(key.query()).is_some();
            if !opaque && !renamed && !self.under_way.runs.contains(key) {
                pages.extend(self.page(stream, key, need));
            }
        }
        pages.sort_unstable_by(|one, other| one.1.cmp(&other.1));
        wanted.extend(pages.into_iter().map(|(run, query)| Wanted::Page {
            entity_type: stream.name.clone(),
            run,
            query,
        }));
    }

    fn is_on_screen(&self, stream: &Stream, id: &EntityId) -> bool {
        let image = stream.view_image(id);
        stream.runs.holders(&image).into_iter().any(|run| {
            if !self.is_usable(stream, run) {
                // The page that is asked for brings it.
                return false;
            }
            let Some(rank) = run.rank(id, &image, stream.rows()) else {
                return false;
            };
            let need = self.watches.need(run.key());
            need.is_some_and(|need| need.is_none_or(|need| rank < need))
        })
    }

    fn push_entities(&self, stream: &Stream, ids: &BTreeSet<EntityId>, wanted: &mut Vec<Wanted>) {
        let missing: Vec<EntityId> = ids
            .iter()
            .filter(|id| !id.is_temporary() && !self.under_way.entities.contains(&stream.key(id)))
            .cloned()
            .collect();
        for ids in missing.chunks(self.settings.max_fetch_ids.max(1)) {
            wanted.push(Wanted::Entities {
                entity_type: stream.name.clone(),
                ids: ids.to_vec(),
            });
        }
    }

    /// The stretch of a run that is missing, if any.
    fn page(&self, stream: &Stream, key: &RunKey, need: Option<usize>) -> Option<(RunKey, Query)> {
        let run = stream.runs.get(key);
        let usable = run.filter(|run| self.is_usable(stream, run));
        let (query, missing) = match usable {
            None => (key.query().clone(), need),
            Some(run) => match &run.extent {
                Extent::UpTo(bound) if need.is_none_or(|need| run.rows() < need) => {
                    let missing = need.map(|need| need - run.rows());
                    (key.query().clone().after(bound.cursor()), missing)
                }
                _ => return None,
            },
        };
        Some((key.clone(), query.limit(self.rows_to_ask(missing))))
    }

    /// Whether what a run has is good, so that at most a stretch behind it is missing.
    fn is_usable(&self, stream: &Stream, run: &Run) -> bool {
        run.extent != Extent::Nothing
            && !stream
                .standing
                .is_outdated(self.now, &stream.settings, &run.evidence())
    }

    /// What is missing and a little more, within the bound of one page.
    pub(crate) fn rows_to_ask(&self, missing: Option<usize>) -> u64 {
        let missing = missing.map_or(u64::MAX, |rows| u64::try_from(rows).unwrap_or(u64::MAX));
        missing
            .saturating_add(self.settings.refill_rows)
            .min(self.settings.max_page_rows)
            .max(1)
    }
}
