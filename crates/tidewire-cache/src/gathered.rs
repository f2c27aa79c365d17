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
    keys: Vec<EntityKey>,
}

impl Gathered {
    pub(crate) fn add(&mut self, key: EntityKey) {
        let of_type = match self.by_type.get_mut(&key.entity_type) {
            Some(of_type) => of_type,
            None => self.by_type.entry(key.entity_type.clone()).or_default(),
        };
        if of_type.known.insert(key.id.clone()) {
            of_type.keys.push(key);
        }
    }

    /// The entities, and what is to be dropped.
    pub(crate) fn into_entities(self) -> (Vec<EntityKey>, impl Send + Sync + 'static) {
        let (mut entities, mut known) = (Vec::new(), Vec::new());
        for (_, mut of_type) in self.by_type {
            if entities.is_empty() {
                entities = of_type.keys;
            } else {
                entities.append(&mut of_type.keys);
            }
            known.push(of_type.known);
        }
        (entities, known)
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
    fn each_entity_is_there_once_with_those_of_its_type_as_it_was_first_touched() {
        let mut gathered = Gathered::default();
        for (entity_type, id) in [("b", "2"), ("a", "2"), ("b", "1"), ("a", "2"), ("a", "1")] {
            gathered.add(key(entity_type, id));
        }
        let (entities, _) = gathered.into_entities();
        let expected = [("a", "2"), ("a", "1"), ("b", "2"), ("b", "1")];
        assert_eq!(
            entities,
            expected.map(|(entity_type, id)| key(entity_type, id))
        );
    }
}
