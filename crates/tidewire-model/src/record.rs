//! An entity's fields: `Record`, its builder and its error.
//!
//! A record never changes; a change makes a new one. How the fields lie in memory stays private.

mod change;
mod error;
mod make;
mod read;
mod reader;
mod writer;

pub use error::RecordError;
pub(crate) use make::Maker;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use crate::id::EntityId;
use crate::packed::PackedObject;
use crate::point::Version;
use crate::shape::Shape;
use crate::value::{ObjectRef, Value, ValueRef};

/// The fields of one entity, in the order in which they were given.
///
/// A number is any 64 bit integer, signed or not, or a finite float. An integer beyond 64 bits becomes the nearest float
/// when it is read, and loses its last digits; what must be kept exactly, such as a large id or an amount, goes as text.
///
/// Cloning is cheap. Equality is by content and strict: `1` and `1.0` differ, the order of the fields does not
/// matter.
#[derive(Clone)]
pub struct Record {
    /// The names, where they are known; else they are packed with the values.
    shape: Option<&'static Shape>,
    packed: Arc<str>,
}

/// What stands before shared memory: how many share it.
const COUNT_BYTES: usize = 2 * size_of::<usize>();

/// So many bytes of a record's names count as shared with other records.
const SHARED_NAMES: usize = 256;

/// What a field takes beside its name and its value, where the name is not shared: two slots, a place in the index, the
/// length of the name.
const FIELD_BYTES: usize = 14;

impl Record {
    /// A record without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a field, by its literal name.
    #[inline]
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
        self.as_packed().len()
    }

    /// Whether it has no fields.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record as a borrowed object.
    #[inline]
    pub fn as_object(&self) -> ObjectRef<'_> {
        ObjectRef::packed(self.as_packed())
    }

    /// How deep it is nested, itself counted as one.
    pub fn depth(&self) -> usize {
        self.as_object().depth()
    }

    /// Roughly how much memory the record takes, in bytes, its handle and all its names included. Depends on the content alone,
    /// so that it comes out alike in every run; JSON text is no longer than six times as much. Clones count it again.
    pub fn approximate_bytes(&self) -> usize {
        let object = self.as_packed();
        size_of::<Self>() + COUNT_BYTES + FIELD_BYTES * object.len() + object.content_bytes()
    }

    /// How much memory the record holds beside its handle, in bytes: what was asked of the allocator. Clones share it. Names
    /// that it has in common with others are not counted; there is a bound to them for the whole program, and which names
    /// they are depends on what the program read before.
    pub fn held_bytes(&self) -> usize {
        if self.packed.is_empty() {
            return 0;
        }
        (COUNT_BYTES + self.packed.len()).next_multiple_of(align_of::<usize>())
    }

    /// How much memory the record holds beside its handle, in bytes, if its names are shared as they mostly are. Depends on
    /// the content alone, as [`approximate_bytes`](Self::approximate_bytes) does, and is nearer to
    /// [`held_bytes`](Self::held_bytes). Names count as far as they are longer than 256 bytes together.
    pub fn counted_bytes(&self) -> usize {
        let object = self.as_packed();
        let names = object.names_bytes();
        let values = object.content_bytes().saturating_sub(names);
        let slots = (object.len() + 2) * size_of::<u32>();
        COUNT_BYTES + slots + values + names.saturating_sub(SHARED_NAMES)
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
        Ok(record_of(&pairs))
    }

    /// The record as an object value.
    pub fn to_value(&self) -> Value {
        ValueRef::Object(self.as_object()).to_value()
    }

    /// Whether two records share their memory; if so, they are equal.
    pub fn shares_memory(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.packed, &other.packed) && self.has_shape_of(other)
    }

    /// The names, where they are known.
    #[inline]
    pub(crate) fn shape(&self) -> Option<&'static Shape> {
        self.shape
    }

    /// The value at a place of a record.
    #[inline]
    pub(crate) fn value_at(&self, place: usize) -> ValueRef<'_> {
        self.as_packed().table().field_value(place)
    }

    #[inline]
    fn as_packed(&self) -> PackedObject<'_> {
        match self.shape {
            Some(shape) => PackedObject::shaped(&self.packed, shape),
            None => PackedObject::own(&self.packed),
        }
    }

    /// Whether both have the same names in the same order, and know it.
    fn has_shape_of(&self, other: &Self) -> bool {
        match (self.shape, other.shape) {
            (Some(one), Some(two)) => std::ptr::eq(one, two),
            (None, None) => Arc::ptr_eq(&self.packed, &other.packed),
            _ => false,
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Maker::new().finish()
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        if self.has_shape_of(other) {
            return self.packed == other.packed
                || self
                    .fields()
                    .zip(other.fields())
                    .all(|(one, two)| one.1 == two.1);
        }
        self.len() == other.len()
            && self
                .fields()
                .all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Eq for Record {}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_object().fmt(f)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ValueRef::Object(self.as_object()).serialize(serializer)
    }
}

/// Makes a record field by field.
#[derive(Debug, Clone, Default)]
pub struct RecordBuilder {
    /// In turn; a name may be repeated.
    fields: Vec<(Box<str>, Value)>,
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
        self.fields.push((name.into(), value.into()));
    }

    /// The record.
    pub fn build(self) -> Record {
        record_of(&self.fields)
    }
}

/// Of a repeated name the last value wins, at the place of the first.
fn record_of(pairs: &[(Box<str>, Value)]) -> Record {
    let mut maker = Maker::new();
    for (name, value) in pairs {
        maker.field(name, value.as_value_ref());
    }
    maker.finish()
}
