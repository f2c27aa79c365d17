//! How much a cache holds, as numbers.

use crate::key_index::KeyIndex;
use crate::overlay::Overlay;
use crate::slots::Line;
use crate::world::World;

/// How much a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Entities of which something is known, absent marks included.
    pub entities: usize,
    /// Runs kept for watched lists.
    pub runs: usize,
    /// Places in those runs.
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
    /// Runs looked at because an entity changed, was let go or was named, since the beginning.
    pub runs_asked: u64,
}

impl Stats {
    /// What a world holds.
    pub(crate) fn of(world: &World) -> Self {
        let mut stats = Self {
            pending_actions: Overlay::len(&world.overlay),
            aliases: world.aliases.len(),
            values: world.values.len(),
            value_bytes: world.values.bytes(),
            ..Self::default()
        };
        for stream in world.streams() {
            stats.entities += stream.base.len(Line::Kept) + stream.base.len(Line::Absent);
            stats.runs += stream.runs.len();
            stats.run_rows += stream.runs.rows();
            stats.indexed_ids += stream.index.as_ref().map_or(0, KeyIndex::len);
        }
        stats
    }
}
