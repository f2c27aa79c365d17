//! How a run reacts when an entity changes: worked out from the image before and after.
//!
//! in to in (replaced or moved), in to out, out to in, out to out. An insertion counts only before
//! the bound. The total moves only by changes newer than what it counts, and never by rows learnt.

use tidewire_model::{EntityId, Patch, SortPosition};

use super::{Run, Scope, Share};
use crate::base::{At, Image, Mark};
use crate::fetch::RunKey;

/// An entity before or after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sides {
    /// What the server confirmed.
    pub(crate) base: Image,
    /// What readers see.
    pub(crate) view: Image,
    /// Whether pending actions touch it.
    pub(crate) pending: bool,
}

/// Why an entity changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// A pending action came, went, or was replayed.
    Overlay,
    /// Something speaks against it, or does no longer; nothing new is known of it.
    Marked,
    /// The server told a change.
    Told(&'a News<'a>),
    /// It was learnt from an answer, for the sake of the run named here if any. `mark` stands in
    /// for the point where there is none.
    Learnt {
        at: Option<At>,
        home: Option<&'a RunKey>,
        mark: Mark,
    },
    /// It was let go.
    Evicted,
}

/// What the server told of a change.
#[derive(Debug)]
pub(crate) struct News<'a> {
    pub(crate) at: At,
    /// The entity before it, as the server had it.
    pub(crate) before: Image,
    /// The entity after it, as the server has it.
    pub(crate) after: Image,
    /// The fields it changed, where told.
    pub(crate) patch: Option<&'a Patch>,
}

/// What a run is to do.
#[derive(Debug, Default)]
pub(crate) struct Reaction {
    remove: Option<SortPosition>,
    insert: Option<SortPosition>,
    /// The entity keeps its place and looks different.
    replaced: Option<SortPosition>,
    /// The entity, and what pending actions do to the total with it now.
    share: Option<(EntityId, Share)>,
    total: TotalMove,
    stale_at: Option<At>,
    mark: Option<Mark>,
    /// For a page on its way: how the change moves the total, nothing where nobody can tell.
    pub(crate) logged: Option<(At, Option<i64>)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum TotalMove {
    #[default]
    None,
    By(i64),
    Lost,
}

/// Which windows of a run look different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunTouch {
    /// Those that show the row at this index.
    Row(usize),
    /// Those that reach this index.
    From(usize),
    /// All of them.
    All,
}

impl Reaction {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.remove.is_none()
            && self.insert.is_none()
            && self.replaced.is_none()
            && self.share.is_none()
            && self.total == TotalMove::None
            && self.stale_at.is_none()
            && self.mark.is_none()
    }
}

impl Run {
    /// What the run is to do about a change. `visible` tells whether a reading of the entity
    /// differs, `live` whether the run is live, `era` the era of the stream.
    pub(crate) fn react(
        &self,
        id: &EntityId,
        (before, after): (&Sides, &Sides),
        cause: Cause<'_>,
        (era, live, visible): (u32, bool, bool),
    ) -> Reaction {
        let mut reaction = Reaction::default();
        let old = self.standing_place(id, &before.view);
        let ground_before = if before.pending {
            self.ground(id, before)
        } else {
            old.clone()
        };
        let ground = self.ground_after(id, (&ground_before, &after.base), cause, era);
        let new = match (self.scope, after.pending) {
            (Scope::Window, false) => ground.clone(),
            _ => self
                .place(id, &after.view)
                .filter(|place| self.reaches(place)),
        };
        if let Cause::Learnt { at, home, mark } = cause
            && self.scope == Scope::Window
            && home != Some(self.key())
            && !live
            && ground_before != ground
        {
            // A row learnt elsewhere: its place changed, so what else changed is not known.
            match at {
                Some(at) if self.as_of != Some(at) => {
                    reaction.stale_at = Some(at);
                }
                // No point, or the run's own, tells which of the two is newer.
                _ => reaction.mark = Some(mark),
            }
        }
        if old == new {
            reaction.replaced = if visible { old } else { None };
        } else {
            (reaction.remove, reaction.insert) = (old, new);
        }
        let share = self.share_of(id, after, ground.is_some());
        if share != self.share(id) {
            reaction.share = Some((id.clone(), share));
        }
        if let (Scope::Window, Cause::Told(news)) = (self.scope, cause) {
            self.react_to_news(era, news, &mut reaction);
            if ground.is_none() && self.lacks(id, era, news) {
                reaction.stale_at = Some(news.at);
            }
        }
        reaction
    }

    /// Notes, for a page on its way, a row that was learnt at a point the stream has not come to: the page may be older.
    /// The total moves when the change is told.
    pub(crate) fn note_ahead(&self, at: At, id: &EntityId, base: &Image, reaction: &mut Reaction) {
        if self.scope == Scope::Window && self.place(id, base).is_some() {
            reaction.logged = Some((at, Some(0)));
        }
    }

    /// Whether the server has an entity in the run that was not believed here.
    fn lacks(&self, id: &EntityId, era: u32, news: &News<'_>) -> bool {
        let as_of = self.as_of.and_then(|at| at.within(era));
        let newer = news.at.within(era) > as_of;
        newer
            && self
                .place(id, &news.after)
                .is_some_and(|place| self.reaches(&place))
    }

    /// What the run is to do about a change of an entity of which something newer is known already:
    /// only the total may not have it yet.
    pub(crate) fn react_to_old_news(&self, era: u32, news: &News<'_>) -> Reaction {
        let mut reaction = Reaction::default();
        if self.scope == Scope::Window {
            self.react_to_news(era, news, &mut reaction);
        }
        reaction
    }

    /// Carries a reaction out. Returns which windows look different.
    pub(crate) fn carry_out(&mut self, reaction: Reaction) -> Option<RunTouch> {
        let mut touch = None;
        let all = reaction.share.is_some()
            || reaction.total != TotalMove::None
            || reaction.stale_at.is_some()
            || reaction.mark.is_some();
        if let Some(place) = &reaction.remove {
            touch = join(touch, self.keys.rank(place));
            self.keys.remove(place);
        }
        if let Some(place) = reaction.insert {
            touch = join(touch, self.keys.rank(&place));
            self.keys.insert(place, ());
        }
        if let Some(place) = &reaction.replaced {
            touch = Some(RunTouch::Row(self.keys.rank(place)));
        }
        if let Some((id, share)) = &reaction.share {
            self.set_share(id, *share);
        }
        match reaction.total {
            TotalMove::None => {}
            TotalMove::By(rows) => {
                if let Some(total) = &mut self.total {
                    total.rows = total.rows.saturating_add(rows);
                }
            }
            TotalMove::Lost => self.lose_total(),
        }
        if let Some(at) = reaction.stale_at {
            self.stale_at = Some(crate::base::later(self.stale_at, at));
        }
        self.mark = reaction.mark.or(self.mark);
        // A whole run counts its own rows, so any membership moves its total.
        let counts_itself = self.scope == Scope::Whole && matches!(touch, Some(RunTouch::From(_)));
        if all || counts_itself {
            Some(RunTouch::All)
        } else {
            touch
        }
    }

    /// Where an entity stands in the run now.
    fn standing_place(&self, id: &EntityId, image: &Image) -> Option<SortPosition> {
        self.place(id, image)
            .filter(|place| self.keys.contains_key(place))
    }

    /// Where an entity under pending actions would stand without them.
    fn ground(&self, id: &EntityId, sides: &Sides) -> Option<SortPosition> {
        let grounded = self.scope == Scope::Whole || self.share(id).grounded;
        self.place(id, &sides.base)
            .filter(|place| grounded && self.reaches(place))
    }

    /// The same after a change. Only what the server says brings a row in: what is held and was
    /// left out by a page stays out, whatever is done to it here.
    fn ground_after(
        &self,
        id: &EntityId,
        (before, base): (&Option<SortPosition>, &Image),
        cause: Cause<'_>,
        era: u32,
    ) -> Option<SortPosition> {
        let place = self.place(id, base).filter(|place| self.reaches(place));
        let told = match cause {
            Cause::Told(_) => true,
            Cause::Learnt { .. } => !self.knows_better(era, cause),
            Cause::Overlay | Cause::Marked | Cause::Evicted => false,
        };
        place.filter(|_| told || before.is_some() || self.scope == Scope::Whole)
    }

    /// An answer older than the run cannot bring in a row that the run does not have.
    fn knows_better(&self, era: u32, cause: Cause<'_>) -> bool {
        let Cause::Learnt { at: Some(at), .. } = cause else {
            return false;
        };
        let as_of = self.as_of.and_then(|at| at.within(era));
        self.scope == Scope::Window
            && matches!((at.within(era), as_of), (Some(at), Some(as_of)) if at < as_of)
    }

    /// What pending actions do to the total with an entity.
    pub(crate) fn share_of(&self, id: &EntityId, sides: &Sides, grounded: bool) -> Share {
        if !sides.pending {
            return Share::default();
        }
        let counted = |image: &Image| i64::from(self.is_member(image));
        Share {
            rows: counted(&sides.view) - counted(&sides.base),
            unsure: sides.base == Image::Unknown && !id.is_temporary(),
            grounded,
        }
    }

    /// Whether an entity counts for the total of this list.
    fn is_member(&self, image: &Image) -> bool {
        image
            .record()
            .is_some_and(|record| self.query().matches(record) == Some(true))
    }

    /// How a change moves the total; nothing where nobody can tell.
    fn moved_by(&self, news: &News<'_>) -> Option<i64> {
        if news.before != Image::Unknown && news.after != Image::Unknown {
            return Some(
                i64::from(self.is_member(&news.after)) - i64::from(self.is_member(&news.before)),
            );
        }
        let apart = news
            .patch
            .is_some_and(|patch| !self.query().is_affected_by(patch));
        apart.then_some(0)
    }

    fn react_to_news(&self, era: u32, news: &News<'_>, reaction: &mut Reaction) {
        let Some(offset) = news.at.within(era) else {
            return;
        };
        let moved = self.moved_by(news);
        reaction.logged = Some((news.at, moved));
        if !self.counts(era, offset) {
            return;
        }
        match moved {
            Some(0) => {}
            Some(rows) if self.total.is_some() => reaction.total = TotalMove::By(rows),
            Some(_) => {}
            None => {
                // Images unknown, and the fields may matter: stale, and the total is not exact.
                reaction.stale_at = Some(news.at);
                if self.total.is_some_and(|total| total.exact) {
                    reaction.total = TotalMove::Lost;
                }
            }
        }
    }
}

/// The touch that covers both what was touched and everything from an index on.
fn join(touch: Option<RunTouch>, index: usize) -> Option<RunTouch> {
    match touch {
        Some(RunTouch::From(other)) => Some(RunTouch::From(other.min(index))),
        other => other.or(Some(RunTouch::From(index))),
    }
}
