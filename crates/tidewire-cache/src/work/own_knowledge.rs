//! What the application says of its own: entities it got elsewhere, lists it distrusts, and that
//! everything held is to be forgotten.

use tidewire_model::{EntityId, EntityType, Offset, Patch, Record, Version};

use super::attach::Clearing;
use super::{Desk, Step};
use crate::base::{Mark, Moment};
use crate::fetch::RunKey;
use crate::run::{RunTouch, Scope};

/// An entity that the application got, or changed fields of one.
#[derive(Debug)]
pub(crate) struct OwnKnowledge {
    pub(crate) entity_type: EntityType,
    pub(crate) id: EntityId,
    pub(crate) said: Said,
    pub(crate) to: Offset,
    pub(crate) moment: Moment,
}

/// How much the application says of an entity.
#[derive(Debug)]
pub(crate) enum Said {
    Whole(Record, Option<Version>),
    Fields(Patch, Option<Version>),
}

/// Somebody here distrusts single lists.
#[derive(Debug)]
pub(crate) struct MarkRuns {
    pub(crate) entity_type: EntityType,
    pub(crate) runs: Vec<RunKey>,
    pub(crate) mark: Mark,
}

/// Everything held of a type is to be forgotten.
#[derive(Debug)]
pub(crate) struct Clear {
    entity_type: EntityType,
    clearing: Clearing,
}

impl OwnKnowledge {
    pub(crate) fn step(&self, desk: &mut Desk<'_>) -> Step {
        let id = desk.world.resolve(&self.id).clone();
        let times = (desk.now, self.to, self.moment, desk.moment);
        if let Some((stream, overlay)) = desk.world.edit(&self.entity_type) {
            stream.learn_own(&id, &self.said, times, overlay, &mut desk.touches);
        }
        desk.evict(&self.entity_type);
        desk.world.settle(&self.entity_type, &mut desk.touches);
        Step::Done
    }
}

impl MarkRuns {
    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        while desk.budget > 0 {
            let Some(key) = self.runs.pop() else {
                return Step::Done;
            };
            desk.spend();
            let key = desk.world.run_key(key.query());
            let Some((stream, _)) = desk.world.edit(&self.entity_type) else {
                return Step::Done;
            };
            match stream.scope() {
                Scope::Window => {
                    if let Some(mut run) = stream.runs.edit(&key) {
                        run.mark = Some(self.mark);
                        desk.touches.runs.push((key, RunTouch::All));
                    }
                }
                // Such a list is worked out from all that is held.
                Scope::Whole if !stream.is_pushes_only() => {
                    stream.standing.mark = Some(self.mark);
                    stream.touch_all(&mut desk.touches);
                }
                Scope::Whole => {}
            }
        }
        Step::Paused
    }
}

impl Clear {
    pub(crate) fn new(entity_type: EntityType) -> Self {
        Self {
            entity_type,
            clearing: Clearing::default(),
        }
    }

    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        if matches!(self.clearing, Clearing::Undecided) {
            let was_live = desk.is_live(&self.entity_type);
            if let Some((stream, _)) = desk.world.edit(&self.entity_type) {
                // Nothing older than what is forgotten is believed any more (law 5).
                let standing = &mut stream.standing;
                standing.forgotten = standing.forgotten.max(standing.highest);
            }
            self.clearing.begin(&self.entity_type, desk);
            desk.note_live(&self.entity_type, was_live);
        }
        self.clearing.go_on(&self.entity_type, desk)
    }
}
