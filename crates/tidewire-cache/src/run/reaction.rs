//! How a run reacts when an entity changes: worked out from the image before and after.
//!
//! in to in (replaced or moved), in to out, out to in, out to out. An insertion counts only before
//! the bound. The total moves only by changes newer than what it counts, and never by rows learnt.

use tidewire_model::{EntityId, Patch};

use super::{Members, Run, Scope, Share};
use crate::base::{At, Image, Mark};
use crate::fetch::RunKey;
use crate::places::Spot;
use crate::row_number::RowNumber;
use crate::rows::{Place, Rows, Side};
use crate::whole::Standing;

/// An entity before or after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sides {
    /// What the server confirmed.
    pub(crate) base: Image,
    /// What readers see.
    pub(crate) view: Image,
    /// Whether pending actions touch it.
    pub(crate) pending: bool,
    /// The number by which runs know it, where there is anything to know.
    pub(crate) number: Option<RowNumber>,
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

/// What a run is to do about a change of one entity.
#[derive(Debug, Default)]
pub(crate) struct Reaction<'a> {
    /// Of a list about everything held: where the entity stood, and where it stands.
    moved: Option<(Standing<'a>, Standing<'a>)>,
    /// Whether a reading of the entity differs.
    visible: bool,
    remove: Option<Place<'a>>,
    insert: Option<Place<'a>>,
    /// The entity keeps its place, and is known by another number or looks different.
    replaced: Option<(Spot, Place<'a>)>,
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
    /// Those that show any of the rows from one index to another, the last one included.
    Between(usize, usize),
    /// Those that reach this index.
    From(usize),
    /// All of them.
    All,
}

impl Reaction<'_> {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.moved.is_none()
            && self.remove.is_none()
            && self.insert.is_none()
            && self.replaced.is_none()
            && self.share.is_none()
            && self.total == TotalMove::None
            && self.stale_at.is_none()
            && self.mark.is_none()
    }

    /// Whether it is carried out in what all worlds share, so that the run itself stays as it is.
    pub(crate) fn is_shared(&self) -> bool {
        self.moved
            .is_some_and(|(before, after)| !before.pending && !after.pending)
    }
}

impl Run {
    /// What the run is to do about a change. `visible` tells whether a reading of the entity
    /// differs, `live` whether the run is live, `era` the era of the stream.
    pub(crate) fn react<'a>(
        &self,
        id: &'a EntityId,
        (before, after): (&'a Sides, &'a Sides),
        cause: Cause<'_>,
        (era, live, visible): (u32, bool, bool),
        rows: Rows<'_>,
    ) -> Reaction<'a> {
        if self.scope() == Scope::Whole {
            return self.react_whole(id, (before, after), visible);
        }
        let mut reaction = Reaction::default();
        let found = self.find((id, before.number), &before.view, rows);
        let old = found.and_then(|found| found.spot);
        let ground_before = if before.pending {
            self.ground(id, before).is_some()
        } else {
            old.is_some()
        };
        let ground = self.ground_after(id, (ground_before, &after.base), cause, era);
        let new = if after.pending {
            let place = self.place(id, &after.view);
            place.filter(|place| self.reaches(place))
        } else {
            ground
        };
        if let Cause::Learnt { at, home, mark } = cause
            && home != Some(self.key())
            && !live
            && self.is_moved(id, (ground_before, before), ground)
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
        reaction.visible = visible;
        self.move_row(id, (old, new), (before, after), &mut reaction);
        let share = self.share_of(id, after, ground.is_some());
        if share != self.share(id) {
            reaction.share = Some((id.clone(), share));
        }
        if let Cause::Told(news) = cause {
            self.react_to_news(era, news, &mut reaction);
            if ground.is_none() && self.lacks(id, era, news) {
                reaction.stale_at = Some(news.at);
            }
        }
        reaction
    }

    /// A list about everything held follows what is held and what pending actions make of it.
    fn react_whole<'a>(
        &self,
        id: &'a EntityId,
        (before, after): (&'a Sides, &'a Sides),
        visible: bool,
    ) -> Reaction<'a> {
        let (before, after) = (self.standing(id, before), self.standing(id, after));
        let is_same = before.is_same(&after, self.criteria().sorter());
        let is_nowhere = before.is_nowhere() && after.is_nowhere();
        Reaction {
            moved: (!is_nowhere && (visible || !is_same)).then_some((before, after)),
            visible,
            ..Reaction::default()
        }
    }

    /// Whether the place that an entity has without pending actions is another one now.
    fn is_moved(
        &self,
        id: &EntityId,
        (was_there, before): (bool, &Sides),
        after: Option<Place<'_>>,
    ) -> bool {
        let before = self.place(id, &before.base).filter(|_| was_there);
        match (before, after) {
            (Some(before), Some(after)) => !before.is_at(&after, self.criteria().sorter()),
            (None, None) => false,
            _ => true,
        }
    }

    /// What is to be done so that an entity stands at its new place.
    fn move_row<'a>(
        &self,
        id: &'a EntityId,
        (spot, new): (Option<Spot>, Option<Place<'a>>),
        (before, after): (&'a Sides, &Sides),
        reaction: &mut Reaction<'a>,
    ) {
        let old = spot.and_then(|_| self.place(id, &before.view));
        let stays = match (&old, &new) {
            (Some(old), Some(new)) => old.is_at(new, self.criteria().sorter()),
            _ => old.is_none() && new.is_none(),
        };
        if !stays {
            (reaction.remove, reaction.insert) = (old, new);
        } else if reaction.visible || before.number != after.number {
            reaction.replaced = spot.zip(new);
        }
    }

    /// Notes, for a page on its way, a row that was learnt at a point the stream has not come to: the page may be older.
    /// The total moves when the change is told.
    pub(crate) fn note_ahead(
        &self,
        at: At,
        id: &EntityId,
        base: &Image,
        reaction: &mut Reaction<'_>,
    ) {
        if self.scope() == Scope::Window && self.place(id, base).is_some() {
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
    pub(crate) fn react_to_old_news(&self, era: u32, news: &News<'_>) -> Reaction<'static> {
        let mut reaction = Reaction::default();
        if self.scope() == Scope::Window {
            self.react_to_news(era, news, &mut reaction);
        }
        reaction
    }

    /// Carries out, in what all worlds share, a reaction that is about nothing else. Returns which
    /// windows look different.
    pub(crate) fn carry_out_shared(
        &self,
        reaction: &Reaction<'_>,
        rows: Rows<'_>,
    ) -> Option<RunTouch> {
        let (Members::Whole(whole), Some((before, after))) = (&self.members, &reaction.moved)
        else {
            return None;
        };
        let ruler = self.ruler(rows);
        let held = whole.move_held(before, after, ruler);
        whole.touched((before, after), held, reaction.visible, self.need, ruler)
    }

    /// Carries a reaction out. Returns which windows look different.
    pub(crate) fn carry_out(
        &mut self,
        (before, after): (&Sides, &Sides),
        reaction: &Reaction<'_>,
        rows: Rows<'_>,
    ) -> Option<RunTouch> {
        if let Some((before, after)) = &reaction.moved {
            let ruler = self.criteria.ruler(rows);
            if let Members::Whole(whole) = &mut self.members {
                whole.move_own(before, after, ruler);
            }
            return self.carry_out_shared(reaction, rows);
        }
        let touch = self.carry_out_moves((before, after), reaction, rows);
        let all = reaction.share.is_some()
            || reaction.total != TotalMove::None
            || reaction.stale_at.is_some()
            || reaction.mark.is_some();
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
        if all { Some(RunTouch::All) } else { touch }
    }

    /// Moves rows of a window.
    fn carry_out_moves(
        &mut self,
        (before, after): (&Sides, &Sides),
        reaction: &Reaction<'_>,
        rows: Rows<'_>,
    ) -> Option<RunTouch> {
        let ruler = self.criteria.ruler(rows);
        let Members::Window(places) = &mut self.members else {
            return None;
        };
        let gone = reaction.remove.and_then(|place| {
            let stands = ruler.to_place(place, before.number, Side::View);
            places.remove(stands).map(|(_, rank)| rank)
        });
        let come = reaction.insert.zip(after.number).map(|(place, number)| {
            let stands = ruler.to_place(place, Some(number), Side::View);
            places.insert(place.spot(number), stands)
        });
        let mut touch = moved(gone, come);
        if let Some(((old, place), number)) = reaction.replaced.zip(after.number) {
            let stands = ruler.to_place(place, Some(old.number()), Side::View);
            let rank = places.insert(place.spot(number), stands);
            touch = reaction.visible.then_some(RunTouch::Row(rank));
        }
        touch
    }

    /// Where an entity under pending actions would stand without them.
    fn ground<'a>(&self, id: &'a EntityId, sides: &'a Sides) -> Option<Place<'a>> {
        let place = self.share(id).grounded.then(|| self.place(id, &sides.base));
        place.flatten().filter(|place| self.reaches(place))
    }

    /// The same after a change. Only what the server says brings a row in: what is held and was
    /// left out by a page stays out, whatever is done to it here.
    fn ground_after<'a>(
        &self,
        id: &'a EntityId,
        (was_there, base): (bool, &'a Image),
        cause: Cause<'_>,
        era: u32,
    ) -> Option<Place<'a>> {
        let told = match cause {
            Cause::Told(_) => true,
            Cause::Learnt { .. } => !self.knows_better(era, cause),
            Cause::Overlay | Cause::Marked | Cause::Evicted => false,
        };
        if !told && !was_there {
            return None;
        }
        self.place(id, base).filter(|place| self.reaches(place))
    }

    /// An answer older than the run cannot bring in a row that the run does not have.
    fn knows_better(&self, era: u32, cause: Cause<'_>) -> bool {
        let Cause::Learnt { at: Some(at), .. } = cause else {
            return false;
        };
        let as_of = self.as_of.and_then(|at| at.within(era));
        self.scope() == Scope::Window
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
            .is_some_and(|record| self.criteria().means(record))
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

    fn react_to_news(&self, era: u32, news: &News<'_>, reaction: &mut Reaction<'_>) {
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

/// The touch of a row that went from one index and came to another: without the other, all behind it
/// move up or down.
fn moved(gone: Option<usize>, come: Option<usize>) -> Option<RunTouch> {
    match (gone, come) {
        (Some(one), Some(other)) => Some(RunTouch::Between(one.min(other), one.max(other))),
        (one, other) => one.or(other).map(RunTouch::From),
    }
}
