//! What messages are put together from: bounded numbers, closed lists of words, nested objects and lists of them.
//!
//! Knows neither a message nor a byte format.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, IgnoredAny, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tidewire_model::MAX_WIRE;

use crate::error::Fault;
use crate::limits::NAME_BYTES;

/// A thing that is read as an object: first its fields, then the thing.
pub(crate) trait FromWire: Sized {
    /// Its fields as they stand on the wire.
    type Fields: for<'de> Deserialize<'de>;

    /// The thing, if its fields make one.
    fn from_wire(fields: Self::Fields) -> Result<Self, Fault>;
}

/// A field the message cannot do without.
pub(crate) fn need<T>(field: Option<T>, name: &'static str) -> Result<T, Fault> {
    field.ok_or_else(|| Fault::missing(name))
}

/// A name that somebody keeps: 1 to [`NAME_BYTES`] bytes.
pub(crate) fn name(text: Option<String>, field: &'static str) -> Result<String, Fault> {
    let text = note(text, field)?;
    if text.is_empty() {
        Err(Fault::bad(field, &"it is empty"))
    } else {
        Ok(text)
    }
}

/// The same where an empty text means something too.
pub(crate) fn note(text: Option<String>, field: &'static str) -> Result<String, Fault> {
    let text = need(text, field)?;
    if text.len() <= NAME_BYTES {
        return Ok(text);
    }
    let bytes = text.len();
    Err(Fault::bad(
        field,
        &format_args!("it has {bytes} bytes, at most {NAME_BYTES} are taken"),
    ))
}

/// An object inside a message, where it may be absent.
pub(crate) fn nested<T: FromWire>(
    fields: Option<T::Fields>,
    name: &'static str,
) -> Result<Option<T>, Fault> {
    fields
        .map(T::from_wire)
        .transpose()
        .map_err(|fault| fault.under(name))
}

/// A list of objects inside a message; absent means empty.
pub(crate) fn list<T>(list: Option<List<T>>, name: &'static str) -> Result<Vec<T>, Fault> {
    match list {
        None => Ok(Vec::new()),
        Some(List { items, fault: None }) => Ok(items),
        Some(List {
            items,
            fault: Some(fault),
        }) => Err(fault.inside(name, items.len())),
    }
}

/// A whole number from 0 to 2^53 - 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole(pub(crate) u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        if number > MAX_WIRE {
            return Err(D::Error::invalid_value(
                Unexpected::Unsigned(number),
                &"a whole number below 2^53",
            ));
        }
        Ok(Self(number))
    }
}

/// Whole numbers by name. A name that stands twice has its last number.
pub(crate) type Numbers<K> = BTreeMap<K, Whole>;

/// A closed list of words, each with what it stands for.
pub(crate) trait Words: Copy + PartialEq + 'static {
    /// What one of the words is, for errors.
    const WHAT: &'static str;
    /// The words.
    const WORDS: &'static [(&'static str, Self)];
}

/// A value that travels as a word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<T>(pub(crate) T);

impl<T: Words> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let found = T::WORDS.iter().find(|(_, value)| *value == self.0);
        let (word, _) = found
            .ok_or_else(|| serde::ser::Error::custom(format_args!("{} without a word", T::WHAT)))?;
        serializer.serialize_str(word)
    }
}

impl<'de, T: Words> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WordVisitor(PhantomData))
    }
}

struct WordVisitor<T>(PhantomData<T>);

impl<T: Words> Visitor<'_> for WordVisitor<T> {
    type Value = Word<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", T::WHAT)?;
        for (place, (word, _)) in T::WORDS.iter().enumerate() {
            write!(f, "{} {word}", if place == 0 { "" } else { " or" })?;
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Word<T>, E> {
        let found = T::WORDS.iter().find(|(word, _)| *word == text);
        found
            .map(|(_, value)| Word(*value))
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// A list of objects. After the first one that means nothing, the rest is skipped.
#[derive(Debug)]
pub(crate) struct List<T> {
    items: Vec<T>,
    /// What is wrong with the element that follows the items.
    fault: Option<Fault>,
}

impl<'de, T: FromWire> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: FromWire> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<List<T>, A::Error> {
        let mut list = List {
            items: Vec::new(),
            fault: None,
        };
        while let Some(fields) = access.next_element()? {
            match T::from_wire(fields) {
                Ok(item) => list.items.push(item),
                Err(fault) => {
                    list.fault = Some(fault);
                    break;
                }
            }
        }
        while list.fault.is_some() && access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(list)
    }
}

/// One thing as it is written, where its own type has no form on the wire.
pub(crate) struct Out<'a, T: ?Sized>(pub(crate) &'a T);

impl<T> Serialize for Out<'_, [T]>
where
    for<'b> Out<'b, T>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Out))
    }
}

/// A list that is left out where it is empty.
pub(crate) fn unless_empty<T>(items: &[T]) -> Option<Out<'_, [T]>> {
    if items.is_empty() {
        None
    } else {
        Some(Out(items))
    }
}
