//! Time alone makes readings stale, and in the end unknown: when the next one that is watched will be,
//! and whom that concerns.
//!
//! Looks at what is watched, never at everything held. Changes nothing, since what a reading is worth
//! is judged when it is read.

use std::collections::BTreeSet;

use tidewire_model::{EntityKey, EntityType, Tick, ValueKey};

use crate::cache::Cache;
use crate::fetch::RunKey;
use crate::opaque::OpaqueList;
use crate::publish::Publication;
use crate::run::{Run, RunTouch, Scope};
use crate::standing::Evidence;
use crate::stream::{Stream, Touches};
use crate::watch::Watches;
use crate::world::World;

/// Something watched, and when its reading will be too old to be fresh, or to be shown.
enum Aging<'a> {
    Entity(Tick, &'a EntityKey),
    Run(Tick, &'a RunKey),
    Value(Tick, &'a ValueKey),
}

impl Aging<'_> {
    fn at(&self) -> Tick {
        match self {
            Self::Entity(at, _) | Self::Run(at, _) | Self::Value(at, _) => *at,
        }
    }
}

impl Cache {
    /// When the first reading that is watched becomes too old after `since`, if nothing confirms it
    /// before. Costs as much as is watched of collections that have
    /// [`stale_after` or `expire_after`](crate::CollectionSettings).
    pub fn next_ageing(&self, since: Tick) -> Option<Tick> {
        let ages = self.aging().into_iter().map(|aging| aging.at());
        ages.filter(|at| *at > since).min()
    }

    /// Names the watchers of what became too old after `since`, up to `now`. The view is the same.
    pub fn age(&mut self, since: Tick, now: Tick) -> Option<Publication> {
        let mut touches = Touches::default();
        let mut woken = BTreeSet::new();
        for aging in self.aging() {
            if aging.at() <= since || aging.at() > now {
                continue;
            }
            match aging {
                Aging::Entity(_, key) => touches.entities.push(key.clone()),
                Aging::Run(_, run) => touches.runs.push((run.clone(), RunTouch::All)),
                Aging::Value(_, key) => woken.extend(self.value_watches.of(key)),
            }
        }
        self.watches().wake(&touches, &mut woken);
        if woken.is_empty() {
            return None;
        }
        let mut publication = self.empty_publication();
        publication.woken = woken.into_iter().collect();
        Some(publication)
    }

    fn aging(&self) -> Vec<Aging<'_>> {
        let (world, watches) = (self.shown(), self.watches());
        let ends = self.value_watches.keys().filter_map(|key| {
            let end = world.values.ends_at(key)?;
            Some(Aging::Value(end, key))
        });
        let mut found: Vec<Aging<'_>> = ends.collect();
        for entity_type in watches.types() {
            let Some(stream) = world.stream(entity_type) else {
                continue;
            };
            if stream.settings.ages() && !stream.standing.hidden {
                find(stream, world, watches, entity_type, &mut found);
            }
        }
        found
    }
}

fn find<'a>(
    stream: &Stream,
    world: &World,
    watches: &'a Watches,
    entity_type: &EntityType,
    found: &mut Vec<Aging<'a>>,
) {
    let times = |evidence: Option<Evidence>| {
        let (standing, settings) = (&stream.standing, &stream.settings);
        let times = evidence.map(|evidence| {
            [
                standing.ages_at(settings, &evidence),
                standing.expires_at(settings, &evidence),
            ]
        });
        times.into_iter().flatten().flatten()
    };
    for key in watches.entities(entity_type) {
        let evidence = stream.evidence(world.resolve(&key.id));
        found.extend(times(evidence).map(|at| Aging::Entity(at, key)));
    }
    for (key, need) in watches.runs(entity_type) {
        let opaque = stream.opaque.get(key).and_then(OpaqueList::evidence);
        found.extend(times(opaque).map(|at| Aging::Run(at, key)));
        let Some(run) = stream.runs.get(key) else {
            continue;
        };
        found.extend(times(evidence_of(stream, run)).map(|at| Aging::Run(at, key)));
        if stream.is_pushes_only() {
            // Each row is there for itself only.
            for evidence in stream.evidence_of_rows(run, need.unwrap_or(usize::MAX)) {
                found.extend(times(Some(evidence)).map(|at| Aging::Run(at, key)));
            }
        }
    }
}

/// What a list as a whole rests on. One of what was pushed rests on nothing that ages.
fn evidence_of(stream: &Stream, run: &Run) -> Option<Evidence> {
    match run.scope() {
        Scope::Window => stream.is_known(run).then(|| run.evidence()),
        Scope::Whole => stream.standing.snapshot_evidence(),
    }
}
