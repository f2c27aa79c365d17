//! Serde for values: writing any value, reading with a bound on nesting.
//!
//! Reading never recurses deeper than `MAX_DEPTH`, whatever the peer sends.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{MAX_DEPTH, Value, ValueRef};
use crate::fields::last_wins;
use crate::number_text;

impl Serialize for ValueRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(value),
            Self::Int(value) => serializer.serialize_i64(value),
            Self::UInt(value) => serializer.serialize_u64(value),
            Self::Float(value) => serializer.serialize_f64(value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(list) => {
                let mut out = serializer.serialize_seq(Some(list.len()))?;
                for value in list.iter() {
                    out.serialize_element(&value)?;
                }
                out.end()
            }
            Self::Object(object) => {
                let mut out = serializer.serialize_map(Some(object.len()))?;
                for (name, value) in object.iter() {
                    out.serialize_entry(name, &value)?;
                }
                out.end()
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_value_ref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ValueSeed { depth: 0 }.deserialize(deserializer)
    }
}

/// Reads one value that stands inside so many lists and objects.
#[derive(Clone, Copy)]
struct ValueSeed {
    depth: usize,
}

impl ValueSeed {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let depth = deeper(self.depth)?;
        Ok(Self { depth })
    }
}

/// What a value may be, for messages.
pub(crate) const EXPECTED: &str = "null, a truth value, a finite number, text, a list or an object";

/// One list or object further in, if that is not too deep.
pub(crate) fn deeper<E: de::Error>(depth: usize) -> Result<usize, E> {
    if depth < MAX_DEPTH {
        Ok(depth + 1)
    } else {
        Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")))
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        Ok(crate::order::integer_value(value))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        Ok(u64::try_from(value).map_or(Value::Float(value as f64), Value::from))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Value::float(value).ok_or_else(|| E::invalid_value(de::Unexpected::Float(value), &self))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut name = access.next_key::<Box<str>>()?;
        if name.as_deref() == Some(number_text::FIELD) {
            return number_text::value(access, &self);
        }
        let inner = self.deeper()?;
        let mut pairs = Vec::new();
        while let Some(known) = name {
            pairs.push((known, access.next_value_seed(inner)?));
            name = access.next_key()?;
        }
        Ok(Value::Object(last_wins(pairs)))
    }
}
