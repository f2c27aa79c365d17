//! The seam between what wants to be kept and where it is kept.
//! Holds the trait and its promises. Never holds an implementation.

use async_trait::async_trait;

use crate::{Row, StoreError, Txn};

/// What a store survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: the content is gone with the process.
    None,
    /// A crash of the process and a power cut, as each transaction's [`Commit`](crate::Commit) says.
    Crash,
}

/// A place that keeps bytes in named tables.
///
/// Commits take effect in the order in which they were accepted, whole or not at all. A `commit` is accepted in
/// the order of first polls; one whose future is dropped before it was accepted stores nothing, one that is
/// dropped later is stored though nobody hears of it.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Store: Send + Sync + 'static {
    /// What this store survives. Constant for the life of the store.
    fn durability(&self) -> Durability;

    /// Everything in the store, ordered by table name, then by key. Called once, before anything is committed;
    /// may block on the medium. A store whose medium cannot be read without waiting reads it when it is opened.
    ///
    /// # Errors
    /// Whatever keeps the content from being read whole; never a part of it.
    fn load(&self) -> Result<Vec<Row>, StoreError>;

    /// Stores all of `group` as one transaction, in order, or nothing. Returns when every
    /// [`Synced`](crate::Commit::Synced) one among them, and so everything before it, is durable as
    /// [`durability`](Store::durability) says.
    ///
    /// # Errors
    /// After an error nothing of `group` may be counted on: after a power cut it is there whole or not at all.
    /// Every later commit fails with the same error until the store is opened again.
    async fn commit(&self, group: Vec<Txn>) -> Result<(), StoreError>;
}
