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
