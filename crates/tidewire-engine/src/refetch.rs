//! Requests under way: what was asked for, and what came so far.
//!
//! It bounds how many are under way and how long each is, waits after failures, each type for itself,
//! and never asks again on the same connection for what was refused for good. What is worth asking for is the
//! cache's knowledge.

mod refused;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidewire_cache::{FetchTicket, Wanted};
use tidewire_model::{EntityId, EntityType, Point, Tick};
use tidewire_protocol::{Data, RequestId, WireRow};

use crate::backoff::{as_asked, doubled, patience};
use crate::settings::Settings;

pub(crate) use refused::Refusal;
use refused::Refused;

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
    /// Roughly what the parts take.
    bytes: usize,
    /// How long it, or the next part of its answer, may take.
    patience: Duration,
    /// When that is over.
    overdue_at: Tick,
    /// That nothing came was told.
    told: bool,
}

/// Why a part of an answer is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It breaks the rules.
    Broken(&'static str),
    /// The answer takes more than may wait for its end; the request is still under way.
    TooLarge(RequestId),
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

/// A type of which a request failed.
#[derive(Debug)]
struct Wait {
    failures: u32,
    not_before: Tick,
}

/// Something that was asked for in vain, one time after the other: the answer was too old, or none came.
#[derive(Debug)]
struct Late {
    times: u32,
    not_before: Tick,
}

/// So many things that were asked for in vain are remembered.
const LATE_MAX: usize = 64;

/// The requests.
#[derive(Debug)]
pub(crate) struct Refetch {
    under_way: BTreeMap<RequestId, Request>,
    refused: Refused,
    waits: BTreeMap<EntityType, Wait>,
    late: BTreeMap<Wanted, Late>,
    max: usize,
    max_bytes: usize,
    wait: Duration,
    answer_wait: Duration,
}

impl Refetch {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            under_way: BTreeMap::new(),
            refused: Refused::default(),
            waits: BTreeMap::new(),
            late: BTreeMap::new(),
            max: settings.max_fetches.max(1),
            max_bytes: settings.answer_max_bytes,
            wait: settings.refetch_wait,
            answer_wait: settings.answer_wait,
        }
    }

    /// Whether another request may be under way.
    pub(crate) fn has_room(&self) -> bool {
        self.under_way.len() < self.max
    }

    /// What of this may be asked for now: not what was refused for good, nothing of a type that waits
    /// after a failure, and not what waits after it was asked for in vain.
    pub(crate) fn allowed(&self, now: Tick, wanted: Wanted) -> Option<Wanted> {
        let wanted = self.refused.allowed(wanted)?;
        let wait = self.waits.get(wanted.entity_type());
        let late = self.late.get(&wanted);
        let waits = wait.is_some_and(|wait| wait.not_before > now)
            || late.is_some_and(|late| late.not_before > now);
        (!waits).then_some(wanted)
    }

    /// When the earliest wait ends, after a failure or for an answer.
    pub(crate) fn deadline(&self, now: Tick) -> Option<Tick> {
        let ends = self.waits.values().map(|wait| wait.not_before);
        let ends = ends.chain(self.late.values().map(|late| late.not_before));
        let ends = ends.chain(self.under_way.values().map(|request| request.overdue_at));
        ends.filter(|end| *end > now).min()
    }

    pub(crate) fn begin(&mut self, now: Tick, id: RequestId, wanted: Wanted, ticket: FetchTicket) {
        let times = self.late.get(&wanted).map_or(0, |late| late.times);
        let patience = patience(self.answer_wait, times);
        let request = Request {
            wanted,
            ticket,
            rows: Vec::new(),
            missing: Vec::new(),
            parts: 0,
            bytes: 0,
            patience,
            overdue_at: now + patience,
            told: false,
        };
        self.under_way.insert(id, request);
    }

    /// Takes a part of an answer; gives the whole once it is there.
    ///
    /// # Errors
    /// The part does not follow the one before it, or is too much; the request is still under way.
    pub(crate) fn on_data(&mut self, now: Tick, data: Data) -> Result<Option<Answered>, Unfit> {
        let Some(request) = self.under_way.get_mut(&data.id) else {
            return Ok(None);
        };
        if data.part != request.parts {
            return Err(Unfit::Broken("a part of an answer is missing"));
        }
        if data.more && data.rows.is_empty() && data.missing.is_empty() {
            return Err(Unfit::Broken(
                "a part of an answer that goes on brings nothing",
            ));
        }
        request.parts += 1;
        request.overdue_at = now + request.patience;
        request.bytes += bytes_of(&data);
        request.rows.extend(data.rows);
        request.missing.extend(data.missing);
        if (request.rows.len() + request.missing.len()) as u64 > request.wanted.max_rows() {
            return Err(Unfit::Broken("an answer has more rows than were asked for"));
        }
        if request.bytes > self.max_bytes {
            return Err(Unfit::TooLarge(data.id));
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
        if let Some(answered) = &answered {
            self.waits.remove(answered.wanted.entity_type());
        }
        Ok(answered)
    }

    /// What a request under way is about.
    pub(crate) fn entity_type(&self, id: RequestId) -> Option<&EntityType> {
        self.under_way
            .get(&id)
            .map(|request| request.wanted.entity_type())
    }

    /// Takes a request back, answered or not.
    pub(crate) fn take(&mut self, id: RequestId) -> Option<Request> {
        self.under_way.remove(&id)
    }

    /// The requests of which nothing has come for longer than it may take.
    pub(crate) fn overdue(&self, now: Tick) -> Vec<RequestId> {
        let overdue = self
            .under_way
            .iter()
            .filter(|(_, request)| request.overdue_at <= now);
        overdue.map(|(id, _)| *id).collect()
    }

    /// A request is not waited for any more, and makes room for others before the same is asked for again, which is then
    /// waited for longer.
    pub(crate) fn give_up(
        &mut self,
        now: Tick,
        id: RequestId,
        jitter: Duration,
    ) -> Option<FetchTicket> {
        let request = self.under_way.remove(&id)?;
        let first = self.wait + jitter;
        self.put_off(now, &request.wanted, first, jitter);
        Some(request.ticket)
    }

    /// Whether it was told of a request that nothing came.
    pub(crate) fn is_told(&self, id: RequestId) -> bool {
        self.under_way.get(&id).is_some_and(|request| request.told)
    }

    /// A request is waited for longer, and that is told; gives what it is about.
    pub(crate) fn wait_longer(&mut self, now: Tick, id: RequestId) -> Option<Wanted> {
        let request = self.under_way.get_mut(&id)?;
        request.told = true;
        request.patience = patience(request.patience, 1);
        request.overdue_at = now + request.patience;
        Some(request.wanted.clone())
    }

    /// A request for this type failed and may succeed later: it waits twice as long as the last
    /// time, with `jitter` on top.
    pub(crate) fn on_failed(
        &mut self,
        now: Tick,
        entity_type: &EntityType,
        retry_after: Option<Duration>,
        jitter: Duration,
    ) {
        let failures = self.waits.get(entity_type).map_or(0, |wait| wait.failures);
        let wait = doubled(self.wait, failures, WAIT_MAX) + jitter;
        let wait = Wait {
            failures: failures.saturating_add(1),
            not_before: now + wait.max(as_asked(retry_after)),
        };
        self.waits.insert(entity_type.clone(), wait);
    }

    /// A request for this type succeeded.
    pub(crate) fn on_succeeded(&mut self, entity_type: &EntityType) {
        self.waits.remove(entity_type);
    }

    /// An answer speaks for a point before what was received. If the same is wanted at once again, it is
    /// asked for at once; after further such answers it waits, longer each time.
    pub(crate) fn on_late(&mut self, now: Tick, wanted: &Wanted, jitter: Duration) {
        self.put_off(now, wanted, Duration::ZERO, jitter);
    }

    fn put_off(&mut self, now: Tick, wanted: &Wanted, first: Duration, jitter: Duration) {
        if self.late.len() >= LATE_MAX {
            self.late.pop_first();
        }
        let times = self.late.get(wanted).map_or(0, |late| late.times);
        let wait = match times.checked_sub(1) {
            None => first,
            Some(times) => doubled(self.wait, times, WAIT_MAX) + jitter,
        };
        let late = Late {
            times: times.saturating_add(1),
            not_before: now + wait,
        };
        self.late.insert(wanted.clone(), late);
    }

    /// This is wanted now: that anything else was asked for in vain did no harm.
    pub(crate) fn on_wants(&mut self, wants: &[Wanted]) {
        let Self {
            late,
            under_way,
            refused,
            ..
        } = self;
        if late.is_empty() {
            return;
        }
        let mut kept: BTreeSet<&Wanted> = under_way.values().map(|it| &it.wanted).collect();
        // Of what is wanted only so much is asked for.
        let asked = wants.iter().cloned().filter_map(|it| refused.allowed(it));
        let asked: Vec<Wanted> = asked.collect();
        kept.extend(&asked);
        late.retain(|wanted, _| kept.contains(wanted));
    }

    /// A request was refused for good.
    pub(crate) fn on_refused(&mut self, wanted: Wanted) -> Refusal {
        self.refused.add(wanted)
    }

    /// Messages flow no more: what was under way was not answered.
    pub(crate) fn on_down(&mut self) -> Vec<FetchTicket> {
        self.refused = Refused::default();
        self.waits.clear();
        self.late.clear();
        std::mem::take(&mut self.under_way)
            .into_values()
            .map(|request| request.ticket)
            .collect()
    }
}

/// Roughly what a part of an answer takes.
fn bytes_of(data: &Data) -> usize {
    let rows = data.rows.iter().map(|row| row.entity.approximate_bytes());
    let missing = data.missing.iter().map(|id| id.as_str().len());
    rows.chain(missing).sum()
}
