//! The values that fields hold: owned `Value` and borrowed `ValueRef`.
//!
//! Everything that only reads takes a `ValueRef`, so the way a record keeps its values inside stays private.
//! Holds no text format: reading and writing go through serde.

mod read;

pub(crate) use read::{EXPECTED, deeper};

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::fields::last_wins;
use crate::order;
use crate::packed::{PackedList, PackedObject, Table};

/// How deep lists and objects may be nested when they are read.
pub const MAX_DEPTH: usize = 32;

/// An owned value.
///
/// Integers are kept exactly from `i64::MIN` to `u64::MAX`. One beyond that is read as the nearest [`Value::Float`].
///
/// Equality is strict: `1` and `1.0` differ, while the order of an object's fields does not matter. `Ord` is
/// [`order::compare`] with numbers of different kinds told apart, so that it agrees with equality.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// A number that is not an integer by kind. Finite wherever it was read; [`Value::float`] makes no other.
    Float(f64),
    /// Text.
    Text(Box<str>),
    /// Values in order.
    List(Vec<Value>),
    /// Named values, each name once. Made with [`Value::object`].
    Object(Vec<(Box<str>, Value)>),
}

impl Value {
    /// A finite number; `None` for infinities and for what is not a number.
    pub fn float(number: f64) -> Option<Self> {
        number.is_finite().then_some(Self::Float(number))
    }

    /// An object. Of a repeated name the last value wins, at the place of the first.
    pub fn object<N: Into<Box<str>>, V: Into<Value>>(
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = fields
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self::Object(last_wins(pairs))
    }

    /// The same value, borrowed.
    pub fn as_value_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Bool(value) => ValueRef::Bool(*value),
            Self::Int(value) => ValueRef::Int(*value),
            Self::UInt(value) => ValueRef::UInt(*value),
            Self::Float(value) => ValueRef::Float(*value),
            Self::Text(value) => ValueRef::Text(value),
            Self::List(values) => ValueRef::List(ListRef {
                inner: ListInner::Values(values),
            }),
            Self::Object(pairs) => ValueRef::Object(ObjectRef {
                inner: ObjectInner::Pairs(pairs),
            }),
        }
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether this is a number of any kind.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::UInt(_) | Self::Float(_))
    }

    /// The text, if this is text.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        order::compare_strict(self.as_value_ref(), other.as_value_ref())
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        order::hash_strict(self.as_value_ref(), state);
    }
}

/// A borrowed value.
#[derive(Debug, Clone, Copy)]
pub enum ValueRef<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// A finite number that is not an integer by kind.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Values in order.
    List(ListRef<'a>),
    /// Named values.
    Object(ObjectRef<'a>),
}

impl<'a> ValueRef<'a> {
    /// An owned copy.
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::UInt(value) => Value::UInt(value),
            Self::Float(value) => Value::Float(value),
            Self::Text(value) => Value::Text(value.into()),
            Self::List(list) => Value::List(list.iter().map(ValueRef::to_value).collect()),
            Self::Object(object) => Value::Object(
                object
                    .iter()
                    .map(|(name, value)| (name.into(), value.to_value()))
                    .collect(),
            ),
        }
    }

    /// How deep lists and objects are nested, this one counted as one; 0 for what is neither.
    pub fn depth(self) -> usize {
        match self {
            Self::List(list) => 1 + list.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(object) => object.depth(),
            _ => 0,
        }
    }

    /// Whether this is null.
    pub fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether this is a number of any kind.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Int(_) | Self::UInt(_) | Self::Float(_))
    }

    /// The truth value, if this is one.
    pub fn as_bool(self) -> Option<bool> {
        if let Self::Bool(value) = self {
            Some(value)
        } else {
            None
        }
    }

    /// The integer, if this is one that fits.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::UInt(value) => i64::try_from(value).ok(),
            _ => None,
        }
    }

    /// The integer, if this is one that is not negative.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Self::Int(value) => u64::try_from(value).ok(),
            Self::UInt(value) => Some(value),
            _ => None,
        }
    }

    /// The number, rounded to the nearest float when it is a large integer.
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(value as f64),
            Self::UInt(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The text, if this is text.
    pub fn as_text(self) -> Option<&'a str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The list, if this is one.
    pub fn as_list(self) -> Option<ListRef<'a>> {
        if let Self::List(list) = self {
            Some(list)
        } else {
            None
        }
    }

    /// The object, if this is one.
    pub fn as_object(self) -> Option<ObjectRef<'a>> {
        if let Self::Object(object) = self {
            Some(object)
        } else {
            None
        }
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> Self {
        value.as_value_ref()
    }
}

impl PartialEq for ValueRef<'_> {
    /// Strict, as for [`Value`].
    fn eq(&self, other: &Self) -> bool {
        order::compare_strict(*self, *other) == Ordering::Equal
    }
}

impl Eq for ValueRef<'_> {}

impl PartialEq<Value> for ValueRef<'_> {
    fn eq(&self, other: &Value) -> bool {
        *self == other.as_value_ref()
    }
}

/// A borrowed list.
#[derive(Clone, Copy)]
pub struct ListRef<'a> {
    inner: ListInner<'a>,
}

#[derive(Clone, Copy)]
enum ListInner<'a> {
    Values(&'a [Value]),
    Packed(PackedList<'a>),
}

impl<'a> ListRef<'a> {
    pub(crate) fn packed(list: PackedList<'a>) -> Self {
        Self {
            inner: ListInner::Packed(list),
        }
    }

    /// The same, where it is packed.
    pub(crate) fn as_packed(self) -> Option<PackedList<'a>> {
        match self.inner {
            ListInner::Values(_) => None,
            ListInner::Packed(list) => Some(list),
        }
    }

    /// How many values it has.
    pub fn len(self) -> usize {
        match self.inner {
            ListInner::Values(values) => values.len(),
            ListInner::Packed(list) => list.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The values in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = ValueRef<'a>> {
        let items = self.items();
        (0..items.len()).map(move |place| items.value(place))
    }

    /// The value at a place, counted from 0.
    pub fn get(self, place: usize) -> Option<ValueRef<'a>> {
        let items = self.items();
        (place < items.len()).then(|| items.value(place))
    }

    fn items(self) -> Items<'a, Value> {
        match self.inner {
            ListInner::Values(values) => Items::Owned(values),
            ListInner::Packed(list) => Items::Packed(list.table()),
        }
    }
}

impl fmt::Debug for ListRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A borrowed object: the fields of a record, or a nested object.
#[derive(Clone, Copy)]
pub struct ObjectRef<'a> {
    inner: ObjectInner<'a>,
}

#[derive(Clone, Copy)]
enum ObjectInner<'a> {
    Pairs(&'a [(Box<str>, Value)]),
    Packed(PackedObject<'a>),
}

impl<'a> ObjectRef<'a> {
    pub(crate) fn packed(object: PackedObject<'a>) -> Self {
        Self {
            inner: ObjectInner::Packed(object),
        }
    }

    /// The same, where it is packed.
    pub(crate) fn as_packed(self) -> Option<PackedObject<'a>> {
        match self.inner {
            ObjectInner::Pairs(_) => None,
            ObjectInner::Packed(object) => Some(object),
        }
    }

    /// How many fields it has.
    pub fn len(self) -> usize {
        match self.inner {
            ObjectInner::Pairs(pairs) => pairs.len(),
            ObjectInner::Packed(object) => object.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Names and values, in the order in which the names were first given.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (&'a str, ValueRef<'a>)> {
        let items = match self.inner {
            ObjectInner::Pairs(pairs) => Items::Owned(pairs),
            ObjectInner::Packed(object) => Items::Packed(object.table()),
        };
        (0..items.len()).map(move |place| items.field(place))
    }

    /// The value of a name.
    pub fn get(self, name: &str) -> Option<ValueRef<'a>> {
        match self.inner {
            ObjectInner::Pairs(pairs) => pairs
                .iter()
                .rev()
                .find(|(known, _)| &**known == name)
                .map(|(_, value)| value.as_value_ref()),
            ObjectInner::Packed(object) => object.get(name),
        }
    }

    /// How deep it is nested, itself counted as one.
    pub fn depth(self) -> usize {
        1 + self
            .iter()
            .map(|(_, value)| value.depth())
            .max()
            .unwrap_or(0)
    }

    /// The value at a dotted path. A literal field name that contains the dots wins over descending.
    pub fn path(self, path: &str) -> Option<ValueRef<'a>> {
        let mut object = self;
        let mut rest = path;
        loop {
            if let Some(value) = object.get(rest) {
                return Some(value);
            }
            // Paths are short; looking at each letter is quicker here than searching well.
            let dot = rest.bytes().position(|letter| letter == b'.')?;
            object = object.get(&rest[..dot])?.as_object()?;
            rest = &rest[dot + 1..];
        }
    }
}

impl fmt::Debug for ObjectRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// What a list or an object holds, found once for many reads.
enum Items<'a, T> {
    Owned(&'a [T]),
    Packed(Table<'a>),
}

impl<T> Items<'_, T> {
    fn len(&self) -> usize {
        match self {
            Self::Owned(items) => items.len(),
            Self::Packed(table) => table.len(),
        }
    }
}

impl<'a> Items<'a, Value> {
    fn value(&self, place: usize) -> ValueRef<'a> {
        match self {
            Self::Owned(values) => values[place].as_value_ref(),
            Self::Packed(table) => table.value(place),
        }
    }
}

impl<'a> Items<'a, (Box<str>, Value)> {
    fn field(&self, place: usize) -> (&'a str, ValueRef<'a>) {
        match self {
            Self::Owned(pairs) => (&pairs[place].0, pairs[place].1.as_value_ref()),
            Self::Packed(table) => (table.field_name(place), table.field_value(place)),
        }
    }
}

macro_rules! from_integer {
    ($($type:ty),*) => {$(
        impl From<$type> for Value {
            fn from(number: $type) -> Self {
                Self::Int(i64::from(number))
            }
        }
    )*};
}

from_integer!(i8, i16, i32, i64, u8, u16, u32);

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or(Self::UInt(number), Self::Int)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    /// The number as it is, also where it is not finite: such a value has no form outside this process and is refused
    /// where it would have to leave it. [`Value::float`] refuses it at once.
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        value.to_value()
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
