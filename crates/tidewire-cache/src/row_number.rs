//! Numbers by which runs know rows: the slot of what is held, or a number of its own for what only
//! pending actions make. A number names one entity at a time.

use tidewire_model::EntityId;

use crate::slots::SlotNumber;
use crate::sorted_map::SortedMap;

/// Names a row within a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct RowNumber(u32);

/// Stands in the numbers of what has no slot.
const OWN: u32 = 1 << 31;

impl RowNumber {
    /// The slot, for what is held.
    pub(crate) fn slot(self) -> Option<SlotNumber> {
        (self.0 & OWN == 0).then(|| SlotNumber::at(self.0))
    }
}

impl From<SlotNumber> for RowNumber {
    fn from(slot: SlotNumber) -> Self {
        debug_assert!(slot.index() < OWN, "there are fewer slots");
        Self(slot.index())
    }
}

/// The numbers of entities that pending actions touch and of which nothing is held. Cheap to copy.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnNumbers {
    numbers: SortedMap<EntityId, RowNumber>,
    ids: SortedMap<RowNumber, EntityId>,
    last: u32,
}

impl OwnNumbers {
    pub(crate) fn number(&self, id: &EntityId) -> Option<RowNumber> {
        if self.numbers.is_empty() {
            return None;
        }
        self.numbers.get(id).copied()
    }

    pub(crate) fn id(&self, number: RowNumber) -> Option<&EntityId> {
        self.ids.get(&number)
    }

    /// What was asked of the allocator for them.
    pub(crate) fn held_bytes(&self) -> usize {
        self.numbers.held_bytes() + self.ids.held_bytes()
    }

    /// Gives an entity a number, unless it has one.
    pub(crate) fn give(&mut self, id: &EntityId) -> RowNumber {
        if let Some(number) = self.number(id) {
            return number;
        }
        loop {
            self.last = self.last.wrapping_add(1);
            let number = RowNumber(self.last | OWN);
            if !self.ids.contains_key(&number) {
                self.numbers.insert(id.clone(), number);
                self.ids.insert(number, id.clone());
                return number;
            }
        }
    }

    /// Takes the number of an entity back.
    pub(crate) fn take(&mut self, id: &EntityId) {
        if self.number(id).is_some()
            && let Some(number) = self.numbers.remove(id)
        {
            self.ids.remove(&number);
        }
    }
}
