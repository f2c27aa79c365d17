//! What goes out next on one connection: the server keystone (protocol rule 1).
//!
//! A frame goes out once all events are out that it may speak for. Events of all streams go out in the one order of
//! all commits, so that the frames of a commit over several streams stand together. Snapshots take turns with events.

use std::collections::VecDeque;
use std::sync::Arc;

use tidewire_model::{EntityType, Offset};
use tidewire_protocol::{
    Class, Data, Dialect, Ping, RequestError, ServerMessage, Snapshot, SnapshotEnd, Want, WireRow,
};

use super::subscribe::Again;
use crate::connection::feed::{Feed, FeedState, Flow, Reading, SnapshotFeed};
use crate::connection::outbox::{Answer, AnswerItem, Item, Outbox};
use crate::connection::{Client, Turn};
use crate::pack::{FrameBounds, TooLarge, first_frame};
use crate::stream::{Oversize, Place, Streams, Variant, render_events};
use crate::{Frame, Output, Settings, Stats, Ticket};

/// What comes next for one socket.
pub(super) enum Step {
    /// This frame.
    Frame(Frame),
    /// This frame, a ping.
    Ping(Frame),
    /// Something was put in order; the next step tells more.
    Again,
    /// The end of a subscription, whose next commit cannot be sent.
    Lost {
        entity_type: EntityType,
        code: &'static str,
        again: Again,
    },
    /// The end of a snapshot: this frame, and what waited for it.
    SnapshotOver {
        frame: Frame,
        entity_type: EntityType,
        ticket: Ticket,
        held: Vec<Answer>,
    },
    /// Nothing.
    Idle,
}

impl Flow {
    /// Says that the feed has something to hand out, where it was not said before: its place in
    /// the order of all commits.
    pub(super) fn make_ready(&mut self, in_log: Place) -> Option<u64> {
        if self.ready {
            return None;
        }
        let place = match in_log {
            _ if !self.replay.is_empty() => Some(0),
            Place::Head => None,
            Place::At(serial) => Some(serial),
            // It comes first, to be told at once.
            Place::Lost => Some(0),
        };
        self.ready = place.is_some();
        place
    }
}

impl Variant {
    /// The frames that a client takes: changes as they are, or reduced where one of them would be
    /// larger than its frames may be.
    pub(super) fn for_client(
        dialect: usize,
        want: Want,
        max_frame_bytes: usize,
        mut frames: impl FnMut(Self) -> Option<Arc<[Frame]>>,
    ) -> Option<Arc<[Frame]>> {
        let whole = frames(Self {
            dialect,
            want,
            oversize: Oversize::Whole,
        });
        match whole {
            Some(whole) if whole.iter().all(|frame| frame.len() <= max_frame_bytes) => Some(whole),
            _ => frames(Self {
                dialect,
                want,
                oversize: Oversize::Reduced,
            }),
        }
    }
}

/// One step of one connection.
pub(super) struct Courier<'a> {
    pub(super) client: &'a mut Client,
    pub(super) outbox: &'a mut Outbox,
    pub(super) dialect: usize,
    pub(super) settings: &'a Settings,
    pub(super) streams: &'a mut Streams,
    pub(super) outputs: &'a mut VecDeque<Output>,
    pub(super) counts: &'a mut Stats,
}

impl Courier<'_> {
    pub(super) fn step(&mut self) -> Step {
        let events = self.client.ready.first().map(|(serial, _)| *serial);
        if let Some(after) = self.outbox.front_after() {
            return if events.is_some_and(|serial| serial <= after) {
                self.events()
            } else {
                self.item()
            };
        }
        if events.is_some() && events == self.client.last_out {
            // In the middle of a commit: a stream whose snapshot ends now would begin with older ones.
            return self.events();
        }
        let snapshot = self.snapshot_to_send();
        match (events, snapshot, self.client.turn) {
            (Some(_), None, _) | (Some(_), Some(_), Turn::Events) => {
                self.client.turn = Turn::Snapshot;
                self.events()
            }
            (_, Some(entity_type), _) => {
                self.client.turn = Turn::Events;
                self.snapshot(&entity_type)
            }
            (None, None, _) => Step::Idle,
        }
    }

    fn encode(&self, message: &ServerMessage) -> Option<Frame> {
        dialect_of(self.settings, self.dialect)
            .encode_server(message, Want::Snapshot)
            .map(Frame::new)
    }

    fn bounds(&self) -> FrameBounds {
        FrameBounds {
            chunk: self.settings.chunk_bytes,
            single: self.client.max_frame_bytes,
        }
    }

    /// The next frame of the oldest commit that is not out.
    fn events(&mut self) -> Step {
        let Some((serial, entity_type)) = self.client.ready.first().cloned() else {
            return Step::Idle;
        };
        let feed = self.client.feeds.get_mut(&entity_type);
        let Some((want, FeedState::Flowing(flow))) = feed.map(|feed| (feed.want, &mut feed.state))
        else {
            self.client.ready.remove(&(serial, entity_type));
            return Step::Again;
        };
        let chunks = match flow.chunks.take() {
            Some(chunks) => Some(chunks),
            None => match flow.replay.pop_front() {
                Some(frames) => Some((frames, 0)),
                None => {
                    let sent = flow.sent;
                    let frames = self.log_frames(&entity_type, sent, want);
                    frames.map(|frames| (frames, 0))
                }
            },
        };
        let feed = self.client.feeds.get_mut(&entity_type);
        let Some(FeedState::Flowing(flow)) = feed.map(|feed| &mut feed.state) else {
            return Step::Again;
        };
        let Some((frames, out)) = chunks else {
            let next = flow.sent.next();
            if let Place::At(_) = self.streams.place_after(&entity_type, flow.sent) {
                // Nobody can be brought across this commit; who comes back begins anew behind it.
                self.streams.forget_through(&entity_type, next);
                return Step::Lost {
                    entity_type,
                    code: "too_large",
                    again: Again::Yes,
                };
            }
            return Step::Lost {
                entity_type,
                code: "slow",
                again: Again::Yes,
            };
        };
        let frame = frames[out].clone();
        self.client.last_out = Some(serial);
        if out + 1 < frames.len() {
            flow.chunks = Some((frames, out + 1));
            return Step::Frame(frame);
        }
        flow.sent = flow.sent.next();
        flow.ready = false;
        let next = flow.make_ready(self.streams.place_after(&entity_type, flow.sent));
        self.client.ready.remove(&(serial, entity_type.clone()));
        if let Some(place) = next {
            self.client.ready.insert((place, entity_type));
        }
        Step::Frame(frame)
    }

    /// The frames of the commit behind `sent`, which all sockets share.
    fn log_frames(
        &mut self,
        entity_type: &EntityType,
        sent: Offset,
        want: Want,
    ) -> Option<Arc<[Frame]>> {
        let (streams, counts) = (&mut *self.streams, &mut *self.counts);
        let dialect = dialect_of(self.settings, self.dialect);
        let chunk_bytes = self.settings.chunk_bytes;
        Variant::for_client(self.dialect, want, self.client.max_frame_bytes, |variant| {
            streams.frames_after(entity_type, sent, variant, |commit, part| {
                let frames = render_events(dialect, variant, commit, part, chunk_bytes)?;
                counts.events_encoded += frames.len() as u64;
                Some(frames)
            })
        })
    }

    /// The first thing in the outbox, or its next part.
    fn item(&mut self) -> Step {
        if let Some(Item::Data(_)) = self.outbox.front_mut() {
            return self.data();
        }
        match self.outbox.pop() {
            Some(Item::Frame(frame) | Item::Rows { frame, .. }) => Step::Frame(frame),
            Some(Item::Attach {
                frame,
                entity_type,
                key,
            }) => {
                self.begin(entity_type, key);
                Step::Frame(frame)
            }
            Some(Item::Ping) => self.ping(),
            Some(Item::Data(_)) | None => Step::Again,
        }
    }

    /// Begins what was announced with `SUBSCRIBED`.
    fn begin(&mut self, entity_type: EntityType, key: u64) {
        let Some(feed) = self
            .client
            .feeds
            .get_mut(&entity_type)
            .filter(|feed| feed.key == key)
        else {
            return;
        };
        let FeedState::Answered(next) = &mut feed.state else {
            return;
        };
        feed.state = std::mem::replace(next, FeedState::InLine);
        if let FeedState::Flowing(flow) = &mut feed.state
            && let Some(place) = flow.make_ready(self.streams.place_after(&entity_type, flow.sent))
        {
            self.client.ready.insert((place, entity_type));
        }
    }

    fn ping(&mut self) -> Step {
        self.client.pings += 1;
        let head = |state: &FeedState| match state {
            FeedState::Flowing(flow) => Some(flow.sent),
            _ => None,
        };
        let feeds = self.client.feeds.iter();
        let heads = feeds
            .filter_map(|(name, feed)| Some((name.clone(), head(&feed.state)?)))
            .collect();
        let ping = ServerMessage::Ping(Ping {
            n: self.client.pings,
            heads,
        });
        self.encode(&ping).map_or(Step::Again, Step::Ping)
    }

    /// The next part of an answer to a fetch.
    fn data(&mut self) -> Step {
        let dialect = dialect_of(self.settings, self.dialect);
        let bounds = self.bounds();
        let Some(Item::Data(answer)) = self.outbox.front_mut() else {
            return Step::Again;
        };
        let left = &answer.items[answer.items_out..];
        let part = first_frame(left, AnswerItem::bytes, bounds, |items| {
            let message = ServerMessage::Data(answer.part_of(items));
            dialect
                .encode_server(&message, Want::Snapshot)
                .map_or_else(Frame::empty, Frame::new)
        });
        let (frame, over) = match part {
            Ok((taken, frame)) => {
                answer.items_out += taken;
                answer.part += 1;
                (Some(frame), answer.items_out == answer.items.len())
            }
            Err(TooLarge) => {
                let code = "too_large".to_owned();
                let error = RequestError {
                    id: answer.request,
                    code,
                    class: Class::Permanent,
                    retry_after_ms: None,
                };
                let message = ServerMessage::FetchError(error);
                (
                    dialect
                        .encode_server(&message, Want::Snapshot)
                        .map(Frame::new),
                    true,
                )
            }
        };
        if over {
            self.outbox.pop();
            self.client.fetches = self.client.fetches.saturating_sub(1);
        }
        frame.map_or(Step::Again, Step::Frame)
    }

    /// A stream whose snapshot has something to go out. What it contains of other streams went out
    /// before it began: its `SUBSCRIBED` waited for that.
    fn snapshot_to_send(&self) -> Option<EntityType> {
        let ready = |entity_type: &&EntityType| match self.client.feeds.get(*entity_type) {
            Some(Feed {
                state: FeedState::Snapshot(snapshot),
                ..
            }) => !snapshot.rows.is_empty() || snapshot.reading == Reading::Done,
            _ => false,
        };
        self.client.snapshots.iter().find(ready).cloned()
    }

    /// The next part of a snapshot, or its end.
    fn snapshot(&mut self, entity_type: &EntityType) -> Step {
        let (dialect, bounds) = (dialect_of(self.settings, self.dialect), self.bounds());
        let Some(feed) = self.client.feeds.get_mut(entity_type) else {
            return Step::Again;
        };
        let FeedState::Snapshot(snapshot) = &mut feed.state else {
            return Step::Again;
        };
        if snapshot.rows.is_empty() {
            return self.snapshot_end(entity_type);
        }
        let part = first_frame(
            &snapshot.rows,
            |row| row.entity.approximate_bytes(),
            bounds,
            |rows| {
                let message = ServerMessage::Snapshot(snapshot.part_of(entity_type, rows));
                dialect
                    .encode_server(&message, Want::Snapshot)
                    .map_or_else(Frame::empty, Frame::new)
            },
        );
        let Ok((taken, frame)) = part else {
            let entity_type = entity_type.clone();
            return Step::Lost {
                entity_type,
                code: "too_large",
                again: Again::No,
            };
        };
        snapshot.rows.drain(..taken);
        snapshot.part += 1;
        snapshot.count += taken as u64;
        let limit = snapshot.next_limit(self.settings.chunk_bytes);
        if snapshot.reading == Reading::Idle && snapshot.rows.len() < limit {
            snapshot.reading = Reading::UnderWay;
            self.outputs.push_back(Output::NextSnapshot {
                ticket: snapshot.ticket,
                limit,
            });
        }
        Step::Frame(frame)
    }

    fn snapshot_end(&mut self, entity_type: &EntityType) -> Step {
        let Some(feed) = self.client.feeds.get_mut(entity_type) else {
            return Step::Again;
        };
        let mut flow = Flow::default();
        if let FeedState::Snapshot(snapshot) = &feed.state {
            flow.sent = snapshot.as_of;
        }
        if let Some(place) = flow.make_ready(self.streams.place_after(entity_type, flow.sent)) {
            self.client.ready.insert((place, entity_type.clone()));
        }
        let FeedState::Snapshot(snapshot) =
            std::mem::replace(&mut feed.state, FeedState::Flowing(flow))
        else {
            return Step::Again;
        };
        let end = ServerMessage::SnapshotEnd(SnapshotEnd {
            entity_type: entity_type.clone(),
            as_of: snapshot.as_of,
            count: snapshot.count,
            actions: snapshot.actions,
            // Other streams are not further than this: what they were sent is in the logs.
            head: Some(self.streams.head(entity_type).max(snapshot.as_of)),
        });
        let (entity_type, ticket, held) = (entity_type.clone(), snapshot.ticket, snapshot.held);
        let frame = self.encode(&end).unwrap_or_else(Frame::empty);
        Step::SnapshotOver {
            frame,
            entity_type,
            ticket,
            held,
        }
    }
}

fn dialect_of(settings: &Settings, place: usize) -> &dyn Dialect {
    &*settings.dialects[place]
}

impl SnapshotFeed {
    fn part_of(&self, entity_type: &EntityType, rows: &[WireRow]) -> Snapshot {
        Snapshot {
            entity_type: entity_type.clone(),
            part: self.part,
            as_of: self.as_of,
            rows: rows.to_vec(),
        }
    }
}

impl Answer {
    /// A message with these items, which are the first that are not out.
    fn part_of(&self, items: &[AnswerItem]) -> Data {
        let mut rows = Vec::new();
        let mut missing = Vec::new();
        for item in items {
            match item {
                AnswerItem::Row(row) => rows.push(row.clone()),
                AnswerItem::Missing(id) => missing.push(id.clone()),
            }
        }
        Data {
            id: self.request,
            as_of: self.as_of.clone(),
            part: self.part,
            more: self.items_out + items.len() < self.items.len(),
            rows,
            missing,
            total_count: self.total_count,
            start_key: self.start_key.clone(),
            end: self.end,
        }
    }
}
