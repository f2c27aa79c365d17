//! The entities that a batch touched, each once: those of one type together, as they were first touched.

use std::collections::BTreeMap;

use foldhash::quality::FixedState;
use hashbrown::HashSet;
use tidewire_model::{EntityId, EntityKey, EntityType};

/// The entities that were touched.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    by_type: BTreeMap<EntityType, OfType>,
}

#[derive(Debug, Default)]
struct OfType {
    known: HashSet<EntityId, FixedState>,
    ids: Vec<EntityId>,
    /// How many of the ids were handed over.
    taken: usize,
}

impl Gathered {
    pub(crate) fn add(&mut self, key: EntityKey) {
        let of_type = match self.by_type.get_mut(&key.entity_type) {
            Some(of_type) => of_type,
            None => self.by_type.entry(key.entity_type).or_default(),
        };
        if of_type.known.insert(key.id.clone()) {
            of_type.ids.push(key.id);
        }
    }

    /// Hands over up to so many more, in order. Returns how many.
    pub(crate) fn take(&mut self, most: usize, entities: &mut Vec<EntityKey>) -> usize {
        let mut left = most;
        for (entity_type, of_type) in &mut self.by_type {
            let rest = of_type.ids[of_type.taken..].iter().take(left);
            left -= rest.len();
            of_type.taken += rest.len();
            entities.extend(rest.map(|id| EntityKey::new(entity_type.clone(), id.clone())));
        }
        most - left
    }

    /// Everything is to be handed over once more, since there may be more of a type.
    pub(crate) fn begin_again(&mut self) {
        for of_type in self.by_type.values_mut() {
            of_type.taken = 0;
        }
    }

    /// Whether everything was handed over.
    pub(crate) fn is_taken(&self) -> bool {
        let mut types = self.by_type.values();
        types.all(|of_type| of_type.taken == of_type.ids.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(entity_type: &str, id: &str) -> EntityKey {
        let entity_type = EntityType::new(entity_type).expect("it is a name");
        EntityKey::new(entity_type, EntityId::text(id).expect("it is a name"))
    }

    #[test]
    fn each_entity_is_handed_over_once_with_those_of_its_type_whatever_comes_in_between() {
        let mut gathered = Gathered::default();
        for (entity_type, id) in [("b", "2"), ("a", "2"), ("b", "1"), ("a", "2"), ("b", "2")] {
            gathered.add(key(entity_type, id));
        }
        let mut entities = Vec::new();
        assert_eq!(gathered.take(2, &mut entities), 2);
        assert!(!gathered.is_taken());
        gathered.begin_again();
        entities.clear();
        gathered.add(key("a", "1"));
        gathered.add(key("a", "2"));
        assert_eq!(gathered.take(1, &mut entities), 1);
        assert_eq!(gathered.take(9, &mut entities), 3);
        assert!(gathered.is_taken());
        let expected = [("a", "2"), ("a", "1"), ("b", "2"), ("b", "1")];
        assert_eq!(
            entities,
            expected.map(|(entity_type, id)| key(entity_type, id))
        );
    }
}
