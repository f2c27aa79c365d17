#![doc = include_str!("../README.md")]

mod action;
mod actions;
mod address;
mod builder;
mod cache_handle;
mod change;
mod client;
mod collection;
mod driver;
mod entity;
mod error;
mod flights;
mod list;
mod lock;
mod page;
mod query;
mod refusals;
mod seams;
mod shared;
pub mod testing;
mod transaction;
mod typed;
mod unharmed;
mod watch;

pub use action::ActionHandle;
pub use actions::{Actions, StoredAction};
pub use builder::ClientBuilder;
pub use cache_handle::{CacheHandle, KeyHandle, KeyReading};
pub use change::{Change, Changes};
pub use client::{Client, CloseError, Held};
pub use collection::{Collection, CollectionBuilder};
pub use entity::{EntityHandle, EntityReading, EntityUpdates};
pub use error::{ActionError, CallError, LoadError, StartError};
pub use list::{Diffs, List, Updates};
pub use page::{Page, PageRow};
pub use query::QueryBuilder;
pub use seams::{Execute, Fetch};
pub use transaction::Transaction;
pub use watch::OnChange;

pub use tidewire_cache::{Confirmed, Origin, Provenance, Regex, Shown, StaleReason, Stats, Trust};
pub use tidewire_engine::{
    CommandError, Connection, Dialects, Executed, Failure, FailureOutcome, Fetched, Problem, Status,
};
pub use tidewire_model::{
    ActionId, CacheKey, CacheKeyError, EntityId, EntityKey, EntityType, Filter, ListDiff, ListStep,
    Notice, Patch, Query, Record, Value, Version, field,
};
pub use tidewire_protocol::{Class, FetchWhat, WireRow};
pub use tidewire_queue::{Action, ActionState, Counts, Refusal, RefusalClass};
#[cfg(feature = "sqlite")]
pub use tidewire_store::SqliteStore;
pub use tidewire_store::{MemoryStore, Store, StoreError};
pub use tidewire_transport::Transport;
#[cfg(feature = "websocket")]
pub use tidewire_transport::WebSocketTransport;

/// The code of the repository's front page compiles too.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod front_page {}
