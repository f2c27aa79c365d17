//! Reading a record from a format, straight into its packed form.
//!
//! Never recurses deeper than `MAX_DEPTH`, whatever the peer sends.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Maker, Record};
use crate::number_text;
use crate::order::integer_value;
use crate::packed::{Packer, Slot};
use crate::value::{EXPECTED, deeper};

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Maker::new().read(deserializer)
    }
}

impl Maker {
    /// Reads all fields of an object.
    pub(crate) fn read<'de, D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Record, D::Error> {
        deserializer.deserialize_map(FieldsVisitor(self))
    }
}

struct FieldsVisitor(Maker);

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Record, A::Error> {
        let Self(mut maker) = self;
        while access
            .next_key_seed(NameSeed(|name: &str| maker.name(name)))?
            .is_some()
        {
            let packer = maker.packer();
            let slot = access.next_value_seed(PackSeed { packer, depth: 1 })?;
            maker.push(slot);
        }
        Ok(maker.finish())
    }
}

/// Reads a name, and gives it on as it lies in what is read.
struct NameSeed<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for NameSeed<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for NameSeed<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<T, E> {
        Ok(self.0(name))
    }

    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<T, E> {
        match str::from_utf8(name) {
            Ok(name) => Ok(self.0(name)),
            Err(_) => Err(E::invalid_value(de::Unexpected::Bytes(name), &self)),
        }
    }
}

/// Packs one value that stands inside so many lists and objects.
struct PackSeed<'p> {
    packer: &'p mut Packer,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for PackSeed<'_> {
    type Value = Slot;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Slot, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PackSeed<'_> {
    type Value = Slot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Slot, E> {
        Ok(Slot::NULL)
    }

    fn visit_none<E: de::Error>(self) -> Result<Slot, E> {
        Ok(Slot::NULL)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Slot, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Slot, E> {
        Ok(if value { Slot::TRUE } else { Slot::FALSE })
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Slot, E> {
        Ok(self.packer.integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Slot, E> {
        Ok(self.packer.unsigned(value))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Slot, E> {
        Ok(self.packer.value(integer_value(value).as_value_ref()))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Slot, E> {
        Ok(match u64::try_from(value) {
            Ok(value) => self.packer.unsigned(value),
            Err(_) => self.packer.float(value as f64),
        })
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Slot, E> {
        if value.is_finite() {
            Ok(self.packer.float(value))
        } else {
            Err(E::invalid_value(de::Unexpected::Float(value), &self))
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Slot, E> {
        Ok(self.packer.text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Slot, A::Error> {
        let depth = deeper(self.depth)?;
        let packer = self.packer;
        let frame = packer.begin();
        while let Some(slot) = access.next_element_seed(PackSeed { packer, depth })? {
            packer.push(slot);
        }
        Ok(packer.end_list(frame))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Slot, A::Error> {
        let frame = self.packer.begin();
        let mut name = access.next_key_seed(NameSeed(|name: &str| {
            (name != number_text::FIELD).then(|| self.packer.text(name))
        }))?;
        if matches!(name, Some(None)) {
            let number = number_text::value(access, &self)?;
            return Ok(self.packer.value(number.as_value_ref()));
        }
        let depth = deeper(self.depth)?;
        let packer = self.packer;
        while let Some(known) = name.flatten() {
            packer.push(known);
            let slot = access.next_value_seed(PackSeed { packer, depth })?;
            packer.push(slot);
            name = access.next_key_seed(NameSeed(|name: &str| Some(packer.text(name))))?;
        }
        Ok(packer.end_object(frame))
    }
}
