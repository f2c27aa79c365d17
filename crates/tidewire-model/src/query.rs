//! Questions about entities of one type: filter, sort and window.
//!
//! A query is data. It has one canonical text, runs on a record, and never touches a cache or the wire.

mod digest;
mod eval;
mod filter;
mod parse;
mod path;
mod plan;
mod position;
mod sort;
mod sorter;
mod text;

pub use digest::SortDigest;
pub use eval::Matcher;
pub use filter::{Field, Filter, Test, field};
pub use parse::{MAX_QUERY_BYTES, MAX_QUERY_DEPTH, MAX_QUERY_TERMS, MAX_SORT_KEYS, QueryError};
pub use path::FieldPath;
pub use position::SortPosition;
pub use sort::{Cursor, Direction, Sort, SortKey};
pub use sorter::Sorter;

use crate::id::{EntityId, EntityType};
use crate::patch::Patch;
use crate::record::Record;

/// A question about entities of one type.
///
/// Always in normal form, so that equal queries have equal canonical text. `Display` writes that text, without
/// the entity type; [`Query::parse`] reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    entity_type: EntityType,
    selection: Selection,
    sort: Sort,
    start: Start,
    limit: Option<u64>,
}

/// Which entities a query selects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// Those that match a filter.
    Filter(Filter),
    /// Those that the server picks by these parameters, sorted by name, each name once. The client cannot tell.
    Opaque(Vec<(Box<str>, Box<str>)>),
}

/// Where the window of a query begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Start {
    /// After so many rows.
    Offset(u64),
    /// Right after a row.
    After(Box<Cursor>),
}

impl Default for Start {
    fn default() -> Self {
        Self::Offset(0)
    }
}

impl Query {
    /// All entities of a type, by id.
    pub fn new(entity_type: EntityType) -> Self {
        Self {
            entity_type,
            selection: Selection::Filter(Filter::All),
            sort: Sort::default(),
            start: Start::default(),
            limit: None,
        }
    }

    /// Reads the canonical text, or a freer way of writing it: keywords in any case, any white space.
    ///
    /// # Errors
    /// [`QueryError`] with the place and what was expected there; also when the canonical text, which is what travels,
    /// would be longer or nested deeper than a text may be.
    pub fn parse(entity_type: EntityType, text: &str) -> Result<Self, QueryError> {
        parse::parse(entity_type, text)
    }

    /// Narrows the query to what matches a filter too. Replaces opaque parameters.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        let filter = match self.selection {
            Selection::Filter(narrower) => narrower.and(filter),
            Selection::Opaque(_) => filter,
        };
        self.selection = Selection::Filter(filter.normalised());
        self
    }

    /// Adds a parameter that only the server understands. Replaces a filter. Of a repeated name the last wins.
    #[must_use]
    pub fn opaque(mut self, name: &str, value: &str) -> Self {
        let mut parameters = match self.selection {
            Selection::Opaque(parameters) => parameters,
            Selection::Filter(_) => Vec::new(),
        };
        match parameters.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(place) => parameters[place].1 = value.into(),
            Err(place) => parameters.insert(place, (name.into(), value.into())),
        }
        self.selection = Selection::Opaque(parameters);
        self
    }

    /// Sorts by a further path, smallest first.
    #[must_use]
    pub fn sort_asc(mut self, path: &str) -> Self {
        self.sort = self.sort.then(path, Direction::Ascending);
        self
    }

    /// Sorts by a further path, largest first.
    #[must_use]
    pub fn sort_desc(mut self, path: &str) -> Self {
        self.sort = self.sort.then(path, Direction::Descending);
        self
    }

    /// Replaces the sort.
    #[must_use]
    pub fn sorted(mut self, sort: Sort) -> Self {
        self.sort = sort;
        self
    }

    /// Begins the window after so many rows.
    #[must_use]
    pub fn offset(mut self, rows: u64) -> Self {
        self.start = Start::Offset(rows);
        self
    }

    /// Begins the window right after a row. The cursor has one value for each sort key.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.start = Start::After(Box::new(cursor));
        self
    }

    /// Ends the window after so many rows.
    #[must_use]
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Lets the window run to the end.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        self.limit = None;
        self
    }

    /// The type whose entities are asked for.
    pub fn entity_type(&self) -> &EntityType {
        &self.entity_type
    }

    /// Which entities are asked for.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The filter; `None` when the query is opaque.
    pub fn as_filter(&self) -> Option<&Filter> {
        match &self.selection {
            Selection::Filter(filter) => Some(filter),
            Selection::Opaque(_) => None,
        }
    }

    /// Whether only the server can tell which entities are meant.
    pub fn is_opaque(&self) -> bool {
        matches!(self.selection, Selection::Opaque(_))
    }

    /// In which order.
    pub fn sort(&self) -> &Sort {
        &self.sort
    }

    /// Where the window begins.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// After how many rows the window ends; `None` for the end of the list.
    pub fn row_limit(&self) -> Option<u64> {
        self.limit
    }

    /// The same query without its window. Pages of one filter and sort share it.
    #[must_use]
    pub fn run_key(&self) -> Self {
        Self {
            start: Start::default(),
            limit: None,
            ..self.clone()
        }
    }

    /// The list's cache key, `customers:list-where score > 5`.
    pub fn cache_key(&self) -> String {
        format!("{}{}{self}", self.entity_type, crate::id::LIST_MARK)
    }

    /// Whether a record belongs to the list, leaving the window aside; `None` when the query is opaque.
    pub fn matches(&self, record: &Record) -> Option<bool> {
        self.as_filter().map(|filter| filter.matches(record))
    }

    /// The place of an entity in the order of the list; `None` when the query is opaque.
    pub fn position(&self, record: &Record, id: &EntityId) -> Option<SortPosition> {
        (!self.is_opaque()).then(|| self.sort.position(record, id))
    }

    /// The paths that decide membership and order. Empty for an opaque query, of which nobody knows.
    pub fn paths(&self) -> Vec<&str> {
        let mut paths = Vec::new();
        if let Selection::Filter(filter) = &self.selection {
            filter.collect_paths(&mut paths);
            paths.extend(self.sort.keys().iter().map(|key| &*key.path));
            paths.sort_unstable();
            paths.dedup();
        }
        paths
    }

    /// Whether a patch can change membership or order. Always for an opaque query.
    pub fn is_affected_by(&self, patch: &Patch) -> bool {
        self.is_opaque()
            || self.paths().iter().any(|path| {
                let first = path.split('.').next().unwrap_or(path);
                patch.touches(path) || patch.touches(first)
            })
    }

    /// Checks the bounds of a query that was built rather than parsed: what passes here can be sent and parsed.
    ///
    /// # Errors
    /// [`QueryError`] when the text would be too long or nested too deep, when there are too many tests or sort keys,
    /// when a number is not finite, or when the cursor does not fit the sort.
    pub fn validate(&self) -> Result<(), QueryError> {
        parse::check(self)
    }
}
