//! Places that all worlds share: changed where they are, and read as of a stamp.
//!
//! Remembers what batches changed for as long as somebody reads an older world. Whoever reads holds a
//! lock while one window is copied.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use tidewire_model::SortDigest;

use super::merge;
use crate::places::{Places, Spot};
use crate::row_number::RowNumber;
use crate::rows::{Ruler, Side};
use crate::slots::{Entries, Limits, Lock, Reading, Stamp};

/// So many changes may be remembered before those are sought that nobody needs.
pub(super) const MIN_LOG: usize = 1024;

/// The places.
#[derive(Debug)]
pub(super) struct Shared {
    /// No world before this stamp reads them.
    born: Stamp,
    inner: Lock<Inner>,
}

/// The places while they are read.
#[derive(Debug)]
pub(super) struct Held<'a>(Reading<'a, Inner>);

#[derive(Debug, Default)]
struct Inner {
    places: Places,
    /// What changed, the oldest first.
    log: Vec<Moved>,
    /// How many places there were from a stamp on, the oldest first.
    lens: Vec<(Stamp, usize)>,
    /// How long the log was when it was made as short as it can be.
    kept: usize,
    /// The last of so many first rows, where it is known.
    edge: Option<(usize, Spot)>,
}

/// A row that came or went.
#[derive(Debug, Clone, Copy)]
struct Moved {
    stamp: Stamp,
    spot: Spot,
    was_there: bool,
}

impl Shared {
    pub(super) fn new(born: Stamp) -> Self {
        Self {
            born,
            inner: Lock::default(),
        }
    }

    /// How many places there were in the world of a stamp.
    pub(super) fn len(&self, stamp: Stamp) -> usize {
        let lens = &self.inner.read().lens;
        let behind = lens.partition_point(|(since, _)| *since <= stamp);
        behind.checked_sub(1).map_or(0, |at| lens[at].1)
    }

    /// What was asked of the allocator for them, and for what is remembered.
    pub(super) fn held_bytes(&self) -> usize {
        let inner = self.inner.read();
        size_of::<Self>()
            + inner.places.held_bytes()
            + inner.log.capacity() * size_of::<Moved>()
            + inner.lens.capacity() * size_of::<(Stamp, usize)>()
    }

    pub(super) fn read(&self) -> Held<'_> {
        Held(self.inner.read())
    }

    /// Whether so many rows surely come before a place with this digest, in the newest world.
    pub(super) fn is_behind(&self, rows: usize, digest: SortDigest) -> bool {
        let Some(at) = rows.checked_sub(1) else {
            return true;
        };
        let edge = self.inner.read().edge;
        let edge = match edge {
            Some((known, edge)) if known == rows => Some(edge),
            _ => {
                let mut inner = self.inner.write();
                let found = inner.places.iter_from_nth(at).next();
                inner.edge = found.map(|edge| (rows, edge));
                found
            }
        };
        edge.is_some_and(|edge| edge.cmp_digest(digest).is_lt())
    }

    /// Puts a row at its place for the world being worked. Returns its rank.
    pub(super) fn insert(
        &self,
        spot: Spot,
        entries: &Entries,
        stands: impl Fn(&Spot) -> Ordering,
    ) -> usize {
        let inner = &mut *self.inner.write();
        inner.begin(entries);
        let len = inner.places.len();
        let rank = inner.places.insert(spot, stands);
        if inner.places.len() > len {
            self.note(inner, entries, spot, false);
        }
        inner.lose_edge(rank);
        rank
    }

    /// Takes a row from its place for the world being worked. Returns the rank it had, if it was there.
    pub(super) fn remove(
        &self,
        entries: &Entries,
        stands: impl Fn(&Spot) -> Ordering,
    ) -> Option<usize> {
        let inner = &mut *self.inner.write();
        inner.begin(entries);
        let (spot, rank) = inner.places.remove(stands)?;
        self.note(inner, entries, spot, true);
        inner.lose_edge(rank);
        Some(rank)
    }

    /// How many changes and lengths are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        let inner = self.inner.read();
        inner.log.len() + inner.lens.len()
    }

    fn note(&self, inner: &mut Inner, entries: &Entries, spot: Spot, was_there: bool) {
        let (stamp, len) = (entries.stamp(), inner.places.len());
        match inner.lens.last_mut() {
            Some((since, known)) if *since == stamp => *known = len,
            _ => inner.lens.push((stamp, len)),
        }
        if stamp > self.born {
            inner.log.push(Moved {
                stamp,
                spot,
                was_there,
            });
            if inner.log.len() >= MIN_LOG.max(2 * inner.kept) {
                inner.shorten(entries.limits());
            }
        }
    }
}

impl Inner {
    /// Forgets what nobody needs, at the first change of a batch.
    fn begin(&mut self, entries: &Entries) {
        let is_first = |(since, _): &(Stamp, usize)| *since != entries.stamp();
        if self.lens.last().is_none_or(is_first) {
            self.forget(entries.limits());
        }
    }

    /// Something changed at a rank, so that another row may be the last of the first ones.
    fn lose_edge(&mut self, rank: usize) {
        self.edge = self.edge.filter(|(rows, _)| rank >= *rows);
    }

    /// Forgets what only worlds need that nobody reads any more.
    fn forget(&mut self, limits: &Limits) {
        let oldest = limits
            .needed
            .first()
            .map_or(limits.until, |needed| limits.until.min(*needed));
        let needless = self.log.partition_point(|moved| moved.stamp <= oldest);
        self.log.drain(..needless);
        let behind = self.lens.partition_point(|(since, _)| *since <= oldest);
        self.lens.drain(..behind.saturating_sub(1));
        self.kept = self.kept.min(self.log.len());
        // A snapshot changes more at once than what comes after it.
        self.log.shrink_to(MIN_LOG.max(2 * self.log.len()));
    }

    /// A world needs to know of each row what happened to it first.
    fn shorten(&mut self, limits: &Limits) {
        let mut known: BTreeSet<(usize, RowNumber)> = BTreeSet::new();
        let until = limits.until;
        self.log.retain(|moved| {
            let older = limits.needed.iter().filter(|needed| **needed < moved.stamp);
            let stretch = older.count() + usize::from(until < moved.stamp);
            known.insert((stretch, moved.spot.number()))
        });
        let is_read_between = |since: Stamp, behind: Stamp| {
            let mut read = limits.needed.iter().chain([&until]);
            read.any(|stamp| since <= *stamp && *stamp < behind)
        };
        let lens = std::mem::take(&mut self.lens);
        for (at, (since, len)) in lens.iter().enumerate() {
            let behind = lens.get(at + 1);
            if behind.is_none_or(|(behind, _)| is_read_between(*since, *behind)) {
                self.lens.push((*since, *len));
            }
        }
        self.kept = self.log.len();
    }
}

impl Held<'_> {
    pub(super) fn places(&self) -> &Places {
        &self.0.places
    }

    /// Whether nothing changed since the world of a stamp.
    pub(super) fn is_current(&self, stamp: Stamp) -> bool {
        self.0.log.last().is_none_or(|last| last.stamp <= stamp)
    }

    /// The places as they were in the world that is read.
    pub(super) fn as_of<'h>(&'h self, ruler: Ruler<'h>) -> impl Iterator<Item = Spot> + 'h {
        let stamp = ruler.rows.base.stamp();
        let log = &self.0.log;
        let newer = log.partition_point(|moved| moved.stamp <= stamp);
        let mut moved: BTreeMap<RowNumber, Option<Spot>> = BTreeMap::new();
        for later in &log[newer..] {
            let then = later.was_there.then_some(later.spot);
            moved.entry(later.spot.number()).or_insert(then);
        }
        let between =
            move |one: &Spot, other: &Spot| ruler.between((one, Side::Base), (other, Side::Base));
        let mut back: Vec<Spot> = moved.values().copied().flatten().collect();
        back.sort_unstable_by(&between);
        let unmoved = self.0.places.iter();
        let unmoved = unmoved.filter(move |spot| !moved.contains_key(&spot.number()));
        merge(unmoved, back.into_iter(), between)
    }
}
