//! The rows of a list about everything held: where they stand by what the server confirmed, shared by
//! all worlds, and what pending actions do to that, which each world has for itself.

mod shared;

use std::cmp::Ordering;
use std::sync::Arc;

use tidewire_model::{SortPosition, Sorter};

use crate::held::SHARE_BYTES;
use crate::places::{Places, Spot};
use crate::row_number::RowNumber;
use crate::rows::{Place, Ruler, Side};
use crate::run::RunTouch;
use crate::slots::Stamp;
use shared::Shared;

/// The rows of a list about everything held. Cheap to copy.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    /// Where entities stand by what the server confirmed.
    held: Arc<Shared>,
    /// Those of them that pending actions touch, which therefore do not count.
    hidden: Places,
    /// Where the entities stand that pending actions touch.
    own: Places,
}

/// Where a window begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Begin<'a> {
    /// After so many rows.
    Rank(usize),
    /// Behind a place.
    After(&'a SortPosition),
}

/// Where an entity stands in a list before a change or after it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing<'a> {
    pub(crate) number: Option<RowNumber>,
    /// By what the server confirmed.
    pub(crate) held: Option<Place<'a>>,
    /// By what readers see, where pending actions touch it.
    pub(crate) own: Option<Place<'a>>,
    pub(crate) pending: bool,
}

impl<'a> Standing<'a> {
    fn hidden(&self) -> Option<Place<'a>> {
        self.held.filter(|_| self.pending)
    }

    fn view(&self) -> Option<Place<'a>> {
        if self.pending { self.own } else { self.held }
    }

    /// Whether it has no place.
    pub(crate) fn is_nowhere(&self) -> bool {
        self.held.is_none() && self.own.is_none()
    }

    /// Whether a run stays as it is when one becomes the other.
    pub(crate) fn is_same(&self, other: &Self, sorter: &Sorter) -> bool {
        let same = |one: Option<Place<'_>>, other: Option<Place<'_>>| match (one, other) {
            (Some(one), Some(other)) => one.is_at(&other, sorter),
            (None, None) => true,
            _ => false,
        };
        let is_numbered_alike = self.is_nowhere() || self.number == other.number;
        is_numbered_alike
            && self.pending == other.pending
            && same(self.held, other.held)
            && same(self.own, other.own)
    }
}

impl Whole {
    /// No rows, from a stamp on.
    pub(crate) fn new(born: Stamp) -> Self {
        Self {
            held: Arc::new(Shared::new(born)),
            hidden: Places::default(),
            own: Places::default(),
        }
    }

    /// How many rows there are in the view.
    pub(crate) fn len(&self, stamp: Stamp) -> usize {
        let rows = self.held.len(stamp) + self.own.len();
        rows.saturating_sub(self.hidden.len())
    }

    /// How many rows there are by what the server confirmed.
    pub(crate) fn held_len(&self, stamp: Stamp) -> usize {
        self.held.len(stamp)
    }

    /// How many places there are by now, those aside that only older worlds know.
    pub(crate) fn all_len(&self) -> usize {
        self.held.read().places().len() + self.own.len() + self.hidden.len()
    }

    /// What was asked of the allocator for all places.
    pub(crate) fn held_bytes(&self) -> usize {
        let shared = SHARE_BYTES + self.held.held_bytes();
        shared + self.own.held_bytes() + self.hidden.held_bytes()
    }

    /// Puts an entity at its place by what the server confirmed, where it is not there.
    pub(crate) fn hold(&self, place: Place<'_>, number: RowNumber, ruler: Ruler<'_>) {
        let stands = ruler.to_place(place, Some(number), Side::Base);
        self.held
            .insert(place.spot(number), ruler.rows.base, stands);
    }

    /// Moves an entity in what all worlds share. Returns the rank it had and the one it has, where it had
    /// both.
    pub(crate) fn move_held(
        &self,
        before: &Standing<'_>,
        after: &Standing<'_>,
        ruler: Ruler<'_>,
    ) -> Option<(usize, usize)> {
        let is_there = |one: &Place<'_>, other: &Place<'_>| one.is_at(other, ruler.sorter);
        if let (Some(one), Some(other)) = (&before.held, &after.held)
            && is_there(one, other)
            && before.number == after.number
        {
            return None;
        }
        let gone = before.held.and_then(|place| {
            let stands = ruler.to_place(place, before.number, Side::Base);
            self.held.remove(ruler.rows.base, stands)
        });
        let come = after.held.zip(after.number).map(|(place, number)| {
            let stands = ruler.to_place(place, Some(number), Side::Base);
            self.held
                .insert(place.spot(number), ruler.rows.base, stands)
        });
        gone.zip(come)
    }

    /// Moves an entity in what this world has for itself.
    pub(crate) fn move_own(
        &mut self,
        before: &Standing<'_>,
        after: &Standing<'_>,
        ruler: Ruler<'_>,
    ) {
        let hidden = (before.hidden(), after.hidden());
        let numbers = (before.number, after.number);
        shift(&mut self.hidden, hidden, numbers, (ruler, Side::Base));
        shift(
            &mut self.own,
            (before.own, after.own),
            numbers,
            (ruler, Side::View),
        );
    }

    /// Which windows look different, once everything was moved. `held` are the ranks touched among
    /// what is shared, `need` how many rows anybody looks at.
    pub(crate) fn touched(
        &self,
        (before, after): (&Standing<'_>, &Standing<'_>),
        held: Option<(usize, usize)>,
        visible: bool,
        need: Option<usize>,
        ruler: Ruler<'_>,
    ) -> Option<RunTouch> {
        match (before.view(), after.view()) {
            (None, None) => None,
            // A list about everything held counts its rows.
            (Some(_), None) | (None, Some(_)) => Some(RunTouch::All),
            (Some(old), Some(new)) if old.is_at(&new, ruler.sorter) => {
                if !visible || self.is_out_of_sight(&new, need, ruler) {
                    return None;
                }
                Some(RunTouch::Row(self.rank(&new, need, ruler)))
            }
            (Some(old), Some(new)) => {
                if [old, new]
                    .iter()
                    .all(|place| self.is_out_of_sight(place, need, ruler))
                {
                    return None;
                }
                let is_plain = !before.pending && !after.pending && self.is_plain(ruler);
                let (gone, come) = held.filter(|_| is_plain).unwrap_or_else(|| {
                    let gone = self.rank(&old, need, ruler);
                    let come = self.rank(&new, need, ruler);
                    // Where it went up, it counts before where it was.
                    (gone - usize::from(come < gone), come)
                });
                Some(RunTouch::Between(gone.min(come), gone.max(come)))
            }
        }
    }

    /// The numbers of the rows of a window.
    pub(crate) fn window(
        &self,
        begin: Begin<'_>,
        limit: usize,
        ruler: Ruler<'_>,
    ) -> Vec<RowNumber> {
        let held = self.held.read();
        if held.is_current(ruler.rows.base.stamp()) && self.is_untouched() {
            let rank = match begin {
                Begin::Rank(rank) => rank,
                Begin::After(position) => {
                    let found = held.places().find(ruler.to_position(position, Side::Base));
                    found.rank + usize::from(found.spot.is_some())
                }
            };
            let spots = held.places().iter_from_nth(rank).take(limit);
            return spots.map(|spot| spot.number()).collect();
        }
        let rows = self.walk(&held, ruler);
        match begin {
            Begin::Rank(rank) => rows
                .skip(rank)
                .take(limit)
                .map(|(spot, _)| spot.number())
                .collect(),
            Begin::After(position) => rows
                .skip_while(|(spot, side)| ruler.to_position(position, *side)(spot).is_le())
                .take(limit)
                .map(|(spot, _)| spot.number())
                .collect(),
        }
    }

    /// The first places of the view as a window has them, and whether these are all.
    pub(crate) fn first_places(&self, most: usize, ruler: Ruler<'_>) -> (Places, bool) {
        let held = self.held.read();
        let mut rows = self.walk(&held, ruler);
        let mut places = Places::default();
        for (spot, _) in rows.by_ref().take(most) {
            places.push(spot);
        }
        (places, rows.next().is_none())
    }

    /// How many rows come before a place, or `most` if there are more. The entity whose place it is, or was,
    /// counts as the others do, by where it stands now: it is not looked for by its number.
    pub(crate) fn rank(&self, place: &Place<'_>, most: Option<usize>, ruler: Ruler<'_>) -> usize {
        let held = self.held.read();
        let (base, view) = (
            ruler.to_place(*place, None, Side::Base),
            ruler.to_place(*place, None, Side::View),
        );
        if held.is_current(ruler.rows.base.stamp()) {
            let rank = held.places().find(&base).rank + self.own.find(&view).rank;
            return rank.saturating_sub(self.hidden.find(&base).rank);
        }
        let is_before = |(spot, side): &(Spot, Side)| match side {
            Side::Base => base(spot).is_lt(),
            Side::View => view(spot).is_lt(),
        };
        let rows = self.walk(&held, ruler).take(most.unwrap_or(usize::MAX));
        rows.take_while(is_before).count()
    }

    /// Whether a place is surely behind all rows that anybody looks at. Only the newest world knows.
    fn is_out_of_sight(&self, place: &Place<'_>, need: Option<usize>, ruler: Ruler<'_>) -> bool {
        // Rows that are hidden leave room for others.
        let rows = need.map(|need| need.saturating_add(self.hidden.len()));
        let is_current = || self.held.read().is_current(ruler.rows.base.stamp());
        rows.is_some_and(|rows| self.held.is_behind(rows, place.digest)) && is_current()
    }

    /// Whether pending actions do nothing to the list.
    fn is_untouched(&self) -> bool {
        self.hidden.is_empty() && self.own.is_empty()
    }

    /// Whether the ranks in what is shared are those of the view.
    fn is_plain(&self, ruler: Ruler<'_>) -> bool {
        self.is_untouched() && self.held.read().is_current(ruler.rows.base.stamp())
    }

    /// The rows of the view in order.
    fn walk<'w>(
        &'w self,
        held: &'w shared::Held<'_>,
        ruler: Ruler<'w>,
    ) -> impl Iterator<Item = (Spot, Side)> + 'w {
        let mut hidden: Vec<RowNumber> = self.hidden.iter().map(|spot| spot.number()).collect();
        hidden.sort_unstable();
        let held = held
            .as_of(ruler)
            .filter(move |spot| hidden.binary_search(&spot.number()).is_err());
        let held = held.map(|spot| (spot, Side::Base));
        let own = self.own.iter().map(|spot| (spot, Side::View));
        merge(held, own, move |one, other| {
            ruler.between((&one.0, one.1), (&other.0, other.1))
        })
    }
}

/// Moves an entity from one place to another.
fn shift(
    places: &mut Places,
    (old, new): (Option<Place<'_>>, Option<Place<'_>>),
    (before, after): (Option<RowNumber>, Option<RowNumber>),
    (ruler, side): (Ruler<'_>, Side),
) {
    if let Some(old) = old {
        places.remove(ruler.to_place(old, before, side));
    }
    if let Some((new, number)) = new.zip(after) {
        places.insert(new.spot(number), ruler.to_place(new, after, side));
    }
}

/// Two ordered sequences as one.
fn merge<T>(
    one: impl Iterator<Item = T>,
    other: impl Iterator<Item = T>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> impl Iterator<Item = T> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(left), Some(right)) if compare(left, right).is_gt() => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
}

#[cfg(test)]
mod tests;
