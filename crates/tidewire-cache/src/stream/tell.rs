//! Telling runs of a change of an entity: those it may affect, in order, and no others.
//!
//! A run is left alone only where it would have done nothing. Decides no reaction; that is the run's.

use smallvec::SmallVec;
use tidewire_model::{EntityId, EntityType};

use super::{Stream, Touches};
use crate::base::{At, Image};
use crate::fetch::RunKey;
use crate::run::{Cause, Extent, News, Reaction, Run, RunTouch, Scope, Sides};
use crate::run_index::{Gap, Traces};

/// A change that moved, or may have moved, totals of runs.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) entity_type: EntityType,
    pub(crate) at: At,
    pub(crate) id: EntityId,
    /// By how many rows it moved those of single runs, in order; nothing where nobody can tell.
    moved: Vec<(RunKey, Option<i64>)>,
    reach: Reach,
}

/// What runs are to do about a change.
type Reactions<'a> = SmallVec<[(RunKey, Reaction<'a>); 4]>;

/// Which runs a change is of interest to beside those it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// All that are about what was asked for: it did not move their totals.
    Windows,
    Nobody,
}

impl Logged {
    /// By how many rows it moved the total of a run, or that nobody can tell; nothing where a page of the run need not
    /// know of it.
    pub(crate) fn rows(&self, stream: &Stream, key: &RunKey) -> Option<Option<i64>> {
        if let Ok(place) = self.moved.binary_search_by(|(moved, _)| moved.cmp(key)) {
            return Some(self.moved[place].1);
        }
        let is_reached = match self.reach {
            Reach::Windows => {
                let run = stream.runs.get(key);
                run.is_some_and(|run| run.scope() == Scope::Window)
            }
            Reach::Nobody => false,
        };
        is_reached.then_some(Some(0))
    }
}

impl Touches {
    /// So many more runs were looked at.
    pub(crate) fn count(&mut self, runs: usize) {
        self.asked += u64::try_from(runs).unwrap_or(u64::MAX);
    }
}

impl Stream {
    /// Tells the runs of a change.
    pub(super) fn tell_runs(
        &mut self,
        id: &EntityId,
        (before, after): (&Sides, &Sides),
        cause: Cause<'_>,
        visible: bool,
        touches: &mut Touches,
    ) {
        let (era, stream_live) = (self.standing.era, self.is_live());
        let rows = self.rows();
        let ahead = self.learnt_ahead(cause);
        let react = |run: &Run| {
            let live = stream_live
                && self.standing.covers(run.as_of)
                && self.standing.objection(&run.evidence()).is_none();
            let mut reaction = run.react(id, (before, after), cause, (era, live, visible), rows);
            if let Some(at) = ahead {
                run.note_ahead(at, id, &after.base, &mut reaction);
            }
            reaction
        };
        let mut images: SmallVec<[&Image; 6]> = SmallVec::new();
        images.push(&before.base);
        push_other(&mut images, &after.base);
        for sides in [before, after] {
            if sides.pending {
                push_other(&mut images, &sides.view);
            }
        }
        let (mut gap, mut log) = (Gap::None, ahead.map(|at| (at, Reach::Nobody)));
        if let Cause::Told(news) = cause {
            push_other(&mut images, &news.before);
            push_other(&mut images, &news.after);
            (gap, log) = (self.gap_of(news), self.log_of(news));
        }
        if (before.is_groundless() || after.is_groundless()) && !id.is_temporary() {
            // Any list may hold it already: each has, or will have, a share that is not sure.
            gap = Gap::Anywhere;
        }
        let images = images.as_slice();
        let reactions = self.ask(id, Traces { images, gap }, log, react, touches);
        if visible {
            let own = self.runs.empty().map(|key| (key.clone(), RunTouch::All));
            touches.runs.extend(own);
        }
        self.carry_out((before, after), reactions, touches);
    }

    /// Tells the runs of a change that only their totals may not have yet.
    pub(crate) fn tell_totals(&mut self, id: &EntityId, news: &News<'_>, touches: &mut Touches) {
        let era = self.standing.era;
        let traces = Traces {
            images: &[&news.before, &news.after],
            gap: self.gap_of(news),
        };
        let react = |run: &Run| run.react_to_old_news(era, news);
        let reactions = self.ask(id, traces, self.log_of(news), react, touches);
        let sides = self.sides(id);
        self.carry_out((&sides, &sides), reactions, touches);
    }

    /// Asks the runs that a change may affect, and remembers it for pages on their way.
    fn ask<'a>(
        &self,
        id: &EntityId,
        traces: Traces<'_>,
        log: Option<(At, Reach)>,
        react: impl Fn(&Run) -> Reaction<'a>,
        touches: &mut Touches,
    ) -> Reactions<'a> {
        let asked = self.runs.affected(traces);
        touches.count(asked.len());
        let (mut reactions, mut moved) = (SmallVec::new(), Vec::new());
        for run in &asked {
            let reaction = react(run);
            if let Some((_, rows)) = reaction.logged {
                moved.push((run.key().clone(), rows));
            }
            if !reaction.is_empty() {
                reactions.push((run.key().clone(), reaction));
            }
        }
        let logged = log.map(|(at, reach)| Logged {
            entity_type: self.name.clone(),
            at,
            id: id.clone(),
            moved,
            reach,
        });
        #[cfg(test)]
        self.check_ask(&asked, logged.as_ref(), &react);
        touches.logged.extend(logged);
        reactions
    }

    /// What a change that was told leaves open. Only runs about what was asked for mind: the others count their own rows.
    fn gap_of<'a>(&self, news: &News<'a>) -> Gap<'a> {
        if !self.runs.has_windows() || !news.has_gap() {
            return Gap::None;
        }
        news.patch.map_or(Gap::Anywhere, Gap::Fields)
    }

    fn log_of(&self, news: &News<'_>) -> Option<(At, Reach)> {
        let is_comparable = news.at.within(self.standing.era).is_some();
        (is_comparable && self.runs.has_windows()).then_some((news.at, Reach::Windows))
    }

    /// The point of what was learnt, where the stream has not come to it.
    fn learnt_ahead(&self, cause: Cause<'_>) -> Option<At> {
        let Cause::Learnt { at: Some(at), .. } = cause else {
            return None;
        };
        let offset = at.within(self.standing.era);
        (offset > self.standing.applied).then_some(at)
    }

    fn carry_out(
        &mut self,
        sides: (&Sides, &Sides),
        reactions: Reactions<'_>,
        touches: &mut Touches,
    ) {
        let spare = self.bounds.spare_rows;
        let (runs, rows) = self.split();
        for (key, reaction) in reactions {
            if reaction.is_shared() {
                let touch = runs.change_shared(&key, |run| run.carry_out_shared(&reaction, rows));
                touches
                    .runs
                    .extend(touch.flatten().map(|touch| (key, touch)));
                continue;
            }
            let Some(mut run) = runs.edit(&key) else {
                continue;
            };
            if let Some(touch) = run.carry_out(sides, &reaction, rows) {
                touches.runs.push((key.clone(), touch));
            }
            // One row comes in, two go, so that the run comes down to its bound.
            let (held, ended) = (run.rows(), run.extent == Extent::End);
            run.trim(spare, 2, rows);
            if ended && run.extent != Extent::End {
                // What lies behind is not known any more, and totals may not be as sure.
                touches.runs.push((key, RunTouch::All));
            } else if run.rows() < held {
                // A window opened just now may reach further than the run knows of.
                let touch = RunTouch::From(run.rows());
                touches.runs.push((key, touch));
            }
        }
    }
}

/// Adds an image, unless one of the same memory is there: what it leads to is found already.
fn push_other<'a>(images: &mut SmallVec<[&'a Image; 6]>, image: &'a Image) {
    let Some(record) = image.record() else { return };
    let is_same = |known: &&Image| {
        known
            .record()
            .is_some_and(|known| known.shares_memory(record))
    };
    if !images.iter().any(is_same) {
        images.push(image);
    }
}

impl News<'_> {
    /// Whether the images do not tell how totals moved.
    fn has_gap(&self) -> bool {
        self.before == Image::Unknown || self.after == Image::Unknown
    }
}

impl Sides {
    /// Whether pending actions touch what is not known.
    fn is_groundless(&self) -> bool {
        self.pending && self.base == Image::Unknown
    }
}
