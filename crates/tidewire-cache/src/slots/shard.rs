//! One part of the slots: a table from ids to slots, and the editions of an entry in each. No locks.

use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashTable;
use tidewire_model::EntityId;

use super::{Limits, Stamp};
use crate::held::id_bytes;
use crate::kept::Kept;

/// How many parts there are. Readers of one part do not meet the writer in another.
pub(crate) const SHARDS: usize = 64;

/// Which part an id with this hash is in.
pub(crate) fn index(hash: u64) -> usize {
    // Below the bits that the table keeps beside each place, above those it finds the place by.
    (hash >> 40) as usize % SHARDS
}

/// A slot: the part it is in, and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotNumber(u32);

impl SlotNumber {
    pub(crate) fn new(shard: usize, place: u32) -> Self {
        Self(place * SHARDS as u32 + shard as u32)
    }

    /// The slot with this index.
    pub(crate) fn at(index: u32) -> Self {
        Self(index)
    }

    /// A small number that no other slot has.
    pub(crate) fn index(self) -> u32 {
        self.0
    }

    pub(crate) fn shard(self) -> usize {
        self.0 as usize % SHARDS
    }

    pub(crate) fn place(self) -> u32 {
        self.0 / SHARDS as u32
    }

    /// The next place of the same part.
    pub(crate) fn behind(self) -> Self {
        Self(self.0 + SHARDS as u32)
    }
}

/// One part.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    by_id: HashTable<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// What ids and editions hold beside the slots.
    held: usize,
}

/// What the budget counts for a slot and its place in the table, with the spare room that goes with it.
pub(crate) const SLOT_BYTES: usize = size_of::<Slot>() * 9 / 8 + 8;

/// The editions of one entry.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Nothing while the slot is free.
    id: Option<EntityId>,
    newest: Edition,
    older: Option<Box<Older>>,
    /// Somebody read it since that was last asked.
    read: AtomicBool,
}

#[derive(Debug)]
struct Edition {
    since: Stamp,
    /// Nothing: nothing is held from that stamp on.
    entry: Option<Kept>,
}

/// An edition that was replaced. There are as many as worlds that somebody reads, and one more.
#[derive(Debug)]
pub(crate) struct Older {
    edition: Edition,
    older: Option<Box<Older>>,
}

/// What became of a write.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) number: SlotNumber,
    /// It is the first to this slot with its stamp.
    pub(crate) first: bool,
}

impl Edition {
    fn held_bytes(&self) -> usize {
        self.entry.as_ref().map_or(0, Kept::held_bytes)
    }
}

impl Older {
    /// What it holds itself, and what those before it hold.
    fn held_bytes(&self) -> usize {
        let all = std::iter::successors(Some(self), |older| older.older.as_deref());
        all.map(|older| size_of::<Self>() + older.edition.held_bytes())
            .sum()
    }
}

impl Slot {
    /// Remembers that somebody reads it.
    pub(crate) fn note_read(&self) {
        // Most were read before, and what is only looked at stays with all who read.
        if !self.read.load(Ordering::Relaxed) {
            self.read.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody read it since this was last asked, and its id.
    pub(crate) fn take_read(&self) -> Option<&EntityId> {
        let id = self.id.as_ref()?;
        self.read.swap(false, Ordering::Relaxed).then_some(id)
    }

    /// What is held as of a stamp.
    pub(crate) fn edition(&self, stamp: Stamp) -> Option<&Kept> {
        if self.newest.since <= stamp {
            return self.newest.entry.as_ref();
        }
        let mut older = self.older.as_deref();
        while let Some(found) = older {
            if found.edition.since <= stamp {
                return found.edition.entry.as_ref();
            }
            older = found.older.as_deref();
        }
        None
    }

    /// Takes out the editions that nobody reads.
    fn prune(&mut self, limits: &Limits) -> Option<Box<Older>> {
        let mut replaced = self.newest.since;
        let mut dropped = None;
        let mut link = &mut self.older;
        while let Some(found) = link {
            let since = found.edition.since;
            if limits.allow_dropping(since, replaced) {
                let rest = found.older.take();
                let mut gone = std::mem::replace(link, rest);
                if let Some(gone) = &mut gone {
                    gone.older = dropped.take();
                }
                dropped = gone;
            } else {
                replaced = since;
                link = &mut link.as_mut().expect("it was found above").older;
            }
        }
        dropped
    }
}

impl Shard {
    pub(crate) fn find(&self, hash: u64, id: &EntityId) -> Option<(SlotNumber, &Slot)> {
        let place = self.place(hash, id)?;
        let slot = self.slots.get(place as usize)?;
        Some((SlotNumber::new(index(hash), place), slot))
    }

    pub(crate) fn id(&self, number: SlotNumber) -> Option<&EntityId> {
        self.slot(number)?.id.as_ref()
    }

    pub(crate) fn slot(&self, number: SlotNumber) -> Option<&Slot> {
        self.slots.get(number.place() as usize)
    }

    /// What was asked of the allocator for the slots and the table.
    pub(crate) fn room_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.free.capacity() * size_of::<u32>()
            + self.by_id.allocation_size()
    }

    /// What ids and editions hold beside that.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held
    }

    pub(crate) fn at(&self, number: SlotNumber) -> Option<(&EntityId, &Slot)> {
        let slot = self.slots.get(number.place() as usize)?;
        Some((slot.id.as_ref()?, slot))
    }

    /// The slots from a place on that hold something as of a stamp.
    pub(crate) fn held(
        &self,
        from: u32,
        stamp: Stamp,
    ) -> impl Iterator<Item = (u32, &EntityId, &Kept)> {
        let rest = self.slots.get(from as usize..).unwrap_or_default();
        rest.iter()
            .zip(from..)
            .filter_map(move |(slot, place)| Some((place, slot.id.as_ref()?, slot.edition(stamp)?)))
    }

    /// Writes an edition. Nothing happens where nothing is held and nothing is to be held.
    pub(crate) fn write(
        &mut self,
        (hash, id): (u64, &EntityId),
        (stamp, entry): (Stamp, Option<Kept>),
        limits: &Limits,
        hash_of: impl Fn(&EntityId) -> u64,
    ) -> Option<Written> {
        let Some(place) = self.place(hash, id) else {
            entry.as_ref()?;
            let place = self.add(hash, id, stamp, entry, hash_of);
            return Some(Written {
                number: SlotNumber::new(index(hash), place),
                first: true,
            });
        };
        let number = SlotNumber::new(index(hash), place);
        self.write_at(number, (stamp, entry), limits)
    }

    /// The same in a slot that is in use.
    pub(crate) fn write_at(
        &mut self,
        number: SlotNumber,
        (stamp, entry): (Stamp, Option<Kept>),
        limits: &Limits,
    ) -> Option<Written> {
        let slot = self.slots.get_mut(number.place() as usize)?;
        if entry.is_none() && slot.newest.entry.is_none() {
            return None;
        }
        let edition = Edition {
            since: stamp,
            entry,
        };
        self.held += edition.held_bytes();
        let old = std::mem::replace(&mut slot.newest, edition);
        let first = old.since != stamp;
        if first {
            slot.older = Some(Box::new(Older {
                edition: old,
                older: slot.older.take(),
            }));
            self.held += size_of::<Older>();
            let dropped = slot.prune(limits);
            self.held -= dropped.as_deref().map_or(0, Older::held_bytes);
        } else {
            self.held -= old.held_bytes();
        }
        Some(Written { number, first })
    }

    /// Takes out the editions of a slot that nobody reads, and frees a slot that holds nothing.
    pub(crate) fn prune(
        &mut self,
        number: SlotNumber,
        limits: &Limits,
        hash_of: impl Fn(&EntityId) -> u64,
    ) -> Option<Box<Older>> {
        let place = number.place();
        let slot = self.slots.get_mut(place as usize)?;
        let dropped = slot.prune(limits);
        self.held -= dropped.as_deref().map_or(0, Older::held_bytes);
        let empty = slot.newest.entry.is_none() && slot.newest.since <= limits.until;
        if empty
            && slot.older.is_none()
            && let Some(id) = slot.id.take()
        {
            let known = self.by_id.find_entry(hash_of(&id), |other| *other == place);
            if let Ok(known) = known {
                known.remove();
            }
            self.held -= id_bytes(&id);
            self.free.push(place);
        }
        if self.free.len() == self.slots.len() {
            *self = Self::default();
        }
        dropped
    }

    /// How many editions there are, and how many slots are in use.
    #[cfg(test)]
    pub(super) fn count(&self) -> (usize, usize) {
        let used = self.slots.iter().filter(|slot| slot.id.is_some());
        let editions = used.clone().map(|slot| {
            let older =
                std::iter::successors(slot.older.as_deref(), |older| older.older.as_deref());
            1 + older.count()
        });
        (editions.sum(), used.count())
    }

    fn place(&self, hash: u64, id: &EntityId) -> Option<u32> {
        let is_it = |place: &u32| {
            let slot = self.slots.get(*place as usize);
            slot.is_some_and(|slot| slot.id.as_ref() == Some(id))
        };
        self.by_id.find(hash, is_it).copied()
    }

    fn add(
        &mut self,
        hash: u64,
        id: &EntityId,
        stamp: Stamp,
        entry: Option<Kept>,
        hash_of: impl Fn(&EntityId) -> u64,
    ) -> u32 {
        let slot = Slot {
            id: Some(id.clone()),
            newest: Edition {
                since: stamp,
                entry,
            },
            older: None,
            read: AtomicBool::new(false),
        };
        self.held += id_bytes(id) + slot.newest.held_bytes();
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = slot;
                place
            }
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // By an eighth, since there are many slots and each is large.
                    self.slots.reserve_exact(self.slots.len() / 8 + 4);
                }
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        let slots = &self.slots;
        let hash_at = |place: &u32| slots[*place as usize].id.as_ref().map_or(0, &hash_of);
        self.by_id.insert_unique(hash, place, hash_at);
        place
    }
}
