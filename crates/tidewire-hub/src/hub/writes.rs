//! What becomes of writes: groups handed to the backend, their outcomes told, their commits appended to the streams.
//!
//! Whose turn it is to write is the affair of the line.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::write_line::{Author, Item};
use super::{Drain, Hub};
use crate::connection::feed::FeedState;
use crate::{
    BackendError, CallerId, Commit, ConnectionId, Output, PublishError, Write, WriteOutcome,
    WriteRequest,
};

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
        } else if let Some(error) = self.writes.stopped() {
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
        let mut done = self.writes.end_group();
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
        let rest = done.split_off(outcomes.len());
        // Nobody waits for what a connection asked that is gone.
        let connections = &self.connections;
        self.writes.take_back(rest, |item| {
            let connection = item.author.connection();
            connection.is_none_or(|id| connections.contains_key(&id))
        });
        self.writes.settle(&done, &outcomes);
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
        let waiting = self.writes.stop(error.clone());
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
