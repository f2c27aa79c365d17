//! Fetches: asked of the backend, answered in the order of the streams.

use tidewire_model::{EntityType, Offset, Point, Version};
use tidewire_protocol::{Class, Fetch, FetchWhat, RequestError, RequestId, ServerMessage, WireRow};

use super::{Asked, Hub};
use crate::connection::outbox::{Answer, AnswerItem, Item};
use crate::connection::{Waiting, WaitingAnswer};
use crate::{BackendError, ConnectionId, Output, ReadAnswer, ReadRequest, Ticket};

/// A client that was refused for the moment comes again after this time.
pub(super) const RETRY_MS: u64 = 250;

impl Hub {
    pub(super) fn on_fetch(&mut self, id: ConnectionId, fetch: Fetch) {
        let Fetch {
            id: request,
            entity_type,
            what,
        } = fetch;
        if self.view(id, &entity_type).is_none() {
            return self.refuse_fetch(id, request, ("forbidden", Class::Permanent), None);
        }
        let read = match read_request(&entity_type, what, self.settings.fetch_rows) {
            Ok(read) => read,
            Err(code) => {
                self.counts.limited += u64::from(code == "too_large");
                return self.refuse_fetch(id, request, (code, Class::Permanent), None);
            }
        };
        let most = self.settings.fetches;
        let Some(client) = self.client(id) else {
            return;
        };
        if client.fetches >= most {
            self.counts.limited += 1;
            return self.refuse_fetch(id, request, ("busy", Class::Retry), Some(RETRY_MS));
        }
        client.fetches += 1;
        let ticket = self.ask(
            id,
            Asked::Fetch {
                connection: id,
                request,
                entity_type,
            },
        );
        self.outputs.push_back(Output::Read {
            ticket,
            request: read,
        });
    }

    pub(super) fn on_read_done(
        &mut self,
        ticket: Ticket,
        result: Result<ReadAnswer, BackendError>,
    ) {
        let Some(Asked::Fetch {
            connection: id,
            request,
            entity_type,
        }) = self.stop_asking(ticket)
        else {
            return;
        };
        let answer = match result {
            Ok(answer) => answer,
            Err(BackendError::TooLarge(_)) => {
                self.counts.limited += 1;
                return self.end_fetch(id, request, ("too_large", Class::Permanent), None);
            }
            Err(BackendError::Unsupported(_)) => {
                return self.end_fetch(id, request, ("unsupported", Class::Permanent), None);
            }
            Err(error) => {
                self.incident(format!("a read of {entity_type} failed: {error}"));
                return self.end_fetch(id, request, ("internal", Class::Retry), Some(RETRY_MS));
            }
        };
        let bytes = bytes_of(&answer);
        if bytes > self.settings.answer_bytes {
            self.counts.limited += 1;
            return self.end_fetch(id, request, ("too_large", Class::Permanent), None);
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if !connection.outbox.takes_answer(bytes) {
            self.counts.limited += 1;
            return self.end_fetch(id, request, ("slow", Class::Retry), Some(RETRY_MS));
        }
        if !self.make_room(id, bytes) {
            self.counts.limited += 1;
            return self.end_fetch(id, request, ("busy", Class::Retry), Some(RETRY_MS));
        }
        if answer.as_of <= self.streams.head(&entity_type) {
            return self.answer_fetch(id, request, entity_type, answer);
        }
        // The backend is ahead of what the hub was told; the events of the difference go first.
        self.hold_answer(id, bytes);
        let until = answer.as_of;
        let what = Waiting::Fetch {
            request,
            answer: Box::new(answer),
        };
        self.wait_until(
            id,
            WaitingAnswer {
                entity_type,
                until,
                what,
            },
        );
    }

    fn answer_fetch(
        &mut self,
        id: ConnectionId,
        request: RequestId,
        entity_type: EntityType,
        answer: ReadAnswer,
    ) {
        // Rights may have gone while it was read, or while it waited.
        if self.view(id, &entity_type).is_none() {
            return self.end_fetch(id, request, ("forbidden", Class::Permanent), None);
        }
        let bytes = bytes_of(&answer);
        let row = |(entity, version)| WireRow {
            entity,
            version: Some(Version::from(version)),
        };
        let rows = answer
            .rows
            .into_iter()
            .map(|pair| AnswerItem::Row(row(pair)));
        let missing = answer.missing.into_iter().map(AnswerItem::Missing);
        let answer = Answer {
            request,
            as_of: Point::new(self.epoch.clone(), answer.as_of),
            total_count: answer.total_count,
            start_key: answer.start_key,
            end: answer.end,
            items: rows.chain(missing).collect(),
            items_out: 0,
            part: 0,
            bytes,
            entity_type,
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if let Some(held) = connection
            .client_mut()
            .and_then(|client| client.feeds.get_mut(&answer.entity_type))
            .and_then(|feed| feed.held_mut())
        {
            // It speaks for a later point than the snapshot, which would be torn by it.
            held.push(answer);
            return self.hold_answer(id, bytes);
        }
        self.push(id, Item::Data(Box::new(answer)));
    }

    /// Counts rows that wait elsewhere for a socket.
    fn hold_answer(&mut self, id: ConnectionId, bytes: usize) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.outbox.hold_answer(bytes);
        }
        self.note_held(id);
    }

    /// Sends an answer that waited for a snapshot to be out.
    pub(super) fn release_held(&mut self, id: ConnectionId, answer: Answer) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.outbox.release_answer(answer.bytes);
            self.push(id, Item::Data(Box::new(answer)));
        }
    }

    /// Keeps an answer until its stream has reached its point.
    pub(super) fn wait_until(&mut self, id: ConnectionId, waiting: WaitingAnswer) {
        self.streams.wait(&waiting.entity_type, waiting.until, id);
        if let Some(client) = self.client(id) {
            client.waiting.push(waiting);
        }
    }

    /// Sends the answers of a connection whose points were reached.
    pub(super) fn release_due(&mut self, id: ConnectionId) {
        let Some(client) = self.client(id) else {
            return;
        };
        let waiting = std::mem::take(&mut client.waiting);
        let (due, later): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|waiting| waiting.until <= self.streams.head(&waiting.entity_type));
        if let Some(client) = self.client(id) {
            client.waiting = later;
        }
        for WaitingAnswer {
            entity_type,
            until,
            what,
        } in due
        {
            match what {
                Waiting::Fetch { request, answer } => {
                    let bytes = bytes_of(&answer);
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.outbox.release_answer(bytes);
                    }
                    self.answer_fetch(id, request, entity_type, *answer);
                }
                Waiting::Snapshot { ticket } => {
                    self.begin_snapshot(id, &entity_type, ticket, until);
                }
            }
        }
    }

    /// Takes a connection off the list of those that wait for a point, unless something else of it
    /// waits for the same.
    pub(super) fn stop_waiting(
        &mut self,
        id: ConnectionId,
        entity_type: &EntityType,
        until: Offset,
    ) {
        let still = self.client(id).is_some_and(|client| {
            client
                .waiting
                .iter()
                .any(|other| other.entity_type == *entity_type && other.until == until)
        });
        if !still {
            self.streams.stop_waiting(entity_type, until, id);
        }
    }

    /// Takes out what a connection has waiting for points, as far as it is meant.
    pub(super) fn take_waiting(
        &mut self,
        id: ConnectionId,
        is_meant: impl Fn(&Waiting) -> bool,
    ) -> Vec<Waiting> {
        let Some(client) = self.client(id) else {
            return Vec::new();
        };
        let (taken, left): (Vec<_>, Vec<_>) = std::mem::take(&mut client.waiting)
            .into_iter()
            .partition(|waiting| is_meant(&waiting.what));
        client.waiting = left;
        for waiting in &taken {
            self.stop_waiting(id, &waiting.entity_type, waiting.until);
            if let Waiting::Fetch { answer, .. } = &waiting.what
                && let Some(connection) = self.connections.get_mut(&id)
            {
                connection.outbox.release_answer(bytes_of(answer));
            }
        }
        taken.into_iter().map(|waiting| waiting.what).collect()
    }

    /// Gives up all answers that wait for a point which will not come.
    pub(super) fn fail_waiting(&mut self) {
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in ids {
            for waiting in self.take_waiting(id, |_| true) {
                match waiting {
                    Waiting::Fetch { request, .. } => {
                        self.end_fetch(id, request, ("internal", Class::Retry), Some(RETRY_MS));
                    }
                    Waiting::Snapshot { ticket } => {
                        self.outputs.push_back(Output::DropSnapshot { ticket });
                        self.on_snapshot_failed(ticket, &BackendError::Closed);
                    }
                }
            }
        }
    }

    /// Replaces answers that the principal may no longer see.
    pub(super) fn drop_forbidden_answers(&mut self, id: ConnectionId) {
        for entity_type in self.streams_asked(id) {
            if self.view(id, &entity_type).is_some() {
                continue;
            }
            let Some(connection) = self.connections.get_mut(&id) else {
                return;
            };
            let requests = connection.outbox.take_answers(&entity_type);
            self.note_held(id);
            for request in requests {
                self.end_fetch(id, request, ("forbidden", Class::Permanent), None);
            }
        }
    }

    fn streams_asked(&self, id: ConnectionId) -> Vec<EntityType> {
        self.connections
            .get(&id)
            .map(|connection| connection.outbox.answered_types())
            .unwrap_or_default()
    }

    /// Refuses a fetch that is under way, and ends it.
    pub(super) fn end_fetch(
        &mut self,
        id: ConnectionId,
        request: RequestId,
        why: (&str, Class),
        retry_after_ms: Option<u64>,
    ) {
        if let Some(client) = self.client(id) {
            client.fetches = client.fetches.saturating_sub(1);
        }
        self.refuse_fetch(id, request, why, retry_after_ms);
    }

    pub(super) fn rate_fetch(&mut self, id: ConnectionId, request: RequestId, wait_ms: u64) {
        self.refuse_fetch(id, request, ("rate", Class::Retry), Some(wait_ms));
    }

    pub(super) fn refuse_bad_fetch(&mut self, id: ConnectionId, request: RequestId) {
        self.refuse_fetch(id, request, ("bad_request", Class::Permanent), None);
    }

    fn refuse_fetch(
        &mut self,
        id: ConnectionId,
        request: RequestId,
        (code, class): (&str, Class),
        retry_after_ms: Option<u64>,
    ) {
        let error = RequestError {
            id: request,
            code: code.to_owned(),
            class,
            retry_after_ms,
        };
        self.send(id, &ServerMessage::FetchError(error));
    }
}

/// What the backend is to read, or why it is not asked.
fn read_request(
    entity_type: &EntityType,
    what: FetchWhat,
    most: usize,
) -> Result<ReadRequest, &'static str> {
    match what {
        FetchWhat::Ids(ids) if ids.len() > most => Err("too_large"),
        FetchWhat::Ids(ids) => Ok(ReadRequest::Ids {
            entity_type: entity_type.clone(),
            ids,
        }),
        FetchWhat::Query(query) if query.entity_type() != entity_type => Err("bad_request"),
        FetchWhat::Query(query) => match query.row_limit() {
            Some(rows) if rows <= most as u64 => Ok(ReadRequest::Page { query }),
            _ => Err("too_large"),
        },
    }
}

/// Roughly how much memory an answer holds.
fn bytes_of(answer: &ReadAnswer) -> usize {
    let rows: usize = answer
        .rows
        .iter()
        .map(|(entity, _)| entity.approximate_bytes())
        .sum();
    let missing: usize = answer
        .missing
        .iter()
        .map(|id| size_of_val(id) + id.as_str().len())
        .sum();
    size_of::<Answer>() + rows + missing
}
