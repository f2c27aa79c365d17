//! What an action is predicted to do to an entity, as data.
//!
//! Applying an effect is total: it never fails and never panics, whatever the entity looks like by then.

use serde::{Deserialize, Serialize};

use crate::id::EntityKey;
use crate::order::integer_value;
use crate::patch::{self, Patch};
use crate::record::Record;
use crate::value::{Value, ValueRef};

/// The predicted effect of an action on one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Which entity.
    pub key: EntityKey,
    /// What happens to it.
    pub body: EffectBody,
}

/// What happens to an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectBody {
    /// The entity becomes this record, whether it was there or not.
    Put(Record),
    /// Fields are set and unset. An absent entity stays absent.
    Merge(#[serde(with = "patch::whole")] Patch),
    /// The entity goes.
    Remove,
    /// A number in a field rises. A missing field becomes `by`; what is not a number stays as it is.
    Increment {
        /// The field, by its literal name.
        field: Box<str>,
        /// By how much; may be negative. Without effect when it is not a number.
        by: Value,
    },
    /// A value is added at the end of a list in a field. A missing field becomes a list with that value; what is
    /// not a list stays as it is.
    Append {
        /// The field, by its literal name.
        field: Box<str>,
        /// The value to add.
        value: Value,
    },
}

/// Which fields an effect may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectFields<'a> {
    /// All of them, and whether the entity is there at all.
    All,
    /// Only these.
    Named(Vec<&'a str>),
}

impl Effect {
    /// Puts a key and what happens to it together.
    pub fn new(key: EntityKey, body: EffectBody) -> Self {
        Self { key, body }
    }

    /// Which fields the effect may touch.
    pub fn fields(&self) -> EffectFields<'_> {
        self.body.fields()
    }
}

impl EffectBody {
    /// The entity after the effect; `None` stands for an absent entity, before and after.
    pub fn apply(&self, entity: Option<&Record>) -> Option<Record> {
        match self {
            Self::Put(record) => Some(record.clone()),
            Self::Merge(patch) => entity.map(|record| record.merge(patch)),
            Self::Remove => None,
            Self::Increment { field, by } => entity.map(|record| increment(record, field, by)),
            Self::Append { field, value } => entity.map(|record| append(record, field, value)),
        }
    }

    /// Which fields the effect may touch.
    pub fn fields(&self) -> EffectFields<'_> {
        match self {
            Self::Put(_) | Self::Remove => EffectFields::All,
            Self::Merge(patch) => EffectFields::Named(patch.names().collect()),
            Self::Increment { field, .. } | Self::Append { field, .. } => {
                EffectFields::Named(vec![field])
            }
        }
    }
}

fn increment(record: &Record, field: &str, by: &Value) -> Record {
    if !by.is_number() {
        return record.clone();
    }
    let sum = match record.get(field) {
        None => Some(by.clone()),
        Some(value) => add(value, by.as_value_ref()),
    };
    sum.map_or_else(|| record.clone(), |sum| record.with(field, sum))
}

/// The sum of two numbers: exact between integers, a float when it leaves 64 bit, nothing when it is not finite.
fn add(left: ValueRef<'_>, right: ValueRef<'_>) -> Option<Value> {
    if let (Some(left), Some(right)) = (integer(left), integer(right)) {
        return Some(integer_value(left + right));
    }
    Value::float(left.as_f64()? + right.as_f64()?)
}

fn integer(value: ValueRef<'_>) -> Option<i128> {
    match value {
        ValueRef::Int(number) => Some(number.into()),
        ValueRef::UInt(number) => Some(number.into()),
        _ => None,
    }
}

fn append(record: &Record, field: &str, value: &Value) -> Record {
    let mut values: Vec<Value> = match record.get(field) {
        None => Vec::new(),
        Some(ValueRef::List(list)) => list.iter().map(ValueRef::to_value).collect(),
        Some(_) => return record.clone(),
    };
    values.push(value.clone());
    record.with(field, values)
}
