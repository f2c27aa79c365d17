//! Requests under way: what was asked for, and what came so far.
//!
//! It bounds how many are under way, waits after failures, and never asks again on the same
//! connection for what was refused for good. What is worth asking for is the cache's knowledge.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewire_cache::{FetchTicket, Wanted};
use tidewire_model::{EntityId, Point, Tick};
use tidewire_protocol::{Data, RequestId, WireRow};

/// The longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Names a request to the application's own backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchNumber(pub u64);

/// A request under way.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) wanted: Wanted,
    pub(crate) ticket: FetchTicket,
    rows: Vec<WireRow>,
    missing: Vec<EntityId>,
    parts: u64,
}

/// A request that was answered whole.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) wanted: Wanted,
    pub(crate) ticket: FetchTicket,
    pub(crate) as_of: Option<Point>,
    pub(crate) rows: Vec<WireRow>,
    pub(crate) missing: Vec<EntityId>,
    pub(crate) total_count: Option<u64>,
    pub(crate) end: bool,
}

/// The requests.
#[derive(Debug)]
pub(crate) struct Refetch {
    under_way: BTreeMap<RequestId, Request>,
    refused: Vec<Wanted>,
    max: usize,
    wait: Duration,
    failures: u32,
    not_before: Option<Tick>,
}

impl Refetch {
    pub(crate) fn new(max: usize, wait: Duration) -> Self {
        Self {
            under_way: BTreeMap::new(),
            refused: Vec::new(),
            max: max.max(1),
            wait,
            failures: 0,
            not_before: None,
        }
    }

    /// Whether another request may go out now.
    pub(crate) fn has_room(&self, now: Tick) -> bool {
        self.under_way.len() < self.max && self.not_before.is_none_or(|at| at <= now)
    }

    /// When the wait after a failure ends.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        self.not_before
    }

    /// Whether the server refused this for good.
    pub(crate) fn is_refused(&self, wanted: &Wanted) -> bool {
        self.refused.contains(wanted)
    }

    pub(crate) fn begin(&mut self, id: RequestId, wanted: Wanted, ticket: FetchTicket) {
        let request = Request {
            wanted,
            ticket,
            rows: Vec::new(),
            missing: Vec::new(),
            parts: 0,
        };
        self.under_way.insert(id, request);
    }

    /// Takes a part of an answer; gives the whole once it is there.
    ///
    /// # Errors
    /// The part does not follow the one before it; the request is still under way.
    pub(crate) fn on_data(&mut self, data: Data) -> Result<Option<Answered>, &'static str> {
        let Some(request) = self.under_way.get_mut(&data.id) else {
            return Ok(None);
        };
        if data.part != request.parts {
            return Err("a part of an answer is missing");
        }
        request.parts += 1;
        request.rows.extend(data.rows);
        request.missing.extend(data.missing);
        if (request.rows.len() + request.missing.len()) as u64 > request.wanted.max_rows() {
            return Err("an answer has more rows than were asked for");
        }
        if data.more {
            return Ok(None);
        }
        let answered = self.under_way.remove(&data.id).map(|request| Answered {
            wanted: request.wanted,
            ticket: request.ticket,
            as_of: Some(data.as_of),
            rows: request.rows,
            missing: request.missing,
            total_count: data.total_count,
            end: data.end,
        });
        self.failures = 0;
        Ok(answered)
    }

    /// Takes a request back, answered or not.
    pub(crate) fn take(&mut self, id: RequestId) -> Option<Request> {
        self.under_way.remove(&id)
    }

    /// A request failed and may succeed later.
    pub(crate) fn on_failed(&mut self, now: Tick, retry_after: Option<Duration>) {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let wait = self.wait.saturating_mul(factor).min(WAIT_MAX);
        self.not_before = Some(now + wait.max(retry_after.unwrap_or(Duration::ZERO)));
    }

    /// A request succeeded.
    pub(crate) fn on_succeeded(&mut self) {
        self.failures = 0;
    }

    /// A request was refused for good.
    pub(crate) fn on_refused(&mut self, wanted: Wanted) {
        self.refused.push(wanted);
    }

    /// The wait is over.
    pub(crate) fn on_due(&mut self, now: Tick) {
        if self.not_before.is_some_and(|at| at <= now) {
            self.not_before = None;
        }
    }

    /// Messages flow no more: what was under way was not answered.
    pub(crate) fn on_down(&mut self) -> Vec<FetchTicket> {
        self.refused.clear();
        self.failures = 0;
        self.not_before = None;
        std::mem::take(&mut self.under_way)
            .into_values()
            .map(|request| request.ticket)
            .collect()
    }
}
