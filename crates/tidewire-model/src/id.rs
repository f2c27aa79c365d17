//! The names of things: entity types, entity ids, entity keys, action ids and epochs.
//!
//! Every name is checked when it is made, so a value of these types is always within its bounds.
//! Nothing here makes up a name by itself: randomness and time are arguments.

mod entity_id;

pub use entity_id::EntityId;

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::text_serde::text_serde;

/// The longest entity type, entity id or epoch, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// How a temporary entity id begins.
pub const TEMPORARY_PREFIX: &str = "tmp_";

/// A name was refused. Whoever made the name must make another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name has no characters.
    #[error("the {0} is empty")]
    Empty(NameKind),
    /// The name is longer than its kind allows.
    #[error("the {kind} has {bytes} bytes, more than {max_bytes}")]
    TooLong {
        /// What it names.
        kind: NameKind,
        /// How many bytes were given.
        bytes: usize,
        /// How many its kind allows.
        max_bytes: usize,
    },
    /// The name contains a control character.
    #[error("the {0} contains a control character")]
    Control(NameKind),
    /// An entity type, or the key of a value, contains a mark that separates the parts of a cache key.
    #[error("the name contains \"{mark}\", which separates the parts of a cache key")]
    Reserved {
        /// The mark that was found.
        mark: &'static str,
    },
    /// An action id is not a hyphenated UUID.
    #[error("an action id must be a hyphenated UUID")]
    NotUuid,
}

/// What a name that was refused was to be the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// An [`EntityType`].
    EntityType,
    /// An [`EntityId`].
    EntityId,
    /// An [`Epoch`].
    Epoch,
    /// A [`Lane`](crate::Lane).
    Lane,
    /// A [`ValueKey`](crate::ValueKey).
    ValueKey,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EntityType => "entity type",
            Self::EntityId => "entity id",
            Self::Epoch => "epoch",
            Self::Lane => "name of the lane",
            Self::ValueKey => "key of the value",
        })
    }
}

/// The name of a stream of entities, such as `customers`.
///
/// Between 1 and [`MAX_NAME_BYTES`] bytes, without control characters, and without `:list-` and `:detail-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityType(Arc<str>);

impl EntityType {
    /// Checks and makes an entity type.
    ///
    /// # Errors
    /// [`NameError`] when the text breaks one of the rules above.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check_name(text, NameKind::EntityType, MAX_NAME_BYTES)?;
        for mark in [LIST_MARK, DETAIL_MARK] {
            if text.contains(mark) {
                return Err(NameError::Reserved { mark });
            }
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for EntityType {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for EntityType {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

text_serde!(EntityType, "an entity type", EntityType::new);

/// What separates entity type and query in the cache key of a list.
pub(crate) const LIST_MARK: &str = ":list-";
/// What separates entity type and entity id in the cache key of an entity.
pub(crate) const DETAIL_MARK: &str = ":detail-";

/// Names one entity: its type and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityKey {
    /// The entity type.
    pub entity_type: EntityType,
    /// The entity id.
    pub id: EntityId,
}

impl EntityKey {
    /// Puts a type and an id together.
    pub fn new(entity_type: EntityType, id: EntityId) -> Self {
        Self { entity_type, id }
    }

    /// The entity's cache key, `customers:detail-c-42`.
    pub fn cache_key(&self) -> String {
        format!("{}{DETAIL_MARK}{}", self.entity_type, self.id)
    }
}

/// Names one action. A UUID of version 7: actions of a later millisecond sort after those of an earlier one. Within a
/// millisecond the order is that of the random bytes; who needs the order of submission keeps a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(Uuid);

impl ActionId {
    /// Makes an id from the wall time in unix milliseconds and ten random bytes.
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
    }

    /// Reads the hyphenated form.
    ///
    /// # Errors
    /// [`NameError::NotUuid`] for any other text.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(NameError::NotUuid);
        }
        Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| NameError::NotUuid)
    }

    /// The sixteen bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Takes the sixteen bytes of an id that was made before.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl FromStr for ActionId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

text_serde!(ActionId, "an action id: a hyphenated UUID", ActionId::parse);

/// One life of a stream on its server. Points of different epochs are never compared.
///
/// Opaque text of 1 to [`MAX_NAME_BYTES`] bytes; only equality means something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// Checks and makes an epoch.
    ///
    /// # Errors
    /// [`NameError`] when the text is empty, too long, or contains a control character.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check_name(text, NameKind::Epoch, MAX_NAME_BYTES)?;
        Ok(Self(text.into()))
    }

    /// The epoch as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(Epoch, "an epoch", Epoch::new);

pub(crate) fn check_name(text: &str, kind: NameKind, max_bytes: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty(kind));
    }
    if text.len() > max_bytes {
        return Err(NameError::TooLong {
            kind,
            bytes: text.len(),
            max_bytes,
        });
    }
    // Most names are printable ASCII, where looking at bytes is enough.
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !is_plain && text.chars().any(char::is_control) {
        return Err(NameError::Control(kind));
    }
    Ok(())
}
