//! An entity's fields: `Record`, its builder and its error.
//!
//! A record never changes; a change makes a new one. How the fields lie in memory stays private.

mod reader;
mod writer;

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fields::Fields;
use crate::id::{EntityId, NameError};
use crate::patch::Patch;
use crate::point::Version;
use crate::value::{ObjectRef, Value, ValueRef, ValueSeed};

/// The fields of one entity, in the order in which they were given.
///
/// A number is any 64 bit integer, signed or not, or a finite float. An integer beyond 64 bits becomes the nearest float
/// when it is read, and loses its last digits; what must be kept exactly, such as a large id or an amount, goes as text.
///
/// Cloning is cheap. Equality is by content and strict: `1` and `1.0` differ, the order of the fields does not
/// matter.
#[derive(Clone, Default)]
pub struct Record {
    fields: Arc<Fields<Value>>,
}

/// A record was refused or could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// What was given is not an object. The giver must send named fields.
    #[error("expected an object")]
    NotAnObject,
    /// The field that should hold the entity id is not there.
    #[error("the record has no id: the field \"{field}\" is missing")]
    MissingId {
        /// The name of the id field.
        field: Box<str>,
    },
    /// The field that should hold the entity id is neither text nor an integer.
    #[error("the record has no id: the field \"{field}\" is neither text nor an integer")]
    IdKind {
        /// The name of the id field.
        field: Box<str>,
    },
    /// The entity id breaks the rules for ids.
    #[error("the id in the field \"{field}\" is refused: {source}")]
    IdText {
        /// The name of the id field.
        field: Box<str>,
        /// The rule that was broken.
        source: NameError,
    },
    /// The content as a whole does not fit the application's type, or cannot be held by a record.
    #[error("{0}")]
    Mismatch(Box<str>),
    /// A field does not fit the application's type, or cannot be held by a record.
    #[error("the field \"{path}\": {detail}")]
    Field {
        /// Which, as in [`Record::path`]; the place in a list is left out.
        path: Box<str>,
        /// What was expected.
        detail: Box<str>,
    },
}

impl RecordError {
    /// What went wrong inside of a field.
    fn inside(self, field: &str) -> Self {
        match self {
            Self::Mismatch(detail) => Self::Field {
                path: field.into(),
                detail,
            },
            Self::Field { path, detail } => Self::Field {
                path: format!("{field}.{path}").into(),
                detail,
            },
            other => other,
        }
    }
}

impl Record {
    /// A record without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a field, by its literal name.
    pub fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        self.as_object().get(name)
    }

    /// The value at a dotted path such as `address.city`. A literal field name that contains the dots wins over
    /// descending.
    pub fn path(&self, path: &str) -> Option<ValueRef<'_>> {
        self.as_object().path(path)
    }

    /// Names and values in a stable order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, ValueRef<'_>)> {
        self.as_object().iter()
    }

    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The record as a borrowed object.
    pub fn as_object(&self) -> ObjectRef<'_> {
        ObjectRef::from_fields(&self.fields)
    }

    /// This record with a patch applied: fields set and unset, others kept. Values are replaced whole.
    #[must_use]
    pub fn merge(&self, patch: &Patch) -> Self {
        if patch.is_empty() {
            return self.clone();
        }
        let mut fields = (*self.fields).clone();
        fields.set_all(
            patch
                .set_fields()
                .map(|(name, value)| (name, value.clone())),
        );
        fields.remove_all(patch.unset_fields());
        Self::from_fields(fields)
    }

    /// This record with one field set.
    #[must_use]
    pub fn with(&self, name: &str, value: impl Into<Value>) -> Self {
        let mut fields = (*self.fields).clone();
        fields.set(name, value.into());
        Self::from_fields(fields)
    }

    /// This record without one field.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        if !self.fields.contains(name) {
            return self.clone();
        }
        let mut fields = (*self.fields).clone();
        fields.remove_all([name]);
        Self::from_fields(fields)
    }

    /// The patch that turns this record into a newer one.
    pub fn diff(&self, newer: &Self) -> Patch {
        let mut patch = Patch::new();
        if Arc::ptr_eq(&self.fields, &newer.fields) {
            return patch;
        }
        for (name, value) in newer.fields.iter() {
            if self.fields.get(name) != Some(value) {
                patch.put(name, value.clone());
            }
        }
        for (name, _) in self.fields.iter() {
            if !newer.fields.contains(name) {
                patch.drop_field(name);
            }
        }
        patch
    }

    /// How deep it is nested, itself counted as one.
    pub fn depth(&self) -> usize {
        self.as_object().depth()
    }

    /// Roughly how much memory the record holds, in bytes. Shared clones count it again.
    pub fn approximate_bytes(&self) -> usize {
        let entries: usize = self
            .fields
            .iter()
            .map(|(name, value)| size_of::<(Arc<str>, Value)>() + name.len() + value.heap_bytes())
            .sum();
        size_of::<Self>() + size_of::<Fields<Value>>() + entries
    }

    /// The entity id in the named field.
    ///
    /// # Errors
    /// The field is missing, is neither text nor an integer, or breaks the rules for ids.
    pub fn entity_id(&self, field: &str) -> Result<EntityId, RecordError> {
        match self.get(field) {
            None => Err(RecordError::MissingId {
                field: field.into(),
            }),
            Some(ValueRef::Int(number)) => Ok(EntityId::integer(number)),
            Some(ValueRef::UInt(number)) => Ok(EntityId::unsigned(number)),
            Some(ValueRef::Text(text)) => {
                EntityId::text(text).map_err(|source| RecordError::IdText {
                    field: field.into(),
                    source,
                })
            }
            Some(_) => Err(RecordError::IdKind {
                field: field.into(),
            }),
        }
    }

    /// The version in the named field; `None` when it is missing or not a version.
    pub fn version(&self, field: &str) -> Option<Version> {
        self.get(field)?.as_u64().and_then(Version::new)
    }

    /// Reads an application's type from the record.
    ///
    /// # Errors
    /// [`RecordError::Field`] when a field does not fit the type, [`RecordError::Mismatch`] when the whole does not; both
    /// say what was expected.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, RecordError> {
        T::deserialize(ValueRef::Object(self.as_object()))
    }

    /// Makes a record from an application's type.
    ///
    /// # Errors
    /// The type is not a struct or map with text keys, holds a number that is not finite, or is nested too deep.
    pub fn from_serialize<T: Serialize + ?Sized>(source: &T) -> Result<Self, RecordError> {
        Self::from_value(writer::to_value(source)?)
    }

    /// Makes a record from an object value.
    ///
    /// # Errors
    /// [`RecordError::NotAnObject`] for any other value.
    pub fn from_value(value: Value) -> Result<Self, RecordError> {
        let Value::Object(pairs) = value else {
            return Err(RecordError::NotAnObject);
        };
        let mut fields = Fields::default();
        fields.set_all(pairs);
        Ok(Self::from_fields(fields))
    }

    /// The record as an object value.
    pub fn to_value(&self) -> Value {
        ValueRef::Object(self.as_object()).to_value()
    }

    /// Whether two records share their memory; if so, they are equal.
    pub fn shares_memory(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.fields, &other.fields)
    }

    pub(crate) fn into_fields(self) -> Fields<Value> {
        Arc::unwrap_or_clone(self.fields)
    }

    fn from_fields(fields: Fields<Value>) -> Self {
        Self {
            fields: Arc::new(fields),
        }
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.shares_memory(other)
            || (self.len() == other.len()
                && self
                    .fields
                    .iter()
                    .all(|(name, value)| other.fields.get(name) == Some(value)))
    }
}

impl Eq for Record {}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.fields.iter()).finish()
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ValueRef::Object(self.as_object()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_fields(deserializer, |value| value).map(Self::from_fields)
    }
}

/// Reads an object's fields; also the set part of a patch.
pub(crate) fn read_fields<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    wrap: fn(Value) -> T,
) -> Result<Fields<T>, D::Error> {
    struct FieldsVisitor<T>(fn(Value) -> T);

    impl<'de, T> Visitor<'de> for FieldsVisitor<T> {
        type Value = Fields<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Fields<T>, A::Error> {
            let mut fields = Fields::default();
            let mut more = Vec::new();
            while let Some(name) = access.next_key::<Box<str>>()? {
                let value = self.0(access.next_value_seed(ValueSeed { depth: 1 })?);
                if fields.is_small() {
                    fields.set(&name, value);
                } else {
                    more.push((name, value));
                }
            }
            fields.set_all(more);
            Ok(fields)
        }
    }

    deserializer.deserialize_map(FieldsVisitor(wrap))
}

/// Makes a record field by field.
#[derive(Debug, Clone, Default)]
pub struct RecordBuilder {
    fields: Fields<Value>,
}

impl RecordBuilder {
    /// Starts without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field. Of a repeated name the last value wins, at the place of the first.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.push(name, value);
        self
    }

    /// The same for a builder that is kept in a variable.
    pub fn push(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.set(name, value.into());
    }

    /// The record.
    pub fn build(self) -> Record {
        Record::from_fields(self.fields)
    }
}
