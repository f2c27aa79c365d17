//! How much a cache holds, as numbers.

use std::collections::BTreeSet;

use tidewire_model::EntityId;

use crate::fetch::Requests;
use crate::held::SHARE_BYTES;
use crate::key_index::KeyIndex;
use crate::overlay::Overlay;
use crate::row_number::RowNumber;
use crate::slots::{Kind, Line, SlotNumber};
use crate::stream::Stream;
use crate::watch::Watches;
use crate::world::World;

/// How much a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Entities of which something is known, absent marks included.
    pub entities: usize,
    /// Absent marks among them.
    pub absent_marks: usize,
    /// Runs kept for watched lists, and lists that only the server can evaluate.
    pub runs: usize,
    /// Places in those.
    pub run_rows: usize,
    /// Ids kept in order for those who look for keys.
    pub indexed_ids: usize,
    /// Plain values, those whose time is over included until something else is set.
    pub values: usize,
    /// What they take, roughly.
    pub value_bytes: usize,
    /// Pending actions.
    pub pending_actions: usize,
    /// Remembered names of temporary ids.
    pub aliases: usize,
    /// Watchers.
    pub watchers: usize,
    /// Requests on their way.
    pub requests: usize,
    /// Rows that wait to be worked.
    pub staged_rows: usize,
    /// Rows worked since the beginning.
    pub rows_worked: u64,
    /// Runs and such lists looked at because an entity changed, was let go or was named, since the beginning.
    pub runs_asked: u64,
    /// What is held in memory, by what it is for.
    pub held: HeldBytes,
    /// What the budget counts: nearly [`HeldBytes::total`], but the same in every run with the same
    /// inputs, whatever readers do meanwhile.
    pub counted_bytes: usize,
    /// How much of that is pinned: watched, in a list that is, touched by a pending action, needed by a
    /// page on its way, or part of a complete collection.
    pub pinned_bytes: usize,
    /// What is held outside on behalf of this, such as typed copies of records. It leaves that much less
    /// room.
    pub outside_bytes: usize,
    /// How all that stands to the budget.
    pub pressure: Pressure,
}

/// What is held in memory, in bytes as they were asked for from the allocator. What waits to be worked
/// is not in it; the inputs that brought it bound that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldBytes {
    /// Slots, tables and lines of entities, spare room included. A tenth of a kilobyte for each entity
    /// of which something is known, and for each place where one was.
    pub slots: usize,
    /// Records, ids, and what few entries have beside them. Absent marks have ids only.
    pub entries: usize,
    /// The places in the runs of watched lists.
    pub runs: usize,
    /// Pending actions, and what they make of entities.
    pub overlay: usize,
    /// Watchers, definitions and names of temporary ids, roughly.
    pub bookkeeping: usize,
}

impl HeldBytes {
    /// All of it.
    pub fn total(&self) -> usize {
        self.slots + self.entries + self.runs + self.overlay + self.bookkeeping
    }
}

/// How a cache stands to its budget of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pressure {
    /// It holds no more than it may.
    #[default]
    Within,
    /// It holds more, and lets go of some with each batch.
    Over,
    /// It holds more, and all of it is pinned: nothing can go until something is watched no more.
    Pinned,
}

impl Stats {
    /// What a world holds.
    pub(crate) fn of(world: &World) -> Self {
        let mut stats = Self {
            pending_actions: Overlay::len(&world.overlay),
            aliases: world.aliases.len(),
            values: world.values.len(),
            value_bytes: world.values.bytes(),
            counted_bytes: world.counted_bytes(),
            ..Self::default()
        };
        stats.held.overlay += world.overlay.held_bytes();
        stats.held.bookkeeping += world.side_bytes() + world.values.bytes();
        for stream in world.streams() {
            let absent = stream.base.len(Kind::Absent);
            stats.entities += stream.base.len(Kind::Kept) + absent;
            stats.absent_marks += absent;
            stats.runs += stream.runs.len() + stream.opaque.len();
            stats.run_rows += stream.runs.rows() + stream.opaque.rows();
            let (slots, entries) = stream.base.held_bytes();
            stats.held.slots += slots + SHARE_BYTES + size_of::<Stream>();
            stats.held.entries += entries;
            stats.held.runs += stream.runs.held_bytes() + stream.opaque.counted_bytes();
            stats.held.overlay += stream.side_bytes();
            stats.indexed_ids += stream.index.as_ref().map_or(0, KeyIndex::len);
        }
        stats
    }
}

/// What the budget counts for all that is pinned. Takes as long as there are pins.
pub(crate) fn pinned_bytes(world: &World, watches: &Watches, requests: &Requests) -> usize {
    let streams = world.streams().map(|stream| {
        if stream.is_whole() {
            return stream.counted_bytes() - stream.base.line(Line::Absent).1;
        }
        let mut ids: BTreeSet<&EntityId> = BTreeSet::new();
        ids.extend(watches.entities(&stream.name).map(|key| &key.id));
        ids.extend(stream.seen.iter().map(|(id, _)| id));
        ids.extend(requests.needed(&stream.name));
        let rows = stream.runs.iter().flat_map(|run| run.shown(stream.rows()));
        let slots: BTreeSet<SlotNumber> = rows.filter_map(RowNumber::slot).collect();
        let listed = slots.into_iter();
        let listed = listed.filter_map(|slot| stream.base.row(slot, |id, _| id.clone()));
        let listed: Vec<EntityId> = listed.collect();
        ids.extend(&listed);
        ids.extend(stream.opaque.ids());
        let entries = ids.into_iter().map(|id| stream.base.counted_bytes(id));
        let lists = stream.runs.counted_bytes() + stream.opaque.counted_bytes();
        let beside = lists + stream.seen.counted_bytes();
        entries.sum::<usize>() + beside
    });
    streams.sum::<usize>() + world.overlay.counted_bytes() + world.values.bytes()
}
