//! What was published of one type, and what has to be written to make it equal to something else.

use std::collections::BTreeMap;

use tidewire::{EntityId, EntityType, Record};
use tidewire_server::Write;

/// Entities by id.
pub(super) type Entities = BTreeMap<EntityId, Record>;

/// What the server holds of one type.
pub(super) struct Published {
    entity_type: EntityType,
    entities: Entities,
}

impl Published {
    pub(super) fn new(entity_type: EntityType, rows: Vec<Record>) -> Self {
        let with_id = |record: Record| record.entity_id("id").ok().map(|id| (id, record));
        Self {
            entity_type,
            entities: rows.into_iter().filter_map(with_id).collect(),
        }
    }

    pub(super) fn entities(&self) -> &Entities {
        &self.entities
    }

    /// The writes that lead to these entities; none for what is equal.
    pub(super) fn writes(&self, wanted: &Entities) -> Vec<Write> {
        let changed = wanted
            .iter()
            .filter(|(id, entity)| self.entities.get(*id) != Some(*entity));
        let puts = changed.map(|(id, entity)| Write::Put {
            entity_type: self.entity_type.clone(),
            id: id.clone(),
            entity: entity.clone(),
        });
        let gone = self.entities.keys().filter(|id| !wanted.contains_key(*id));
        let deletes = gone.map(|id| Write::Delete {
            entity_type: self.entity_type.clone(),
            id: id.clone(),
        });
        puts.chain(deletes).collect()
    }

    /// The writes were done.
    pub(super) fn replace(&mut self, entities: Entities) {
        self.entities = entities;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entities(rows: &[(&str, i64)]) -> Entities {
        let row = |(id, score): &(&str, i64)| {
            (
                EntityId::text(id).unwrap(),
                Record::new().with("id", *id).with("score", *score),
            )
        };
        rows.iter().map(row).collect()
    }

    fn words(writes: &[Write]) -> Vec<String> {
        let word = |write: &Write| match write {
            Write::Put { id, .. } => format!("put {id}"),
            Write::Delete { id, .. } => format!("delete {id}"),
            other => format!("{other:?}"),
        };
        writes.iter().map(word).collect()
    }

    #[test]
    fn only_what_differs_is_written() {
        let mut published = Published::new(EntityType::new("t").unwrap(), Vec::new());
        published.replace(entities(&[("a", 1), ("b", 2), ("c", 3)]));
        let wanted = entities(&[("b", 2), ("c", 4), ("d", 5)]);
        assert_eq!(
            words(&published.writes(&wanted)),
            ["put c", "put d", "delete a"]
        );
        published.replace(wanted.clone());
        assert!(published.writes(&wanted).is_empty());
    }
}
