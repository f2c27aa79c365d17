//! Rows of a stream by their numbers, as one world has them, and how rows stand to each other in a list.

use std::cmp::Ordering;

use tidewire_model::{EntityId, Record, SortDigest, SortPosition, Sorter};

use crate::base::Image;
use crate::places::Spot;
use crate::row_number::{OwnNumbers, RowNumber};
use crate::slots::Entries;
use crate::sorted_map::SortedMap;

/// The rows of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) base: &'a Entries,
    /// What readers see of the entities that pending actions touch.
    pub(crate) seen: &'a SortedMap<EntityId, Image>,
    pub(crate) own: &'a OwnNumbers,
}

/// Which image of a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// What the server confirmed.
    Base,
    /// What readers see.
    View,
}

/// Where an entity stands, or would stand, in a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) digest: SortDigest,
    pub(crate) record: &'a Record,
    pub(crate) id: &'a EntityId,
}

/// Tells how rows stand to each other in lists of one sort.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ruler<'a> {
    pub(crate) sorter: &'a Sorter,
    pub(crate) rows: Rows<'a>,
}

impl Rows<'_> {
    /// The number of an entity that is held, or that pending actions touch.
    pub(crate) fn number(&self, id: &EntityId) -> Option<RowNumber> {
        let slot = self.base.slot(id).map(RowNumber::from);
        slot.or_else(|| self.own.number(id))
    }

    /// Looks at a row that is there. The look is short.
    pub(crate) fn look<R>(
        &self,
        number: RowNumber,
        side: Side,
        look: impl FnOnce(&EntityId, &Record) -> R,
    ) -> Option<R> {
        let Some(slot) = number.slot() else {
            let id = self.own.id(number)?;
            let record = self.seen.get(id)?.record()?;
            return Some(look(id, record));
        };
        let found = self.base.row(slot, |id, kept| {
            let seen = match side {
                Side::View if !self.seen.is_empty() => self.seen.get(id),
                _ => None,
            };
            let record = seen.unwrap_or(kept.image()).record()?;
            Some(look(id, record))
        });
        found.flatten()
    }
}

impl<'a> Place<'a> {
    /// The same entity at the same place, whatever else the two records hold.
    pub(crate) fn is_at(&self, other: &Place<'_>, sorter: &Sorter) -> bool {
        self.digest == other.digest
            && sorter
                .compare((self.record, self.id), (other.record, other.id))
                .is_eq()
    }

    /// How it stands to a position.
    pub(crate) fn cmp_position(&self, position: &SortPosition, sorter: &Sorter) -> Ordering {
        let ordering = self.digest.cmp(&position.digest());
        ordering.then_with(|| sorter.compare_to((self.record, self.id), position))
    }

    pub(crate) fn spot(&self, number: RowNumber) -> Spot {
        Spot::new(self.digest, number)
    }
}

impl<'a> Ruler<'a> {
    /// How rows stand to a place. The entity whose place it is may look different by now: it is known
    /// by its number.
    pub(crate) fn to_place<'p>(
        self,
        place: Place<'p>,
        number: Option<RowNumber>,
        side: Side,
    ) -> impl Fn(&Spot) -> Ordering + use<'a, 'p> {
        move |spot| {
            let ordering = spot.cmp_digest(place.digest);
            if ordering.is_ne() {
                return ordering;
            }
            if Some(spot.number()) == number {
                return Ordering::Equal;
            }
            let there = (place.record, place.id);
            self.stands(spot, side, |id, record| {
                self.sorter.compare((record, id), there)
            })
        }
    }

    /// How rows stand to a position.
    pub(crate) fn to_position<'p>(
        self,
        position: &'p SortPosition,
        side: Side,
    ) -> impl Fn(&Spot) -> Ordering + use<'a, 'p> {
        move |spot| {
            let ordering = spot.cmp_digest(position.digest());
            ordering.then_with(|| {
                self.stands(spot, side, |id, record| {
                    self.sorter.compare_to((record, id), position)
                })
            })
        }
    }

    /// How two rows stand to each other, each with the image that counts for it.
    pub(crate) fn between(
        self,
        (one, side): (&Spot, Side),
        (two, other): (&Spot, Side),
    ) -> Ordering {
        let ordering = one.cmp_spot(two);
        if ordering.is_ne() || (one.number() == two.number() && side == other) {
            return ordering;
        }
        // Two entries are never held at a time: the other one is copied.
        let there = self.rows.look(two.number(), other, |id, record| {
            (id.clone(), record.clone())
        });
        there.map_or(Ordering::Less, |(id, record)| {
            self.stands(one, side, |one_id, one_record| {
                self.sorter.compare((one_record, one_id), (&record, &id))
            })
        })
    }

    fn stands(
        &self,
        spot: &Spot,
        side: Side,
        look: impl FnOnce(&EntityId, &Record) -> Ordering,
    ) -> Ordering {
        let stands = self.rows.look(spot.number(), side, look);
        debug_assert!(stands.is_some(), "a run has a row that is not there");
        stands.unwrap_or(Ordering::Less)
    }
}
