//! A partial change of a record: fields to set and fields to unset.
//!
//! Shallow: a value is replaced whole, and null is a value like any other. Both parts are packed as records are, and have
//! shapes of their own, so that there is room for those of whole records however many ways there are to change one.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fields::last_wins;
use crate::record::{Maker, Record, RecordError};
use crate::value::{Value, ValueRef};

/// Which fields a change sets, and which it unsets.
///
/// Setting and unsetting one name: the later call wins. Serialises as an object of the fields it sets; the names
/// it unsets travel beside it, see [`patch_whole`](whole) for both in one.
///
/// Cloning is cheap. Each change makes the patch anew, which takes as long as it is large: one of many fields is made with
/// [`Patch::from_fields`].
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Patch {
    set: Record,
    /// The names that are unset, each with a null; none where there are no names.
    unset: Option<Record>,
}

impl Patch {
    /// A patch that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every field of a record, set.
    pub fn from_record(record: Record) -> Self {
        Self {
            set: record,
            unset: None,
        }
    }

    /// Fields in turn: the new value, or nothing for one that is unset. Of a repeated name the last counts, and what is set
    /// stands at the place of the first.
    pub fn from_fields<N: Into<Box<str>>, V: Into<Value>>(
        fields: impl IntoIterator<Item = (N, Option<V>)>,
    ) -> Self {
        let fields = fields.into_iter();
        let fields = fields.map(|(name, value)| (name.into(), value.map(Into::into)));
        let fields: Vec<(Box<str>, Option<Value>)> = last_wins(fields.collect());
        let set = fields.iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            Some((&**name, value.as_value_ref()))
        });
        let unset = fields.iter().filter(|(_, value)| value.is_none());
        Self::from_parts(set, unset.map(|(name, _)| &**name))
    }

    /// What turns an application's value into a newer one: the fields that differ in their written forms, each whole. A
    /// field that the newer one does not write, such as one that is skipped while it is `None`, is unset. Fields that the
    /// type does not know stay as they are.
    ///
    /// # Errors
    /// Those of [`Record::from_serialize`].
    pub fn between<T: Serialize + ?Sized>(before: &T, after: &T) -> Result<Self, RecordError> {
        Ok(Record::from_serialize(before)?.diff(&Record::from_serialize(after)?))
    }

    /// Fields that are set and others that are unset.
    pub(crate) fn from_parts<'n>(
        set: impl Iterator<Item = (&'n str, ValueRef<'n>)>,
        unset: impl Iterator<Item = &'n str>,
    ) -> Self {
        Self {
            set: packed(set),
            unset: nulls(unset),
        }
    }

    /// Sets a field.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.put(name, value);
        self
    }

    /// Unsets a field.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.drop_field(name);
        self
    }

    /// Sets a field of a patch that is kept in a variable.
    pub fn put(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        let field = (name, value.as_value_ref());
        self.set = packed(self.set.fields().chain([field]));
        self.keep_unset(|known| known != name);
    }

    /// Unsets a field of a patch that is kept in a variable.
    pub fn drop_field(&mut self, name: &str) {
        self.drop_fields([name]);
    }

    /// Unsets many fields of a patch that is kept in a variable.
    pub fn drop_fields<N: AsRef<str>>(&mut self, names: impl IntoIterator<Item = N>) {
        let names: Vec<N> = names.into_iter().collect();
        let more = names.iter().map(AsRef::as_ref);
        let unset = nulls(self.unset_fields().chain(more));
        self.unset = unset;
        let is_unset = |name: &str| {
            self.unset
                .as_ref()
                .is_some_and(|unset| unset.get(name).is_some())
        };
        if self.set.fields().any(|(name, _)| is_unset(name)) {
            let kept = self.set.fields().filter(|(name, _)| !is_unset(name));
            self.set = packed(kept);
        }
    }

    /// This patch, neither setting nor unsetting one field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        if self.set.get(name).is_some() {
            self.set = packed(self.set.fields().filter(|(known, _)| *known != name));
        }
        self.keep_unset(|known| known != name);
        self
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many fields it sets or unsets.
    pub fn len(&self) -> usize {
        self.set.len() + self.unset.as_ref().map_or(0, Record::len)
    }

    /// The new value of a field that it sets.
    pub fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        self.set.get(name)
    }

    /// What it does to a field, if anything: the new value, or nothing for one that is unset.
    pub(crate) fn field(&self, name: &str) -> Option<Option<ValueRef<'_>>> {
        match self.set.get(name) {
            Some(value) => Some(Some(value)),
            None => self.unset.as_ref()?.get(name).map(|_| None),
        }
    }

    /// Whether it sets or unsets a field.
    pub fn touches(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// The fields it sets, in the order in which they were set.
    pub fn set_fields(&self) -> impl ExactSizeIterator<Item = (&str, ValueRef<'_>)> {
        self.set.fields()
    }

    /// The fields it unsets, in the order in which they were unset.
    pub fn unset_fields(&self) -> impl Iterator<Item = &str> {
        let unset = self.unset.iter().flat_map(Record::fields);
        unset.map(|(name, _)| name)
    }

    /// The fields it sets, and then those it unsets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let set = self.set_fields().map(|(name, _)| name);
        set.chain(self.unset_fields())
    }

    /// This patch and then another, as one.
    #[must_use]
    pub fn then(&self, later: &Self) -> Self {
        let unset = self.unset_fields().filter(|name| later.get(name).is_none());
        Self {
            set: self.set.merge_part(later),
            unset: nulls(unset.chain(later.unset_fields())),
        }
    }

    /// The fields it sets, as a record.
    pub fn set_record(&self) -> &Record {
        &self.set
    }

    fn keep_unset(&mut self, keeps: impl Fn(&str) -> bool) {
        if !self.unset_fields().all(&keeps) {
            self.unset = nulls(self.unset_fields().filter(|name| keeps(name)));
        }
    }
}

/// Fields of a part. Of a repeated name the last value wins, at the place of the first.
fn packed<'n>(fields: impl Iterator<Item = (&'n str, ValueRef<'n>)>) -> Record {
    let mut fields = fields.peekable();
    if fields.peek().is_none() {
        return Record::new();
    }
    let mut maker = Maker::of_part();
    for (name, value) in fields {
        maker.field(name, value);
    }
    maker.finish()
}

/// Names, each with a null, if there are any.
fn nulls<'n>(names: impl Iterator<Item = &'n str>) -> Option<Record> {
    let record = packed(names.map(|name| (name, ValueRef::Null)));
    (!record.is_empty()).then_some(record)
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unset: Vec<&str> = self.unset_fields().collect();
        f.debug_struct("Patch")
            .field("set", &self.set)
            .field("unset", &unset)
            .finish()
    }
}

impl Serialize for Patch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.set.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Patch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let set = Maker::of_part().read(deserializer)?;
        Ok(Self::from_record(set))
    }
}

/// Serde for a whole patch, `{"set": {…}, "unset": […]}`, for use with `#[serde(with = "tidewire_model::patch_whole")]`.
pub mod whole {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Patch;

    #[derive(Serialize)]
    struct Written<'a> {
        set: &'a Patch,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        unset: Vec<&'a str>,
    }

    #[derive(Deserialize)]
    struct Read {
        #[serde(default)]
        set: Patch,
        #[serde(default)]
        unset: Vec<Box<str>>,
    }

    /// Writes both parts.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(patch: &Patch, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            set: patch,
            unset: patch.unset_fields().collect(),
        }
        .serialize(serializer)
    }

    /// Reads both parts. A name in both is unset.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Patch, D::Error> {
        let Read {
            set: mut patch,
            unset,
        } = Read::deserialize(deserializer)?;
        patch.drop_fields(unset);
        Ok(patch)
    }
}
