//! The ids of a type in order, so that keys with a common beginning are found without looking at others.
//!
//! There only once somebody looked for keys, and kept in step from then on. Takes one place for each
//! entity that is there. Cheap to copy.

use tidewire_model::EntityId;

use crate::base::Image;
use crate::sorted_map::SortedMap;

/// The ids of what the server confirmed to be there.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyIndex {
    ids: SortedMap<EntityId, ()>,
}

impl KeyIndex {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.ids.held_bytes()
    }

    pub(crate) fn counted_bytes(&self) -> usize {
        self.ids.counted_bytes()
    }

    pub(crate) fn contains(&self, id: &EntityId) -> bool {
        self.ids.contains_key(id)
    }

    /// Brings it in step with one entity. Nothing is copied where an entity stays.
    pub(crate) fn follow(&mut self, id: &EntityId, image: Option<&Image>) {
        let is_there = image.is_some_and(|image| image.record().is_some());
        if is_there == self.contains(id) {
            return;
        }
        if is_there {
            self.ids.insert(id.clone(), ());
        } else {
            self.ids.remove(id);
        }
    }

    /// The ids that begin with a text, in order.
    #[cfg(feature = "regex")]
    pub(crate) fn starting_with(&self, beginning: &str) -> impl Iterator<Item = &EntityId> {
        starting_with(&self.ids, beginning).map(|(id, _)| id)
    }
}

#[cfg(feature = "regex")]
/// The entries of a map by id whose id begins with a text, in order.
pub(crate) fn starting_with<'a, V>(
    map: &'a SortedMap<EntityId, V>,
    beginning: &str,
) -> impl Iterator<Item = (&'a EntityId, &'a V)> {
    // Where no id can be like that, there is none that begins so, but for the empty text.
    let from = EntityId::text(beginning).ok();
    let iter = match &from {
        Some(from) => Some(map.iter_from(from)),
        None if beginning.is_empty() => Some(map.iter_from_nth(0)),
        None => None,
    };
    iter.into_iter().flatten().take_while(move |(id, _)| {
        from.as_ref()
            .is_none_or(|from| id.as_str().starts_with(from.as_str()))
    })
}
