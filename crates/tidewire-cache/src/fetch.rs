//! What should be asked for, and what is on its way.
//!
//! Remembers of each request where its stream stood when it began, and of each page on its way the
//! changes since. Sends nothing.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::quality::FixedState;
use tidewire_model::{EntityId, EntityKey, EntityType, Epoch, Point, Query, SortPosition, Start};

use crate::base::{At, Moment};
use crate::stream::{Logged, Stream};

/// Something that should be asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// Entities by id.
    Entities {
        /// Their type.
        entity_type: EntityType,
        /// Their ids.
        ids: Vec<EntityId>,
    },
    /// A stretch of a run.
    Page {
        /// Its type.
        entity_type: EntityType,
        /// The run.
        run: RunKey,
        /// What to ask for: the run from its start or from its bound, with a limit.
        query: Query,
    },
    /// The snapshot of a complete stream, again: subscribe without resume. Over when the snapshot
    /// is applied.
    Snapshot {
        /// Its type.
        entity_type: EntityType,
    },
}

impl Wanted {
    /// The type that is asked about.
    pub fn entity_type(&self) -> &EntityType {
        match self {
            Self::Entities { entity_type, .. }
            | Self::Page { entity_type, .. }
            | Self::Snapshot { entity_type } => entity_type,
        }
    }

    /// How many rows an answer may have.
    pub fn max_rows(&self) -> u64 {
        match self {
            Self::Entities { ids, .. } => u64::try_from(ids.len()).unwrap_or(u64::MAX),
            Self::Page { query, .. } => query.row_limit().unwrap_or(u64::MAX),
            Self::Snapshot { .. } => u64::MAX,
        }
    }
}

/// Names a run: type, filter and sort, and the row it begins after, if it does not begin at the start.
/// Cheap to copy.
#[derive(Clone)]
pub struct RunKey(Arc<Named>);

#[derive(Debug)]
struct Named {
    /// Tells nearly all runs apart. The same query has the same one always.
    hash: u64,
    query: Query,
}

impl RunKey {
    /// The run that the window of a query lies in. What only the server can evaluate is one for each
    /// start.
    pub fn of(query: &Query) -> Self {
        let query = match query.start() {
            Start::Offset(_) if !query.is_opaque() => query.run_key(),
            _ => query.clone().unlimited(),
        };
        let hash = FixedState::default().hash_one(&query);
        Self(Arc::new(Named { hash, query }))
    }

    /// The run as a query without limit.
    pub fn query(&self) -> &Query {
        &self.0.query
    }
}

impl fmt::Debug for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RunKey").field(self.query()).finish()
    }
}

impl PartialEq for RunKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for RunKey {}

impl Hash for RunKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash.hash(state);
    }
}

impl PartialOrd for RunKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RunKey {
    /// An order without meaning, the same in each process.
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two) = (&self.0, &other.0);
        let ordering = one.hash.cmp(&two.hash);
        if ordering.is_ne() || Arc::ptr_eq(one, two) {
            return ordering;
        }
        one.query.cmp(&two.query)
    }
}

/// Names one request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchTicket(pub(crate) u64);

/// The requests on their way.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    last: u64,
    open: BTreeMap<FetchTicket, Request>,
}

/// One request on its way.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) wanted: Wanted,
    /// Where the stream stood when it began.
    pub(crate) begun_at: Option<Point>,
    /// The epoch of what was held when it began.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) begun: Moment,
    /// The changes of the run since then.
    pub(crate) log: Vec<Moved>,
    /// The entities they are of.
    pub(crate) changed: BTreeSet<EntityId>,
    /// More changes came than are remembered.
    pub(crate) overflowed: bool,
    /// Its answer has come and waits to be worked.
    pub(crate) answered: bool,
}

/// A change that moved, or may have moved, the total of a run that a page is on its way for.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) at: At,
    pub(crate) id: EntityId,
    /// By how many rows; nothing where nobody can tell.
    pub(crate) rows: Option<i64>,
}

impl Request {
    /// Whether it is for a list that only the server can evaluate.
    pub(crate) fn is_opaque(&self) -> bool {
        matches!(&self.wanted, Wanted::Page { query, .. } if query.is_opaque())
    }

    /// The place behind which the asked stretch begins, if it does not begin where the run does.
    pub(crate) fn continues_after(&self) -> Option<SortPosition> {
        let Wanted::Page { run, query, .. } = &self.wanted else {
            return None;
        };
        match query.start() {
            Start::After(cursor) if query.start() != run.query().start() => {
                Some(query.sort().position_of(cursor))
            }
            _ => None,
        }
    }
}

impl Requests {
    pub(crate) fn begin(&mut self, request: Request) -> FetchTicket {
        self.last += 1;
        let ticket = FetchTicket(self.last);
        self.open.insert(ticket, request);
        ticket
    }

    pub(crate) fn get(&self, ticket: FetchTicket) -> Option<&Request> {
        self.open.get(&ticket)
    }

    /// Its answer has come: the type it is about, once.
    pub(crate) fn answer(&mut self, ticket: FetchTicket) -> Option<EntityType> {
        let request = self.open.get_mut(&ticket)?;
        let first = !std::mem::replace(&mut request.answered, true);
        first.then(|| request.wanted.entity_type().clone())
    }

    /// No answer will come. One that has come already is worked all the same.
    pub(crate) fn fail(&mut self, ticket: FetchTicket) {
        if self.get(ticket).is_some_and(|request| !request.answered) {
            self.open.remove(&ticket);
        }
    }

    /// The answer is worked.
    pub(crate) fn end(&mut self, ticket: FetchTicket) -> Option<Request> {
        self.open.remove(&ticket)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The requests for the snapshot of a stream are over.
    pub(crate) fn end_snapshot(&mut self, ended: &EntityType) {
        self.open.retain(|_, request| {
            !matches!(&request.wanted, Wanted::Snapshot { entity_type } if entity_type == ended)
        });
    }

    /// Remembers a change for the pages on their way that it concerns.
    pub(crate) fn log(&mut self, stream: &Stream, logged: &Logged, max: usize) {
        for request in self.open.values_mut() {
            let Wanted::Page { run, .. } = &request.wanted else {
                continue;
            };
            let Some(rows) = logged.rows(stream, run) else {
                continue;
            };
            if request.log.len() < max {
                request.changed.insert(logged.id.clone());
                request.log.push(Moved {
                    at: logged.at,
                    id: logged.id.clone(),
                    rows,
                });
            } else {
                request.overflowed = true;
            }
        }
    }

    /// Whether an entity changed since a page on its way was asked for. What is known of it is
    /// needed when the page comes.
    pub(crate) fn needs(&self, entity_type: &EntityType, id: &EntityId) -> bool {
        let mut open = self.open.values();
        open.any(|request| {
            request.changed.contains(id) && request.wanted.entity_type() == entity_type
        })
    }

    /// The entities of a type that pages on their way need.
    pub(crate) fn needed(&self, entity_type: &EntityType) -> impl Iterator<Item = &EntityId> {
        let open = self.open.values();
        let of_type = open.filter(move |request| request.wanted.entity_type() == entity_type);
        of_type.flat_map(|request| &request.changed)
    }

    /// A run goes on under another name: what was asked for it is of no use.
    pub(crate) fn drop_run(&mut self, gone: &RunKey) {
        self.open.retain(
            |_, request| !matches!(&request.wanted, Wanted::Page { run, .. } if run == gone),
        );
    }

    /// A stream was forgotten: what was asked for of it is of no use.
    pub(crate) fn drop_type(&mut self, forgotten: &EntityType) {
        self.open
            .retain(|_, request| request.wanted.entity_type() != forgotten);
    }

    /// What is on its way.
    pub(crate) fn under_way(&self) -> UnderWay {
        let mut under_way = UnderWay::default();
        for request in self.open.values() {
            match &request.wanted {
                Wanted::Entities { entity_type, ids } => {
                    let keys = ids
                        .iter()
                        .map(|id| EntityKey::new(entity_type.clone(), id.clone()));
                    under_way.entities.extend(keys);
                }
                Wanted::Page { run, .. } => {
                    under_way.runs.insert(run.clone());
                }
                Wanted::Snapshot { entity_type } => {
                    under_way.snapshots.insert(entity_type.clone());
                }
            }
        }
        under_way
    }
}

/// What is on its way, by kind.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    pub(crate) entities: BTreeSet<EntityKey>,
    pub(crate) runs: BTreeSet<RunKey>,
    pub(crate) snapshots: BTreeSet<EntityType>,
}
