//! A query made ready to be asked of many records: who is a member of the list, and in which order.

use tidewire_model::{Filter, Matcher, Query, Record, Sorter};

use crate::rows::{Rows, Ruler};

/// The filter and the sort of a query, made ready.
#[derive(Debug)]
pub(crate) struct Criteria {
    /// Nothing for an opaque query.
    matcher: Option<Matcher>,
    sorter: Sorter,
}

impl Criteria {
    pub(crate) fn of(query: &Query) -> Self {
        Self {
            matcher: query.as_filter().map(Filter::prepare),
            sorter: query.sort().prepare(),
        }
    }

    /// Whether a record is a member, the window aside. Nobody knows of an opaque query.
    pub(crate) fn means(&self, record: &Record) -> bool {
        let matcher = self.matcher.as_ref();
        matcher.is_some_and(|matcher| matcher.means(record))
    }

    /// Tells how rows stand to each other in the list.
    pub(crate) fn ruler<'a>(&'a self, rows: Rows<'a>) -> Ruler<'a> {
        Ruler {
            sorter: &self.sorter,
            rows,
        }
    }

    pub(crate) fn sorter(&self) -> &Sorter {
        &self.sorter
    }
}
