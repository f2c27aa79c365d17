//! A serde reader over borrowed values: how an application's type is read from a record.
//!
//! Follows the usual serde conventions for self-describing data: absent optional fields, enums as text or as an
//! object with one field, map keys that are numbers written as text.

use std::fmt;

use serde::de::value::SeqDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::RecordError;
use crate::value::{ObjectRef, ValueRef};

impl de::Error for RecordError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Mismatch(message.to_string().into())
    }
}

impl<'a> ValueRef<'a> {
    /// The value as an application's type.
    ///
    /// # Errors
    /// [`RecordError::Field`] when a part does not fit the type, [`RecordError::Mismatch`] when the whole does not.
    pub fn to<T: Deserialize<'a>>(self) -> Result<T, RecordError> {
        T::deserialize(self)
    }
}

impl<'de> IntoDeserializer<'de, RecordError> for ValueRef<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for ValueRef<'de> {
    type Error = RecordError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Int(value) => visitor.visit_i64(value),
            Self::UInt(value) => visitor.visit_u64(value),
            Self::Float(value) => visitor.visit_f64(value),
            Self::Text(value) => visitor.visit_borrowed_str(value),
            Self::List(list) => {
                let mut access = SeqDeserializer::new(list.iter());
                let value = visitor.visit_seq(&mut access)?;
                access.end()?;
                Ok(value)
            }
            Self::Object(object) => read_object(object, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        match self {
            Self::Text(variant) => visitor.visit_enum(EnumReader {
                variant,
                content: None,
            }),
            Self::Object(object) => {
                let mut fields = object.iter();
                let (Some((variant, content)), None) = (fields.next(), fields.next()) else {
                    return Err(de::Error::invalid_value(
                        Unexpected::Map,
                        &"an object with one field",
                    ));
                };
                visitor.visit_enum(EnumReader {
                    variant,
                    content: Some(content),
                })
            }
            other => Err(de::Error::invalid_type(
                unexpected(other),
                &"text or an object with one field",
            )),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

fn read_object<'de, V: Visitor<'de>>(
    object: ObjectRef<'de>,
    visitor: V,
) -> Result<V::Value, RecordError> {
    let mut access = ObjectReader {
        fields: object.iter(),
        current: None,
    };
    let value = visitor.visit_map(&mut access)?;
    match access.fields.len() {
        0 => Ok(value),
        left => Err(de::Error::custom(format!("{left} fields too many"))),
    }
}

/// The fields of an object, one by one. What does not fit is told with the name of its field.
struct ObjectReader<'de, I> {
    fields: I,
    current: Option<(&'de str, ValueRef<'de>)>,
}

impl<'de, I: ExactSizeIterator<Item = (&'de str, ValueRef<'de>)>> MapAccess<'de>
    for ObjectReader<'de, I>
{
    type Error = RecordError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, RecordError> {
        self.current = self.fields.next();
        let name = self
            .current
            .map(|(name, _)| seed.deserialize(KeyReader(name)));
        name.transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, RecordError> {
        let Some((name, value)) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(value).map_err(|error| error.inside(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.fields.len())
    }
}

fn unexpected(value: ValueRef<'_>) -> Unexpected<'_> {
    match value {
        ValueRef::Null => Unexpected::Unit,
        ValueRef::Bool(value) => Unexpected::Bool(value),
        ValueRef::Int(value) => Unexpected::Signed(value),
        ValueRef::UInt(value) => Unexpected::Unsigned(value),
        ValueRef::Float(value) => Unexpected::Float(value),
        ValueRef::Text(value) => Unexpected::Str(value),
        ValueRef::List(_) => Unexpected::Seq,
        ValueRef::Object(_) => Unexpected::Map,
    }
}

/// A field name, which a map with number or truth value keys reads as such.
struct KeyReader<'de>(&'de str);

macro_rules! read_parsed_key {
    ($($method:ident => $visit:ident as $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
            match self.0.parse::<$type>() {
                Ok(key) => visitor.$visit(key),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for KeyReader<'de> {
    type Error = RecordError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_borrowed_str(self.0)
    }

    read_parsed_key! {
        deserialize_bool => visit_bool as bool,
        deserialize_i8 => visit_i64 as i64,
        deserialize_i16 => visit_i64 as i64,
        deserialize_i32 => visit_i64 as i64,
        deserialize_i64 => visit_i64 as i64,
        deserialize_i128 => visit_i128 as i128,
        deserialize_u8 => visit_u64 as u64,
        deserialize_u16 => visit_u64 as u64,
        deserialize_u32 => visit_u64 as u64,
        deserialize_u64 => visit_u64 as u64,
        deserialize_u128 => visit_u128 as u128,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        visitor.visit_enum(EnumReader {
            variant: self.0,
            content: None,
        })
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

struct EnumReader<'de> {
    variant: &'de str,
    content: Option<ValueRef<'de>>,
}

impl<'de> EnumAccess<'de> for EnumReader<'de> {
    type Error = RecordError;
    type Variant = VariantReader<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, VariantReader<'de>), RecordError> {
        let variant = seed.deserialize(KeyReader(self.variant))?;
        Ok((variant, VariantReader(self.content)))
    }
}

struct VariantReader<'de>(Option<ValueRef<'de>>);

impl<'de> VariantReader<'de> {
    fn content(self) -> Result<ValueRef<'de>, RecordError> {
        self.0.ok_or_else(|| {
            de::Error::invalid_type(Unexpected::UnitVariant, &"a variant with content")
        })
    }
}

impl<'de> VariantAccess<'de> for VariantReader<'de> {
    type Error = RecordError;

    fn unit_variant(self) -> Result<(), RecordError> {
        match self.0 {
            None | Some(ValueRef::Null) => Ok(()),
            Some(other) => Err(de::Error::invalid_type(
                unexpected(other),
                &"a variant without content",
            )),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, RecordError> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        self.content()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        self.content()?.deserialize_any(visitor)
    }
}
