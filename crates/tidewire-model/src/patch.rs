//! A partial change of a record: fields to set and fields to unset.
//!
//! Shallow: a value is replaced whole, and null is a value like any other.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fields::Fields;
use crate::record::{Maker, Record};
use crate::value::{Value, ValueSeed};

/// Which fields a change sets, and which it unsets.
///
/// Setting and unsetting one name: the later call wins. Serialises as an object of the fields it sets; the names
/// it unsets travel beside it, see [`patch_whole`](whole) for both in one.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    /// The new value, or nothing for a field that is unset.
    fields: Fields<Option<Value>>,
}

impl Patch {
    /// A patch that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every field of a record, set.
    #[expect(clippy::needless_pass_by_value, reason = "a record becomes a patch")]
    pub fn from_record(record: Record) -> Self {
        let mut patch = Self::new();
        patch.put_all(
            record
                .fields()
                .map(|(name, value)| (name, value.to_value())),
        );
        patch
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
        self.fields.set(name, Some(value.into()));
    }

    /// Sets many fields.
    pub(crate) fn put_all<'n>(&mut self, fields: impl Iterator<Item = (&'n str, Value)>) {
        self.fields
            .set_all(fields.map(|(name, value)| (name, Some(value))));
    }

    /// Unsets a field of a patch that is kept in a variable.
    pub fn drop_field(&mut self, name: &str) {
        self.fields.set(name, None);
    }

    /// Unsets many fields of a patch that is kept in a variable.
    pub fn drop_fields<N: AsRef<str> + Into<Box<str>>>(
        &mut self,
        names: impl IntoIterator<Item = N>,
    ) {
        self.fields
            .set_all(names.into_iter().map(|name| (name, None)));
    }

    /// This patch, neither setting nor unsetting one field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.remove_all([name]);
        self
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// How many fields it sets or unsets.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// The new value of a field that it sets.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)?.as_ref()
    }

    /// All fields: the new value, or nothing for one that is unset.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, Option<&Value>)> {
        self.fields
            .iter()
            .map(|(name, value)| (name, value.as_ref()))
    }

    /// What it does to a field, if anything: the new value, or nothing for one that is unset.
    pub(crate) fn field(&self, name: &str) -> Option<Option<&Value>> {
        self.fields.get(name).map(Option::as_ref)
    }

    /// Whether it sets or unsets a field.
    pub fn touches(&self, name: &str) -> bool {
        self.fields.contains(name)
    }

    /// The fields it sets, in the order in which they were first named.
    pub fn set_fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields
            .iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
    }

    /// The fields it unsets, in the order in which they were first named.
    pub fn unset_fields(&self) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name)
    }

    /// The fields it sets or unsets, in the order in which they were first named.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name)
    }

    /// This patch and then another, as one.
    #[must_use]
    pub fn then(&self, later: &Self) -> Self {
        let mut both = self.clone();
        both.fields.set_all(
            later
                .fields
                .iter()
                .map(|(name, value)| (name, value.clone())),
        );
        both
    }

    /// The fields it sets, as a record.
    pub fn set_record(&self) -> Record {
        let mut maker = Maker::new();
        for (name, value) in self.set_fields() {
            maker.field(name, value.as_value_ref());
        }
        maker.finish()
    }
}

impl PartialEq for Patch {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .fields
                .iter()
                .all(|(name, value)| other.fields.get(name) == Some(value))
    }
}

impl Eq for Patch {}

impl Serialize for Patch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.set_fields())
    }
}

impl<'de> Deserialize<'de> for Patch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PatchVisitor)
    }
}

struct PatchVisitor;

impl<'de> Visitor<'de> for PatchVisitor {
    type Value = Patch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Patch, A::Error> {
        let mut fields = Fields::default();
        let mut more = Vec::new();
        while let Some(name) = access.next_key::<Box<str>>()? {
            let value = Some(access.next_value_seed(ValueSeed { depth: 1 })?);
            if fields.is_small() {
                fields.set(&name, value);
            } else {
                more.push((name, value));
            }
        }
        fields.set_all(more);
        Ok(Patch { fields })
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
