//! The cache keys of entities and lists as text, and their parser.

use std::fmt;

use crate::id::{DETAIL_MARK, EntityId, EntityKey, EntityType, LIST_MARK, NameError};
use crate::query::{Query, QueryError};

/// What a cache key names. Its text form is `customers:detail-c-42` or `customers:list-where score > 5`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CacheKey {
    /// One entity.
    Detail(EntityKey),
    /// One list.
    List(Query),
}

/// A text is not a cache key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheKeyError {
    /// It names neither an entity nor a list.
    #[error("a cache key contains \"{DETAIL_MARK}\" or \"{LIST_MARK}\"")]
    NoMark,
    /// The entity type or the entity id is refused.
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
            _ => Err(CacheKeyError::NoMark),
        }
    }

    /// The entity type that the key belongs to.
    pub fn entity_type(&self) -> &EntityType {
        match self {
            Self::Detail(key) => &key.entity_type,
            Self::List(query) => query.entity_type(),
        }
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Detail(key) => write!(f, "{}{DETAIL_MARK}{}", key.entity_type, key.id),
            Self::List(query) => write!(f, "{}{LIST_MARK}{query}", query.entity_type()),
        }
    }
}
