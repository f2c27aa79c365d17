#![doc = include_str!("../README.md")]

mod cache_key;
mod change;
mod change_set;
mod diff;
mod effect;
mod fields;
mod id;
mod lane;
mod number_text;
pub mod order;
mod packed;
mod patch;
mod point;
mod query;
mod record;
mod shape;
mod text_serde;
mod time;
mod value;
mod work;

pub use cache_key::{CacheKey, CacheKeyError, ValueKey};
pub use change::{Base, Change, ChangeBody, Row};
pub use change_set::{ChangeSet, Notice, Revision};
pub use diff::{ListDiff, ListStep};
pub use effect::{Effect, EffectBody, EffectFields};
pub use id::{
    ActionId, EntityId, EntityKey, EntityType, Epoch, MAX_NAME_BYTES, NameError, NameKind,
    TEMPORARY_PREFIX,
};
pub use lane::Lane;
pub use number_text::FIELD as RESERVED_FIELD;
pub use order::{compare, equal};
pub use patch::{Patch, whole as patch_whole};
pub use point::{MAX_WIRE, Offset, Point, Version};
pub use query::{
    Cursor, Direction, Field, FieldPath, Filter, MAX_QUERY_BYTES, MAX_QUERY_DEPTH, MAX_QUERY_TERMS,
    MAX_SORT_KEYS, Matcher, Query, QueryError, Selection, Sort, SortDigest, SortKey, SortPosition,
    Sorter, Start, Test, field,
};
pub use record::{Record, RecordBuilder, RecordError};
pub use time::{Now, Tick, WallTime};
pub use value::{ListRef, MAX_DEPTH, ObjectRef, Value, ValueRef};
