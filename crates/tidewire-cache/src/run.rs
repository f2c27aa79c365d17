//! One run: the ordered entities of one type, filter and sort, up to a bound or the end.
//!
//! Holds places only; the rows are looked up where the run is read. A change of an entity is first
//! turned into a reaction, without touching the run, and then carried out.

mod reaction;

use std::cmp::Ordering;
use std::sync::Arc;

use tidewire_model::{EntityId, Offset, Query, SortPosition, Start, Tick};

use crate::base::{At, Image, Mark, Moment};
use crate::criteria::Criteria;
use crate::fetch::RunKey;
use crate::places::{self, Found, Places, Spot};
use crate::row_number::RowNumber;
use crate::rows::{Place, Rows, Ruler, Side};
use crate::slots::Stamp;
use crate::sorted_map::SortedMap;
use crate::standing::{Evidence, Snapped};
use crate::whole::{Begin, Standing, Whole};

pub(crate) use reaction::{Cause, News, Reaction, RunTouch, Sides};

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    key: RunKey,
    criteria: Arc<Criteria>,
    pub(crate) members: Members,
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

/// Where the members of a run stand.
#[derive(Debug, Clone)]
pub(crate) enum Members {
    /// Of a run about everything held.
    Whole(Whole),
    /// Of one about what was asked for: those of the view.
    Window(Places),
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

/// A run without its rows: itself, its query, and its places in the index.
const RUN_BYTES: usize = size_of::<Run>() + 768;

impl Run {
    /// A run that holds nothing, made in the world of a stamp.
    pub(crate) fn new(key: RunKey, scope: Scope, need: Option<usize>, stamp: Stamp) -> Self {
        Self {
            members: match scope {
                Scope::Whole => Members::Whole(Whole::new(stamp)),
                Scope::Window => Members::Window(Places::default()),
            },
            start: start_of(&key),
            criteria: Arc::new(Criteria::of(key.query())),
            key,
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

    /// Which part of the type it is about.
    pub(crate) fn scope(&self) -> Scope {
        match self.members {
            Members::Whole(_) => Scope::Whole,
            Members::Window(_) => Scope::Window,
        }
    }

    /// The places of one about what was asked for.
    pub(crate) fn places(&self) -> Option<&Places> {
        match &self.members {
            Members::Window(places) => Some(places),
            Members::Whole(_) => None,
        }
    }

    /// How many places it has, if it is about what was asked for.
    pub(crate) fn rows(&self) -> usize {
        self.places().map_or(0, Places::len)
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

    pub(crate) fn criteria(&self) -> &Criteria {
        &self.criteria
    }

    pub(crate) fn query(&self) -> &Query {
        self.key.query()
    }

    /// The same run under another name.
    pub(crate) fn rename(&mut self, key: RunKey) {
        self.start = start_of(&key);
        self.criteria = Arc::new(Criteria::of(key.query()));
        self.key = key;
        self.built = self.scope() == Scope::Window;
    }

    /// Becomes a run about what was asked for: as if as much of the list had been as anybody looks at, at
    /// the point given, if what is held is the whole of it at one point. Returns whether it is.
    pub(crate) fn become_window(
        &mut self,
        (snapped, at): (Option<&Snapped>, Option<At>),
        spare: usize,
        rows: Rows<'_>,
    ) -> bool {
        let Members::Whole(whole) = &self.members else {
            return false;
        };
        let whole = whole.clone();
        self.members = Members::Window(Places::default());
        let Some(snapped) = snapped.filter(|_| self.built) else {
            self.built = true;
            return false;
        };
        let most = self
            .need
            .map_or(usize::MAX, |need| need.saturating_add(spare));
        let criteria = Arc::clone(&self.criteria);
        let ruler = criteria.ruler(rows);
        let (places, is_all) = whole.first_places(most, ruler);
        let last = places.last().filter(|_| !is_all);
        let bound = last.and_then(|last| self.position_of(&last, rows));
        self.extent = bound.map_or(Extent::End, Extent::UpTo);
        let held = whole.held_len(rows.base.stamp());
        self.total = Some(Total {
            rows: i64::try_from(held).unwrap_or(i64::MAX),
            exact: at.is_some(),
            as_of: at,
        });
        self.members = Members::Window(places);
        self.as_of = at;
        (self.confirmed, self.learnt) = (snapped.confirmed, snapped.learnt);
        true
    }

    /// Forgets everything but what it is about. What is held is gone too, so nothing is unplaced.
    pub(crate) fn reset(&mut self, stamp: Stamp) {
        *self = Self {
            built: self.built,
            criteria: Arc::clone(&self.criteria),
            ..Self::new(self.key.clone(), self.scope(), self.need, stamp)
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
    pub(crate) fn place<'p>(&self, id: &'p EntityId, image: &'p Image) -> Option<Place<'p>> {
        let record = image
            .record()
            .filter(|record| self.criteria.means(record))?;
        Some(Place {
            digest: self.criteria.sorter().digest(record, id),
            record,
            id,
        })
    }

    /// The same place, to be kept.
    pub(crate) fn position(&self, id: &EntityId, image: &Image) -> Option<SortPosition> {
        let record = image
            .record()
            .filter(|record| self.criteria.means(record))?;
        Some(self.criteria.sorter().position(record, id))
    }

    /// The place of a row of a window, to be kept.
    pub(crate) fn position_of(&self, spot: &Spot, rows: Rows<'_>) -> Option<SortPosition> {
        rows.look(spot.number(), Side::View, |id, record| {
            self.criteria.sorter().position(record, id)
        })
    }

    pub(crate) fn ruler<'a>(&'a self, rows: Rows<'a>) -> Ruler<'a> {
        self.criteria.ruler(rows)
    }

    /// Whether a place lies in the part that the run is about: behind its start, up to its bound.
    pub(crate) fn reaches(&self, place: &Place<'_>) -> bool {
        self.lies_within(|position| place.cmp_position(position, self.criteria.sorter()))
    }

    /// The same for a place that was kept.
    pub(crate) fn reaches_position(&self, place: &SortPosition) -> bool {
        self.lies_within(|position| place.cmp(position))
    }

    fn lies_within(&self, stands: impl Fn(&SortPosition) -> Ordering) -> bool {
        if self
            .start
            .as_ref()
            .is_some_and(|start| stands(start).is_le())
        {
            return false;
        }
        match (self.scope(), &self.extent) {
            (Scope::Whole, _) | (Scope::Window, Extent::End) => true,
            (Scope::Window, Extent::UpTo(bound)) => stands(bound).is_le(),
            (Scope::Window, Extent::Nothing) => false,
        }
    }

    /// Whether nothing came of it yet, so that readers see what own pending actions put into it.
    pub(crate) fn shows_own_rows_only(&self) -> bool {
        self.scope() == Scope::Window && self.extent == Extent::Nothing
    }

    /// Brings a list about everything held in step with an entity that pending actions touch.
    pub(crate) fn place_pending(&mut self, id: &EntityId, sides: &Sides, rows: Rows<'_>) {
        let after = self.standing(id, sides);
        let ruler = self.criteria.ruler(rows);
        if let Members::Whole(whole) = &mut self.members {
            if let Some((place, number)) = after.held.zip(after.number) {
                whole.hold(place, number, ruler);
            }
            whole.move_own(&after, &after, ruler);
        }
    }

    /// Where an entity stands in a list about everything held.
    fn standing<'a>(&self, id: &'a EntityId, sides: &'a Sides) -> Standing<'a> {
        let own = sides.pending.then(|| self.place(id, &sides.view));
        Standing {
            number: sides.number,
            held: self.place(id, &sides.base),
            own: own.flatten(),
            pending: sides.pending,
        }
    }

    /// Puts an entity at its place in a window, if it belongs there. Returns its index if it was not
    /// there.
    pub(crate) fn ensure(
        &mut self,
        (id, number): (&EntityId, RowNumber),
        image: &Image,
        rows: Rows<'_>,
    ) -> Option<usize> {
        let place = self.place(id, image).filter(|place| self.reaches(place))?;
        let Members::Window(places) = &mut self.members else {
            return None;
        };
        let ruler = self.criteria.ruler(rows);
        let stands = ruler.to_place(place, Some(number), Side::View);
        if places.find(&stands).spot.is_some() {
            return None;
        }
        Some(places.insert(place.spot(number), stands))
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

    /// Whether a window holds an entity with this image.
    pub(crate) fn holds(&self, id: &EntityId, image: &Image, rows: Rows<'_>) -> bool {
        self.rank(id, image, rows).is_some()
    }

    /// Whether the entity has to stay for the sake of this run: it is in a window, or among the rows of
    /// a list about everything held that are looked at. Where those are all, it has not.
    pub(crate) fn shows(&self, id: &EntityId, image: &Image, rows: Rows<'_>) -> bool {
        let Members::Whole(whole) = &self.members else {
            return self.holds(id, image, rows);
        };
        let Some((need, place)) = self.need.zip(self.place(id, image)) else {
            return false;
        };
        whole.rank(&place, Some(need), self.ruler(rows)) < need
    }

    /// The rows that are looked at, where they have to stay.
    pub(crate) fn shown(&self, rows: Rows<'_>) -> Vec<RowNumber> {
        match (&self.members, self.need) {
            (Members::Window(places), _) => places.iter().map(|spot| spot.number()).collect(),
            (Members::Whole(whole), Some(need)) => {
                whole.window(Begin::Rank(0), need, self.ruler(rows))
            }
            (Members::Whole(_), None) => Vec::new(),
        }
    }

    /// What was asked of the allocator for it. Its query is not known as exactly.
    pub(crate) fn held_bytes(&self) -> usize {
        let members = match &self.members {
            Members::Whole(whole) => whole.held_bytes(),
            Members::Window(places) => places.held_bytes(),
        };
        RUN_BYTES + members + self.shares.held_bytes()
    }

    /// What the budget counts for it.
    pub(crate) fn counted_bytes(&self) -> usize {
        let rows = match &self.members {
            Members::Whole(whole) => whole.all_len(),
            Members::Window(places) => places.len(),
        };
        RUN_BYTES + rows * places::COUNTED_BYTES + self.shares.counted_bytes()
    }

    /// How many rows of a window come before an entity with this image, if it is there.
    pub(crate) fn rank(&self, id: &EntityId, image: &Image, rows: Rows<'_>) -> Option<usize> {
        let found = self.find((id, rows.number(id)), image, rows)?;
        found.spot.map(|_| found.rank)
    }

    /// What stands in a window at the place of an entity with this image.
    fn find(
        &self,
        (id, number): (&EntityId, Option<RowNumber>),
        image: &Image,
        rows: Rows<'_>,
    ) -> Option<Found> {
        let place = self.place(id, image)?;
        let stands = self.ruler(rows).to_place(place, number, Side::View);
        Some(self.places()?.find(stands))
    }

    /// Takes the row at a place out of a window.
    pub(crate) fn take_out(&mut self, place: &SortPosition, rows: Rows<'_>) {
        let ruler = self.criteria.ruler(rows);
        if let Members::Window(places) = &mut self.members {
            places.remove(ruler.to_position(place, Side::View));
        }
    }

    /// The first row of a window behind a place.
    pub(crate) fn first_after(&self, place: Option<&SortPosition>, rows: Rows<'_>) -> Option<Spot> {
        let places = self.places()?;
        let Some(place) = place else {
            return places.first();
        };
        let found = places.find(self.ruler(rows).to_position(place, Side::View));
        let behind = found.rank + usize::from(found.spot.is_some());
        places.iter_from_nth(behind).next()
    }

    /// Lets go of up to `most` rows that nobody looks at, so that a list growing at its front does
    /// not grow without limit.
    pub(crate) fn trim(&mut self, spare: usize, most: usize, rows: Rows<'_>) {
        let (Members::Window(_), Some(need)) = (&self.members, self.need) else {
            return;
        };
        let allowed = need.saturating_add(spare);
        for _ in 0..most {
            if self.rows() <= allowed || self.extent == Extent::Nothing {
                return;
            }
            let Members::Window(places) = &mut self.members else {
                return;
            };
            if places.remove_last().is_none() {
                return;
            }
            // A page being installed may have brought the bound in already.
            let last = places.last();
            let bound = last.and_then(|last| self.position_of(&last, rows));
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

/// The row that a run begins after.
fn start_of(key: &RunKey) -> Option<SortPosition> {
    match key.query().start() {
        Start::Offset(_) => None,
        Start::After(cursor) => Some(key.query().sort().position_of(cursor)),
    }
}
