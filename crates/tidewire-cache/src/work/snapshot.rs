//! Swapping a snapshot in: one walk over what is held and what came, in order of ids.
//!
//! Rows as data; others known no later than the snapshot are absent; what is newer stays.

use std::collections::BTreeMap;

use tidewire_model::{ActionId, EntityId, EntityType, Offset, Row};

use super::{Desk, Step};
use crate::base::Moment;
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
    /// The walk has come up to and with this id.
    reached: Option<EntityId>,
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
        let held = match self.reached.as_ref() {
            Some(reached) => stream.base.iter_after(reached).next(),
            None => stream.base.first(),
        };
        let held = held.map(|(id, _)| id.clone());
        let lesson = Lesson {
            now: desk.now,
            at: Some(stream.standing.at(self.as_of)),
            begun: self.begun,
            moment: desk.moment,
            home: None,
        };
        let first = self.rows.first_key_value().map(|(id, _)| id.clone());
        match (held, first) {
            (None, None) => {
                self.complete(desk);
                return false;
            }
            (Some(held), first) if first.as_ref().is_none_or(|first| held < *first) => {
                // Not in the snapshot.
                stream.apply_row(&held, None, lesson, overlay, &mut desk.touches);
                self.reached = Some(held);
            }
            _ => {
                if let Some((id, row)) = self.rows.pop_first() {
                    let content = Some((&row.record, row.version));
                    stream.apply_row(&id, content, lesson, overlay, &mut desk.touches);
                    self.reached = Some(id);
                }
            }
        }
        desk.evict(&self.entity_type);
        true
    }

    /// Every row is there: since = received = applied := a; complete.
    fn complete(&mut self, desk: &mut Desk<'_>) {
        let was_live = desk.is_live(&self.entity_type);
        let (begun, now) = (self.begun, desk.now);
        if let Some((stream, _)) = desk.world.edit(&self.entity_type) {
            let standing = &mut stream.standing;
            let reached = standing.reached.take();
            standing.since = Some(self.as_of);
            standing.applied = Some(self.as_of).max(reached);
            standing.complete = Some(Snapped {
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
