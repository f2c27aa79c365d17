//! The entries of one entity type, in slots that all worlds share: found by id, read as of a stamp.
//!
//! A world reads what was written up to its own stamp. A batch writes with a later one, so that what
//! it wrote is not there for readers until a world with that stamp is shown. A lock is held while one
//! entry is found and copied, or a few are looked at; nobody holds two. Does not know what an entry
//! means.

mod lock;
mod order;
mod shard;

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::quality::FixedState;
use tidewire_model::EntityId;

use self::order::{LINK_BYTES, Order};
use self::shard::{SHARDS, SLOT_BYTES, Shard, Slot};
use crate::base::{Entry, Image};
use crate::held::id_bytes;
use crate::kept::Kept;

pub(crate) use self::lock::{Lock, Reading};
pub(crate) use self::order::{Kind, Line};
pub(crate) use self::shard::SlotNumber;

/// How many entities are best looked at in one go, which the writer may have to wait for.
pub(crate) const LOOKS: usize = 32;

/// When something was written: rises with each batch that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// The stamp of the batch after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// A number that rises with it, for a very long time.
    fn age(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

/// The entries as one world sees them. Cheap to copy; a copy shares the slots.
#[derive(Debug, Clone)]
pub(crate) struct Entries {
    slots: Arc<Slots>,
    stamp: Stamp,
    limits: Limits,
}

/// Which older editions of an entry must stay.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// What was replaced up to here is kept only for the sake of `needed`.
    pub(crate) until: Stamp,
    /// The stamps of older worlds that somebody still reads.
    pub(crate) needed: Arc<[Stamp]>,
}

impl Limits {
    /// Whether an edition that was current from one stamp on until another may go.
    fn allow_dropping(&self, since: Stamp, replaced: Stamp) -> bool {
        let needed = |stamp: &Stamp| since <= *stamp && *stamp < replaced;
        replaced <= self.until && !self.needed.iter().any(needed)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            until: Stamp::default(),
            needed: Arc::new([]),
        }
    }
}

#[derive(Debug)]
struct Slots {
    hasher: FixedState,
    shards: Box<[Lock<Shard>]>,
    /// What only the writer looks at.
    writer: Lock<Writer>,
}

#[derive(Debug, Default)]
struct Writer {
    order: Order,
    /// The slots written with the newest stamp.
    touched: Vec<SlotNumber>,
}

impl Entries {
    /// No entries. `seed` makes the places of ids unpredictable for whoever chooses the ids.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            slots: Slots::new(FixedState::with_seed(seed)),
            stamp: Stamp::default(),
            limits: Limits::default(),
        }
    }

    /// No entries, for the same worlds.
    pub(crate) fn anew(&self) -> Self {
        Self {
            slots: Slots::new(self.slots.hasher.clone()),
            ..self.clone()
        }
    }

    /// From now on these are the entries of a world with this stamp.
    pub(crate) fn set_stamp(&mut self, stamp: Stamp, limits: &Limits) {
        if self.stamp != stamp {
            self.stamp = stamp;
            self.limits = limits.clone();
        }
    }

    /// The stamp of the world whose entries these are.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// What must stay for older worlds.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What is held of an entity.
    pub(crate) fn get(&self, id: &EntityId) -> Option<Entry> {
        self.read(id, |kept| Entry::from(kept))
    }

    /// Looks at what is held in a slot. The look is short: the writer may wait for its end.
    pub(crate) fn row<R>(
        &self,
        number: SlotNumber,
        look: impl FnOnce(&EntityId, &Kept) -> R,
    ) -> Option<R> {
        self.at(number, |id, _, kept| look(id, kept))
    }

    /// The same for somebody who reads, which spares the entity when others are let go.
    pub(crate) fn view_row<R>(
        &self,
        number: SlotNumber,
        look: impl FnOnce(&EntityId, &Kept) -> R,
    ) -> Option<R> {
        self.at(number, |id, slot, kept| {
            slot.note_read();
            look(id, kept)
        })
    }

    fn at<R>(
        &self,
        number: SlotNumber,
        look: impl FnOnce(&EntityId, &Slot, &Kept) -> R,
    ) -> Option<R> {
        let shard = self.slots.shard_of(number).read();
        let (id, slot) = shard.at(number)?;
        Some(look(id, slot, slot.edition(self.stamp)?))
    }

    pub(crate) fn contains(&self, id: &EntityId) -> bool {
        self.read(id, |_| ()).is_some()
    }

    /// Looks at what is held of an entity. The look is short: the writer may wait for its end.
    pub(crate) fn read<R>(&self, id: &EntityId, look: impl FnOnce(&Kept) -> R) -> Option<R> {
        self.look_up(id, look).map(|(_, found)| found)
    }

    /// The same, and its slot.
    pub(crate) fn look_up<R>(
        &self,
        id: &EntityId,
        look: impl FnOnce(&Kept) -> R,
    ) -> Option<(SlotNumber, R)> {
        self.find(id, |number, _, kept| (number, look(kept)))
    }

    /// The same for somebody who reads, which spares the entity when others are let go.
    pub(crate) fn view<R>(&self, id: &EntityId, look: impl FnOnce(&Kept) -> R) -> Option<R> {
        self.find(id, |_, slot, kept| {
            slot.note_read();
            look(kept)
        })
    }

    fn find<R>(
        &self,
        id: &EntityId,
        look: impl FnOnce(SlotNumber, &Slot, &Kept) -> R,
    ) -> Option<R> {
        let hash = self.slots.hash(id);
        let shard = self.slots.shard(hash).read();
        let (number, slot) = shard.find(hash, id)?;
        Some(look(number, slot, slot.edition(self.stamp)?))
    }

    /// The slot of an entity that is held.
    pub(crate) fn slot(&self, id: &EntityId) -> Option<SlotNumber> {
        self.look_up(id, |_| ()).map(|(number, ())| number)
    }

    /// Writes what is held of an entity, or that nothing is. Nobody reads it before a world with this
    /// stamp is shown. Returns the slot, where something is held.
    /// A slot that is given is that of the entity.
    pub(crate) fn set(
        &mut self,
        (id, slot): (&EntityId, Option<SlotNumber>),
        kept: Option<Kept>,
    ) -> Option<SlotNumber> {
        let held = kept
            .as_ref()
            .map(|kept| (Kind::of(kept), counted(id, kept)));
        let edition = (self.stamp, kept);
        let written = match slot {
            Some(slot) => {
                let mut shard = self.slots.shard_of(slot).write();
                shard.write_at(slot, edition, &self.limits)
            }
            None => {
                let hash = self.slots.hash(id);
                let mut shard = self.slots.shard(hash).write();
                let hash_of = |id: &EntityId| self.slots.hash(id);
                shard.write((hash, id), edition, &self.limits, hash_of)
            }
        };
        let written = written?;
        let mut writer = self.slots.writer.write();
        writer.order.set(written.number, held, self.stamp);
        if written.first {
            writer.touched.push(written.number);
        }
        held.map(|_| written.number)
    }

    /// How many entries of a kind there are, with all that was written.
    pub(crate) fn len(&self, kind: Kind) -> usize {
        self.slots.writer.read().order.count_of(kind)
    }

    /// How many stand in a line, and what the budget counts for them.
    pub(crate) fn line(&self, line: Line) -> (usize, usize) {
        let order = &self.slots.writer.read().order;
        (order.len(line), order.bytes(line))
    }

    /// What the budget counts for all entries.
    pub(crate) fn all_counted_bytes(&self) -> usize {
        let order = &self.slots.writer.read().order;
        let lines = [Line::Free, Line::Pinned, Line::Absent];
        lines.map(|line| order.bytes(line)).into_iter().sum()
    }

    /// The first of a line.
    pub(crate) fn first(&self, line: Line) -> Option<EntityId> {
        let number = self.slots.writer.read().order.first(line)?;
        self.id_of(number)
    }

    /// Since when the entity under the hand stands in its line; nothing at the end of a round. What came
    /// with this stamp ends a round too: it is not let go before anybody could read it.
    pub(crate) fn age_at_hand(&self) -> Option<u32> {
        let (_, age) = self.slots.writer.read().order.at_hand()?;
        (age < self.stamp.age()).then_some(age)
    }

    /// The entity under the hand, unless it was read since the hand last came by. The hand goes on to
    /// the next.
    pub(crate) fn pass(&mut self) -> Option<EntityId> {
        let number = {
            let order = &mut self.slots.writer.write().order;
            let (number, _) = order.at_hand()?;
            (!order.pass()).then_some(number)?
        };
        self.id_of(number)
    }

    /// The hand goes back to the oldest.
    pub(crate) fn begin_round(&mut self) {
        self.slots.writer.write().order.begin_round();
    }

    /// An entity was found to be pinned.
    pub(crate) fn pin(&mut self, id: &EntityId) {
        if let Some(number) = self.slot(id) {
            self.slots.writer.write().order.pin(number, self.stamp);
        }
    }

    /// The first of the pinned was found to be so still: it stands last now.
    pub(crate) fn keep_pinned(&mut self) {
        self.slots.writer.write().order.keep_pinned(self.stamp);
    }

    /// An entity was found not to be pinned any more: it counts as new.
    pub(crate) fn unpin(&mut self, id: &EntityId) {
        if let Some(number) = self.slot(id) {
            self.slots.writer.write().order.unpin(number, self.stamp);
        }
    }

    /// Whether there are pinned ones that were not looked at since pins may have ended.
    pub(crate) fn has_unchecked(&self) -> bool {
        self.slots.writer.read().order.has_unchecked()
    }

    /// Pins may have ended.
    pub(crate) fn check_anew(&mut self) {
        self.slots.writer.write().order.check_anew();
    }

    /// Those that were read of so many that the hand comes to next. Each is told once.
    pub(crate) fn take_read(&self, most: usize) -> Vec<EntityId> {
        let ahead = self.slots.writer.read().order.ahead(most);
        let read = ahead.into_iter().filter_map(|number| {
            let shard = self.slots.shard_of(number).read();
            shard.slot(number)?.take_read().cloned()
        });
        read.collect()
    }

    /// An entity was read: it is spared when the hand comes by.
    pub(crate) fn visit(&self, id: &EntityId) {
        if let Some(number) = self.slot(id) {
            self.slots.writer.write().order.visit(number);
        }
    }

    /// What was asked of the allocator for the table and the order, and for what the entries hold.
    pub(crate) fn held_bytes(&self) -> (usize, usize) {
        let (mut room, mut held) = (size_of::<Slots>() + SHARDS * size_of::<Lock<Shard>>(), 0);
        for shard in &self.slots.shards {
            let shard = shard.read();
            room += shard.room_bytes();
            held += shard.held_bytes();
        }
        let writer = self.slots.writer.read();
        room += writer.order.held_bytes();
        room += writer.touched.capacity() * size_of::<SlotNumber>();
        (room, held)
    }

    /// What the budget counts for an entity; nothing where it is not held.
    pub(crate) fn counted_bytes(&self, id: &EntityId) -> usize {
        self.read(id, |kept| counted(id, kept)).unwrap_or(0)
    }

    fn id_of(&self, number: SlotNumber) -> Option<EntityId> {
        self.slots.shard_of(number).read().id(number).cloned()
    }

    /// The next entity held behind a slot, in an order that means nothing.
    pub(crate) fn next(&self, behind: Option<SlotNumber>) -> Option<(SlotNumber, EntityId)> {
        let mut search = self.search(behind, 1, |_| true);
        let (slot, id, _) = search.found.pop()?;
        Some((slot, id))
    }

    /// Looks at so many entities behind a slot at most, in the order of [`next`](Self::next), for those
    /// that are meant. The writer may wait for the end of it.
    pub(crate) fn search(
        &self,
        behind: Option<SlotNumber>,
        most: usize,
        is_meant: impl Fn(&Kept) -> bool,
    ) -> Search {
        let mut search = Search {
            looked: 0,
            last: behind,
            found: Vec::new(),
        };
        let mut from = behind.map(SlotNumber::behind);
        for number in from.map_or(0, SlotNumber::shard)..SHARDS {
            let start = from.take().map_or(0, SlotNumber::place);
            let shard = self.slots.shards[number].read();
            for (place, id, kept) in shard.held(start, self.stamp) {
                if search.looked == most {
                    return search;
                }
                search.looked += 1;
                let slot = SlotNumber::new(number, place);
                search.last = Some(slot);
                if is_meant(kept) {
                    search.found.push((slot, id.clone(), kept.image().clone()));
                }
            }
        }
        search
    }

    /// What was written with this stamp, to have its older editions dropped; for the moment after a
    /// world with this stamp was shown.
    pub(crate) fn take_touched(&self, limits: &Limits) -> Option<Pruning> {
        let touched = std::mem::take(&mut self.slots.writer.write().touched);
        (!touched.is_empty()).then(|| Pruning {
            slots: Arc::clone(&self.slots),
            different: touched.len(),
            touched,
            replaced: self.stamp,
            limits: limits.clone(),
        })
    }
}

/// How far a search came.
#[derive(Debug)]
pub(crate) struct Search {
    /// How many entities it looked at: none where there are no more.
    pub(crate) looked: usize,
    /// Where it stopped.
    pub(crate) last: Option<SlotNumber>,
    pub(crate) found: Vec<(SlotNumber, EntityId, Image)>,
}

/// Older editions that nobody reads any more. They go when this is dropped, by whichever thread.
#[derive(Debug)]
pub(crate) struct Pruning {
    slots: Arc<Slots>,
    touched: Vec<SlotNumber>,
    /// How many different slots these were, when they were last counted.
    different: usize,
    /// The stamp of the world that they were replaced with.
    replaced: Stamp,
    limits: Limits,
}

impl Pruning {
    /// The same with what is known by now of those who read.
    pub(crate) fn with(mut self, limits: &Limits) -> Self {
        self.limits = limits.clone();
        self
    }

    /// Whether somebody reads a world that may need them. Who reads a later one needs what was replaced
    /// later, and that is on another list.
    pub(crate) fn is_held_up(&self) -> bool {
        let mut needed = self.limits.needed.iter();
        needed.any(|stamp| *stamp < self.replaced)
    }

    /// Whether both are about the same entries.
    pub(crate) fn is_of_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.slots, &other.slots)
    }

    /// Takes over what a later one is to drop, of the same entries.
    pub(crate) fn join(&mut self, mut later: Self) {
        self.touched.append(&mut later.touched);
        self.replaced = later.replaced;
        if self.touched.len() > 2 * self.different {
            self.touched.sort_unstable();
            self.touched.dedup();
            self.different = self.touched.len();
        }
    }
}

impl Drop for Pruning {
    fn drop(&mut self) {
        for number in &self.touched {
            let hash_of = |id: &EntityId| self.slots.hash(id);
            let dropped = {
                let mut shard = self.slots.shard_of(*number).write();
                shard.prune(*number, &self.limits, hash_of)
            };
            drop(dropped);
        }
    }
}

impl Slots {
    fn new(hasher: FixedState) -> Arc<Self> {
        Arc::new(Self {
            hasher,
            shards: (0..SHARDS).map(|_| Lock::default()).collect(),
            writer: Lock::default(),
        })
    }

    fn hash(&self, id: &EntityId) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(id.as_bytes());
        hasher.finish()
    }

    /// The part of the slots that ids with this hash are in. The table inside looks at the lowest and
    /// the highest bits of a hash, so the part is chosen by others.
    fn shard(&self, hash: u64) -> &Lock<Shard> {
        &self.shards[shard::index(hash)]
    }

    fn shard_of(&self, number: SlotNumber) -> &Lock<Shard> {
        &self.shards[number.shard()]
    }
}

/// What the budget counts for an entry.
fn counted(id: &EntityId, kept: &Kept) -> usize {
    SLOT_BYTES + LINK_BYTES + id_bytes(id) + kept.counted_bytes()
}

#[cfg(test)]
mod tests;
