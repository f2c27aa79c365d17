//! The line of what is to be written: a group under way, and what waits for the next ones, by who wrote it.
//!
//! Authors take turns by what their writes cost, and the connections of one author likewise, so that one who writes much
//! delays itself, with however many connections. Of one connection everything is done in its order. Does nothing itself.

use std::collections::{BTreeMap, VecDeque};

use tidewire_model::Record;
use tidewire_protocol::Op;

use super::actions::Pending;
use super::turns::{Cost, Turns};
use crate::{
    ActionOutcome, BackendError, CallerId, Commit, ConnectionId, MAX_ACTION_BYTES,
    MAX_ENTITY_BYTES, Settings, Write, WriteOutcome, WriteRequest,
};

/// What an item costs however small it is, in bytes that could be rewritten meanwhile.
const ITEM_COST: u64 = 16 * 1024;

/// An entity that is changed is read, written, and written to the journal.
const TIMES_REWRITTEN: usize = 3;

/// Each connection may have one item waiting that is no larger than this, however full the line is.
const SMALL_BYTES: usize = 16 * 1024;

/// A group is likely to come to so many times the bytes that may be asked in it, at most. Nobody hears of a write before
/// all of its group is done, so what is small does not share a group with what is large.
const REWRITTEN_TO_ASKED: usize = 2;

/// Who is told what became of an item.
#[derive(Debug)]
pub(super) enum Author {
    /// A client, of its action.
    Client(Box<Pending>),
    /// The application, of its publication.
    Application(CallerId),
}

/// Whose turn it takes: a principal's, or the application's.
type Who = Option<String>;

/// A connection of an author; the application has none.
type Via = Option<ConnectionId>;

impl Author {
    pub(super) fn connection(&self) -> Via {
        match self {
            Self::Client(pending) => Some(pending.connection),
            Self::Application(_) => None,
        }
    }

    fn who(&self) -> Who {
        match self {
            Self::Client(pending) => Some(pending.principal.clone()),
            Self::Application(_) => None,
        }
    }
}

/// Everything that is to be written.
#[derive(Debug)]
pub(super) struct WriteLine {
    under_way: Vec<Item>,
    turns: Turns<Who>,
    /// Those who have something waiting, or open connections that have had a turn.
    authors: BTreeMap<Who, Waiting>,
    items: usize,
    bytes: usize,
    /// Why nothing is written any more.
    stopped: Option<BackendError>,
}

/// What waits of one author.
#[derive(Debug)]
struct Waiting {
    turns: Turns<Via>,
    connections: BTreeMap<Via, Own>,
    items: usize,
    bytes: usize,
}

/// What waits of one connection.
#[derive(Debug, Default)]
struct Own {
    items: VecDeque<Item>,
    bytes: usize,
}

/// One thing to be written.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) author: Author,
    pub(super) request: WriteRequest,
    bytes: usize,
    /// What was counted for it, of its author and of its connection, when it was handed to the backend.
    charged: (u64, u64),
}

impl Default for WriteLine {
    fn default() -> Self {
        Self {
            under_way: Vec::new(),
            turns: Turns::of_lasting(),
            authors: BTreeMap::new(),
            items: 0,
            bytes: 0,
            stopped: None,
        }
    }
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            turns: Turns::of_passing(),
            connections: BTreeMap::new(),
            items: 0,
            bytes: 0,
        }
    }
}

impl Item {
    /// What it costs, with what it came to.
    fn cost(&self, came_to: usize) -> Cost {
        Cost {
            known: ITEM_COST + self.bytes as u64,
            beyond: came_to as u64,
        }
    }

    /// What it costs at most.
    fn most_cost(&self) -> Cost {
        self.cost(most_changed(&self.request).saturating_mul(TIMES_REWRITTEN))
    }
}

/// The line is as long as it may be.
#[derive(Debug)]
pub(super) struct LineFull;

impl WriteLine {
    pub(super) fn has_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Why nothing is written any more.
    pub(super) fn stopped(&self) -> Option<&BackendError> {
        self.stopped.as_ref()
    }

    pub(super) fn len(&self) -> usize {
        self.under_way.len() + self.items
    }

    pub(super) fn push(
        &mut self,
        author: Author,
        request: WriteRequest,
        settings: &Settings,
    ) -> Result<(), LineFull> {
        let bytes = request_bytes(&request);
        if !self.has_room(&author, bytes, settings) {
            return Err(LineFull);
        }
        let item = Item {
            author,
            request,
            bytes,
            charged: (0, 0),
        };
        self.line_up(item, VecDeque::push_back);
        Ok(())
    }

    /// Puts an item into the line, and its author.
    fn line_up(&mut self, item: Item, add: fn(&mut VecDeque<Item>, Item)) {
        let (who, via) = (item.author.who(), item.author.connection());
        self.items += 1;
        self.bytes += item.bytes;
        let waiting = self.authors.entry(who.clone()).or_default();
        waiting.items += 1;
        waiting.bytes += item.bytes;
        let own = waiting.connections.entry(via).or_default();
        own.bytes += item.bytes;
        add(&mut own.items, item);
        waiting.ask_for(&via);
        self.ask_for(&who);
    }

    /// Says what is next of an author, whose connections may stand in another order now.
    fn ask_for(&mut self, who: &Who) {
        if let Some(next) = self.authors.get(who).and_then(Waiting::next) {
            self.turns.join(who, next.most_cost());
        }
    }

    /// Whether so much more of an author may wait. A client has three quarters of the room that others leave, and a
    /// connection of it half of what its others leave of that. One of whom nothing waits may add something small, so
    /// that however many fill the line, one who writes little is let in.
    fn has_room(&self, author: &Author, bytes: usize, settings: &Settings) -> bool {
        let waiting = self.authors.get(&author.who());
        let own = waiting.and_then(|waiting| waiting.connections.get(&author.connection()));
        let of_author = waiting.map_or((0, 0), |waiting| (waiting.items, waiting.bytes));
        let of_own = own.map_or((0, 0), |own| (own.items.len(), own.bytes));
        let is_client = author.connection().is_some();
        // A single item may be larger than the bound, or the application could never write it.
        if self.items == 0 || (of_own.0 == 0 && (!is_client || bytes <= SMALL_BYTES)) {
            return true;
        }
        let room = |most: usize, all: usize, of_author: usize, of_own: usize| {
            let left = most.saturating_sub(all - of_author);
            let others = of_author - of_own;
            if is_client {
                (left - left / 4).saturating_sub(others).div_ceil(2)
            } else {
                left
            }
        };
        of_own.0 < room(settings.waiting_items, self.items, of_author.0, of_own.0)
            && of_own.1 + bytes <= room(settings.waiting_bytes, self.bytes, of_author.1, of_own.1)
    }

    /// The next group, unless one is under way.
    pub(super) fn next_group(&mut self, settings: &Settings) -> Option<Vec<WriteRequest>> {
        if !self.under_way.is_empty() || self.items == 0 || self.stopped.is_some() {
            return None;
        }
        let mut group = Vec::new();
        let (mut bytes, mut expected) = (0, 0);
        while let Some((next_bytes, next_expected)) = self.next_bytes() {
            bytes += next_bytes;
            expected += next_expected;
            let full = group.len() >= settings.group_items
                || bytes > settings.group_bytes
                || expected > REWRITTEN_TO_ASKED * settings.group_bytes;
            if full && !group.is_empty() {
                break;
            }
            let Some(item) = self.take_next() else {
                break;
            };
            // Kept, since the backend may not do all of the group.
            group.push(item.request.clone());
            self.under_way.push(item);
        }
        Some(group)
    }

    /// The bytes of what is next, and those that it is likely to come to.
    fn next_bytes(&self) -> Option<(usize, usize)> {
        let waiting = self.authors.get(self.turns.first()?)?;
        let item = waiting.next()?;
        let expected = waiting.turns.expected(&item.author.connection());
        let expected = usize::try_from(expected.saturating_sub(ITEM_COST)).unwrap_or(usize::MAX);
        Some((item.bytes, expected))
    }

    /// Takes one item of the author whose turn it is.
    fn take_next(&mut self) -> Option<Item> {
        let who = self.turns.first()?.clone();
        let waiting = self.authors.get_mut(&who)?;
        let via = *waiting.turns.first()?;
        let own = waiting.connections.get_mut(&via)?;
        let mut item = own.items.pop_front()?;
        debug_assert_eq!(self.turns.most(&who), Some(item.most_cost()));
        own.bytes -= item.bytes;
        waiting.items -= 1;
        waiting.bytes -= item.bytes;
        self.items -= 1;
        self.bytes -= item.bytes;
        item.charged = (self.turns.charge(&who), waiting.turns.charge(&via));
        if own.items.is_empty() {
            waiting.connections.remove(&via);
            waiting.turns.leave(&via);
        }
        waiting.ask_for(&via);
        if waiting.items == 0 {
            self.turns.leave(&who);
        }
        self.ask_for(&who);
        Some(item)
    }

    /// What was under way, of which something is done now.
    pub(super) fn end_group(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.under_way)
    }

    /// Puts back what was not done of a group, each before what its author wrote later, and its author
    /// where it was in line; what is not wanted any more is dropped. Neither has cost anything.
    pub(super) fn take_back(&mut self, rest: Vec<Item>, is_wanted: impl Fn(&Item) -> bool) {
        for item in rest.into_iter().rev() {
            let (who, via) = (item.author.who(), item.author.connection());
            let charged = item.charged;
            if is_wanted(&item) {
                self.line_up(item, VecDeque::push_front);
            }
            self.turns.refund(&who, charged.0);
            if let Some(waiting) = self.authors.get_mut(&who) {
                waiting.turns.refund(&via, charged.1);
            }
            self.ask_for(&who);
        }
    }

    /// Counts what was done, and what it came to. Call it when what was not done is back in line.
    pub(super) fn settle(&mut self, done: &[Item], outcomes: &[WriteOutcome]) {
        let mut costs: BTreeMap<Who, BTreeMap<Via, u64>> = BTreeMap::new();
        for (item, outcome) in done.iter().zip(outcomes) {
            let (who, via) = (item.author.who(), item.author.connection());
            let cost = item.cost(rewritten(&item.request, outcome));
            self.turns.settle(&who, item.charged.0, cost);
            if let Some(waiting) = self.authors.get_mut(&who) {
                waiting.turns.settle(&via, item.charged.1, cost);
            }
            *costs.entry(who).or_default().entry(via).or_default() += cost.total();
        }
        let all = costs.values().flat_map(BTreeMap::values).sum();
        self.turns.advance(costs.keys(), all);
        for (who, costs) in costs {
            if let Some(waiting) = self.authors.get_mut(&who) {
                waiting.turns.advance(costs.keys(), costs.values().sum());
            }
            self.ask_for(&who);
            self.tidy(&who);
        }
    }

    /// Takes out what waits of one connection of a principal.
    pub(super) fn forget(&mut self, id: ConnectionId, principal: &str) {
        let who = Some(principal.to_owned());
        let Some(waiting) = self.authors.get_mut(&who) else {
            return;
        };
        let own = waiting.connections.remove(&Some(id)).unwrap_or_default();
        waiting.turns.forget(&Some(id));
        waiting.items -= own.items.len();
        waiting.bytes -= own.bytes;
        self.items -= own.items.len();
        self.bytes -= own.bytes;
        if waiting.items == 0 {
            self.turns.leave(&who);
        }
        self.ask_for(&who);
        self.tidy(&who);
    }

    /// Forgets an author of whom there is nothing to be known but what it has cost.
    fn tidy(&mut self, who: &Who) {
        let is_empty = |waiting: &Waiting| waiting.items == 0 && waiting.turns.is_empty();
        if self.authors.get(who).is_some_and(is_empty) {
            self.authors.remove(who);
        }
    }

    /// Ends all writing. Everything that waits, in the order in which it would have been written.
    pub(super) fn stop(&mut self, error: BackendError) -> Vec<Item> {
        self.stopped = Some(error);
        std::iter::from_fn(|| self.take_next()).collect()
    }
}

impl Waiting {
    /// What is next.
    fn next(&self) -> Option<&Item> {
        let own = self.connections.get(self.turns.first()?)?;
        own.items.front()
    }

    /// Says what is next of a connection.
    fn ask_for(&mut self, via: &Via) {
        let own = self.connections.get(via);
        if let Some(next) = own.and_then(|own| own.items.front()) {
            self.turns.join(via, next.most_cost());
        }
    }
}

/// Roughly how much memory an item holds.
fn request_bytes(request: &WriteRequest) -> usize {
    match request {
        WriteRequest::Action { action, .. } => 2 * action.payload.approximate_bytes(),
        WriteRequest::Publish(writes) => writes.iter().map(write_bytes).sum(),
    }
}

fn write_bytes(write: &Write) -> usize {
    let content = match write {
        Write::Create { entity, .. } | Write::Put { entity, .. } => entity.approximate_bytes(),
        Write::Update { changes, .. } => changes.approximate_bytes(),
        Write::Delete { .. } => Record::new().approximate_bytes(),
    };
    size_of::<Write>() + content
}

/// About how many bytes of entities an item reads or changes, at most.
fn most_changed(request: &WriteRequest) -> usize {
    let of = |writes: &Vec<Write>| writes.len().saturating_mul(MAX_ENTITY_BYTES);
    match request {
        WriteRequest::Action { writes, .. } => writes.as_ref().map_or(0, of).min(MAX_ACTION_BYTES),
        WriteRequest::Publish(writes) => of(writes),
    }
}

/// What an item came to beside its own bytes: about how many bytes of entities were read and written.
fn rewritten(request: &WriteRequest, outcome: &WriteOutcome) -> usize {
    match outcome {
        WriteOutcome::Action {
            commit: Some(commit),
            ..
        }
        | WriteOutcome::Published(Ok(Some(commit))) => commit_bytes(commit),
        // Refused, or nothing was to be changed. What was read is not known; at most this.
        WriteOutcome::Action {
            outcome: ActionOutcome::New(_),
            ..
        } => most_changed(request),
        // Nothing was read, or it is the application's, which often puts what is there already, and is trusted.
        WriteOutcome::Action { .. } | WriteOutcome::Published(_) => 0,
    }
}

fn commit_bytes(commit: &Commit) -> usize {
    let bytes = |record: &Option<Record>| record.as_ref().map_or(0, Record::approximate_bytes);
    let ops = commit.streams.iter().flat_map(|stream| &stream.ops);
    ops.map(|op| match op {
        // Once where it stands from now on, and once in the journal.
        Op::Created { entity, .. } => 2 * entity.approximate_bytes(),
        // Read before.
        Op::Updated { entity, .. } => TIMES_REWRITTEN * bytes(entity),
        Op::Deleted { was, .. } => 2 * bytes(was),
        Op::Stale(_) | Op::StaleAll(_) => 0,
    })
    .sum()
}
