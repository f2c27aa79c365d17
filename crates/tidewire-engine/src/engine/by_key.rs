//! What the application says of what is held, apart from writes: what it got elsewhere, what it distrusts,
//! what is to be forgotten, and plain values.

use std::time::Duration;

use tidewire_cache::{Intake, Stats};
use tidewire_model::{CacheKey, EntityId, EntityKey, EntityType, Patch, Record, Value, ValueKey};
use tidewire_protocol::WireRow;

use super::Engine;
use super::commands::{id_value, without_id};
use crate::input::CacheCommand;
use crate::output::{CommandError, Reply};

impl Engine {
    /// How much the cache holds, for tests and status displays.
    #[must_use]
    pub fn cache_stats(&self) -> Stats {
        self.cache.stats()
    }

    pub(super) fn on_cache_command(
        &mut self,
        command: CacheCommand,
    ) -> Result<Reply, CommandError> {
        match command {
            CacheCommand::InvalidateKeys(keys) => self.invalidate_keys(keys),
            CacheCommand::Set {
                entity_type,
                id,
                record,
            } => return self.set_entity(&entity_type, id.as_ref(), record),
            CacheCommand::SetFields { key, patch } => return self.set_fields(key, patch),
            CacheCommand::Clear(within) => return self.clear(within),
            CacheCommand::IndexKeys(entity_type) => self.cache.index_keys(&entity_type),
            CacheCommand::SetValue {
                key,
                value,
                time_to_live,
            } => self.set_value(key, &value, time_to_live)?,
            CacheCommand::WatchValue(key) => return Ok(self.watch_value(key)),
        }
        Ok(Reply::Done)
    }

    fn set_entity(
        &mut self,
        entity_type: &EntityType,
        id: Option<&EntityId>,
        record: Record,
    ) -> Result<Reply, CommandError> {
        let naming = self.defined(entity_type)?.naming.clone();
        let record = match id {
            Some(id) => of_id(record, &naming.id_field, id)?,
            None => record,
        };
        let row = WireRow {
            entity: record,
            version: None,
        };
        let row = row
            .into_row(&naming)
            .map_err(|error| CommandError::BadId(error.to_string()))?;
        self.release_held(entity_type);
        self.cache.set(self.now.tick, entity_type, row)?;
        Ok(self.shows())
    }

    fn set_fields(&mut self, key: EntityKey, patch: Patch) -> Result<Reply, CommandError> {
        let naming = self.defined(&key.entity_type)?.naming.clone();
        let patch = without_id(patch, &naming.id_field, &key.id)?;
        let version = patch.set_record().version(&naming.version_field);
        self.release_held(&key.entity_type);
        self.cache.update(self.now.tick, key, patch, version)?;
        Ok(self.shows())
    }

    fn invalidate_keys(&mut self, keys: Vec<CacheKey>) {
        if let Some(publication) = self.cache.invalidate(self.now.tick, keys) {
            self.publish(publication);
        }
        self.batch.hurry();
    }

    fn clear(&mut self, within: Option<EntityType>) -> Result<Reply, CommandError> {
        if let Some(entity_type) = &within {
            self.defined(entity_type)?;
        }
        if let Some(publication) = self.cache.clear_values(within.as_ref()) {
            self.publish(publication);
        }
        let types = match within {
            Some(entity_type) => vec![entity_type],
            None => self.collections.keys().cloned().collect(),
        };
        for entity_type in types {
            // What came before is forgotten too.
            self.release_held(&entity_type);
            self.take(Intake::Clear { entity_type });
        }
        Ok(self.shows())
    }

    fn set_value(
        &mut self,
        key: ValueKey,
        value: &Value,
        time_to_live: Option<Duration>,
    ) -> Result<(), CommandError> {
        let publication = self
            .cache
            .set_value(self.now.tick, key, value, time_to_live)?;
        self.publish(publication);
        Ok(())
    }

    fn watch_value(&mut self, key: ValueKey) -> Reply {
        self.ageing.on_changed();
        Reply::Watching(self.cache.watch_value(key))
    }

    /// Pushes held back came before what the application says now.
    fn release_held(&mut self, entity_type: &EntityType) {
        let held = self.hold.release(entity_type);
        self.take_held(held);
    }

    fn shows(&mut self) -> Reply {
        self.batch.hurry();
        self.wants_changed = true;
        Reply::Shows(self.cache.shows())
    }
}

/// A record with the id that its key says.
fn of_id(record: Record, id_field: &str, id: &EntityId) -> Result<Record, CommandError> {
    match record.get(id_field) {
        None => Ok(record.with(id_field, id_value(id))),
        Some(_) if record.entity_id(id_field).is_ok_and(|said| said == *id) => Ok(record),
        Some(_) => Err(CommandError::IdChanged {
            field: id_field.to_owned(),
            id: id.clone(),
        }),
    }
}
