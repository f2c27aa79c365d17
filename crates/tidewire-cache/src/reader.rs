//! The reading side: many, cloneable, and separate by type from the one writer.
//!
//! Reads a world that nobody changes any more. Never waits for a batch, and lets nothing but results
//! out.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tidewire_model::{
    EntityId, EntityKey, EntityType, Point, Query, Revision, SortPosition, Start, Tick,
};

use crate::base::Image;
use crate::kept::Kept;
use crate::reading::{ListReading, ListRow, Presence, Reading};
use crate::run::{Extent, Run, Scope};
use crate::slots::LOOKS;
use crate::standing::Evidence;
use crate::stream::Stream;
use crate::trust::{StaleReason, Trust};
use crate::world::World;

/// Reads the view. Never waits for a batch; for one entity at most while it is written.
#[derive(Debug, Clone)]
pub struct Reader {
    shown: Arc<ArcSwap<World>>,
}

/// The view at one revision.
#[derive(Debug)]
pub struct Snapshot<'a> {
    world: &'a World,
}

impl Reader {
    pub(crate) fn new(shown: Arc<ArcSwap<World>>) -> Self {
        Self { shown }
    }

    /// Reads several things at one revision. Nothing leaves the closure but its result. While it
    /// runs, the revision it reads is kept in memory, so it should be short.
    pub fn read<R>(&self, f: impl FnOnce(&Snapshot<'_>) -> R) -> R {
        let world = self.shown.load();
        f(&Snapshot { world: &world })
    }

    /// One entity.
    pub fn get(&self, now: Tick, key: &EntityKey) -> Reading {
        self.read(|snapshot| snapshot.get(now, key))
    }

    /// One window of a list.
    pub fn list(&self, now: Tick, query: &Query) -> ListReading {
        self.read(|snapshot| snapshot.list(now, query))
    }

    /// The revision that is visible.
    pub fn revision(&self) -> Revision {
        self.read(|snapshot| snapshot.revision())
    }

    /// Up to where a stream is visible.
    pub fn applied(&self, entity_type: &EntityType) -> Option<Point> {
        self.read(|snapshot| snapshot.applied(entity_type))
    }
}

impl Snapshot<'_> {
    /// The key an entity has by now: the one given, unless the server named it since.
    pub fn current_key(&self, key: &EntityKey) -> EntityKey {
        EntityKey::new(key.entity_type.clone(), self.world.resolve(&key.id).clone())
    }

    /// The revision.
    pub fn revision(&self) -> Revision {
        self.world.revision
    }

    /// Up to where a stream is visible.
    pub fn applied(&self, entity_type: &EntityType) -> Option<Point> {
        let standing = &self.world.stream(entity_type)?.standing;
        standing.point(standing.applied?)
    }

    /// Whether a stream is live.
    pub fn is_live(&self, entity_type: &EntityType) -> bool {
        self.world.stream(entity_type).is_some_and(Stream::is_live)
    }

    /// The id under which an entity is held: the server's name, once it gave one to a temporary id.
    pub fn current_id(&self, id: &EntityId) -> EntityId {
        self.world.resolve(id).clone()
    }

    /// One entity. A temporary id is followed to the entity the server named.
    pub fn get(&self, now: Tick, key: &EntityKey) -> Reading {
        let stream = self
            .world
            .stream(&key.entity_type)
            .filter(|stream| !stream.standing.hidden);
        let Some(stream) = stream else {
            return self.unknown();
        };
        let id = self.world.resolve(&key.id);
        let seen = stream.seen.get(id);
        let reading = |kept: Option<&Kept>| self.reading(now, stream, seen, kept);
        let held = stream.base.read(id, |kept| reading(Some(kept)));
        held.unwrap_or_else(|| reading(None))
    }

    fn reading(
        &self,
        now: Tick,
        stream: &Stream,
        seen: Option<&Image>,
        kept: Option<&Kept>,
    ) -> Reading {
        let image = stream.read_image_of(seen, kept);
        let pending = seen.is_some();
        let (trust, age) = match stream.evidence_of(kept.map(Kept::evidence)) {
            Some(evidence) => stream.standing.judge(now, &stream.settings, &evidence),
            // Only a pending action says anything.
            None if pending && image != Image::Unknown => (Trust::Fresh, None),
            None => (Trust::Unknown, None),
        };
        Reading {
            presence: image.into(),
            version: kept.and_then(|kept| kept.version_in(stream.standing.era)),
            revision: self.world.revision,
            trust,
            age,
            pending,
        }
    }

    /// One window of a list. A query that only the server can evaluate is not known yet.
    pub fn list(&self, now: Tick, query: &Query) -> ListReading {
        let resolved = self.world.resolve_query(query);
        let query = resolved.as_ref().unwrap_or(query);
        let stream = self
            .world
            .stream(query.entity_type())
            .filter(|stream| !stream.standing.hidden);
        let (Some(stream), false) = (stream, query.is_opaque()) else {
            return self.unknown_list();
        };
        let run = stream
            .runs
            .get(&stream.run_key(query))
            .filter(|run| run.is_built());
        match (run, stream.scope()) {
            (Some(run), _) => self.window(now, stream, run, query),
            (None, Scope::Whole) => {
                // Nobody watches it: evaluated here.
                let run = stream.evaluate(query);
                self.window(now, stream, &run, query)
            }
            (None, Scope::Window) => self.own_rows(stream, query),
        }
    }

    fn window(&self, now: Tick, stream: &Stream, run: &Run, query: &Query) -> ListReading {
        if !stream.is_known(run) {
            return self.own_rows(stream, query);
        }
        let limit = query.row_limit().map_or(usize::MAX, |rows| {
            usize::try_from(rows).unwrap_or(usize::MAX)
        });
        let begin = match (query.start(), run.scope) {
            (Start::Offset(rows), _) => usize::try_from(*rows).unwrap_or(usize::MAX),
            (Start::After(_), Scope::Window) => 0,
            (Start::After(cursor), Scope::Whole) => {
                run.index_after(&query.sort().position_of(cursor))
            }
        };
        let places = run
            .keys
            .iter_from_nth(begin)
            .take(limit)
            .map(|(place, ())| place);
        let trust = worse(stream.judge_run(now, run), stream.judge_ground(now));
        let (mut rows, mut trust) = (Vec::new(), trust);
        for place in places {
            trust = worse(trust, stream.doubt_row(now, place.id()));
            rows.extend(stream.row(place));
        }
        let (total_count, total_exact) = match (run.scope, stream.is_pushes_only()) {
            (Scope::Whole, pushes_only) => (u64::try_from(run.keys.len()).ok(), !pushes_only),
            (Scope::Window, _) => run
                .view_total(stream.is_ground_sound())
                .map_or((None, false), |(rows, exact)| (Some(rows), exact)),
        };
        let to_the_end = match run.scope {
            Scope::Whole => !stream.is_pushes_only(),
            Scope::Window => run.extent == Extent::End,
        };
        ListReading {
            complete: rows.len() == limit || to_the_end,
            rows,
            total_count,
            total_exact,
            trust,
            revision: self.world.revision,
            known: true,
        }
    }

    /// Nothing is known of the list but what own pending actions put into it.
    fn own_rows(&self, stream: &Stream, query: &Query) -> ListReading {
        let mut run = Run::new(stream.run_key(query), Scope::Whole, None);
        for (id, image) in stream.seen.iter() {
            run.ensure(id, image);
        }
        let begin = match query.start() {
            Start::Offset(rows) => usize::try_from(*rows).unwrap_or(usize::MAX),
            Start::After(cursor) => run.index_after(&query.sort().position_of(cursor)),
        };
        let limit = query.row_limit().map_or(usize::MAX, |rows| {
            usize::try_from(rows).unwrap_or(usize::MAX)
        });
        let places = run.keys.iter_from_nth(begin).take(limit);
        ListReading {
            rows: places.filter_map(|(place, ())| stream.row(place)).collect(),
            ..self.unknown_list()
        }
    }

    fn unknown(&self) -> Reading {
        Reading {
            presence: Presence::Unknown,
            version: None,
            revision: self.world.revision,
            trust: Trust::Unknown,
            age: None,
            pending: false,
        }
    }

    fn unknown_list(&self) -> ListReading {
        ListReading {
            rows: Vec::new(),
            total_count: None,
            total_exact: false,
            complete: false,
            trust: Trust::Unknown,
            revision: self.world.revision,
            known: false,
        }
    }
}

impl From<Image> for Presence {
    fn from(image: Image) -> Self {
        match image {
            Image::Unknown => Self::Unknown,
            Image::Absent => Self::Absent,
            Image::Present(record) => Self::Present(record),
        }
    }
}

impl Stream {
    /// What a reading of an entity rests on; nothing if nothing is known of it.
    pub(crate) fn evidence(&self, id: &EntityId) -> Option<Evidence> {
        self.evidence_of(self.base.read(id, Kept::evidence))
    }

    /// The same from what the entry says, if there is one.
    pub(crate) fn evidence_of(&self, held: Option<Option<Evidence>>) -> Option<Evidence> {
        match (held, self.standing.complete) {
            (Some(evidence), _) => evidence,
            (None, Some(snapped)) => Some(snapped.evidence()),
            (None, None) => None,
        }
    }

    /// A run made here and now from everything held.
    fn evaluate(&self, query: &Query) -> Run {
        let mut run = Run::new(self.run_key(query), Scope::Whole, None);
        let mut behind = None;
        loop {
            let search = self.search(query, behind, LOOKS);
            if search.looked == 0 {
                break;
            }
            behind = search.last;
            for (id, image) in &search.found {
                run.ensure(id, image);
            }
        }
        for (id, image) in self.seen.iter() {
            run.ensure(id, image);
        }
        run
    }

    fn judge_run(&self, now: Tick, run: &Run) -> Trust {
        let trust = match (run.scope, self.standing.complete) {
            (Scope::Window, _) => self.standing.judge(now, &self.settings, &run.evidence()).0,
            (Scope::Whole, Some(snapped)) => {
                let evidence = snapped.evidence();
                self.standing.judge(now, &self.settings, &evidence).0
            }
            (Scope::Whole, None) => self.standing.judge_pushes(),
        };
        let disputed = if run.disputed {
            Trust::Stale(StaleReason::OtherOrder)
        } else {
            Trust::Live
        };
        let doubt = match run.scope {
            Scope::Whole => self.first_doubt(),
            Scope::Window => Trust::Live,
        };
        worse(worse(trust, disputed), doubt)
    }

    /// How far the places of pending rows can be trusted, in the window or out of it: one whose base
    /// is out of date may belong before it, or in it.
    fn judge_ground(&self, now: Tick) -> Trust {
        if self.scope() == Scope::Whole || self.is_ground_sound() {
            return Trust::Live;
        }
        let evidence = self.oldest_ground().and_then(|id| self.evidence(id));
        evidence.map_or(Trust::Live, |evidence| {
            self.standing.judge(now, &self.settings, &evidence).0
        })
    }

    /// What speaks against one row of a list. A list vouches for its rows, but not for those that
    /// pending actions brought; and a list of what was pushed vouches for none.
    fn doubt_row(&self, now: Tick, id: &EntityId) -> Trust {
        let alone = self.seen.contains_key(id) || self.is_pushes_only();
        match self.evidence(id).filter(|_| alone) {
            Some(evidence) => self.standing.judge(now, &self.settings, &evidence).0,
            None => self.doubt(id),
        }
    }

    /// What speaks against every list about everything held: who knows whether a doubtful entity
    /// belongs in it.
    pub(crate) fn first_doubt(&self) -> Trust {
        let first = self.doubtful.first();
        first.map_or(Trust::Live, |(id, ())| self.doubt(id))
    }

    /// What speaks against one entity alone.
    pub(crate) fn doubt(&self, id: &EntityId) -> Trust {
        if self.doubtful.is_empty() {
            return Trust::Live;
        }
        let doubtful = self.doubtful.get(id);
        let mark = doubtful.and_then(|()| self.base.read(id, Kept::mark));
        mark.map_or(Trust::Live, |mark| {
            Trust::Stale(mark.map_or(StaleReason::Marked, |mark| mark.why))
        })
    }

    fn row(&self, place: &SortPosition) -> Option<ListRow> {
        let id = place.id();
        let Image::Present(record) = self.view_image(id) else {
            return None;
        };
        let version = self
            .base
            .get(id)
            .and_then(|entry| entry.version_in(self.standing.era));
        Some(ListRow {
            id: id.clone(),
            record,
            version,
            pending: self.seen.contains_key(id),
        })
    }
}

/// The lesser trust of two; of two reasons the first.
fn worse(one: Trust, other: Trust) -> Trust {
    let rank = |trust: &Trust| match trust {
        Trust::Live => 0,
        Trust::Fresh => 1,
        Trust::Stale(_) => 2,
        Trust::Unknown => 3,
    };
    if rank(&other) > rank(&one) {
        other
    } else {
        one
    }
}
