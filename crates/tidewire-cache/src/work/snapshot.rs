//! Swapping a snapshot in: first what came, then a walk over what is held beside it.
//!
//! Rows as data; others known no later than the snapshot are absent; what is newer stays.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_model::{ActionId, EntityId, EntityType, Offset, Row};

use super::{Desk, Step};
use crate::base::{Moment, Origin};
use crate::slots::SlotNumber;
use crate::standing::{Feed, Snapped};
use crate::table::Lesson;

/// A whole snapshot.
#[derive(Debug)]
pub(crate) struct SwapSnapshot {
    entity_type: EntityType,
    as_of: Offset,
    rows: BTreeMap<EntityId, Row>,
    actions: Vec<ActionId>,
    begun: Moment,
    /// The slots of what came.
    came: BTreeSet<SlotNumber>,
    /// The walk has come up to and with this slot.
    reached: Option<SlotNumber>,
}

impl SwapSnapshot {
    pub(crate) fn new(
        entity_type: EntityType,
        as_of: Offset,
        rows: BTreeMap<EntityId, Row>,
        actions: Vec<ActionId>,
        begun: Moment,
    ) -> Self {
        Self {
            entity_type,
            as_of,
            rows,
            actions,
            begun,
            came: BTreeSet::new(),
            reached: None,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        while desk.spend() {
            if !self.walk(desk) {
                return Step::Done;
            }
        }
        Step::Paused
    }

    /// One step of the walk. False when it is over.
    fn walk(&mut self, desk: &mut Desk<'_>) -> bool {
        let Some((stream, overlay)) = desk.world.edit(&self.entity_type) else {
            return false;
        };
        let lesson = Lesson {
            now: desk.now,
            at: Some(stream.standing.at(self.as_of)),
            begun: self.begun,
            moment: desk.moment,
            home: None,
            origin: Origin::Snapshot,
        };
        if let Some((id, row)) = self.rows.pop_first() {
            let content = Some((&row.record, row.version));
            stream.apply_row(&id, content, lesson, overlay, &mut desk.touches);
            self.came.extend(stream.base.slot(&id));
        } else if let Some((slot, id)) = stream.base.next(self.reached) {
            if !self.came.remove(&slot) {
                stream.apply_row(&id, None, lesson, overlay, &mut desk.touches);
            }
            self.reached = Some(slot);
        } else {
            self.complete(desk);
            return false;
        }
        desk.evict(&self.entity_type);
        true
    }

    /// Every row is there: since = received = applied := a; complete.
    fn complete(&mut self, desk: &mut Desk<'_>) {
        let was_live = desk.is_live(&self.entity_type);
        let (begun, now) = (self.begun, desk.now);
        if let Some((stream, _)) = desk.world.edit(&self.entity_type) {
            // It may have become windowed since the snapshot came.
            let is_whole = stream.is_whole();
            let standing = &mut stream.standing;
            let reached = standing.reached.take();
            standing.since = Some(self.as_of);
            standing.applied = Some(self.as_of).max(reached);
            standing.complete = is_whole.then(|| Snapped {
                at: standing.at(self.as_of),
                confirmed: begun,
                learnt: now,
            });
            standing.hidden = false;
            if let Feed::Attached { building, .. } = &mut standing.feed {
                *building = false;
            }
            stream.touch_all(&mut desk.touches);
        }
        desk.note_live(&self.entity_type, was_live);
        // The snapshot says which own actions it contains.
        for action in self.actions.drain(..) {
            desk.world
                .leave(action, &self.entity_type, &mut desk.touches);
        }
        desk.world.settle(&self.entity_type, &mut desk.touches);
        desk.requests.end_snapshot(&self.entity_type);
    }
}
