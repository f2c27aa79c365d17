//! Temporary ids that the server has named since, replaced in what an application still writes with
//! them.
//!
//! An application may hold a temporary id for as long as it likes. What it writes later must name
//! the entity as the server does, in its own id and wherever a value mentions it.

use tidewire_cache::Reader;
use tidewire_model::{
    EntityId, EntityKey, EntityType, Patch, Record, RecordBuilder, Value, ValueRef,
};

use crate::input::Write;

/// A write with the names the server gave.
pub(super) fn named(write: Write, reader: &Reader) -> Write {
    match write {
        Write::Create {
            entity_type,
            record,
        } => {
            let record = named_record(&record, &entity_type, reader);
            Write::Create {
                entity_type,
                record,
            }
        }
        Write::Update { key, patch } => {
            let patch = named_patch(&patch, &key.entity_type, reader);
            let key = reader.current_key(&key);
            Write::Update { key, patch }
        }
        Write::Delete { key } => Write::Delete {
            key: reader.current_key(&key),
        },
    }
}

fn named_record(record: &Record, entity_type: &EntityType, reader: &Reader) -> Record {
    let mut named = RecordBuilder::new();
    for (name, value) in record.fields() {
        named.push(name, named_value(value.to_value(), entity_type, reader));
    }
    named.build()
}

fn named_patch(patch: &Patch, entity_type: &EntityType, reader: &Reader) -> Patch {
    Patch::from_fields(patch.names().map(|name| {
        let value = patch.get(name).map(ValueRef::to_value);
        (
            name,
            value.map(|value| named_value(value, entity_type, reader)),
        )
    }))
}

/// Only a whole text is an id; a text that merely contains one is left alone.
fn named_value(value: Value, entity_type: &EntityType, reader: &Reader) -> Value {
    match value {
        Value::Text(text) => match EntityId::text(&text) {
            Ok(id) if id.is_temporary() => {
                let key = EntityKey::new(entity_type.clone(), id);
                Value::from(reader.current_key(&key).id.as_str())
            }
            Ok(_) | Err(_) => Value::Text(text),
        },
        Value::List(values) => Value::List(
            values
                .into_iter()
                .map(|value| named_value(value, entity_type, reader))
                .collect(),
        ),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, named_value(value, entity_type, reader)))
                .collect(),
        ),
        plain => plain,
    }
}
