//! What the application itself knows: an entity as it got it just now, or some fields of one; and that
//! everything held is to be forgotten.
//!
//! Knowledge of the application's own is a point made here, as a push is. Decides nothing about types
//! whose points the server makes: there, only an action writes.

use tidewire_model::{EntityId, EntityKey, EntityType, Offset, Patch, Row, Tick, Version};

use crate::base::{Entry, Image, Mark, Moment, Origin};
use crate::cache::Cache;
use crate::intake::{DetachReason, Taken};
use crate::overlay::Overlay;
use crate::run::Cause;
use crate::stream::{Stream, Touches};
use crate::table::Lesson;
use crate::trust::StaleReason;
use crate::work::{Clear, Item, OwnKnowledge, Said};

/// The server makes the points of a type, so nothing but the server says what is confirmed there.
/// Whoever wants to change an entity submits an action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the server owns \"{entity_type}\", so what is confirmed of it cannot be set here; write with an action (create, update, edit or delete)"
)]
pub struct OwnedByServer {
    /// The entity type.
    pub entity_type: EntityType,
}

impl Cache {
    /// An entity as the application got it just now, in whatever way. Counts as an answer got now: it
    /// replaces what is held, ends marks, and lifts an absent mark; what was asked for before does not
    /// overwrite it. A row without a version keeps the one held; one with a version below it changes
    /// nothing. Visible with the next batch.
    ///
    /// # Errors
    /// [`OwnedByServer`] where the points of the type are the server's.
    pub fn set(
        &mut self,
        _now: Tick,
        entity_type: &EntityType,
        row: Row,
    ) -> Result<(), OwnedByServer> {
        self.take_own_knowledge(entity_type, row.id, Said::Whole(row.record, row.version))
    }

    /// Some fields of an entity as the application got them just now. Changes what is held, and nothing
    /// where nothing is held or the version is below the one held. Says nothing of the other fields: marks
    /// stay. Visible with the next batch.
    ///
    /// # Errors
    /// [`OwnedByServer`] where the points of the type are the server's.
    pub fn update(
        &mut self,
        _now: Tick,
        key: EntityKey,
        patch: Patch,
        version: Option<Version>,
    ) -> Result<(), OwnedByServer> {
        self.take_own_knowledge(&key.entity_type, key.id, Said::Fields(patch, version))
    }

    fn take_own_knowledge(
        &mut self,
        entity_type: &EntityType,
        id: EntityId,
        said: Said,
    ) -> Result<(), OwnedByServer> {
        self.ensure(entity_type);
        let made = self.inflow.get_mut(entity_type);
        let to = made.and_then(|inflow| inflow.make_point());
        let Some(to) = to else {
            return Err(OwnedByServer {
                entity_type: entity_type.clone(),
            });
        };
        let moment = self.next_moment();
        self.staged.push_back(Item::Knowledge(OwnKnowledge {
            entity_type: entity_type.clone(),
            id,
            said,
            to,
            moment,
        }));
        Ok(())
    }

    /// Everything held of a type is to be forgotten; for [`Intake::Clear`](crate::Intake::Clear).
    pub(crate) fn take_clear(&mut self, entity_type: EntityType) -> Taken {
        let Some(inflow) = self.inflow.get(&entity_type) else {
            return Taken::NotHeld;
        };
        // A snapshot on its way may be older than what is forgotten, and would not be believed.
        let gap = inflow.begin_snapshot_anew();
        if gap.is_some() {
            self.detach(&entity_type, DetachReason::Gap);
        }
        self.staged.push_back(Item::Clear(Clear::new(entity_type)));
        gap.unwrap_or(Taken::Staged)
    }
}

impl Stream {
    /// What the application knows of an entity is learnt at a point made here.
    pub(crate) fn learn_own(
        &mut self,
        id: &EntityId,
        said: &Said,
        (now, to, begun, moment): (Tick, Offset, Moment, Moment),
        overlay: &Overlay,
        touches: &mut Touches,
    ) {
        self.standing.applied = self.standing.applied.max(Some(to));
        let lesson = Lesson {
            now,
            at: Some(self.standing.at(to)),
            begun,
            moment,
            home: None,
            origin: Origin::Set,
        };
        match said {
            Said::Whole(record, version) => {
                let era = self.standing.era;
                let held = self.base.read(id, |kept| kept.version_in(era)).flatten();
                let row = (record, version.or(held));
                self.apply_row(id, Some(row), lesson, overlay, touches);
            }
            Said::Fields(patch, version) => {
                self.apply_fields(id, (patch, *version), lesson, overlay, touches);
            }
        }
    }

    fn apply_fields(
        &mut self,
        id: &EntityId,
        (patch, version): (&Patch, Option<Version>),
        lesson: Lesson<'_>,
        overlay: &Overlay,
        touches: &mut Touches,
    ) {
        let Some(held) = self.base.get(id) else {
            return;
        };
        let held_version = held.version_in(self.standing.era);
        if matches!((version, held_version), (Some(new), Some(old)) if new < old) {
            return;
        }
        let Image::Present(record) = &held.image else {
            return;
        };
        let entry = Entry {
            image: Image::Present(record.merge(patch)),
            version: version.or(held_version),
            known_at: lesson.at,
            learnt: lesson.now,
            origin: lesson.origin,
            ..held.clone()
        };
        let mark = Mark {
            moment: lesson.moment,
            why: StaleReason::Marked,
        };
        let cause = Cause::Learnt {
            at: lesson.at,
            home: None,
            mark,
        };
        self.put(id, Some(&entry), overlay, cause, touches);
    }
}
