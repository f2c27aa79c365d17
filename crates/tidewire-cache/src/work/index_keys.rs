//! Making the index of the ids of a type, a few at a time.

use tidewire_model::EntityType;

use super::{Desk, Step};
use crate::key_index::KeyIndex;
use crate::slots::{LOOKS, SlotNumber};

/// The ids of a type are to be kept in order from now on.
#[derive(Debug)]
pub(crate) struct IndexKeys {
    entity_type: EntityType,
    index: KeyIndex,
    behind: Option<SlotNumber>,
}

impl IndexKeys {
    pub(crate) fn new(entity_type: EntityType) -> Self {
        Self {
            entity_type,
            index: KeyIndex::default(),
            behind: None,
        }
    }

    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        while desk.spend() {
            let Some((stream, _)) = desk.world.edit(&self.entity_type) else {
                return Step::Done;
            };
            if stream.index.is_some() {
                return Step::Done;
            }
            // One is paid for already.
            let most = LOOKS.min(desk.budget + 1);
            let found = stream.base.search(self.behind, most, |_| true);
            if found.looked == 0 {
                stream.index = Some(std::mem::take(&mut self.index));
                return Step::Done;
            }
            desk.budget = desk.budget.saturating_sub(found.looked - 1);
            self.behind = found.last;
            for (_, id, image) in &found.found {
                self.index.follow(id, Some(image));
            }
        }
        Step::Paused
    }
}
