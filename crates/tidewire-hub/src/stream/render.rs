//! From a commit to frames: the one place where events are encoded.

use std::sync::Arc;

use tidewire_model::{EntityId, Offset};
use tidewire_protocol::{CommitInfo, Dialect, Events, Op, ServerMessage, Want};

use crate::draft::ID_FIELD;
use crate::{Commit, Frame};

/// What decides the bytes of a commit's frames. Sockets that agree in all of it share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// The dialect, by its place in the settings.
    pub(crate) dialect: usize,
    /// With or without images.
    pub(crate) want: Want,
    /// What to do with a change that is too large for a chunk.
    pub(crate) oversize: Oversize,
}

/// What to do with a change that is too large for a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oversize {
    /// It has a frame of its own, however long.
    Whole,
    /// It leaves out what can be left out: a deletion its old record, anything else its content,
    /// so that the client knows the entity to be stale and asks for it.
    Reduced,
}

/// The frames of a commit's part of one stream; `None` where even what cannot be left out is too
/// large for a chunk.
pub(crate) fn events(
    dialect: &dyn Dialect,
    variant: Variant,
    commit: &Commit,
    part: usize,
    chunk_bytes: usize,
) -> Option<Arc<[Frame]>> {
    let mut draft = Writer {
        dialect,
        variant,
        message: message_of(commit, part),
    };
    let whole = draft.encode()?;
    let alone = draft.events().ops.len() == 1 && variant.oversize == Oversize::Whole;
    if whole.len() <= chunk_bytes || alone {
        return Some(Arc::new([whole]));
    }
    let chunks = draft.cut(chunk_bytes)?;
    let count = chunks.len() as u64;
    let mut frames = Vec::with_capacity(chunks.len());
    for (number, ops) in (0..).zip(chunks) {
        draft.events().ops = ops;
        draft.events().chunk = (count > 1).then_some((number, count));
        frames.push(draft.encode()?);
    }
    Some(frames.into())
}

fn message_of(commit: &Commit, part: usize) -> ServerMessage {
    let of_stream = &commit.streams[part];
    let several = commit.streams.len() > 1;
    let offsets = || {
        commit
            .streams
            .iter()
            .map(|other| (other.entity_type.clone(), other.to))
            .collect()
    };
    ServerMessage::Events(Events {
        entity_type: of_stream.entity_type.clone(),
        from: Offset::new(of_stream.to.get().saturating_sub(1)).unwrap_or(Offset::ZERO),
        to: of_stream.to,
        ops: of_stream.ops.clone(),
        commit: several.then(|| CommitInfo {
            id: commit.id.clone(),
            offsets: offsets(),
        }),
        chunk: None,
        actions: commit.actions.clone(),
    })
}

/// One message of events, encoded with one set of changes after another.
struct Writer<'a> {
    dialect: &'a dyn Dialect,
    variant: Variant,
    message: ServerMessage,
}

impl Writer<'_> {
    fn events(&mut self) -> &mut Events {
        let ServerMessage::Events(events) = &mut self.message else {
            unreachable!("a writer is only made of events");
        };
        events
    }

    fn encode(&self) -> Option<Frame> {
        self.dialect
            .encode_server(&self.message, self.variant.want)
            .map(Frame::new)
    }

    /// The changes in as many groups as there are to be chunks.
    fn cut(&mut self, chunk_bytes: usize) -> Option<Vec<Vec<Op>>> {
        let ops = std::mem::take(&mut self.events().ops);
        // The largest numbers that the chunks can have, so that the envelope is never longer than counted here.
        self.events().chunk = Some((ops.len() as u64, ops.len() as u64));
        let envelope_bytes = self.encode()?.len();
        let room = chunk_bytes.checked_sub(envelope_bytes)?;
        let mut chunks: Vec<Vec<Op>> = vec![Vec::new()];
        let mut left = room;
        for op in ops {
            let (op, bytes) = self.fit(envelope_bytes, room, op)?;
            let current = chunks.last_mut().expect("there is always a chunk");
            if bytes > left && !current.is_empty() {
                chunks.push(vec![op]);
                left = room.saturating_sub(bytes);
            } else {
                current.push(op);
                left = left.saturating_sub(bytes);
            }
        }
        Some(chunks)
    }

    /// The change as it is to be sent, and its length with the comma before it.
    fn fit(&mut self, envelope_bytes: usize, room: usize, op: Op) -> Option<(Op, usize)> {
        let (op, bytes) = self.measure(envelope_bytes, op)?;
        if bytes <= room || self.variant.oversize == Oversize::Whole {
            return Some((op, bytes));
        }
        let (op, bytes) = self.measure(envelope_bytes, reduced(op)?)?;
        (bytes <= room).then_some((op, bytes))
    }

    fn measure(&mut self, envelope_bytes: usize, op: Op) -> Option<(Op, usize)> {
        self.events().ops.push(op);
        let bytes = self.encode()?.len().saturating_sub(envelope_bytes) + 1;
        let op = self.events().ops.pop()?;
        Some((op, bytes))
    }
}

/// A change without what can be left out of it; `None` for a creation without an id.
fn reduced(op: Op) -> Option<Op> {
    let stale = |id: EntityId| Op::Stale(vec![id]);
    Some(match op {
        Op::Created { entity, .. } => stale(entity.entity_id(ID_FIELD).ok()?),
        Op::Updated { id, .. } => stale(id),
        Op::Deleted { id, version, .. } => Op::Deleted {
            id,
            version,
            was: None,
        },
        Op::Stale(_) | Op::StaleAll(_) => Op::StaleAll(None),
    })
}

#[cfg(test)]
mod tests;
