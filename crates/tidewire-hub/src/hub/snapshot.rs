//! Snapshots: opened a few at a time, read as they go out.

use tidewire_model::{EntityType, Offset, Record, Version};
use tidewire_protocol::{Class, SubscribeResult, WireRow};

use super::{Asked, Hub};
use crate::connection::feed::{FeedState, Opening, Reading, SnapshotFeed};
use crate::connection::{Waiting, WaitingAnswer};
use crate::{BackendError, ConnectionId, Output, Ticket};

/// Rows asked for before their size is known.
const FIRST_ROWS: usize = 64;
/// The most rows asked for at once.
const MOST_ROWS: usize = 1000;
/// The most answered actions of a client that are remembered while a snapshot is being opened.
const MOST_SINCE: usize = 4096;
/// A client whose snapshot failed comes again after this time.
const RETRY_MS: u64 = 1000;

impl Hub {
    /// Opens snapshots that wait in line, as many as may be under way.
    pub(super) fn open_snapshots(&mut self, id: ConnectionId) {
        let most = self.settings.snapshots.max(1);
        loop {
            let Some(client) = self.client(id) else {
                return;
            };
            if client.snapshots.len() >= most || client.snapshot_line.is_empty() {
                return;
            }
            let entity_type = client.snapshot_line.remove(0);
            client.snapshots.insert(entity_type.clone());
            let lanes = client.lanes.clone();
            let asked = Asked::Snapshot {
                connection: id,
                entity_type: entity_type.clone(),
            };
            let ticket = self.ask(id, asked);
            let opening = Opening {
                ticket,
                lanes,
                since: Vec::new(),
                held: Vec::new(),
            };
            self.set_feed(id, &entity_type, FeedState::Opening(Box::new(opening)));
            self.counts.snapshots += 1;
            self.outputs.push_back(Output::OpenSnapshot {
                ticket,
                entity_type,
            });
        }
    }

    pub(super) fn on_snapshot_opened(&mut self, ticket: Ticket, as_of: Offset) {
        let Some(Asked::Snapshot {
            connection: id,
            entity_type,
        }) = self.asked.get(&ticket).cloned()
        else {
            return;
        };
        if as_of <= self.streams.head(&entity_type) {
            return self.begin_snapshot(id, &entity_type, ticket, as_of);
        }
        // The backend is ahead of what the hub was told; the rows may go out once it has caught up.
        let what = Waiting::Snapshot { ticket };
        self.wait_until(
            id,
            WaitingAnswer {
                entity_type,
                until: as_of,
                what,
            },
        );
    }

    pub(super) fn begin_snapshot(
        &mut self,
        id: ConnectionId,
        entity_type: &EntityType,
        ticket: Ticket,
        as_of: Offset,
    ) {
        let feed = self
            .client(id)
            .and_then(|client| client.feeds.get_mut(entity_type));
        let Some(FeedState::Opening(opening)) = feed.map(|feed| &mut feed.state) else {
            return;
        };
        let snapshot = SnapshotFeed {
            ticket,
            as_of,
            actions: opening.contained(as_of),
            rows: Vec::new(),
            reading: Reading::UnderWay,
            part: 0,
            count: 0,
            bytes_read: 0,
            rows_read: 0,
            held: std::mem::take(&mut opening.held),
        };
        self.outputs.push_back(Output::NextSnapshot {
            ticket,
            limit: FIRST_ROWS,
        });
        let next = FeedState::Snapshot(Box::new(snapshot));
        self.answer_subscribed(id, entity_type, SubscribeResult::Snapshot, as_of, next);
        self.release_answers(id);
    }

    pub(super) fn on_snapshot_rows(&mut self, ticket: Ticket, rows: Vec<(Record, Offset)>) {
        let Some(Asked::Snapshot {
            connection: id,
            entity_type,
        }) = self.asked.get(&ticket).cloned()
        else {
            return;
        };
        let feed = self
            .client(id)
            .and_then(|client| client.feeds.get_mut(&entity_type));
        let Some(snapshot) = feed.and_then(|feed| feed.snapshot_mut()) else {
            return;
        };
        snapshot.reading = if rows.is_empty() {
            Reading::Done
        } else {
            Reading::Idle
        };
        snapshot.rows_read += rows.len();
        for (entity, version) in rows {
            snapshot.bytes_read += entity.approximate_bytes();
            snapshot.rows.push(WireRow {
                entity,
                version: Some(Version::from(version)),
            });
        }
        self.enqueue(id);
    }

    pub(super) fn on_snapshot_failed(&mut self, ticket: Ticket, error: &BackendError) {
        let Some(Asked::Snapshot {
            connection: id,
            entity_type,
        }) = self.stop_asking(ticket)
        else {
            return;
        };
        self.incident(format!("a snapshot of {entity_type} failed: {error}"));
        let feed = self
            .client(id)
            .and_then(|client| client.feeds.get(&entity_type));
        let Some(feed) = feed else { return };
        if !matches!(feed.state, FeedState::Opening(_)) {
            return self.end_subscription(id, &entity_type, "internal");
        }
        let request = feed.request;
        self.end_feed(id, &entity_type);
        match error {
            BackendError::Unsupported(_) => {
                self.refuse_subscribe(id, request, ("unsupported", Class::Permanent), None);
            }
            _ => self.refuse_subscribe(id, request, ("internal", Class::Retry), Some(RETRY_MS)),
        }
    }

    /// Remembers an action that was answered, for the snapshots of its client that are being
    /// opened.
    pub(super) fn note_for_snapshots(
        &mut self,
        id: ConnectionId,
        lane: &tidewire_model::Lane,
        seq: u64,
        commit: Option<&crate::Commit>,
    ) {
        let Some(client) = self.client(id) else {
            return;
        };
        let mut overdue = Vec::new();
        for entity_type in &client.snapshots {
            let Some(feed) = client.feeds.get_mut(entity_type) else {
                continue;
            };
            let FeedState::Opening(opening) = &mut feed.state else {
                continue;
            };
            let part = commit.and_then(|commit| {
                commit
                    .streams
                    .iter()
                    .find(|part| part.entity_type == *entity_type)
            });
            opening
                .since
                .push((lane.clone(), seq, part.map(|part| part.to)));
            if opening.since.len() > MOST_SINCE {
                overdue.push((entity_type.clone(), feed.request));
            }
        }
        for (entity_type, request) in overdue {
            self.counts.limited += 1;
            self.end_feed(id, &entity_type);
            self.refuse_subscribe(id, request, ("overloaded", Class::Retry), Some(RETRY_MS));
        }
    }
}

impl SnapshotFeed {
    /// How many rows to ask for, so that they come to about two frames.
    pub(super) fn next_limit(&self, chunk_bytes: usize) -> usize {
        let average = (self.bytes_read / self.rows_read.max(1)).max(1);
        (2 * chunk_bytes / average).clamp(1, MOST_ROWS)
    }
}
