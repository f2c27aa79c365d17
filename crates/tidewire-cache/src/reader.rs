//! The reading side: many, cloneable, and separate by type from the one writer.
//!
//! Reads a world that nobody changes any more. Never waits for a batch, and lets nothing but results
//! out.

mod list;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tidewire_model::{EntityId, EntityKey, EntityType, Point, Query, Revision, Tick};

use crate::base::{Image, Mark};
use crate::kept::Kept;
use crate::publish::Shows;
use crate::reading::{ListReading, Presence, Reading};
use crate::standing::Evidence;
use crate::stream::Stream;
use crate::trust::{StaleReason, Trust};

use crate::world::World;
pub(crate) use list::worse;

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
    pub(crate) fn world(&self) -> &World {
        self.world
    }

    /// Whether what was staged up to a call of [`Cache::shows`](crate::Cache::shows) is visible.
    pub fn shows(&self, staged: Shows) -> bool {
        self.world.stamp >= staged.0
    }

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
        let held = stream.base.view(id, |kept| reading(Some(kept)));
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
        let expired = trust.is_expired() && !pending;
        let shown = kept.filter(|_| !expired);
        Reading {
            presence: if expired {
                Presence::Unknown
            } else {
                image.into()
            },
            version: shown.and_then(|kept| kept.version_in(stream.standing.era)),
            revision: self.world.revision,
            trust: if expired { trust } else { trust.of_shown() },
            age,
            pending,
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
        mark.map_or(Trust::Live, doubt_by)
    }

    /// The same from what is held of it, if anything.
    fn doubt_of(&self, id: &EntityId, held: Option<&Kept>) -> Trust {
        match held {
            Some(kept) if !self.doubtful.is_empty() && self.doubtful.contains_key(id) => {
                doubt_by(kept.mark())
            }
            _ => Trust::Live,
        }
    }
}

/// What speaks against an entity by its mark, if it has one.
fn doubt_by(mark: Option<Mark>) -> Trust {
    Trust::Stale(mark.map_or(StaleReason::Marked, |mark| mark.why))
}
