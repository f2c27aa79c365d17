//! Frames of streams put together into whole commits.
//!
//! A commit may come in chunks, and a commit over several streams comes in one frame for each. A
//! commit leaves here only when it is whole on all streams held live; what came behind it waits, so
//! that nothing overtakes: everything leaves in the order of its first frame. A stream that is not
//! live yet is not waited for, and owes its part: it is live only once that has come (protocol rule
//! 5). This knows where each stream has been received up to, and nothing of what a commit contains.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{AddAssign, SubAssign};

use tidewire_model::{EntityType, Offset};
use tidewire_protocol::{ActionEcho, CommitInfo, Events, Op, ServerMessage};

/// One stream's part of a whole commit.
#[derive(Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) entity_type: EntityType,
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    pub(crate) ops: Vec<Op>,
    pub(crate) actions: Vec<ActionEcho>,
}

/// What is ready, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Ready {
    /// A commit, with its part of every stream that has it, and how far the others must come
    /// before they are live.
    Commit {
        parts: Vec<Part>,
        owed: Vec<(EntityType, Offset)>,
    },
    /// Another message that changes knowledge.
    Message(Box<ServerMessage>),
}

/// What became of a frame of events.
#[derive(Debug, PartialEq)]
pub(crate) enum Admitted {
    /// Taken in.
    Yes,
    /// Known already.
    Repeat,
    /// Something before it is missing.
    Gap,
    /// The peer broke the rules of chunks or commits, or the frames waiting exceed their bound.
    Broken(&'static str),
}

/// Where a feed begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The offset behind which events come.
    pub(crate) offset: Offset,
    /// The offset from which on the stream is live.
    pub(crate) head: Offset,
    /// Whether a snapshot comes first; the stream is not live before its end.
    pub(crate) snapshot: bool,
}

/// How far a snapshot has come in.
#[derive(Clone, Copy, Debug, Default)]
struct Building {
    parts: u64,
    rows: u64,
    /// The point its parts speak for.
    as_of: Option<Offset>,
    /// Its end has come in too, and waits its turn.
    whole: bool,
}

#[derive(Debug)]
struct Stream {
    received: Offset,
    head: Offset,
    /// A snapshot is still to come, or on its way.
    building: Option<Building>,
    chunks: Option<Chunks>,
    waiting: VecDeque<Waiting>,
}

/// A stream's part of a commit that is whole on this stream.
#[derive(Debug)]
struct Waiting {
    order: u64,
    info: Option<CommitInfo>,
    part: Part,
    weight: Weight,
}

#[derive(Debug)]
struct Chunks {
    commit: Waiting,
    /// The commit's actions so far: every chunk may name all of them.
    actions: BTreeSet<ActionEcho>,
    next: u64,
    count: u64,
}

/// How much something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Changes and rows; a message counts as one more.
    pub(crate) rows: usize,
    /// Bytes of frames, as they came.
    pub(crate) bytes: usize,
}

/// The streams held, and what waits for the rest of a commit.
#[derive(Debug)]
pub(crate) struct Assembly {
    streams: BTreeMap<EntityType, Stream>,
    messages: VecDeque<(u64, Weight, ServerMessage)>,
    arrivals: u64,
    max_waiting: Weight,
    waiting: Weight,
}

impl Assembly {
    /// `max_waiting` bounds what waits behind a commit that is not whole, itself included.
    pub(crate) fn new(max_waiting: Weight) -> Self {
        Self {
            streams: BTreeMap::new(),
            messages: VecDeque::new(),
            arrivals: 0,
            max_waiting,
            waiting: Weight::default(),
        }
    }

    /// The feed of a stream begins.
    pub(crate) fn attach(&mut self, entity_type: &EntityType, start: Start) {
        self.detach(entity_type);
        self.streams.insert(
            entity_type.clone(),
            Stream {
                received: start.offset,
                head: start.head,
                building: start.snapshot.then(Building::default),
                chunks: None,
                waiting: VecDeque::new(),
            },
        );
    }

    /// The feed of a stream is over; what is not whole of it is dropped.
    pub(crate) fn detach(&mut self, entity_type: &EntityType) {
        if let Some(stream) = self.streams.remove(entity_type) {
            let chunked = stream.chunks.map(|chunks| chunks.commit);
            for commit in stream.waiting.iter().chain(&chunked) {
                self.waiting -= commit.weight;
            }
        }
    }

    /// Every feed is over.
    pub(crate) fn clear(&mut self) {
        self.streams.clear();
        self.messages.clear();
        self.waiting = Weight::default();
    }

    /// How far a stream has come in.
    pub(crate) fn received(&self, entity_type: &EntityType) -> Option<Offset> {
        self.streams.get(entity_type).map(|stream| stream.received)
    }

    /// Whether more of a stream has to come in before it can be live.
    pub(crate) fn awaits_more(&self, entity_type: &EntityType) -> bool {
        self.streams.get(entity_type).is_some_and(|stream| {
            stream.building.is_some_and(|building| !building.whole) || stream.received < stream.head
        })
    }

    /// Takes a message that is not events, in its place behind what came before it. It came in a
    /// frame of so many bytes.
    ///
    /// # Errors
    /// A part of a snapshot is missing or was not asked for, or what waits exceeds its bound.
    pub(crate) fn push_message(
        &mut self,
        message: ServerMessage,
        bytes: usize,
    ) -> Result<(), &'static str> {
        match &message {
            ServerMessage::Snapshot(part) => {
                let rows = part.rows.len();
                self.building(&part.entity_type)?
                    .has_part(part.part, part.as_of, rows)
            }
            ServerMessage::SnapshotEnd(end) => self
                .building(&end.entity_type)?
                .has_end(end.count, end.as_of),
            _ => true,
        }
        .then_some(())
        .ok_or("a part of a snapshot is missing")?;
        let weight = Weight {
            rows: rows_of(&message),
            bytes,
        };
        self.make_room(weight)?;
        if let ServerMessage::SnapshotEnd(end) = &message
            && let Some(stream) = self.streams.get_mut(&end.entity_type)
        {
            stream.head = stream.head.max(end.head.unwrap_or_default());
        }
        self.arrivals += 1;
        self.messages.push_back((self.arrivals, weight, message));
        Ok(())
    }

    /// The snapshot that is on its way. Of one that nobody asked for nothing is kept, and so nothing
    /// would bound it.
    fn building(&mut self, entity_type: &EntityType) -> Result<&mut Building, &'static str> {
        let stream = self.streams.get_mut(entity_type);
        stream
            .and_then(|stream| stream.building.as_mut())
            .ok_or("a snapshot came that was not asked for")
    }

    /// Something alone may be as large as its frames; what it keeps waiting is bounded.
    fn make_room(&mut self, weight: Weight) -> Result<(), &'static str> {
        let mut waiting = self.waiting;
        waiting += weight;
        if self.waiting != Weight::default() && waiting.exceeds(self.max_waiting) {
            return Err("a commit is not whole, and more comes behind it than this client takes");
        }
        self.waiting = waiting;
        Ok(())
    }

    /// Takes one frame of events, of so many bytes.
    pub(crate) fn push_events(&mut self, events: Events, bytes: usize) -> Admitted {
        let Some(stream) = self.streams.get(&events.entity_type) else {
            return Admitted::Repeat;
        };
        if events.to <= stream.received {
            return Admitted::Repeat;
        }
        if events.from > stream.received {
            return Admitted::Gap;
        }
        if events.from < stream.received {
            return Admitted::Broken("a commit overlaps what was received");
        }
        let weight = Weight {
            rows: events.ops.len(),
            bytes,
        };
        if let Err(fault) = self.make_room(weight) {
            return Admitted::Broken(fault);
        }
        self.arrivals += 1;
        let order = self.arrivals;
        let stream = self.streams.get_mut(&events.entity_type);
        match stream.map_or(Ok(()), |stream| stream.push(order, weight, events)) {
            Ok(()) => Admitted::Yes,
            Err(fault) => Admitted::Broken(fault),
        }
    }

    /// Takes the next thing that is whole and has nothing before it.
    pub(crate) fn next(&mut self) -> Option<Ready> {
        let message = self.messages.front().map(|(order, ..)| *order);
        if let Some((order, leader)) = self.first_commit()
            && message.is_none_or(|message| order < message)
        {
            return self.take_commit(&leader);
        }
        // A chunk or a part that came before the message may still wait for its rest.
        let blocked = self.streams.values().filter_map(Stream::first_order).min();
        if message? > blocked.unwrap_or(u64::MAX) {
            return None;
        }
        let (_, weight, message) = self.messages.pop_front()?;
        self.waiting -= weight;
        if let ServerMessage::SnapshotEnd(end) = &message
            && let Some(stream) = self.streams.get_mut(&end.entity_type)
        {
            stream.building = None;
        }
        Some(Ready::Message(Box::new(message)))
    }

    /// Of the commits that are whole on every stream held live, the one whose first frame came
    /// first.
    fn first_commit(&self) -> Option<(u64, EntityType)> {
        let whole = self.streams.iter().filter_map(|(name, stream)| {
            let front = stream.waiting.front()?;
            let members = self.members(name, front.info.as_ref());
            let whole = front
                .info
                .as_ref()
                .is_none_or(|info| !members.iter().any(|member| self.is_missing(member, info)));
            let order = members
                .iter()
                .filter_map(|member| self.order_of(member, front))
                .min();
            if whole {
                Some((order.unwrap_or(front.order), name.clone()))
            } else {
                None
            }
        });
        whole.min()
    }

    fn members(&self, leader: &EntityType, info: Option<&CommitInfo>) -> Vec<EntityType> {
        match info {
            None => vec![leader.clone()],
            Some(info) => info
                .offsets
                .keys()
                .filter(|member| self.streams.contains_key(*member))
                .cloned()
                .collect(),
        }
    }

    /// When the first frame of a commit's part came, if that part is at the front of its stream.
    fn order_of(&self, member: &EntityType, commit: &Waiting) -> Option<u64> {
        let front = self.streams.get(member)?.waiting.front()?;
        front.is_of(commit).then_some(front.order)
    }

    /// Whether a commit waits for its part of this stream.
    fn is_missing(&self, member: &EntityType, info: &CommitInfo) -> bool {
        self.streams
            .get(member)
            .is_some_and(|stream| stream.is_live() && !stream.has(info, member))
    }

    fn take_commit(&mut self, leader: &EntityType) -> Option<Ready> {
        let first = self.streams.get_mut(leader)?.waiting.pop_front()?;
        self.waiting -= first.weight;
        let (mut parts, mut owed) = (Vec::new(), Vec::new());
        for member in self.members(leader, first.info.as_ref()) {
            let Some(stream) = self.streams.get_mut(&member) else {
                continue;
            };
            if stream
                .waiting
                .front()
                .is_some_and(|front| front.is_of(&first))
            {
                if let Some(commit) = stream.waiting.pop_front() {
                    self.waiting -= commit.weight;
                    parts.push(commit.part);
                }
            } else if let Some(info) = &first.info
                && member != *leader
                && !stream.has(info, &member)
                && let Some(to) = info.offsets.get(&member)
            {
                stream.head = stream.head.max(*to);
                owed.push((member, *to));
            }
        }
        parts.insert(0, first.part);
        Some(Ready::Commit { parts, owed })
    }
}

/// What a waiting message counts for.
fn rows_of(message: &ServerMessage) -> usize {
    let rows = match message {
        ServerMessage::Snapshot(part) => part.rows.len(),
        ServerMessage::Data(data) => data.rows.len() + data.missing.len(),
        ServerMessage::Ack(ack) => ack.rows.len(),
        ServerMessage::Reject(reject) => reject.rows.len(),
        _ => 0,
    };
    rows + 1
}

impl Weight {
    pub(crate) fn exceeds(self, max: Self) -> bool {
        self.rows > max.rows || self.bytes > max.bytes
    }
}

impl AddAssign for Weight {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Weight {
    fn sub_assign(&mut self, other: Self) {
        self.rows -= other.rows;
        self.bytes -= other.bytes;
    }
}

impl Building {
    fn has_part(&mut self, part: u64, as_of: Offset, rows: usize) -> bool {
        let next = self.parts;
        self.parts += 1;
        self.rows += rows as u64;
        part == next && !self.whole && *self.as_of.get_or_insert(as_of) == as_of
    }

    fn has_end(&mut self, count: u64, as_of: Offset) -> bool {
        let first = !std::mem::replace(&mut self.whole, true);
        first && count == self.rows && *self.as_of.get_or_insert(as_of) == as_of
    }
}

impl Waiting {
    fn is_of(&self, other: &Self) -> bool {
        match (&self.info, &other.info) {
            (Some(one), Some(other)) => one.id == other.id,
            _ => std::ptr::eq(self, other),
        }
    }
}

impl Stream {
    fn is_live(&self) -> bool {
        self.building.is_none() && self.received >= self.head
    }

    /// Whether its part of a commit stands at the front, or it began behind it.
    fn has(&self, info: &CommitInfo, name: &EntityType) -> bool {
        let Some(to) = info.offsets.get(name) else {
            return true;
        };
        match self.waiting.front() {
            Some(front) if front.info.as_ref().is_some_and(|other| other.id == info.id) => true,
            Some(front) => front.part.from >= *to,
            None => self.received >= *to,
        }
    }

    /// When the oldest frame came that still waits here.
    fn first_order(&self) -> Option<u64> {
        let front = self.waiting.front().map(|commit| commit.order);
        front.or_else(|| self.chunks.as_ref().map(|chunks| chunks.commit.order))
    }

    fn push(&mut self, order: u64, weight: Weight, events: Events) -> Result<(), &'static str> {
        let Events {
            entity_type,
            from,
            to,
            ops,
            commit,
            chunk,
            actions,
        } = events;
        let part = Part {
            entity_type,
            from,
            to,
            ops,
            actions,
        };
        let arrived = Waiting {
            order,
            info: commit,
            part,
            weight,
        };
        let Some((index, count)) = chunk else {
            if self.chunks.is_some() {
                return Err("a commit came between the chunks of another");
            }
            self.received = to;
            self.waiting.push_back(arrived);
            return Ok(());
        };
        let chunks = match self.chunks.take() {
            None if index == 0 && count > 0 => Chunks::begin(arrived, count),
            None => return Err("the first chunk of a commit is missing"),
            Some(chunks) => chunks.join(arrived, index, count)?,
        };
        if chunks.next < chunks.count {
            self.chunks = Some(chunks);
        } else {
            self.received = to;
            self.waiting.push_back(chunks.whole());
        }
        Ok(())
    }
}

impl Chunks {
    fn begin(mut commit: Waiting, count: u64) -> Self {
        Self {
            actions: std::mem::take(&mut commit.part.actions)
                .into_iter()
                .collect(),
            commit,
            next: 1,
            count,
        }
    }

    fn join(mut self, arrived: Waiting, index: u64, count: u64) -> Result<Self, &'static str> {
        if (index, count, arrived.part.to) != (self.next, self.count, self.commit.part.to) {
            return Err("a chunk of a commit is missing");
        }
        let part = &mut self.commit.part;
        part.ops.extend(arrived.part.ops);
        self.actions.extend(arrived.part.actions);
        self.commit.weight += arrived.weight;
        self.commit.info = self.commit.info.take().or(arrived.info);
        self.next += 1;
        Ok(self)
    }

    fn whole(mut self) -> Waiting {
        self.commit.part.actions = self.actions.into_iter().collect();
        self.commit
    }
}

#[cfg(test)]
mod tests;
