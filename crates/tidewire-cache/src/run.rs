//! One run: the ordered entities of one type, filter and sort, up to a bound or the end.
//!
//! Holds places only; the rows are looked up where the run is read. A change of an entity is first
//! turned into a reaction, without touching the run, and then carried out.

mod reaction;

use tidewire_model::{EntityId, Offset, Query, SortPosition, Start, Tick};

use crate::base::{At, Image, Mark, Moment};
use crate::fetch::RunKey;
use crate::sorted_map::SortedMap;
use crate::standing::{Evidence, Snapped};

pub(crate) use reaction::{Cause, News, Reaction, RunTouch, Sides};

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    key: RunKey,
    pub(crate) scope: Scope,
    /// Where the view's members stand.
    pub(crate) keys: SortedMap<SortPosition, ()>,
    /// The row it begins after.
    start: Option<SortPosition>,
    pub(crate) extent: Extent,
    pub(crate) total: Option<Total>,
    /// What pending actions do to the total, by entity.
    shares: SortedMap<EntityId, Share>,
    /// The sum of the shares.
    pub(crate) overlay_rows: i64,
    /// How many shares are not sure.
    unsure: usize,
    pub(crate) as_of: Option<At>,
    pub(crate) stale_at: Option<At>,
    pub(crate) mark: Option<Mark>,
    pub(crate) confirmed: Moment,
    pub(crate) learnt: Tick,
    /// The server filters or sorts otherwise than is done here.
    pub(crate) disputed: bool,
    /// How many rows the watchers look at, from the start; nothing for all.
    pub(crate) need: Option<usize>,
    /// Everything held has been placed.
    built: bool,
}

/// What pending actions do to the total with one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Share {
    pub(crate) rows: i64,
    /// The base is not known, so the server may count it already.
    pub(crate) unsure: bool,
    /// Without the pending actions it would stand in the run.
    pub(crate) grounded: bool,
}

/// Which part of the type a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everything held.
    Whole,
    /// What was asked for.
    Window,
}

/// How far a run reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Nothing is known yet.
    Nothing,
    /// Up to and with this place.
    UpTo(SortPosition),
    /// To the end of the list.
    End,
}

/// How many rows the server's list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) rows: i64,
    pub(crate) exact: bool,
    /// Changes up to here are in it.
    pub(crate) as_of: Option<At>,
}

impl Run {
    pub(crate) fn new(key: RunKey, scope: Scope, need: Option<usize>) -> Self {
        let start = match key.query().start() {
            Start::Offset(_) => None,
            Start::After(cursor) => Some(key.query().sort().position_of(cursor)),
        };
        Self {
            key,
            scope,
            keys: SortedMap::default(),
            start,
            extent: Extent::Nothing,
            total: None,
            shares: SortedMap::default(),
            overlay_rows: 0,
            unsure: 0,
            as_of: None,
            stale_at: None,
            mark: None,
            confirmed: Moment::default(),
            learnt: Tick::ZERO,
            disputed: false,
            need,
            built: scope == Scope::Window,
        }
    }

    /// Whether everything held has been placed.
    pub(crate) fn is_built(&self) -> bool {
        self.built
    }

    pub(crate) fn set_built(&mut self) {
        self.built = true;
    }

    pub(crate) fn key(&self) -> &RunKey {
        &self.key
    }

    pub(crate) fn query(&self) -> &Query {
        self.key.query()
    }

    /// The same run under another name.
    pub(crate) fn rename(&mut self, key: RunKey) {
        self.start = match key.query().start() {
            Start::Offset(_) => None,
            Start::After(cursor) => Some(key.query().sort().position_of(cursor)),
        };
        self.key = key;
        self.built = self.scope == Scope::Window;
    }

    /// Becomes a run about what was asked for: as if the whole list had been, at the point given,
    /// if what is held is the whole of it at one point.
    pub(crate) fn become_window(&mut self, snapped: Option<&Snapped>, at: Option<At>) {
        self.scope = Scope::Window;
        match snapped {
            Some(snapped) if self.built => {
                let rows = i64::try_from(self.keys.len()).unwrap_or(i64::MAX) - self.overlay_rows;
                self.extent = Extent::End;
                self.total = Some(Total {
                    rows,
                    exact: at.is_some(),
                    as_of: at,
                });
                self.as_of = at;
                (self.confirmed, self.learnt) = (snapped.confirmed, snapped.learnt);
            }
            _ => self.keys = SortedMap::default(),
        }
        self.built = true;
    }

    /// Forgets everything but what it is about. What is held is gone too, so nothing is unplaced.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            built: self.built,
            ..Self::new(self.key.clone(), self.scope, self.need)
        };
    }

    pub(crate) fn evidence(&self) -> Evidence {
        Evidence {
            at: self.as_of,
            stale_at: self.stale_at,
            mark: self.mark,
            confirmed: self.confirmed,
            learnt: self.learnt,
        }
    }

    /// Where an entity stands, if it belongs to the list at all.
    pub(crate) fn place(&self, id: &EntityId, image: &Image) -> Option<SortPosition> {
        let record = image.record()?;
        if self.query().matches(record) != Some(true) {
            return None;
        }
        self.query().position(record, id)
    }

    /// The index of the first row behind a place.
    pub(crate) fn index_after(&self, place: &SortPosition) -> usize {
        self.keys.rank(place) + usize::from(self.keys.contains_key(place))
    }

    /// Whether a place lies in the part that the run is about: behind its start, up to its bound.
    pub(crate) fn reaches(&self, place: &SortPosition) -> bool {
        if self.start.as_ref().is_some_and(|start| place <= start) {
            return false;
        }
        match (self.scope, &self.extent) {
            (Scope::Whole, _) | (Scope::Window, Extent::End) => true,
            (Scope::Window, Extent::UpTo(bound)) => place <= bound,
            (Scope::Window, Extent::Nothing) => false,
        }
    }

    /// Whether nothing came of it yet, so that readers see what own pending actions put into it.
    pub(crate) fn shows_own_rows_only(&self) -> bool {
        self.scope == Scope::Window && self.extent == Extent::Nothing
    }

    /// Puts an entity at its place, if it belongs in the run. Returns its index if it was not there.
    pub(crate) fn ensure(&mut self, id: &EntityId, image: &Image) -> Option<usize> {
        let place = self.place(id, image).filter(|place| self.reaches(place))?;
        if self.keys.contains_key(&place) {
            return None;
        }
        let index = self.keys.rank(&place);
        self.keys.insert(place, ());
        Some(index)
    }

    /// Sets what pending actions do to the total with one entity.
    pub(crate) fn set_share(&mut self, id: &EntityId, share: Share) {
        let old = if share == Share::default() {
            self.shares.remove(id)
        } else {
            self.shares.insert(id.clone(), share)
        };
        let old = old.unwrap_or_default();
        self.overlay_rows += share.rows - old.rows;
        self.unsure =
            (self.unsure + usize::from(share.unsure)).saturating_sub(usize::from(old.unsure));
    }

    /// What pending actions do to the total with one entity, as remembered.
    pub(crate) fn share(&self, id: &EntityId) -> Share {
        self.shares.get(id).copied().unwrap_or_default()
    }

    /// Whether the run holds an entity with this image.
    pub(crate) fn holds(&self, id: &EntityId, image: &Image) -> bool {
        image
            .record()
            .and_then(|record| self.query().position(record, id))
            .is_some_and(|place| self.keys.contains_key(&place))
    }

    /// Lets go of up to `rows` rows that nobody looks at, so that a list growing at its front does
    /// not grow without limit.
    pub(crate) fn trim(&mut self, spare: usize, rows: usize) {
        let (Scope::Window, Some(need)) = (self.scope, self.need) else {
            return;
        };
        let allowed = need.saturating_add(spare);
        for _ in 0..rows {
            if self.keys.len() <= allowed || self.extent == Extent::Nothing {
                return;
            }
            let Some((last, ())) = self.keys.last() else {
                return;
            };
            let last = last.clone();
            self.keys.remove(&last);
            // A page being installed may have brought the bound in already.
            let bound = self.keys.last().map(|(bound, ())| bound.clone());
            match (&self.extent, bound) {
                (Extent::UpTo(old), Some(bound)) if *old <= bound => {}
                (_, Some(bound)) => self.extent = Extent::UpTo(bound),
                (_, None) => {}
            }
        }
    }

    /// How many rows the list has in the view, and whether that is exact. `ground_is_sound` tells
    /// whether everything that pending actions build on is known well enough.
    pub(crate) fn view_total(&self, ground_is_sound: bool) -> Option<(u64, bool)> {
        let total = self.total?;
        // What is held of a whole list is all there is.
        let whole = self.extent == Extent::End && self.start.is_none();
        let sure = self.unsure == 0 || whole;
        let rows = total.rows.saturating_add(self.overlay_rows);
        let rows = u64::try_from(rows).unwrap_or(0);
        let sure = sure && ground_is_sound && !self.disputed;
        Some((rows, total.exact && sure))
    }

    /// The total is no longer sure from a point on.
    pub(crate) fn lose_total(&mut self) {
        if let Some(total) = &mut self.total {
            total.exact = false;
        }
    }

    /// Whether a change at this offset is newer than what the total counts.
    pub(crate) fn counts(&self, era: u32, offset: Offset) -> bool {
        let as_of = self.total.and_then(|total| total.as_of).or(self.as_of);
        as_of
            .and_then(|at| at.within(era))
            .is_none_or(|at| offset > at)
    }

    /// Whether rows come in the order of this run, each a member, none twice, all behind `after`.
    pub(crate) fn agrees(
        &self,
        places: &[Option<SortPosition>],
        after: Option<&SortPosition>,
    ) -> bool {
        let mut before = after.or(self.start.as_ref());
        for place in places {
            let Some(place) = place else { return false };
            if before.is_some_and(|before| place <= before) {
                return false;
            }
            before = Some(place);
        }
        true
    }
}
