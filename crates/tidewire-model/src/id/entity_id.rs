//! Entity ids: short ones in the value itself, long ones in memory that clones share.
//!
//! Compares and hashes bytes, and looks at no memory elsewhere for a short id. Never makes up an id.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::fmt::Simple;

use super::{ActionId, MAX_NAME_BYTES, NameError, NameKind, TEMPORARY_PREFIX, check_name};
use crate::number_text;
use crate::value::Value;

/// The longest id that needs no memory of its own. With its length and what tells the two forms apart it fills three
/// words, as a shared text and the mark would. No integer of 64 bits is longer.
const SHORT_BYTES: usize = 22;

/// What stands before shared memory: how many share it.
const COUNT_BYTES: usize = 2 * size_of::<usize>();

/// The name of one entity within its type.
///
/// Text of 1 to [`MAX_NAME_BYTES`] bytes without control characters, plus a mark that tells whether it came as an
/// integer. The mark only decides how the id is written back: `1` and `"1"` are one id, equal and with one hash.
/// The order is by bytes. Cloning allocates nothing.
#[derive(Clone)]
pub struct EntityId(Form);

/// An id has one form only, told by its length.
#[derive(Clone)]
enum Form {
    Short(Short),
    /// Longer than [`SHORT_BYTES`], so never an integer.
    Shared(Arc<str>),
}

/// A short text. Behind it stand zeros, of which no id has any, so that comparing all bytes compares the texts.
#[derive(Clone, Copy)]
struct Short {
    bytes: [u8; SHORT_BYTES],
    /// How many of the bytes are the text; and above them, whether it came as an integer.
    length_and_mark: u8,
}

const INTEGER: u8 = 0x80;

impl Short {
    const EMPTY: Self = Self {
        bytes: [0; SHORT_BYTES],
        length_and_mark: 0,
    };

    /// A text that fits.
    #[inline]
    fn new(text: &str) -> Option<Self> {
        let mut short = Self::EMPTY;
        short.write_str(text).ok()?;
        Some(short)
    }

    /// The text of a number, which always fits.
    fn integer(number: impl fmt::Display) -> Self {
        let mut short = Self::EMPTY;
        write!(short, "{number}").expect("64 bits have at most 20 digits, the sign included");
        short.length_and_mark |= INTEGER;
        short
    }

    #[inline]
    fn len(&self) -> usize {
        usize::from(self.length_and_mark & !INTEGER)
    }

    #[inline]
    fn text(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }
}

impl Write for Short {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let begin = self.len();
        let end = begin + text.len();
        let place = self.bytes.get_mut(begin..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        // It fits, so it is no more than there are bytes.
        self.length_and_mark = end as u8;
        Ok(())
    }
}

impl EntityId {
    /// Checks and makes an id from text.
    ///
    /// # Errors
    /// [`NameError`] when the text is empty, too long, or contains a control character.
    pub fn text(text: &str) -> Result<Self, NameError> {
        check_name(text, NameKind::EntityId, MAX_NAME_BYTES)?;
        Ok(Self::checked(text))
    }

    /// Makes an id from an integer.
    pub fn integer(number: i64) -> Self {
        Self(Form::Short(Short::integer(number)))
    }

    /// Makes an id from an unsigned integer.
    pub fn unsigned(number: u64) -> Self {
        Self(Form::Short(Short::integer(number)))
    }

    /// Makes the temporary id of the entity that an action creates: `tmp_` and the action id without hyphens.
    pub fn temporary(action: ActionId) -> Self {
        const PREFIX: usize = TEMPORARY_PREFIX.len();
        let mut bytes = [0; PREFIX + Simple::LENGTH];
        bytes[..PREFIX].copy_from_slice(TEMPORARY_PREFIX.as_bytes());
        action.0.simple().encode_lower(&mut bytes[PREFIX..]);
        Self::checked(str::from_utf8(&bytes).expect("both parts are ASCII"))
    }

    /// The id as text. Whoever only compares or hashes takes [`as_bytes`](Self::as_bytes), which is quicker.
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Form::Short(short) => str::from_utf8(short.text()).expect("it was made from text"),
            Form::Shared(text) => text,
        }
    }

    /// The bytes of the text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Short(short) => short.text(),
            Form::Shared(text) => text.as_bytes(),
        }
    }

    /// Whether the id came as an integer, and is written back as one.
    pub fn is_integer(&self) -> bool {
        match &self.0 {
            Form::Short(short) => short.length_and_mark & INTEGER != 0,
            Form::Shared(_) => false,
        }
    }

    /// Whether the id is a temporary one, made before the server named the entity.
    pub fn is_temporary(&self) -> bool {
        self.as_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
    }

    /// How much memory the id holds beside the value itself, in bytes. Clones share it.
    pub fn held_bytes(&self) -> usize {
        match &self.0 {
            Form::Short(_) => 0,
            Form::Shared(text) => (COUNT_BYTES + text.len()).next_multiple_of(align_of::<usize>()),
        }
    }

    /// A text that keeps the rules.
    fn checked(text: &str) -> Self {
        match Short::new(text) {
            Some(short) => Self(Form::Short(short)),
            None => Self(Form::Shared(text.into())),
        }
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_integer() {
            write!(f, "EntityId({})", self.as_str())
        } else {
            write!(f, "EntityId({:?})", self.as_str())
        }
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for EntityId {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::Short(one), Form::Short(two)) => one.bytes == two.bytes,
            (Form::Shared(one), Form::Shared(two)) => one == two,
            _ => false,
        }
    }
}

impl Eq for EntityId {}

impl PartialOrd for EntityId {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EntityId {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Form::Short(one), Form::Short(two)) => one.bytes.cmp(&two.bytes),
            _ => self.as_bytes().cmp(other.as_bytes()),
        }
    }
}

impl Hash for EntityId {
    /// As the text would, by which it may be looked up: its bytes and a byte that no text has.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
        state.write_u8(0xff);
    }
}

impl Borrow<str> for EntityId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for EntityId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::text(text)
    }
}

impl Serialize for EntityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.as_str();
        if self.is_integer() {
            if let Ok(number) = text.parse::<i64>() {
                return serializer.serialize_i64(number);
            }
            if let Ok(number) = text.parse::<u64>() {
                return serializer.serialize_u64(number);
            }
        }
        serializer.serialize_str(text)
    }
}

impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;

        impl<'de> Visitor<'de> for IdVisitor {
            type Value = EntityId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an entity id: text or an integer")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<EntityId, E> {
                EntityId::text(text).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<EntityId, E> {
                Ok(EntityId::integer(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<EntityId, E> {
                Ok(EntityId::unsigned(number))
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<EntityId, A::Error> {
                match number_text::only(access, &self)? {
                    Value::Int(number) => Ok(EntityId::integer(number)),
                    Value::UInt(number) => Ok(EntityId::unsigned(number)),
                    other => {
                        let number = other.as_value_ref().as_f64().unwrap_or_default();
                        Err(de::Error::invalid_type(
                            de::Unexpected::Float(number),
                            &self,
                        ))
                    }
                }
            }
        }

        deserializer.deserialize_any(IdVisitor)
    }
}
