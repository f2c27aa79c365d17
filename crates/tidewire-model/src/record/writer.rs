//! A serde writer into values: how a record is made from an application's type.
//!
//! Follows the usual serde conventions for self-describing data, the same that the reader reads. Refuses numbers
//! that are not finite, keys that are not text, and nesting beyond the bound.

use std::fmt;

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::RecordError;
use crate::fields::last_wins;
use crate::number_text;
use crate::order::integer_value;
use crate::value::{MAX_DEPTH, Value};

impl Value {
    /// Makes a value from an application's type.
    ///
    /// # Errors
    /// It has map keys that are not text, holds a number that is not finite, or is nested too deep.
    pub fn from_serialize<T: Serialize + ?Sized>(source: &T) -> Result<Self, RecordError> {
        to_value(source)
    }
}

pub(super) fn to_value<T: Serialize + ?Sized>(source: &T) -> Result<Value, RecordError> {
    source.serialize(ValueWriter { depth: 0 })
}

impl ser::Error for RecordError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Mismatch(message.to_string().into())
    }
}

fn mismatch(message: impl Into<Box<str>>) -> RecordError {
    RecordError::Mismatch(message.into())
}

/// Writes one value that stands inside so many lists and objects.
#[derive(Clone, Copy)]
struct ValueWriter {
    depth: usize,
}

impl ValueWriter {
    fn deeper(self) -> Result<Self, RecordError> {
        if self.depth < MAX_DEPTH {
            Ok(Self {
                depth: self.depth + 1,
            })
        } else {
            Err(mismatch(format!("nested deeper than {MAX_DEPTH}")))
        }
    }

    fn list(self, length: Option<usize>) -> Result<ListWriter, RecordError> {
        let values = Vec::with_capacity(length.unwrap_or(0).min(1024));
        Ok(ListWriter {
            inner: self.deeper()?,
            variant: None,
            values,
        })
    }

    fn object(self) -> Result<ObjectWriter, RecordError> {
        Ok(ObjectWriter {
            inner: self.deeper()?,
            variant: None,
            pairs: Vec::new(),
            key: None,
        })
    }
}

macro_rules! write_from {
    ($($method:ident($type:ty)),* $(,)?) => {$(
        fn $method(self, value: $type) -> Result<Value, RecordError> {
            Ok(Value::from(value))
        }
    )*};
}

impl Serializer for ValueWriter {
    type Ok = Value;
    type Error = RecordError;
    type SerializeSeq = ListWriter;
    type SerializeTuple = ListWriter;
    type SerializeTupleStruct = ListWriter;
    type SerializeTupleVariant = ListWriter;
    type SerializeMap = ObjectWriter;
    type SerializeStruct = ObjectWriter;
    type SerializeStructVariant = ObjectWriter;

    write_from!(
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_str(&str),
    );

    fn serialize_i128(self, value: i128) -> Result<Value, RecordError> {
        Ok(integer_value(value))
    }

    fn serialize_u128(self, value: u128) -> Result<Value, RecordError> {
        Ok(u64::try_from(value).map_or(Value::Float(value as f64), Value::from))
    }

    fn serialize_f32(self, value: f32) -> Result<Value, RecordError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Value, RecordError> {
        Value::float(value).ok_or_else(|| mismatch("a number is not finite"))
    }

    fn serialize_char(self, value: char) -> Result<Value, RecordError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, RecordError> {
        self.deeper()?;
        Ok(Value::List(
            bytes.iter().map(|&byte| Value::from(byte)).collect(),
        ))
    }

    fn serialize_none(self) -> Result<Value, RecordError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, RecordError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, RecordError> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, RecordError> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value, RecordError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Value, RecordError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, RecordError> {
        let content = value.serialize(self.deeper()?)?;
        Ok(wrapped(Some(variant), content))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<ListWriter, RecordError> {
        self.list(length)
    }

    fn serialize_tuple(self, length: usize) -> Result<ListWriter, RecordError> {
        self.list(Some(length))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        length: usize,
    ) -> Result<ListWriter, RecordError> {
        self.list(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<ListWriter, RecordError> {
        Ok(ListWriter {
            variant: Some(variant),
            ..self.deeper()?.list(Some(length))?
        })
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<ObjectWriter, RecordError> {
        self.object()
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<ObjectWriter, RecordError> {
        self.object()
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<ObjectWriter, RecordError> {
        Ok(ObjectWriter {
            variant: Some(variant),
            ..self.deeper()?.object()?
        })
    }
}

/// An enum variant with content is an object with one field.
fn wrapped(variant: Option<&'static str>, content: Value) -> Value {
    match variant {
        None => content,
        Some(variant) => Value::Object(vec![(variant.into(), content)]),
    }
}

struct ListWriter {
    inner: ValueWriter,
    variant: Option<&'static str>,
    values: Vec<Value>,
}

impl ListWriter {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RecordError> {
        self.values.push(value.serialize(self.inner)?);
        Ok(())
    }

    fn finish(self) -> Value {
        wrapped(self.variant, Value::List(self.values))
    }
}

macro_rules! write_list {
    ($($trait:ident::$method:ident),* $(,)?) => {$(
        impl $trait for ListWriter {
            type Ok = Value;
            type Error = RecordError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RecordError> {
                self.push(value)
            }

            fn end(self) -> Result<Value, RecordError> {
                Ok(self.finish())
            }
        }
    )*};
}

write_list!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
);

struct ObjectWriter {
    inner: ValueWriter,
    variant: Option<&'static str>,
    pairs: Vec<(Box<str>, Value)>,
    key: Option<Box<str>>,
}

impl ObjectWriter {
    fn put<T: Serialize + ?Sized>(&mut self, name: Box<str>, value: &T) -> Result<(), RecordError> {
        let value = value.serialize(self.inner);
        let value = value.map_err(|error| error.inside(&name))?;
        self.pairs.push((name, value));
        Ok(())
    }

    fn finish(self) -> Value {
        if let [(name, Value::Text(text))] = &self.pairs[..]
            && **name == *number_text::FIELD
            && let Some(number) = number_text::parse(text)
        {
            return wrapped(self.variant, number);
        }
        wrapped(self.variant, Value::Object(last_wins(self.pairs)))
    }
}

impl SerializeMap for ObjectWriter {
    type Ok = Value;
    type Error = RecordError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), RecordError> {
        let name = match key.serialize(self.inner)? {
            Value::Text(text) => text,
            Value::Int(number) => number.to_string().into(),
            Value::UInt(number) => number.to_string().into(),
            Value::Bool(value) => value.to_string().into(),
            _ => return Err(mismatch("a map key is not text")),
        };
        self.key = Some(name);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RecordError> {
        let name = self
            .key
            .take()
            .ok_or_else(|| mismatch("a map value came without its key"))?;
        self.put(name, value)
    }

    fn end(self) -> Result<Value, RecordError> {
        Ok(self.finish())
    }
}

macro_rules! write_object {
    ($($trait:ident),* $(,)?) => {$(
        impl $trait for ObjectWriter {
            type Ok = Value;
            type Error = RecordError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), RecordError> {
                self.put(name.into(), value)
            }

            fn end(self) -> Result<Value, RecordError> {
                Ok(self.finish())
            }
        }
    )*};
}

write_object!(SerializeStruct, SerializeStructVariant);
