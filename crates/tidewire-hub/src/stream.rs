//! The streams: heads, logs, and who is to hear of a commit.
//!
//! Knows neither sockets nor what a client may see.

mod log;
mod render;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidewire_model::{EntityType, Offset};

use crate::{Commit, ConnectionId};

pub(crate) use log::{Entry, Log, Place};
pub(crate) use render::{Oversize, Variant, events as render_events};

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Its newest commits.
    pub(crate) log: Log,
    /// Connections whose feeds are attached.
    pub(crate) feeds: BTreeSet<ConnectionId>,
    /// Connections with an answer that speaks for a point not reached yet.
    waiting: BTreeSet<(Offset, ConnectionId)>,
}

/// Bounds of the logs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogBounds {
    /// The most commits of one log.
    pub(crate) commits: usize,
    /// The most bytes of one log.
    pub(crate) bytes: usize,
    /// The most bytes of all logs together.
    pub(crate) total_bytes: usize,
}

/// What an appended commit leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Connections with something new to hand out.
    pub(crate) feeds: Vec<(EntityType, ConnectionId)>,
    /// Connections whose waiting answers may be due.
    pub(crate) due: BTreeSet<ConnectionId>,
    /// Streams where the commit did not follow the one before.
    pub(crate) broken: Vec<EntityType>,
}

/// All streams that exist or are asked for.
#[derive(Debug)]
pub(crate) struct Streams {
    by_type: BTreeMap<EntityType, Stream>,
    bounds: LogBounds,
    /// How many commits were appended: the one order of all commits.
    serial: u64,
    bytes: usize,
}

impl Streams {
    pub(crate) fn new(heads: BTreeMap<EntityType, Offset>, bounds: LogBounds) -> Self {
        let by_type = heads
            .into_iter()
            .map(|(name, head)| (name, Stream::at(head)))
            .collect();
        Self {
            by_type,
            bounds,
            serial: 0,
            bytes: 0,
        }
    }

    /// The place of the newest commit in the one order of all commits.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    pub(crate) fn len(&self) -> usize {
        self.by_type.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn head(&self, entity_type: &EntityType) -> Offset {
        self.by_type
            .get(entity_type)
            .map_or(Offset::ZERO, |stream| stream.log.head())
    }

    pub(crate) fn floor(&self, entity_type: &EntityType) -> Offset {
        self.by_type
            .get(entity_type)
            .map_or(Offset::ZERO, |stream| stream.log.floor())
    }

    /// What a feed that has handed out everything up to `sent` comes to next.
    pub(crate) fn place_after(&self, entity_type: &EntityType, sent: Offset) -> Place {
        self.by_type
            .get(entity_type)
            .map_or(Place::Head, |stream| stream.log.place_after(sent))
    }

    /// The frames of the commit behind `sent`, if the log has it, made by `render` where they were
    /// not asked for before.
    pub(crate) fn frames_after(
        &mut self,
        entity_type: &EntityType,
        sent: Offset,
        variant: Variant,
        render: impl FnOnce(&Commit, usize) -> Option<Arc<[crate::Frame]>>,
    ) -> Option<Arc<[crate::Frame]>> {
        let stream = self.by_type.get_mut(entity_type)?;
        let before = stream.log.bytes();
        let frames = stream.log.frames_after(sent, variant, render);
        self.bytes = self.bytes + stream.log.bytes() - before;
        frames
    }

    /// Forgets the commits up to a point, so that nobody is resumed across it.
    pub(crate) fn forget_through(&mut self, entity_type: &EntityType, through: Offset) {
        if let Some(stream) = self.by_type.get_mut(entity_type) {
            let before = stream.log.bytes();
            stream.log.forget_through(through);
            self.bytes = self.bytes + stream.log.bytes() - before;
        }
    }

    pub(crate) fn attach(&mut self, entity_type: &EntityType, connection: ConnectionId) {
        self.entry(entity_type).feeds.insert(connection);
    }

    pub(crate) fn detach(&mut self, entity_type: &EntityType, connection: ConnectionId) {
        if let Some(stream) = self.by_type.get_mut(entity_type) {
            stream.feeds.remove(&connection);
        }
        self.drop_unused(entity_type);
    }

    /// Notes that an answer waits until the stream has reached a point.
    pub(crate) fn wait(
        &mut self,
        entity_type: &EntityType,
        until: Offset,
        connection: ConnectionId,
    ) {
        self.entry(entity_type).waiting.insert((until, connection));
    }

    pub(crate) fn stop_waiting(
        &mut self,
        entity_type: &EntityType,
        until: Offset,
        connection: ConnectionId,
    ) {
        if let Some(stream) = self.by_type.get_mut(entity_type) {
            stream.waiting.remove(&(until, connection));
        }
        self.drop_unused(entity_type);
    }

    /// Appends a commit to all its streams.
    pub(crate) fn append(&mut self, commit: &Arc<Commit>) -> Appended {
        self.serial += 1;
        let serial = self.serial;
        let mut appended = Appended::default();
        for (part, of_stream) in commit.streams.iter().enumerate() {
            let entity_type = &of_stream.entity_type;
            let bounds = self.bounds;
            let stream = self.entry(entity_type);
            let before = stream.log.bytes();
            if of_stream.to != stream.log.head().next() {
                appended.broken.push(entity_type.clone());
                if of_stream.to <= stream.log.head() {
                    continue;
                }
                stream.log.begin_before(of_stream.to);
            }
            stream
                .log
                .push(Entry::new(serial, Arc::clone(commit), part), bounds);
            appended
                .feeds
                .extend(stream.feeds.iter().map(|id| (entity_type.clone(), *id)));
            let later = stream
                .waiting
                .split_off(&(of_stream.to.next(), ConnectionId(0)));
            let due = std::mem::replace(&mut stream.waiting, later);
            appended
                .due
                .extend(due.into_iter().map(|(_, connection)| connection));
            let after = stream.log.bytes();
            self.bytes = self.bytes + after - before;
        }
        self.shrink();
        appended
    }

    /// When all logs together are too large, the largest give up half of their commits, until there
    /// is room for a while: looking for them costs a step per stream, and must not come with every
    /// commit.
    fn shrink(&mut self) {
        let most = self.bounds.total_bytes;
        if self.bytes <= most {
            return;
        }
        let enough = most - most / 4;
        while self.bytes > enough {
            let mut logs: Vec<&mut Log> = self
                .by_type
                .values_mut()
                .map(|stream| &mut stream.log)
                .filter(|log| log.bytes() > 0)
                .collect();
            logs.sort_by_key(|log| std::cmp::Reverse(log.bytes()));
            let all_before = self.bytes;
            for log in logs {
                if self.bytes <= enough {
                    return;
                }
                let before = log.bytes();
                log.halve();
                self.bytes = self.bytes + log.bytes() - before;
            }
            if self.bytes == all_before {
                return;
            }
        }
    }

    fn entry(&mut self, entity_type: &EntityType) -> &mut Stream {
        self.by_type
            .entry(entity_type.clone())
            .or_insert_with(|| Stream::at(Offset::ZERO))
    }

    /// A stream that never had a commit is kept only while somebody asks for it.
    fn drop_unused(&mut self, entity_type: &EntityType) {
        if let Some(stream) = self.by_type.get(entity_type)
            && stream.log.head() == Offset::ZERO
            && stream.feeds.is_empty()
            && stream.waiting.is_empty()
        {
            self.by_type.remove(entity_type);
        }
    }
}

impl Stream {
    fn at(head: Offset) -> Self {
        Self {
            log: Log::at(head),
            feeds: BTreeSet::new(),
            waiting: BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests;
