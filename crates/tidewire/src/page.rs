//! A window of a list as it was at one revision.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use tidewire_cache::{ListReading, Trust};
use tidewire_model::{EntityId, ListDiff, Record, RecordError, Revision, Version};

use crate::typed::Typed;

/// A window of a list as it was at one revision. Cheap to share, never changes.
#[derive(Debug)]
pub struct Page<T> {
    rows: Vec<PageRow<T>>,
    total_count: Option<u64>,
    total_exact: bool,
    complete: bool,
    trust: Trust,
    revision: Revision,
    known: bool,
    reason: Option<String>,
}

/// One row of a page.
#[derive(Debug)]
pub struct PageRow<T> {
    /// The entity's id.
    pub id: EntityId,
    /// The point of its last change on the server; `None` for one the server has not seen.
    pub version: Option<Version>,
    /// Whether pending actions shaped it.
    pub pending: bool,
    /// Its fields.
    pub record: Record,
    /// Its fields as a `T`, or why they do not fit.
    pub value: Result<Arc<T>, RecordError>,
}

impl<T: DeserializeOwned> Page<T> {
    /// `refused` says why what is not known, or out of date, does not come.
    pub(crate) fn new(
        reading: ListReading,
        typed: &Typed<T>,
        refused: impl FnOnce() -> Option<String>,
    ) -> Self {
        let reason = match reading.trust {
            Trust::Live | Trust::Fresh => None,
            Trust::Stale(reason) => Some(match refused() {
                Some(refused) => format!("{reason}; {refused}"),
                None => reason.to_string(),
            }),
            Trust::Unknown => refused(),
        };
        typed.make_room(reading.rows.len());
        let rows = reading
            .rows
            .into_iter()
            .map(|row| PageRow {
                value: typed.read(&row.id, &row.record),
                id: row.id,
                version: row.version,
                pending: row.pending,
                record: row.record,
            })
            .collect();
        Self {
            rows,
            total_count: reading.total_count,
            total_exact: reading.total_exact,
            complete: reading.complete,
            trust: reading.trust,
            revision: reading.revision,
            known: reading.known,
            reason,
        }
    }
}

impl<T> Page<T> {
    /// The rows, in the query's order.
    #[must_use]
    pub fn rows(&self) -> &[PageRow<T>] {
        &self.rows
    }

    /// The values of the rows that fit `T`, in order. Rows that do not fit are left out: see
    /// [`rows`](Self::rows), where each has its record, and in [`PageRow::value`] why it does not fit.
    pub fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.rows.iter().filter_map(|row| row.value.as_ref().ok())
    }

    /// How many entities the query holds in all, where it is known; see
    /// [`total_is_exact`](Self::total_is_exact).
    #[must_use]
    pub fn total_count(&self) -> Option<u64> {
        self.total_count
    }

    /// Whether [`total_count`](Self::total_count) is exact, or the best guess.
    #[must_use]
    pub fn total_is_exact(&self) -> bool {
        self.total_exact
    }

    /// Whether the window is filled, or the list ends within it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether anything is known of the list. An unknown page holds nothing but own pending writes.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// How far the page can be trusted, with the reason where it is stale; see [`reason`](Self::reason) too.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Why the page is stale, or why nothing is known, with what the server said when it was asked. `None` where
    /// the page is to be trusted, and where the list has not come yet and nobody said why; the connection has its
    /// own reason, [`Status::reason`](crate::Status).
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The revision of the view it was read at. Rises with every change set published.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many rows wait for the server's word.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.rows.iter().filter(|row| row.pending).count()
    }

    /// What leads from an older page of the same list to this one, row by row.
    #[must_use]
    pub fn diff_from(&self, older: &Self) -> ListDiff {
        let same = |one: &PageRow<T>, two: &PageRow<T>| {
            one.pending == two.pending && one.record == two.record
        };
        ListDiff::between_by(&older.rows, &self.rows, |row| &row.id, same)
    }

    /// Whether a reader would see the same.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        self.trust == other.trust
            && self.total_count == other.total_count
            && self.total_exact == other.total_exact
            && self.complete == other.complete
            && self.known == other.known
            && self.reason == other.reason
            && self.rows.len() == other.rows.len()
            && self.rows.iter().zip(&other.rows).all(|(one, two)| {
                one.id == two.id
                    && one.pending == two.pending
                    && one.version == two.version
                    && (one.record.shares_memory(&two.record) || one.record == two.record)
            })
    }
}
