//! Ours as a subject of reads: one at a time, and several at one revision.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidewire_cache::Reader;
use tidewire_model::EntityKey;

use super::run::Subject;
use crate::figures::Samples;
use crate::ours::{InTime, Laps, NOW, Ours, Stage};
use crate::queries;
use crate::suites::MOST_BUILDING;
use crate::texts::Texts;
use crate::work::Work;

/// Lists and entities that are watched.
const WATCHED: usize = 10;

/// Entities read in one go, at one revision.
const TOGETHER: usize = 10;

/// Ours with its snapshot, and with what is watched.
pub(crate) fn load(work: &Work) -> Ours {
    let mut ours = Ours::load(work);
    let lists = queries::lists(work, WATCHED);
    if ours.watch_lists(&lists, MOST_BUILDING) == InTime::No {
        println!("the lists are not all built: the writer has less to do than is said");
    }
    ours.watch_entities(work.ids_by_heat().take(WATCHED));
    ours
}

/// Ours and its place in the stream of events.
pub(crate) struct Shared<'a> {
    ours: Mutex<(Ours, usize)>,
    reader: Reader,
    keys: Vec<EntityKey>,
    texts: &'a Texts,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(ours: Ours, ids: &[String], texts: &'a Texts) -> Self {
        Self {
            reader: ours.reader(),
            keys: ids.iter().map(|id| ours.key(id)).collect(),
            ours: Mutex::new((ours, 0)),
            texts,
        }
    }

    /// One at a time, and several together.
    pub(crate) fn subjects(&'a self) -> [Way<'a>; 2] {
        [Way(self, 1), Way(self, TOGETHER)]
    }
}

/// A way to read: so many in one go.
pub(crate) struct Way<'a>(&'a Shared<'a>, usize);

impl Subject for Way<'_> {
    fn called(&self) -> String {
        match self.1 {
            1 => "ours, get".to_owned(),
            several => format!("ours, read with {several}"),
        }
    }

    fn together(&self) -> usize {
        self.1
    }

    fn read(&self, places: &[u32]) {
        let key = |place: &u32| &self.0.keys[*place as usize];
        if let [place] = places {
            black_box(self.0.reader.get(NOW, key(place)));
        } else {
            self.0.reader.read(|snapshot| {
                for place in places {
                    black_box(snapshot.get(NOW, key(place)));
                }
            });
        }
    }

    fn write(&self, events: usize, publications: &mut Samples) -> bool {
        let mut held = self.0.ours.lock().unwrap_or_else(PoisonError::into_inner);
        let (ours, next) = &mut *held;
        let end = (*next + events).min(self.0.texts.len());
        let frames = (*next..end).map(|place| self.0.texts.get(place));
        let mut publication = OfPublication::default();
        ours.apply(frames, &mut publication);
        publications.push(publication.took);
        *next = end;
        end < self.0.texts.len()
    }
}

/// How long it took to show what was worked.
struct OfPublication {
    last: Instant,
    took: Duration,
}

impl Default for OfPublication {
    fn default() -> Self {
        Self {
            last: Instant::now(),
            took: Duration::ZERO,
        }
    }
}

impl Laps for OfPublication {
    fn over(&mut self, stage: Stage) {
        match stage {
            Stage::Work => self.last = Instant::now(),
            Stage::Publish => self.took = self.last.elapsed(),
            Stage::Decode | Stage::Drop => {}
        }
    }
}
