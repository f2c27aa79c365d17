//! Ours: from the bytes of v1 frames to a published view, by the public parts of tidewire's crates.
//!
//! Does what the engine does with a frame of events, but for putting commits together over several frames, which a
//! commit in one frame does not need. Opens no socket.

use std::time::{Duration, Instant};

use tidewire_cache::{
    Attached, Cache, CollectionSettings, Commit, Intake, Interest, Progress, Publication, Reader,
    Settings, Stats, Taken, Target,
};
use tidewire_model::{EntityId, EntityKey, EntityType, Epoch, Offset, Row, Tick};
use tidewire_protocol::{Dialect, Naming, Payload, Points, ServerMessage, V1Json, changes};

use crate::queries::List;
use crate::work::{FIRST_VERSION, Work};

/// Rows that the engine works in one call as it is shipped.
pub const SLICE_ROWS: usize = 32;

/// The moment everything happens at. Ours reads no clock.
pub const NOW: Tick = Tick::ZERO;

/// Whether something was done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTime {
    /// It was.
    Yes,
    /// It was given up.
    No,
}

/// The stages of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Texts to commits.
    Decode,
    /// Commits to the next world.
    Work,
    /// The next world to the one that is shown.
    Publish,
    /// What nobody needs any more is dropped.
    Drop,
}

/// Is told when a stage is over.
pub trait Laps {
    /// This stage is over.
    fn over(&mut self, stage: Stage);
}

/// Nobody looks at the clock.
impl Laps for () {
    fn over(&mut self, _stage: Stage) {}
}

/// How long the stages took, by the order in which they are declared.
#[derive(Debug)]
pub struct Split {
    /// The times.
    pub took: [Duration; 4],
    last: Instant,
}

impl Default for Split {
    fn default() -> Self {
        Self {
            took: [Duration::ZERO; 4],
            last: Instant::now(),
        }
    }
}

impl Split {
    /// What comes now is not counted for what was before.
    pub fn begin(&mut self) {
        self.last = Instant::now();
    }
}

impl Laps for Split {
    fn over(&mut self, stage: Stage) {
        let now = Instant::now();
        self.took[stage as usize] += now - self.last;
        self.last = now;
    }
}

/// A cache with one complete collection.
#[derive(Debug)]
pub struct Ours {
    cache: Cache,
    entity_type: EntityType,
    naming: Naming,
    dialect: V1Json,
    commits: Vec<Commit>,
}

impl Ours {
    /// A cache that got its snapshot, shown.
    #[must_use]
    pub fn load(work: &Work) -> Self {
        let entity_type = EntityType::new("customers").expect("it is a name");
        // The work is larger than what a client holds by default.
        let mut cache = Cache::new(Settings {
            max_bytes: usize::MAX,
            max_snapshot_bytes: usize::MAX,
            ..Settings::default()
        });
        let complete = CollectionSettings {
            interest: Interest::Complete { max_rows: u64::MAX },
            ..CollectionSettings::default()
        };
        cache
            .define(entity_type.clone(), complete)
            .expect("it is defined once");
        let mut ours = Self {
            cache,
            entity_type,
            naming: Naming::default(),
            dialect: V1Json::DEFAULT,
            commits: Vec::new(),
        };
        ours.take_snapshot(work);
        ours
    }

    fn take_snapshot(&mut self, work: &Work) {
        let as_of = Offset::new(FIRST_VERSION).expect("it is small");
        self.take(Intake::Subscribed {
            entity_type: self.entity_type.clone(),
            result: Attached::Snapshot,
            epoch: Epoch::new("e1").expect("it is a name"),
            view: String::new(),
            offset: as_of,
            head: as_of,
        });
        for frame in work.snapshot() {
            let rows = self.snapshot_rows(&frame);
            self.take(Intake::SnapshotRows {
                entity_type: self.entity_type.clone(),
                as_of,
                rows,
            });
        }
        self.take(Intake::SnapshotEnd {
            entity_type: self.entity_type.clone(),
            as_of,
            actions: Vec::new(),
        });
        drop(self.show());
    }

    fn snapshot_rows(&self, frame: &str) -> Vec<Row> {
        let message = self.dialect.decode_server(Payload::Text(frame));
        let Ok(ServerMessage::Snapshot(part)) = message else {
            panic!("the work writes valid frames");
        };
        let rows = part.rows.into_iter();
        rows.map(|row| row.into_row(&self.naming).expect("it has an id"))
            .collect()
    }

    fn take(&mut self, intake: Intake) {
        let taken = self.cache.take(NOW, intake);
        assert_eq!(taken, Taken::Staged, "what is measured has to happen");
    }

    /// Works what is staged, in slices, and shows it.
    fn show(&mut self) -> Option<Publication> {
        while self.cache.work(NOW, SLICE_ROWS) == Progress::More {}
        self.cache.publish()
    }

    /// Watches lists until they can be read, or gives up after a time.
    pub fn watch_lists(&mut self, lists: &[List], within: Duration) -> InTime {
        let begun = Instant::now();
        for list in lists {
            let query = list.query(&self.entity_type);
            self.cache.watch(Target::List(query));
        }
        while self.cache.work(NOW, 4_096) == Progress::More {
            if begun.elapsed() > within {
                return InTime::No;
            }
        }
        drop(self.cache.publish());
        InTime::Yes
    }

    /// Watches entities.
    pub fn watch_entities(&mut self, ids: impl Iterator<Item = String>) {
        for id in ids {
            let key = self.key(&id);
            self.cache.watch(Target::Entity(key));
        }
        drop(self.show());
    }

    /// Applies frames as one batch and shows it. Returns how many watchers are woken.
    pub fn apply<'a>(
        &mut self,
        frames: impl Iterator<Item = &'a str>,
        laps: &mut impl Laps,
    ) -> usize {
        let mut commits = std::mem::take(&mut self.commits);
        commits.extend(frames.map(|frame| self.commit(frame)));
        laps.over(Stage::Decode);
        for commit in commits.drain(..) {
            self.take(Intake::Commit(commit));
        }
        while self.cache.work(NOW, SLICE_ROWS) == Progress::More {}
        laps.over(Stage::Work);
        let publication = self.cache.publish();
        laps.over(Stage::Publish);
        self.commits = commits;
        let woken = publication
            .as_ref()
            .map_or(0, |publication| publication.woken.len());
        drop(publication);
        laps.over(Stage::Drop);
        woken
    }

    fn commit(&self, frame: &str) -> Commit {
        let message = self.dialect.decode_server(Payload::Text(frame));
        let Ok(ServerMessage::Events(events)) = message else {
            panic!("the work writes valid frames");
        };
        let points = Points::Server(events.to);
        let ops = changes(events.ops, &events.entity_type, &self.naming, points);
        assert!(ops.bad.is_empty(), "the work writes valid changes");
        Commit {
            entity_type: events.entity_type,
            from: events.from,
            to: events.to,
            changes: ops.changes,
            stale_all: ops.stale_all.is_some(),
            echoes: Vec::new(),
        }
    }

    /// The key of an id.
    #[must_use]
    pub fn key(&self, id: &str) -> EntityKey {
        let id = EntityId::text(id).expect("it is a name");
        EntityKey::new(self.entity_type.clone(), id)
    }

    /// The type of what is held.
    #[must_use]
    pub fn entity_type(&self) -> &EntityType {
        &self.entity_type
    }

    /// A reader of the view.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.cache.reader()
    }

    /// How much is held.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.cache.stats()
    }
}

#[cfg(test)]
mod tests;
