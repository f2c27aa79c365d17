//! The cache keys of entities, lists and plain values as text, and their parser.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::id::{
    DETAIL_MARK, EntityId, EntityKey, EntityType, LIST_MARK, MAX_NAME_BYTES, NameError, NameKind,
    check_name,
};
use crate::query::{Query, QueryError};

/// What a cache key names. Its text form is `customers:detail-c-42` or `customers:list-where score > 5`; any other text,
/// such as `dashboard:metrics`, names a plain value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CacheKey {
    /// One entity.
    Detail(EntityKey),
    /// One list.
    List(Query),
    /// One plain value.
    Value(ValueKey),
}

/// A text is not a cache key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheKeyError {
    /// The entity type, the entity id or the key of the value is refused.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The query is refused.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl CacheKey {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`CacheKeyError`] when the text is not a cache key.
    pub fn parse(text: &str) -> Result<Self, CacheKeyError> {
        // An entity type contains neither mark, so the first mark ends it.
        match (text.split_once(DETAIL_MARK), text.split_once(LIST_MARK)) {
            (Some((entity_type, id)), list)
                if list.is_none_or(|(other, _)| entity_type.len() < other.len()) =>
            {
                Ok(Self::Detail(EntityKey::new(
                    EntityType::new(entity_type)?,
                    EntityId::text(id)?,
                )))
            }
            (_, Some((entity_type, query))) => Ok(Self::List(Query::parse(
                EntityType::new(entity_type)?,
                query,
            )?)),
            _ => Ok(Self::Value(ValueKey::new(text)?)),
        }
    }

    /// How the cache keys of the entities of a type begin.
    pub fn detail_prefix(entity_type: &EntityType) -> String {
        format!("{entity_type}{DETAIL_MARK}")
    }

    /// How the cache keys of the lists of a type begin.
    pub fn list_prefix(entity_type: &EntityType) -> String {
        format!("{entity_type}{LIST_MARK}")
    }

    /// The entity type that the key belongs to; a plain value belongs to none.
    pub fn entity_type(&self) -> Option<&EntityType> {
        match self {
            Self::Detail(key) => Some(&key.entity_type),
            Self::List(query) => Some(query.entity_type()),
            Self::Value(_) => None,
        }
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Detail(key) => write!(f, "{}{DETAIL_MARK}{}", key.entity_type, key.id),
            Self::List(query) => write!(f, "{}{LIST_MARK}{query}", query.entity_type()),
            Self::Value(key) => write!(f, "{key}"),
        }
    }
}

/// The name of a plain value, such as `dashboard:metrics`.
///
/// Between 1 and [`MAX_NAME_BYTES`] bytes, without control characters, and without `:list-` and `:detail-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueKey(Arc<str>);

impl ValueKey {
    /// Checks and makes the name of a value.
    ///
    /// # Errors
    /// [`NameError`] when the text breaks one of the rules above.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check_name(text, NameKind::ValueKey, MAX_NAME_BYTES)?;
        match [LIST_MARK, DETAIL_MARK]
            .into_iter()
            .find(|mark| text.contains(mark))
        {
            Some(mark) => Err(NameError::Reserved { mark }),
            None => Ok(Self(text.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands in the namespace of a type: whether it begins with the type and a colon.
    pub fn is_in(&self, entity_type: &EntityType) -> bool {
        let rest = self.0.strip_prefix(entity_type.as_str());
        rest.is_some_and(|rest| rest.starts_with(':'))
    }
}

impl fmt::Display for ValueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for ValueKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}
