//! Queries on a collection, put together step by step.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidewire_model::{Filter, Query};

use crate::collection::Collection;
use crate::list::List;

/// A query on a collection, being put together.
#[derive(Debug, Clone)]
#[must_use = "a query does nothing until live() is called"]
pub struct QueryBuilder<T> {
    collection: Collection<T>,
    query: Query,
}

impl<T: Serialize + DeserializeOwned> QueryBuilder<T> {
    pub(crate) fn new(collection: Collection<T>, query: Query) -> Self {
        Self { collection, query }
    }

    /// Only entities that pass; several filters must all pass.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.query = self.query.filter(filter);
        self
    }

    /// A parameter that only the server understands, such as the words of a search; it takes the place
    /// of filters. Of a repeated name the last counts.
    ///
    /// Which entities are in such a list, and where, only the server can tell. Rows show what happens
    /// to them at once and go when they are deleted, also by own writes; the list itself reads as stale
    /// ([`StaleReason::MembersUnknown`](crate::StaleReason::MembersUnknown)) from the first change of
    /// anything of the type on, and is asked for again once changes have come to rest
    /// ([`opaque_wait`](crate::CollectionBuilder::opaque_wait)). What is created here is in it when the
    /// server says so. A server that does not know the parameters refuses, with the code `unsupported`.
    ///
    /// ```no_run
    /// # fn example(customers: &tidewire::Collection<serde_json::Value>) {
    /// let found = customers.query().opaque("search", "smith london").limit(20).live();
    /// # }
    /// ```
    pub fn opaque(mut self, name: &str, value: &str) -> Self {
        self.query = self.query.opaque(name, value);
        self
    }

    /// Then by this field, smallest first.
    pub fn sort_asc(mut self, path: &str) -> Self {
        self.query = self.query.sort_asc(path);
        self
    }

    /// Then by this field, largest first.
    pub fn sort_desc(mut self, path: &str) -> Self {
        self.query = self.query.sort_desc(path);
        self
    }

    /// Leaves out this many rows at the start.
    pub fn offset(mut self, rows: u64) -> Self {
        self.query = self.query.offset(rows);
        self
    }

    /// Shows at most this many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.query = self.query.limit(rows);
        self
    }

    /// The query as a value.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The live list: asked for now, kept in step from then on.
    #[must_use]
    pub fn live(self) -> List<T> {
        self.collection.live(self.query)
    }
}
