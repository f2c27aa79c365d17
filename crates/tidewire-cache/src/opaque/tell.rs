//! What a change of an entity does to opaque lists: one mark for all of them, and the rows that hold it.

use tidewire_model::{EntityId, Query, Tick};

use super::burst::Burst;
use super::{Changed, Hidden, OpaqueLists, Place};
use crate::base::{At, Image, Moment, later};
use crate::fetch::RunKey;
use crate::run::{RunTouch, Sides};
use crate::settings::CollectionSettings;
use crate::stream::{Stream, Touches};

impl OpaqueLists {
    /// Something changed: the burst goes on, or another begins once the last one is over.
    fn note(
        &mut self,
        now: Tick,
        settings: &CollectionSettings,
        change: impl FnOnce(&mut Changed),
    ) {
        match &mut self.burst {
            Some(burst) if burst.ends_at(settings) > now => burst.go_on(now),
            _ => {
                self.due = self.changed;
                self.burst = Some(Burst::begin(now));
            }
        }
        change(&mut self.changed);
    }
}

impl Stream {
    /// The server told a change of an entity: whether it belongs in an opaque list, and where, only
    /// the server knows.
    pub(crate) fn note_told(&mut self, at: At, now: Tick, touches: &mut Touches) {
        self.opaque.note(now, &self.settings, |changed| {
            changed.told = Some(later(changed.told, at));
        });
        self.tell_all_opaque(touches);
    }

    /// An answer to a request begun at this moment shows a change that nobody told.
    pub(crate) fn note_learnt(&mut self, begun: Moment, now: Tick, touches: &mut Touches) {
        self.opaque.note(now, &self.settings, |changed| {
            changed.learnt = changed.learnt.max(begun);
        });
        self.tell_all_opaque(touches);
    }

    /// Every list reads as stale from the first change on; further ones change nothing about that.
    fn tell_all_opaque(&mut self, touches: &mut Touches) {
        if !std::mem::replace(&mut self.opaque.told, true) {
            touches.opaque.push(self.name.clone());
        }
    }

    /// Keeps the lists that hold an entity in step with it: a row shows its new content in place, and
    /// goes where the entity is gone.
    pub(crate) fn tell_opaque(
        &mut self,
        id: &EntityId,
        (before, after): (&Sides, &Sides),
        visible: bool,
        touches: &mut Touches,
    ) {
        if self.opaque.len() == 0 {
            return;
        }
        if before.pending != after.pending && self.seen.len() == usize::from(after.pending) {
            // The first pending action came, or the last one went: totals are exact or not.
            touches.opaque.push(self.name.clone());
        }
        let holders: Vec<_> = self.opaque.holders_of(id).collect();
        touches.count(holders.len());
        let (was_hidden, is_hidden) = (Hidden::of(&before.view), Hidden::of(&after.view));
        for (number, place) in holders {
            let Some(list) = self.opaque.edit_number(number) else {
                continue;
            };
            let key = list.key.clone();
            let index = list.rows.rank(&place);
            let touch = if after.base.record().is_none() {
                list.total = list.total.map(|rows| rows.saturating_sub(1));
                self.opaque.unplace(&key, place, was_hidden);
                RunTouch::All
            } else if was_hidden != is_hidden {
                list.hidden -= usize::from(was_hidden == Hidden::Yes);
                list.hidden += usize::from(is_hidden == Hidden::Yes);
                RunTouch::All
            } else if !visible {
                continue;
            } else if list.hidden == 0 {
                RunTouch::Row(index)
            } else {
                // Rows before it that nobody sees move it up.
                RunTouch::From(index.saturating_sub(list.hidden))
            };
            touches.runs.push((key, touch));
        }
    }

    /// Puts a row of a page behind the others of its list, if it can be shown. Gives what is held of it.
    pub(crate) fn place_opaque(&mut self, key: &RunKey, first: Place, id: &EntityId) -> Image {
        let base = self.base_image(id);
        if base.record().is_some() {
            let is_hidden = Hidden::of(&self.view_image(id));
            self.opaque.place(key, first, id, is_hidden);
        }
        base
    }

    /// Takes the next row out of a list that stands before a place. False when there is none.
    pub(crate) fn sweep_opaque(&mut self, key: &RunKey, end: Place) -> bool {
        let Some((place, id)) = self.opaque.first_before(key, end) else {
            return false;
        };
        let is_hidden = Hidden::of(&self.view_image(id));
        self.opaque.unplace(key, place, is_hidden);
        true
    }

    /// Takes a list out a row at a time. False once nothing of it is left.
    pub(crate) fn close_opaque(&mut self, key: &RunKey) -> bool {
        // Whoever comes back meanwhile sees that it is not whole.
        self.opaque.forget(key);
        let goes_on = self.sweep_opaque(key, Place::MAX);
        if !goes_on {
            self.opaque.close(key);
        }
        goes_on
    }

    /// A list goes on under another query.
    pub(crate) fn rename_opaque(&mut self, old: &RunKey, query: &Query, touches: &mut Touches) {
        let new = self.run_key(query);
        self.opaque.rename(old, new.clone());
        touches.runs.push((old.clone(), RunTouch::All));
        touches.runs.push((new.clone(), RunTouch::All));
        touches.renamed.push((old.clone(), new));
    }
}

impl Hidden {
    pub(super) fn of(view: &Image) -> Self {
        if view.record().is_none() {
            Self::Yes
        } else {
            Self::No
        }
    }
}
