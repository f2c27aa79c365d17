//! Streams that begin, end, or are distrusted.

use tidewire_model::{EntityId, EntityType, Epoch, Offset};

use super::{Desk, Step};
use crate::base::Mark;
use crate::intake::{Attached, DetachReason};
use crate::standing::Feed;
use crate::stream::Stream;

/// The feed of a stream is attached.
#[derive(Debug)]
pub(crate) struct Attach {
    pub(crate) entity_type: EntityType,
    pub(crate) result: Attached,
    pub(crate) epoch: Epoch,
    pub(crate) view: String,
    pub(crate) offset: Offset,
    pub(crate) head: Offset,
    pub(crate) clearing: Clearing,
}

/// The feed of a stream is over.
#[derive(Debug)]
pub(crate) struct Detach {
    pub(crate) entity_type: EntityType,
    pub(crate) why: DetachReason,
    pub(crate) clearing: Clearing,
}

/// Somebody here distrusts what is held.
#[derive(Debug)]
pub(crate) struct MarkStale {
    pub(crate) entity_type: EntityType,
    /// Nothing for everything.
    pub(crate) ids: Option<Vec<EntityId>>,
    pub(crate) mark: Mark,
}

/// A stream that is not live yet must come this far before it is.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) entity_type: EntityType,
    pub(crate) offset: Offset,
}

/// Forgetting a whole stream.
#[derive(Debug, Default)]
pub(crate) enum Clearing {
    /// Whether to forget is not decided yet.
    #[default]
    Undecided,
    /// Everything is forgotten; pending entities are being restored, behind this id.
    Restoring(Option<EntityId>),
    Over,
}

impl Clearing {
    /// Forgets everything the server confirmed of a stream. What was asked for before is not
    /// believed either: nothing here tells any more what it would be older than, or may not show.
    pub(super) fn begin(&mut self, entity_type: &EntityType, desk: &mut Desk<'_>) {
        desk.requests.drop_type(entity_type);
        if let Some((stream, _)) = desk.world.edit(entity_type) {
            let old = stream.clear();
            desk.retired.push(old);
            stream.touch_all(&mut desk.touches);
        }
        *self = Self::Restoring(None);
    }

    /// Brings the entities of pending actions back, row by row.
    pub(super) fn go_on(&mut self, entity_type: &EntityType, desk: &mut Desk<'_>) -> Step {
        while let Self::Restoring(behind) = self {
            if !desk.spend() {
                return Step::Paused;
            }
            let Some((stream, overlay)) = desk.world.edit(entity_type) else {
                break;
            };
            match stream.next_pending(behind.as_ref()) {
                Some(id) => {
                    stream.restore_pending(&id, overlay, &mut desk.touches);
                    *behind = Some(id);
                }
                None => *self = Self::Over,
            }
        }
        Step::Done
    }
}

impl Attach {
    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        if matches!(self.clearing, Clearing::Undecided) {
            self.decide(desk);
        }
        if self.clearing.go_on(&self.entity_type, desk) == Step::Paused {
            return Step::Paused;
        }
        self.attach(desk);
        Step::Done
    }

    fn decide(&mut self, desk: &mut Desk<'_>) {
        self.clearing = Clearing::Over;
        let Some((stream, _)) = desk.world.edit(&self.entity_type) else {
            return;
        };
        let standing = &stream.standing;
        let other_view = standing
            .view
            .as_ref()
            .is_some_and(|view| *view != self.view);
        if !other_view && (!standing.hidden || self.result != Attached::Now) {
            return;
        }
        // View changed: what was held may not be shown. A snapshot sorts it out at its end.
        if self.result == Attached::Snapshot {
            stream.standing.hidden = true;
            stream.touch_all(&mut desk.touches);
        } else {
            self.clearing.begin(&self.entity_type, desk);
        }
    }

    fn attach(&self, desk: &mut Desk<'_>) {
        let was_live = desk.is_live(&self.entity_type);
        let Some((stream, _)) = desk.world.edit(&self.entity_type) else {
            return;
        };
        // Epoch changed: points and versions none, forgotten := 0, shown as stale.
        stream.enter_epoch(&self.epoch);
        let standing = &mut stream.standing;
        let same_view = standing
            .view
            .replace(self.view.clone())
            .is_none_or(|view| view == self.view);
        let building = self.result == Attached::Snapshot;
        standing.feed = Feed::Attached {
            head: self.head,
            building,
        };
        standing.reached = None;
        match self.result {
            // Epoch and view equal: since kept. More may be applied by now than is visible, which
            // is where a stream is resumed from; the commits between come again.
            Attached::Resumed if same_view && standing.applied >= Some(self.offset) => {
                standing.since = standing.since.or(Some(self.offset));
                standing.hidden = false;
            }
            // since = received = applied := offset; not complete.
            Attached::Resumed | Attached::Now => {
                standing.since = Some(self.offset);
                standing.applied = Some(self.offset);
                standing.complete = None;
                standing.hidden = false;
            }
            Attached::Snapshot => {}
        }
        stream.touch_all(&mut desk.touches);
        desk.note_live(&self.entity_type, was_live);
        desk.world.settle(&self.entity_type, &mut desk.touches);
    }
}

impl Detach {
    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        if matches!(self.clearing, Clearing::Undecided) {
            self.detach(desk);
            self.clearing = Clearing::Over;
            if self.why == DetachReason::Ended && !desk.watches.has_type(&self.entity_type) {
                // Nobody watches anything of it: it is given back.
                self.clearing.begin(&self.entity_type, desk);
                if let Some((stream, _)) = desk.world.edit(&self.entity_type) {
                    stream.standing = stream.first_standing();
                }
            }
        }
        self.clearing.go_on(&self.entity_type, desk)
    }

    /// Disconnect: complete commits are applied, the rest is dropped; not live.
    fn detach(&self, desk: &mut Desk<'_>) {
        let was_live = desk.is_live(&self.entity_type);
        let now = desk.now;
        let Some((stream, _)) = desk.world.edit(&self.entity_type) else {
            return;
        };
        if stream.has_client_points() && stream.standing.is_attached() {
            stream.standing.live_until = Some(now);
        }
        stream.standing.feed = Feed::Detached(self.why);
        stream.standing.reached = None;
        if self.why == DetachReason::Rights {
            stream.standing.hidden = true;
        }
        stream.touch_all(&mut desk.touches);
        desk.note_live(&self.entity_type, was_live);
        desk.world.settle(&self.entity_type, &mut desk.touches);
    }
}

impl Owed {
    pub(crate) fn step(&self, desk: &mut Desk<'_>) -> Step {
        if let Some((stream, _)) = desk.world.edit(&self.entity_type)
            && !stream.is_live()
            && let Feed::Attached { head, .. } = &mut stream.standing.feed
        {
            *head = (*head).max(self.offset);
        }
        Step::Done
    }
}

impl MarkStale {
    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        if desk
            .world
            .stream(&self.entity_type)
            .is_none_or(Stream::is_pushes_only)
        {
            // Nothing can be asked for, so the mark would never be answered.
            return Step::Done;
        }
        let Some(ids) = &mut self.ids else {
            if let Some((stream, _)) = desk.world.edit(&self.entity_type) {
                stream.standing.mark = Some(self.mark);
                stream.touch_all(&mut desk.touches);
            }
            return Step::Done;
        };
        while desk.budget > 0 {
            let Some(id) = ids.pop() else {
                return Step::Done;
            };
            desk.spend();
            let id = desk.world.resolve(&id).clone();
            if let Some((stream, overlay)) = desk.world.edit(&self.entity_type) {
                stream.mark(&id, self.mark, overlay, &mut desk.touches);
            }
        }
        Step::Paused
    }
}
