//! Lists that only the server can evaluate: what it last said is in them, and since when that may not hold.
//!
//! Holds places and marks; rows are looked up where a list is read. Never guesses what belongs in a list.
//! A change moves one mark of the type, however many lists there are; only what holds the entity is touched.

mod burst;
mod read;
mod tell;
mod wants;

use std::sync::Arc;

use tidewire_model::{EntityId, Start, Tick};

use crate::base::{At, Mark, Moment};
use crate::fetch::RunKey;
use crate::rename;
use crate::settings::CollectionSettings;
use crate::sorted_map::SortedMap;
use crate::standing::Evidence;

use burst::Burst;

/// Tells the lists of a stream apart. Never given twice.
type Number = u64;
/// Where a row stands in a list. Rises in the order the server gave.
pub(crate) type Place = u64;

/// What a list without rows takes, its query and its places in indexes included, roughly.
const LIST_BYTES: usize = size_of::<OpaqueList>() + 768;
/// What a row takes in its list and in the index, where nodes are two thirds full.
const ROW_BYTES: usize =
    (size_of::<(Place, EntityId)>() + size_of::<((EntityId, Number), Place)>()) * 3 / 2;

/// The opaque lists of a stream. Cheap to copy.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpaqueLists {
    lists: SortedMap<Number, Arc<OpaqueList>>,
    numbers: SortedMap<RunKey, Number>,
    /// Where the lists hold an entity.
    holders: SortedMap<(EntityId, Number), Place>,
    /// The lists whose query names an id.
    naming: SortedMap<(EntityId, Number), ()>,
    last_number: Number,
    /// The newest change that no list may have taken in.
    changed: Changed,
    /// The same, as far as the lists may be asked for again because of it. The rest waits for the burst to end.
    due: Changed,
    burst: Option<Burst>,
    /// Every list that the newest change speaks against was told of one.
    told: bool,
}

/// The newest change of a type: what the server told, and what answers showed without its telling.
#[derive(Debug, Clone, Copy, Default)]
struct Changed {
    told: Option<At>,
    learnt: Moment,
}

/// One list.
#[derive(Debug, Clone)]
pub(crate) struct OpaqueList {
    key: RunKey,
    /// The rows of which the server has something, in its order.
    rows: SortedMap<Place, EntityId>,
    last_place: Place,
    /// How many of them readers do not see, since pending actions delete them.
    hidden: usize,
    /// A page came.
    known: bool,
    /// How many rows the server gave, from the start of the list on.
    reached: u64,
    /// Nothing follows.
    end: bool,
    /// How many rows the whole list has, less those that were deleted since.
    total: Option<u64>,
    as_of: Option<At>,
    mark: Option<Mark>,
    confirmed: Moment,
    learnt: Tick,
}

/// What a page says of a list beside its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    pub(crate) at: Option<At>,
    pub(crate) begun: Moment,
    pub(crate) now: Tick,
    /// How many rows it has, usable or not.
    pub(crate) rows: u64,
    pub(crate) total: Option<u64>,
    pub(crate) end: bool,
    /// Something that it has cannot be shown, and nobody knows why.
    pub(crate) hole: Option<Mark>,
}

impl OpaqueLists {
    pub(crate) fn len(&self) -> usize {
        self.lists.len()
    }

    /// How many places the lists hold together.
    pub(crate) fn rows(&self) -> usize {
        self.holders.len()
    }

    /// What they take in memory, nearly: the places in the lists and the way from entities to them.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.len() * LIST_BYTES + self.rows() * ROW_BYTES
    }

    /// The entities that they hold.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &EntityId> {
        self.holders.iter().map(|((id, _), _)| id)
    }

    pub(crate) fn get(&self, key: &RunKey) -> Option<&OpaqueList> {
        let number = self.numbers.get(key)?;
        self.lists.get(number).map(|list| &**list)
    }

    /// Whether a list holds an entity.
    pub(crate) fn holds(&self, id: &EntityId) -> bool {
        self.holders_of(id).next().is_some()
    }

    fn holders_of(&self, id: &EntityId) -> impl Iterator<Item = (Number, Place)> {
        let held = self.holders.iter_from(&(id.clone(), 0));
        held.take_while(move |((held, _), _)| held == id)
            .map(|((_, number), place)| (*number, *place))
    }

    /// The lists whose query names an id.
    pub(crate) fn naming(&self, id: &EntityId) -> impl Iterator<Item = &RunKey> {
        let named = self.naming.iter_from(&(id.clone(), 0));
        named
            .take_while(move |((named, _), ())| named == id)
            .filter_map(|((_, number), ())| Some(self.lists.get(number)?.key()))
    }

    /// Makes a list of which nothing is known, unless there is one.
    pub(crate) fn open(&mut self, key: &RunKey) {
        if !self.numbers.contains_key(key) {
            self.insert(OpaqueList::new(key.clone()));
        }
    }

    fn insert(&mut self, list: OpaqueList) -> Number {
        self.last_number += 1;
        let number = self.last_number;
        rename::named_ids(list.key.query(), &mut |id| {
            self.naming.insert((id, number), ());
        });
        self.numbers.insert(list.key.clone(), number);
        self.lists.insert(number, Arc::new(list));
        number
    }

    /// Readers of a list see nothing of it from now on.
    pub(crate) fn forget(&mut self, key: &RunKey) {
        if let Some(list) = self.edit(key) {
            list.known = false;
        }
    }

    /// Takes out a list without rows.
    pub(crate) fn close(&mut self, key: &RunKey) {
        if let Some(number) = self.numbers.remove(key) {
            self.lists.remove(&number);
            rename::named_ids(key.query(), &mut |id| {
                self.naming.remove(&(id, number));
            });
        }
    }

    /// A list goes on under another query. What it holds stays; nothing vouches for it.
    pub(crate) fn rename(&mut self, old: &RunKey, new: RunKey) {
        let Some(list) = self.get(old).cloned() else {
            return;
        };
        if self.numbers.contains_key(&new) {
            return;
        }
        let Some(number) = self.numbers.remove(old) else {
            return;
        };
        rename::named_ids(old.query(), &mut |id| {
            self.naming.remove(&(id, number));
        });
        rename::named_ids(new.query(), &mut |id| {
            self.naming.insert((id, number), ());
        });
        self.numbers.insert(new.clone(), number);
        let renamed = OpaqueList {
            key: new,
            as_of: None,
            ..list
        };
        self.lists.insert(number, Arc::new(renamed));
    }

    /// Forgets what the lists hold. Returns what is to be dropped.
    pub(crate) fn clear(&mut self) -> impl Send + Sync + use<> {
        let mut anew = Self {
            last_number: self.last_number,
            changed: self.changed,
            due: self.due,
            burst: self.burst,
            ..Self::default()
        };
        for (_, list) in self.lists.iter() {
            anew.insert(OpaqueList::new(list.key.clone()));
        }
        std::mem::replace(self, anew)
    }

    fn edit(&mut self, key: &RunKey) -> Option<&mut OpaqueList> {
        let number = *self.numbers.get(key)?;
        self.edit_number(number)
    }

    fn edit_number(&mut self, number: Number) -> Option<&mut OpaqueList> {
        self.lists.get_mut(&number).map(Arc::make_mut)
    }

    /// Puts an entity behind all rows of a list, unless the page that is being installed, whose rows
    /// stand from `first` on, has it before.
    pub(crate) fn place(&mut self, key: &RunKey, first: Place, id: &EntityId, is_hidden: Hidden) {
        let Some(number) = self.numbers.get(key).copied() else {
            return;
        };
        let held = self.holders.get(&(id.clone(), number)).copied();
        if held.is_some_and(|place| place >= first) {
            return;
        }
        let Some(list) = self.edit_number(number) else {
            return;
        };
        list.last_place += 1;
        let place = list.last_place;
        list.rows.insert(place, id.clone());
        match held {
            Some(held) => {
                list.rows.remove(&held);
            }
            None => list.hidden += usize::from(is_hidden == Hidden::Yes),
        }
        self.holders.insert((id.clone(), number), place);
    }

    /// The first row of a list that stands before a place.
    fn first_before(&self, key: &RunKey, end: Place) -> Option<(Place, &EntityId)> {
        let (place, id) = self.get(key)?.rows.first()?;
        (*place < end).then_some((*place, id))
    }

    /// Takes the row at a place out.
    fn unplace(&mut self, key: &RunKey, place: Place, is_hidden: Hidden) {
        let Some(number) = self.numbers.get(key).copied() else {
            return;
        };
        let Some(list) = self.edit_number(number) else {
            return;
        };
        if let Some(id) = list.rows.remove(&place) {
            list.hidden -= usize::from(is_hidden == Hidden::Yes);
            self.holders.remove(&(id, number));
        }
    }

    /// A page from the start of a list, or from where it ended, is installed but for what it says of
    /// the list as a whole.
    pub(crate) fn confirm(&mut self, key: &RunKey, continues: Continues, era: u32, said: Said) {
        let changed = self.changed;
        let Some(list) = self.edit(key) else {
            return;
        };
        list.take(continues, said);
        let is_sound = !changed.speaks_against(list, era);
        self.told &= !is_sound;
    }

    /// Whether a change speaks against a list since its last page.
    fn is_outrun(&self, list: &OpaqueList, era: u32) -> bool {
        self.changed.speaks_against(list, era)
    }

    /// Whether a list is to be asked for again because of changes.
    fn is_due(
        &self,
        list: &OpaqueList,
        era: u32,
        now: Tick,
        settings: &CollectionSettings,
    ) -> bool {
        let is_over = self
            .burst
            .is_none_or(|burst| burst.ends_at(settings) <= now);
        let due = if is_over { self.changed } else { self.due };
        due.speaks_against(list, era)
    }

    /// When lists will be due because of changes so far.
    pub(crate) fn falls_due(&self, settings: &CollectionSettings) -> Option<Tick> {
        self.burst.map(|burst| burst.ends_at(settings))
    }

    /// Whether a list waits for a burst of changes to end.
    pub(crate) fn waits(&self, key: &RunKey, era: u32) -> bool {
        let waits = |list| self.is_outrun(list, era) && !self.due.speaks_against(list, era);
        self.get(key).is_some_and(|list| list.known && waits(list))
    }
}

/// Whether readers do not see a row that the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden {
    Yes,
    No,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continues {
    /// Where the list does.
    FromStart,
    /// Behind what is held.
    Behind,
}

impl Changed {
    fn speaks_against(&self, list: &OpaqueList, era: u32) -> bool {
        let told = self.told.and_then(|at| at.within(era));
        told > list.as_of.and_then(|at| at.within(era)) || self.learnt > list.confirmed
    }
}

impl OpaqueList {
    fn new(key: RunKey) -> Self {
        Self {
            key,
            rows: SortedMap::default(),
            last_place: 0,
            hidden: 0,
            known: false,
            reached: 0,
            end: false,
            total: None,
            as_of: None,
            mark: None,
            confirmed: Moment::default(),
            learnt: Tick::ZERO,
        }
    }

    pub(crate) fn key(&self) -> &RunKey {
        &self.key
    }

    /// The place that the next row gets at least.
    pub(crate) fn next_place(&self) -> Place {
        self.last_place + 1
    }

    /// Whether a page that begins after so many rows of the server's list continues this one.
    pub(crate) fn ends_at(&self, rows: u64) -> bool {
        self.known && self.first_row().checked_add(self.reached) == Some(rows)
    }

    /// How many rows of the server's list come before this one.
    fn first_row(&self) -> u64 {
        match self.key.query().start() {
            Start::Offset(rows) => *rows,
            Start::After(_) => 0,
        }
    }

    pub(crate) fn evidence(&self) -> Option<Evidence> {
        self.known.then_some(Evidence {
            at: self.as_of,
            stale_at: None,
            mark: self.mark,
            confirmed: self.confirmed,
            learnt: self.learnt,
        })
    }

    fn take(&mut self, continues: Continues, said: Said) {
        // One that brings nothing would be asked for without end.
        self.end = said.end || said.rows == 0;
        match continues {
            Continues::FromStart => {
                self.known = true;
                self.reached = said.rows;
                self.as_of = said.at;
                self.confirmed = said.begun;
                self.learnt = said.now;
                self.mark = self.mark.filter(|mark| mark.moment > said.begun);
                self.total = said.total;
            }
            // Both speak for the earlier point only.
            Continues::Behind => {
                self.reached = self.reached.saturating_add(said.rows);
                self.as_of = earlier(self.as_of, said.at);
                self.confirmed = self.confirmed.min(said.begun);
                self.total = said.total.or(self.total);
            }
        }
        let is_whole = self.end && *self.key.query().start() == Start::default();
        if said.total.is_none() && is_whole {
            self.total = u64::try_from(self.rows.len()).ok();
        }
        self.mark = said.hole.or(self.mark);
    }
}

/// The earlier of two points; the first where they cannot be compared.
fn earlier(one: Option<At>, other: Option<At>) -> Option<At> {
    match (one, other) {
        (Some(one), Some(other)) if one.era == other.era && other.offset < one.offset => {
            Some(other)
        }
        (Some(_), None) => None,
        _ => one,
    }
}
