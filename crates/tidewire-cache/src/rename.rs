//! Putting the server's name for an entity in the place of a temporary id.
//!
//! Only a whole text equal to the id is replaced, never a part of one. Pure.

use tidewire_model::{
    Cursor, Effect, EffectBody, EntityId, EntityKey, Filter, ObjectRef, Patch, Query, Record,
    RecordBuilder, Selection, Start, Test, Value, ValueRef,
};

/// The effect with the real id in the place of the temporary one, in its key and in its values.
pub(crate) fn effect(effect: &Effect, temporary: &EntityId, real: &EntityId) -> Effect {
    let id = if effect.key.id == *temporary {
        real.clone()
    } else {
        effect.key.id.clone()
    };
    let body = match &effect.body {
        EffectBody::Put(content) => EffectBody::Put(record(content, temporary, real)),
        EffectBody::Merge(fields) => EffectBody::Merge(patch(fields, temporary, real)),
        EffectBody::Remove => EffectBody::Remove,
        EffectBody::Increment { field, by } => EffectBody::Increment {
            field: field.clone(),
            by: by.clone(),
        },
        EffectBody::Append {
            field,
            value: added,
        } => EffectBody::Append {
            field: field.clone(),
            value: value(added.as_value_ref(), temporary, real),
        },
    };
    Effect::new(EntityKey::new(effect.key.entity_type.clone(), id), body)
}

fn record(content: &Record, temporary: &EntityId, real: &EntityId) -> Record {
    let mut builder = RecordBuilder::new();
    for (name, field) in content.fields() {
        builder.push(name, value(field, temporary, real));
    }
    builder.build()
}

fn patch(fields: &Patch, temporary: &EntityId, real: &EntityId) -> Patch {
    Patch::from_fields(fields.names().map(|name| {
        let set = fields.get(name);
        (name, set.map(|set| value(set, temporary, real)))
    }))
}

fn value(old: ValueRef<'_>, temporary: &EntityId, real: &EntityId) -> Value {
    match old {
        ValueRef::Text(text) if text == temporary.as_str() => id_value(real),
        ValueRef::List(list) => Value::List(
            list.iter()
                .map(|item| value(item, temporary, real))
                .collect(),
        ),
        ValueRef::Object(object) => Value::object(
            object
                .iter()
                .map(|(name, field)| (name, value(field, temporary, real))),
        ),
        other => other.to_value(),
    }
}

/// An id as a value, as the server writes it.
fn id_value(id: &EntityId) -> Value {
    if id.is_integer() {
        if let Ok(number) = id.as_str().parse::<i64>() {
            return Value::Int(number);
        }
        if let Ok(number) = id.as_str().parse::<u64>() {
            return Value::UInt(number);
        }
    }
    Value::from(id.as_str())
}

/// Calls back with each temporary id that an effect mentions, in its key or in a value.
pub(crate) fn temporary_ids(effect: &Effect, found: &mut impl FnMut(EntityId)) {
    if effect.key.id.is_temporary() {
        found(effect.key.id.clone());
    }
    match &effect.body {
        EffectBody::Put(content) => in_object(content.as_object(), found),
        EffectBody::Merge(fields) => {
            for (_, set) in fields.set_fields() {
                in_value(set, found);
            }
        }
        EffectBody::Append { value, .. } => in_value(value.as_value_ref(), found),
        EffectBody::Remove | EffectBody::Increment { .. } => {}
    }
}

fn in_object(object: ObjectRef<'_>, found: &mut impl FnMut(EntityId)) {
    for (_, field) in object.iter() {
        in_value(field, found);
    }
}

fn in_value(value: ValueRef<'_>, found: &mut impl FnMut(EntityId)) {
    match value {
        ValueRef::Text(text) => {
            if let Some(id) = temporary_id(text) {
                found(id);
            }
        }
        ValueRef::List(list) => list.iter().for_each(|item| in_value(item, found)),
        ValueRef::Object(object) => in_object(object, found),
        _ => {}
    }
}

fn temporary_id(text: &str) -> Option<EntityId> {
    if !text.starts_with(tidewire_model::TEMPORARY_PREFIX) {
        return None;
    }
    EntityId::text(text).ok()
}

/// The query with each temporary id that has a real one replaced; nothing if there is none.
pub(crate) fn query(query: &Query, real: &impl Fn(&EntityId) -> Option<EntityId>) -> Option<Query> {
    let mut renamer = QueryRenamer {
        real,
        changed: false,
    };
    let mut renamed = Query::new(query.entity_type().clone()).sorted(query.sort().clone());
    renamed = match query.selection() {
        Selection::Filter(filter) => renamed.filter(renamer.filter(filter)),
        Selection::Opaque(parameters) => {
            parameters.iter().fold(renamed, |renamed, (name, value)| {
                let real = renamer.text(value);
                let value = real.as_ref().map_or(&**value, EntityId::as_str);
                renamed.opaque(name, value)
            })
        }
    };
    renamed = match query.start() {
        Start::Offset(rows) => renamed.offset(*rows),
        Start::After(cursor) => renamed.after(renamer.cursor(cursor)),
    };
    if let Some(rows) = query.row_limit() {
        renamed = renamed.limit(rows);
    }
    renamer.changed.then_some(renamed)
}

/// Calls back with each id in a query that [`query`] would replace if it had a real one; with some more than once.
pub(crate) fn named_ids(query: &Query, found: &mut impl FnMut(EntityId)) {
    match query.selection() {
        Selection::Filter(filter) => in_filter(filter, found),
        Selection::Opaque(parameters) => {
            let values = parameters.iter().map(|(_, value)| &**value);
            for id in values.filter_map(temporary_id) {
                found(id);
            }
        }
    }
    if let Start::After(cursor) = query.start() {
        found(cursor.id.clone());
    }
}

fn in_filter(filter: &Filter, found: &mut impl FnMut(EntityId)) {
    match filter {
        Filter::All => {}
        Filter::And(parts) | Filter::Or(parts) => {
            parts.iter().for_each(|part| in_filter(part, found));
        }
        Filter::Not(inner) => in_filter(inner, found),
        Filter::Test { test, .. } => {
            let values = match test {
                Test::Eq(value) | Test::Ne(value) => std::slice::from_ref(value),
                Test::OneOf(values) => values,
                _ => &[],
            };
            let texts = values.iter().filter_map(|value| value.as_text());
            texts.filter_map(temporary_id).for_each(found);
        }
    }
}

struct QueryRenamer<'a, F> {
    real: &'a F,
    changed: bool,
}

impl<F: Fn(&EntityId) -> Option<EntityId>> QueryRenamer<'_, F> {
    fn filter(&mut self, filter: &Filter) -> Filter {
        match filter {
            Filter::All => Filter::All,
            Filter::And(parts) => Filter::And(parts.iter().map(|part| self.filter(part)).collect()),
            Filter::Or(parts) => Filter::Or(parts.iter().map(|part| self.filter(part)).collect()),
            Filter::Not(inner) => Filter::Not(Box::new(self.filter(inner))),
            Filter::Test { path, test } => Filter::Test {
                path: path.clone(),
                test: self.test(test),
            },
        }
    }

    fn test(&mut self, test: &Test) -> Test {
        match test {
            Test::Eq(value) => Test::Eq(self.value(value)),
            Test::Ne(value) => Test::Ne(self.value(value)),
            Test::OneOf(values) => {
                Test::OneOf(values.iter().map(|value| self.value(value)).collect())
            }
            other => other.clone(),
        }
    }

    fn cursor(&mut self, cursor: &Cursor) -> Cursor {
        let id = (self.real)(&cursor.id);
        self.changed |= id.is_some();
        Cursor {
            values: cursor.values.clone(),
            id: id.unwrap_or_else(|| cursor.id.clone()),
        }
    }

    /// The real id, if a text is a temporary one that has one.
    fn text(&mut self, text: &str) -> Option<EntityId> {
        let real = temporary_id(text).and_then(|id| (self.real)(&id));
        self.changed |= real.is_some();
        real
    }

    fn value(&mut self, value: &Value) -> Value {
        let real = value.as_text().and_then(|text| self.text(text));
        real.map_or_else(|| value.clone(), |real| id_value(&real))
    }
}
