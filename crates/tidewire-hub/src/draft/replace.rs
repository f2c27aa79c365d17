//! Ids for what is created, and their way into everything that mentions a temporary one.

use std::collections::BTreeMap;

use tidewire_model::{EntityId, Patch, Record, Value, ValueRef};

use super::{DraftRefused, Present};
use crate::Write;

/// What the ids of temporary ones are.
type Replaced = BTreeMap<EntityId, EntityId>;

/// The writes with an id for each creation, and without a temporary id that one of them is for.
pub(super) fn with_ids<P: Present>(
    present: &mut P,
    mut writes: Vec<Write>,
) -> Result<(Vec<Write>, Replaced), DraftRefused> {
    let mut replaced = Replaced::new();
    for write in &mut writes {
        let Write::Create {
            entity_type, id, ..
        } = write
        else {
            continue;
        };
        match id {
            Some(own) if !own.is_temporary() => {}
            None => *id = Some(present.new_id(entity_type)),
            Some(temporary) => {
                let made = present.new_id(entity_type);
                if replaced.insert(temporary.clone(), made.clone()).is_some() {
                    let message = format!("the temporary id {temporary} is given to two entities");
                    return Err(DraftRefused::permanent("bad_request", message));
                }
                *id = Some(made);
            }
        }
    }
    if !replaced.is_empty() {
        for write in &mut writes {
            in_write(write, &replaced);
        }
    }
    Ok((writes, replaced))
}

fn in_write(write: &mut Write, replaced: &Replaced) {
    match write {
        Write::Create { entity, .. } => *entity = in_record(entity, replaced),
        Write::Put { id, entity, .. } => {
            in_id(id, replaced);
            *entity = in_record(entity, replaced);
        }
        Write::Update { id, changes, .. } => {
            in_id(id, replaced);
            *changes = in_record(changes, replaced);
        }
        Write::Delete { id, .. } => in_id(id, replaced),
    }
}

fn in_id(id: &mut EntityId, replaced: &Replaced) {
    if let Some(made) = replaced.get(id) {
        *id = made.clone();
    }
}

fn in_record(record: &Record, replaced: &Replaced) -> Record {
    // All in one step: a client may name a temporary id in each of thousands of fields.
    let patch = Patch::from_fields(record.fields().filter_map(|(name, value)| {
        let value = in_value(value, replaced)?;
        Some((name, Some(value)))
    }));
    record.merge(&patch)
}

/// The value with ids replaced; `None` where it mentions none.
fn in_value(value: ValueRef<'_>, replaced: &Replaced) -> Option<Value> {
    match value {
        ValueRef::Text(text) => replaced.get(text).map(super::entry::id_value),
        ValueRef::List(list) => {
            let values: Vec<Option<Value>> =
                list.iter().map(|value| in_value(value, replaced)).collect();
            if values.iter().all(Option::is_none) {
                return None;
            }
            let merged = values.into_iter().zip(list.iter());
            Some(Value::List(
                merged
                    .map(|(new, old)| new.unwrap_or_else(|| old.to_value()))
                    .collect(),
            ))
        }
        ValueRef::Object(object) => {
            let values: Vec<_> = object
                .iter()
                .map(|(name, value)| (name, value, in_value(value, replaced)))
                .collect();
            if values.iter().all(|(_, _, new)| new.is_none()) {
                return None;
            }
            let merged = values
                .into_iter()
                .map(|(name, old, new)| (name, new.unwrap_or_else(|| old.to_value())));
            Some(Value::object(merged))
        }
        _ => None,
    }
}
