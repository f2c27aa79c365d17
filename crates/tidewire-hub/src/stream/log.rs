//! The newest commits of one stream, with the frames made of them.

use std::collections::VecDeque;
use std::sync::Arc;

use tidewire_model::{Offset, Patch, Record};
use tidewire_protocol::Op;

use super::LogBounds;
use super::render::Variant;
use crate::{Commit, Frame, StreamCommit};

/// A commit's part of one stream, and what was made of it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its place in the one order of all commits; zero where it comes from the journal.
    pub(crate) serial: u64,
    commit: Arc<Commit>,
    part: usize,
    bytes: usize,
    frames: Vec<(Variant, Arc<[Frame]>)>,
}

impl Entry {
    pub(crate) fn new(serial: u64, commit: Arc<Commit>, part: usize) -> Self {
        let bytes = commit.streams[part].approximate_bytes();
        Self {
            serial,
            commit,
            part,
            bytes,
            frames: Vec::new(),
        }
    }

    /// The stream's offset after it.
    pub(crate) fn to(&self) -> Offset {
        self.commit.streams[self.part].to
    }

    /// Its frames, made only once per variant.
    pub(crate) fn frames(
        &mut self,
        variant: Variant,
        render: impl FnOnce(&Commit, usize) -> Option<Arc<[Frame]>>,
    ) -> Option<Arc<[Frame]>> {
        if let Some((_, frames)) = self.frames.iter().find(|(known, _)| *known == variant) {
            return Some(Arc::clone(frames));
        }
        let frames = render(&self.commit, self.part)?;
        self.bytes += frames.iter().map(Frame::len).sum::<usize>();
        self.frames.push((variant, Arc::clone(&frames)));
        Some(frames)
    }
}

/// What a feed comes to next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing; it has everything.
    Head,
    /// The commit with this place in the order of all commits.
    At(u64),
    /// A commit that is no longer there.
    Lost,
}

/// The newest commits of one stream, without a hole.
#[derive(Debug)]
pub(crate) struct Log {
    /// The offset before the oldest entry.
    floor: Offset,
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Log {
    pub(crate) fn at(head: Offset) -> Self {
        Self {
            floor: head,
            entries: VecDeque::new(),
            bytes: 0,
        }
    }

    pub(crate) fn floor(&self) -> Offset {
        self.floor
    }

    pub(crate) fn head(&self) -> Offset {
        self.entries.back().map_or(self.floor, Entry::to)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn place_after(&self, sent: Offset) -> Place {
        if sent >= self.head() {
            return Place::Head;
        }
        self.index_after(sent)
            .map_or(Place::Lost, |index| Place::At(self.entries[index].serial))
    }

    pub(crate) fn frames_after(
        &mut self,
        sent: Offset,
        variant: Variant,
        render: impl FnOnce(&Commit, usize) -> Option<Arc<[Frame]>>,
    ) -> Option<Arc<[Frame]>> {
        let index = self.index_after(sent)?;
        let entry = &mut self.entries[index];
        let before = entry.bytes;
        let frames = entry.frames(variant, render);
        self.bytes += entry.bytes - before;
        frames
    }

    /// Adds the next commit, and lets go of the oldest while there are too many. The newest stays.
    pub(crate) fn push(&mut self, entry: Entry, bounds: LogBounds) {
        debug_assert_eq!(
            entry.to(),
            self.head().next(),
            "commits of a stream have no holes"
        );
        self.bytes += entry.bytes;
        self.entries.push_back(entry);
        while self.entries.len() > 1
            && (self.entries.len() > bounds.commits || self.bytes > bounds.bytes)
        {
            self.forget_oldest();
        }
    }

    /// Begins anew, right before a commit that does not follow the head.
    pub(crate) fn begin_before(&mut self, to: Offset) {
        let before = Offset::new(to.get().saturating_sub(1)).unwrap_or(Offset::MAX);
        *self = Self::at(before);
    }

    pub(crate) fn forget_through(&mut self, through: Offset) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.to() <= through)
        {
            self.forget_oldest();
        }
    }

    /// Lets go of the older half, at least of one.
    pub(crate) fn halve(&mut self) {
        for _ in 0..self.entries.len().div_ceil(2) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.floor = entry.to();
            self.bytes -= entry.bytes;
        }
    }

    fn index_after(&self, sent: Offset) -> Option<usize> {
        let index = usize::try_from(sent.get().checked_sub(self.floor.get())?).ok()?;
        (index < self.entries.len()).then_some(index)
    }
}

impl StreamCommit {
    /// Roughly how much memory the changes hold, in bytes.
    fn approximate_bytes(&self) -> usize {
        size_of::<Self>() + self.ops.iter().map(op_bytes).sum::<usize>()
    }
}

pub(super) fn op_bytes(op: &Op) -> usize {
    let record = |record: &Option<Record>| record.as_ref().map_or(0, Record::approximate_bytes);
    let inside = match op {
        Op::Created { entity, .. } => entity.approximate_bytes(),
        Op::Updated {
            changes,
            entity,
            was,
            ..
        } => record(entity) + record(was) + patch_bytes(changes),
        Op::Deleted { was, .. } => record(was),
        Op::Stale(ids) => ids
            .iter()
            .map(|id| size_of_val(id) + id.as_str().len())
            .sum(),
        Op::StaleAll(_) => 0,
    };
    size_of::<Op>() + inside
}

fn patch_bytes(patch: &Patch) -> usize {
    patch.set_record().approximate_bytes() + patch.unset_fields().map(str::len).sum::<usize>()
}
