//! What waits for one socket to take it.
//!
//! Finished frames and answers only. Events never wait here: they stay in the log that all sockets share, and a frame
//! names the place in the order of all commits up to which events go first.

use std::collections::VecDeque;

use tidewire_model::{EntityId, EntityType, Point, Value};
use tidewire_protocol::{RequestId, WireRow};

use crate::Frame;

/// The room for items that is kept while nothing waits. A burst leaves room for thousands, and there are thousands of
/// connections.
const KEPT_ITEMS: usize = 32;

/// Something that waits.
#[derive(Debug)]
pub(crate) enum Item {
    /// A finished frame.
    Frame(Frame),
    /// A finished frame after which a feed begins.
    Attach {
        /// `SUBSCRIBED`
        frame: Frame,
        /// The stream.
        entity_type: EntityType,
        /// Which subscription to it.
        key: u64,
    },
    /// The answer to an action, with rows.
    Rows {
        /// The answer.
        frame: Frame,
        /// The same without its rows.
        bare: Frame,
        /// The entity types the rows may be of.
        types: Vec<EntityType>,
    },
    /// The rows of a fetch, cut into frames as they go out.
    Data(Box<Answer>),
    /// A ping, whose heads are those at the time it goes out.
    Ping,
}

/// The rows of a fetch and how many of them are out.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) request: RequestId,
    pub(crate) entity_type: EntityType,
    pub(crate) as_of: Point,
    pub(crate) total_count: Option<u64>,
    pub(crate) start_key: Option<(Vec<Value>, EntityId)>,
    pub(crate) end: bool,
    /// The rows in their order, then the ids that are not there.
    pub(crate) items: Vec<AnswerItem>,
    /// How many of the items are out.
    pub(crate) items_out: usize,
    pub(crate) part: u64,
    /// What it counts for while it waits.
    pub(crate) bytes: usize,
}

/// One thing an answer says.
#[derive(Clone, Debug)]
pub(crate) enum AnswerItem {
    /// An entity.
    Row(WireRow),
    /// An id that is not there.
    Missing(EntityId),
}

impl AnswerItem {
    /// Roughly how long it is in a frame.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Row(row) => row.entity.approximate_bytes(),
            Self::Missing(id) => size_of_val(id) + id.as_str().len(),
        }
    }
}

/// What waits for one socket, in order.
#[derive(Debug)]
pub(crate) struct Outbox {
    items: VecDeque<(u64, Item)>,
    frames: usize,
    bytes: usize,
    answer_bytes: usize,
    with_shell: usize,
    /// Whether a ping is among the items.
    ping: bool,
    bounds: OutboxBounds,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboxBounds {
    /// The most finished frames.
    pub(crate) frames: usize,
    /// The most bytes of finished frames.
    pub(crate) bytes: usize,
    /// The most bytes of rows not yet cut into frames.
    pub(crate) answer_bytes: usize,
    /// The most bytes with the shell.
    pub(crate) window_bytes: usize,
}

/// More waits for the socket than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Outbox {
    pub(crate) fn new(bounds: OutboxBounds) -> Self {
        Self {
            items: VecDeque::new(),
            frames: 0,
            bytes: 0,
            answer_bytes: 0,
            with_shell: 0,
            ping: false,
            bounds,
        }
    }

    /// Adds something that goes out after all events up to `after`.
    pub(crate) fn push(&mut self, after: u64, item: Item) -> Result<(), Full> {
        let (frames, bytes, answer_bytes) = item.weight();
        if self.frames + frames > self.bounds.frames
            || self.bytes + bytes > self.bounds.bytes
            || self.answer_bytes + answer_bytes > self.bounds.answer_bytes
        {
            return Err(Full);
        }
        self.frames += frames;
        self.bytes += bytes;
        self.answer_bytes += answer_bytes;
        self.ping |= matches!(item, Item::Ping);
        self.items.push_back((after, item));
        Ok(())
    }

    /// Whether rows of so many bytes may be added.
    pub(crate) fn takes_answer(&self, bytes: usize) -> bool {
        self.answer_bytes + bytes <= self.bounds.answer_bytes && self.frames < self.bounds.frames
    }

    /// Counts a finished frame that waits elsewhere for this socket, until it is pushed.
    pub(crate) fn hold_frame(&mut self, bytes: usize) -> Result<(), Full> {
        if self.frames >= self.bounds.frames || self.bytes + bytes > self.bounds.bytes {
            return Err(Full);
        }
        self.frames += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// Ends the counting of a frame that waited elsewhere.
    pub(crate) fn release_frame(&mut self, bytes: usize) {
        self.frames = self.frames.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Counts rows that wait elsewhere for this socket, until they are pushed or given up.
    pub(crate) fn hold_answer(&mut self, bytes: usize) {
        self.answer_bytes += bytes;
    }

    /// Ends the counting of rows that waited elsewhere.
    pub(crate) fn release_answer(&mut self, bytes: usize) {
        self.answer_bytes = self.answer_bytes.saturating_sub(bytes);
    }

    /// Up to where events go before the first item.
    pub(crate) fn front_after(&self) -> Option<u64> {
        self.items.front().map(|(after, _)| *after)
    }

    /// The first item, to be looked at or cut down.
    pub(crate) fn front_mut(&mut self) -> Option<&mut Item> {
        self.items.front_mut().map(|(_, item)| item)
    }

    pub(crate) fn pop(&mut self) -> Option<Item> {
        let (_, item) = self.items.pop_front()?;
        let (frames, bytes, answer_bytes) = item.weight();
        self.frames -= frames;
        self.bytes -= bytes;
        self.answer_bytes -= answer_bytes;
        self.ping &= !matches!(item, Item::Ping);
        if self.items.is_empty() && self.items.capacity() > KEPT_ITEMS {
            self.items = VecDeque::new();
        }
        Some(item)
    }

    /// The streams that waiting answers are about.
    pub(crate) fn answered_types(&self) -> Vec<EntityType> {
        let mut types: Vec<EntityType> = self
            .items
            .iter()
            .flat_map(|(_, item)| match item {
                Item::Data(answer) => std::slice::from_ref(&answer.entity_type),
                Item::Rows { types, .. } => types,
                _ => &[],
            })
            .cloned()
            .collect();
        types.sort();
        types.dedup();
        types
    }

    /// Takes out the answers to fetches of a stream, and its rows out of answers to actions.
    pub(crate) fn take_answers(&mut self, entity_type: &EntityType) -> Vec<RequestId> {
        let mut taken = Vec::new();
        let items = std::mem::take(&mut self.items);
        for (after, item) in items {
            match item {
                Item::Data(answer) if answer.entity_type == *entity_type => {
                    self.frames -= 1;
                    self.answer_bytes -= answer.bytes;
                    taken.push(answer.request);
                }
                Item::Rows { frame, bare, types } if types.contains(entity_type) => {
                    self.bytes = self.bytes - frame.len() + bare.len();
                    self.items.push_back((after, Item::Frame(bare)));
                }
                item => self.items.push_back((after, item)),
            }
        }
        taken
    }

    /// Takes out the answers to all fetches.
    pub(crate) fn take_all_answers(&mut self) -> Vec<RequestId> {
        let mut taken = Vec::new();
        self.items.retain(|(_, item)| match item {
            Item::Data(answer) => {
                self.frames -= 1;
                self.answer_bytes -= answer.bytes;
                taken.push(answer.request);
                false
            }
            _ => true,
        });
        taken
    }

    pub(crate) fn has_ping(&self) -> bool {
        self.ping
    }

    pub(crate) fn has_room(&self) -> bool {
        self.with_shell < self.bounds.window_bytes
    }

    /// Whether the shell has something that the socket has not taken.
    pub(crate) fn is_with_shell(&self) -> bool {
        self.with_shell > 0
    }

    pub(crate) fn handed_out(&mut self, bytes: usize) {
        self.with_shell += bytes;
    }

    pub(crate) fn given_back(&mut self, bytes: usize) {
        self.with_shell = self.with_shell.saturating_sub(bytes);
    }

    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }
}

impl Item {
    /// Frames, bytes of finished frames, bytes of rows.
    fn weight(&self) -> (usize, usize, usize) {
        match self {
            Self::Frame(frame) | Self::Attach { frame, .. } | Self::Rows { frame, .. } => {
                (1, frame.len(), 0)
            }
            Self::Data(answer) => (1, 0, answer.bytes),
            Self::Ping => (1, 0, 0),
        }
    }
}

#[cfg(test)]
mod tests;
