//! Everything that is to be written: a group under way, and what waits for the next ones, by who wrote it.
//!
//! Authors take turns, so that one who writes much delays itself. Of one author everything is done in its order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tidewire_model::Record;

use super::actions::Pending;
use super::{Drain, Hub};
use crate::connection::feed::FeedState;
use crate::{
    BackendError, CallerId, Commit, ConnectionId, Output, PublishError, Settings, Write,
    WriteOutcome, WriteRequest,
};

/// Who is told what became of an item.
#[derive(Debug)]
pub(super) enum Author {
    /// A client, of its action.
    Client(Box<Pending>),
    /// The application, of its publication.
    Application(CallerId),
}

impl Author {
    /// Whose turn it takes: a connection's, or the application's.
    fn turn(&self) -> Option<ConnectionId> {
        match self {
            Self::Client(pending) => Some(pending.connection),
            Self::Application(_) => None,
        }
    }
}

/// Everything that is to be written.
#[derive(Debug, Default)]
pub(super) struct WriteLine {
    under_way: Vec<Item>,
    waiting: BTreeMap<Option<ConnectionId>, Own>,
    /// Those who have something waiting, in the order of their turns.
    turns: VecDeque<Option<ConnectionId>>,
    waiting_items: usize,
    waiting_bytes: usize,
    /// Why nothing is written any more.
    stopped: Option<BackendError>,
}

/// What waits of one author.
#[derive(Debug, Default)]
struct Own {
    items: VecDeque<Item>,
    bytes: usize,
}

/// One thing to be written.
#[derive(Debug)]
struct Item {
    author: Author,
    request: WriteRequest,
    bytes: usize,
}

/// The line is as long as it may be.
#[derive(Debug)]
pub(super) struct LineFull;

impl WriteLine {
    pub(super) fn has_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.under_way.len() + self.waiting_items
    }

    pub(super) fn push(
        &mut self,
        author: Author,
        request: WriteRequest,
        settings: &Settings,
    ) -> Result<(), LineFull> {
        let bytes = request_bytes(&request);
        if !self.has_room(author.turn(), bytes, settings) {
            return Err(LineFull);
        }
        let item = Item {
            author,
            request,
            bytes,
        };
        self.waiting_items += 1;
        self.waiting_bytes += bytes;
        let turn = item.author.turn();
        let own = self.waiting.entry(turn).or_default();
        if own.items.is_empty() {
            self.turns.push_back(turn);
        }
        own.bytes += bytes;
        own.items.push_back(item);
        Ok(())
    }

    /// Whether so much more of an author may wait. A client has half of the room that others leave, so that however many
    /// fill the line, something is left for one who writes little.
    fn has_room(&self, turn: Option<ConnectionId>, bytes: usize, settings: &Settings) -> bool {
        // A single item may be larger than the bound, or the application could never write it.
        if self.waiting_items == 0 {
            return true;
        }
        let own = self.waiting.get(&turn);
        let (own_items, own_bytes) = own.map_or((0, 0), |own| (own.items.len(), own.bytes));
        let left_items = settings
            .waiting_items
            .saturating_sub(self.waiting_items - own_items);
        let left_bytes = settings
            .waiting_bytes
            .saturating_sub(self.waiting_bytes - own_bytes);
        let share = if turn.is_some() { 2 } else { 1 };
        own_items < left_items.div_ceil(share) && own_bytes + bytes <= left_bytes.div_ceil(share)
    }

    /// The next group, unless one is under way.
    fn next_group(&mut self, settings: &Settings) -> Option<Vec<WriteRequest>> {
        if !self.under_way.is_empty() || self.waiting_items == 0 || self.stopped.is_some() {
            return None;
        }
        let mut group = Vec::new();
        let mut group_bytes = 0;
        while let Some(bytes) = self.next_bytes() {
            let full =
                group.len() >= settings.group_items || group_bytes + bytes > settings.group_bytes;
            if full && !group.is_empty() {
                break;
            }
            let Some(item) = self.take_next() else {
                break;
            };
            group_bytes += item.bytes;
            // Kept, since the backend may not do all of the group.
            group.push(item.request.clone());
            self.under_way.push(item);
        }
        Some(group)
    }

    /// The bytes of what is next.
    fn next_bytes(&self) -> Option<usize> {
        let own = self.waiting.get(self.turns.front()?)?;
        own.items.front().map(|item| item.bytes)
    }

    /// Takes one item of the author whose turn it is.
    fn take_next(&mut self) -> Option<Item> {
        let turn = self.turns.pop_front()?;
        let own = self.waiting.get_mut(&turn)?;
        let item = own.items.pop_front()?;
        own.bytes -= item.bytes;
        if own.items.is_empty() {
            self.waiting.remove(&turn);
        } else {
            self.turns.push_back(turn);
        }
        self.waiting_items -= 1;
        self.waiting_bytes -= item.bytes;
        Some(item)
    }

    /// Puts back what was not done of a group, each before what its author wrote later. Authors who lost their turn
    /// by it have it next; those of whom something was done are behind everybody who came meanwhile.
    fn take_back(&mut self, rest: Vec<Item>, done: &[Item]) {
        let had_turn: BTreeSet<_> = done.iter().map(|item| item.author.turn()).collect();
        let mut last = Vec::new();
        for item in rest.into_iter().rev() {
            self.waiting_items += 1;
            self.waiting_bytes += item.bytes;
            let turn = item.author.turn();
            let own = self.waiting.entry(turn).or_default();
            if own.items.is_empty() && had_turn.contains(&turn) {
                last.push(turn);
            } else if own.items.is_empty() {
                self.turns.push_front(turn);
            }
            own.bytes += item.bytes;
            own.items.push_front(item);
        }
        self.turns.extend(last.into_iter().rev());
    }

    /// Takes out what waits of one connection.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        let own = self.waiting.remove(&Some(id)).unwrap_or_default();
        self.waiting_items -= own.items.len();
        self.waiting_bytes -= own.bytes;
        self.turns.retain(|turn| *turn != Some(id));
    }

    /// Takes out everything that waits, in the order in which it would have been written.
    fn take_waiting(&mut self) -> Vec<Item> {
        std::iter::from_fn(|| self.take_next()).collect()
    }
}

impl Hub {
    /// Hands the next group to the backend, if none is under way.
    pub(super) fn start_writing(&mut self) {
        if let Some(group) = self.writes.next_group(&self.settings) {
            self.outputs.push_back(Output::Write { group });
        }
    }

    pub(super) fn on_publish(&mut self, caller: CallerId, writes: Vec<Write>) {
        let refused = if self.drain != Drain::No {
            Some(PublishError::Draining)
        } else if let Some(error) = &self.writes.stopped {
            Some(PublishError::Backend(error.clone()))
        } else {
            let author = Author::Application(caller);
            let pushed = self
                .writes
                .push(author, WriteRequest::Publish(writes), &self.settings);
            pushed.is_err().then_some(PublishError::Full)
        };
        if let Some(error) = refused {
            self.outputs.push_back(Output::Published {
                caller,
                result: Err(error),
            });
        }
    }

    pub(super) fn on_written(&mut self, result: Result<Vec<WriteOutcome>, BackendError>) {
        let mut done = std::mem::take(&mut self.writes.under_way);
        let outcomes = match result {
            Ok(outcomes) if (1..=done.len()).contains(&outcomes.len()) => outcomes,
            Ok(outcomes) => {
                let what = format!(
                    "{} outcomes came back for {} items",
                    outcomes.len(),
                    done.len()
                );
                return self.stop_writing(done, &BackendError::Storage(what));
            }
            Err(error) => return self.stop_writing(done, &error),
        };
        let mut rest = done.split_off(outcomes.len());
        rest.retain(|item| self.is_still_to_be_done(item));
        self.writes.take_back(rest, &done);
        let mut due = BTreeSet::new();
        for (item, outcome) in done.into_iter().zip(outcomes) {
            match (item.author, outcome) {
                (Author::Client(pending), WriteOutcome::Action { outcome, commit }) => {
                    let commit = commit.map(|commit| self.append(commit, &mut due));
                    self.on_action_outcome(&pending, outcome, commit.as_deref());
                }
                (Author::Application(caller), WriteOutcome::Published(result)) => {
                    let result = result
                        .map(|commit| commit.map(|commit| self.append(commit, &mut due)))
                        .map_err(PublishError::Refused);
                    self.outputs.push_back(Output::Published { caller, result });
                }
                (author, _) => {
                    self.incident("an outcome came back for another kind of item".to_owned());
                    self.fail(
                        author,
                        &BackendError::Storage("outcomes were mixed up".to_owned()),
                    );
                }
            }
        }
        // Only now: a snapshot that was ahead must know of the client's actions that it contains.
        for id in due {
            self.release_due(id);
        }
    }

    /// Whether something that was not begun is still wanted: not what a connection asked that is gone.
    fn is_still_to_be_done(&self, item: &Item) -> bool {
        let author = item.author.turn();
        author.is_none_or(|id| self.connections.contains_key(&id))
    }

    /// Adds a commit to the streams and lets everybody know who holds one of them. Connections
    /// with answers that waited for it are added to `due`.
    fn append(&mut self, commit: Commit, due: &mut BTreeSet<ConnectionId>) -> Arc<Commit> {
        let commit = Arc::new(commit);
        if commit.streams.is_empty() {
            return commit;
        }
        self.counts.commits += 1;
        let appended = self.streams.append(&commit);
        for entity_type in appended.broken {
            self.incident(format!(
                "commit {} does not follow the head of {entity_type}",
                commit.id
            ));
        }
        for (entity_type, id) in appended.feeds {
            let streams = &self.streams;
            let Some(client) = self
                .connections
                .get_mut(&id)
                .and_then(|connection| connection.client_mut())
            else {
                continue;
            };
            let Some(feed) = client.feeds.get_mut(&entity_type) else {
                continue;
            };
            let FeedState::Flowing(flow) = &mut feed.state else {
                continue;
            };
            if let Some(place) = flow.make_ready(streams.place_after(&entity_type, flow.sent)) {
                client.ready.insert((place, entity_type));
            }
            self.enqueue(id);
        }
        due.extend(appended.due);
        commit
    }

    /// After a failure nothing is written any more: what would come next could not be told from
    /// what was lost.
    fn stop_writing(&mut self, under_way: Vec<Item>, error: &BackendError) {
        self.incident(format!("nothing is written any more: {error}"));
        let waiting = self.writes.take_waiting();
        self.writes.stopped = Some(error.clone());
        for item in under_way.into_iter().chain(waiting) {
            self.fail(item.author, error);
        }
        self.fail_waiting();
    }

    fn fail(&mut self, author: Author, error: &BackendError) {
        match author {
            Author::Client(pending) => self.on_action_failed(&pending),
            Author::Application(caller) => {
                let result = Err(PublishError::Backend(error.clone()));
                self.outputs.push_back(Output::Published { caller, result });
            }
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
