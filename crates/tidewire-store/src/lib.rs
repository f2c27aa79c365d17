#![doc = include_str!("../README.md")]

mod error;
mod memory;
#[cfg(feature = "testing")]
mod power_cut;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
#[cfg(feature = "testing")]
pub mod suite;
mod txn;

pub use error::StoreError;
pub use memory::MemoryStore;
#[cfg(feature = "testing")]
pub use power_cut::{FailedCommit, PowerCutStore};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use store::{Durability, Store};
pub use txn::{Commit, Op, Row, Table, Txn};
