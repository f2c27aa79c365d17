//! Installing a page: run, total, as_of := a; then the changes since the request, above a, count.
//!
//! Works on the run in place, row by row.

use std::collections::BTreeSet;

use tidewire_model::{EntityId, EntityType, Point, Row, SortPosition};

use super::rows::point_of_answer;
use super::{Desk, Step};
use crate::base::{At, Image, Mark, Moment, Origin, later};
use crate::fetch::{FetchTicket, Moved, Request, RunKey, Wanted};
use crate::run::{Cause, Extent, Run, RunTouch, Total};
use crate::stream::Stream;
use crate::table::Lesson;
use crate::trust::StaleReason;

/// What the server answered to a request for a page.
#[derive(Debug)]
pub(crate) struct PageAnswer {
    pub(crate) ticket: FetchTicket,
    pub(crate) as_of: Option<Point>,
    pub(crate) rows: Vec<Row>,
    pub(crate) total_count: Option<u64>,
    /// Nothing follows.
    pub(crate) end: bool,
}

/// Installs it in a run.
#[derive(Debug)]
pub(crate) struct InstallPage {
    page: PageAnswer,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Check,
    /// Learning the rows, from this index on.
    Rows(Stretch, usize),
    /// Taking out what the page does not have, behind this place.
    Sweep(Stretch, Option<SortPosition>),
    /// Placing the entities of pending actions, behind this id.
    Pending(Stretch, Option<EntityId>),
    /// Placing the entities that changed since the request.
    Changed(Stretch),
    Over,
}

/// What the page is about.
#[derive(Debug, Clone)]
struct Stretch {
    entity_type: EntityType,
    run: RunKey,
    at: Option<At>,
    begun: Moment,
    /// The place it continues after, if it does not begin where the run does.
    after: Option<SortPosition>,
    extent: Extent,
    confirmed: BTreeSet<EntityId>,
    /// The entities that changed since the request, above the page's point.
    changed: BTreeSet<EntityId>,
    disputed: bool,
    /// A row of it could not be taken.
    holed: bool,
    installs: bool,
}

impl InstallPage {
    pub(crate) fn new(page: PageAnswer) -> Self {
        Self {
            page,
            phase: Phase::Check,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.page.rows.len()
    }

    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        while desk.budget > 0 {
            let phase = std::mem::replace(&mut self.phase, Phase::Over);
            self.phase = match phase {
                Phase::Check => self.check(desk),
                Phase::Rows(stretch, index) => self.learn(stretch, index, desk),
                Phase::Sweep(stretch, behind) => sweep(stretch, behind.as_ref(), desk),
                Phase::Pending(stretch, behind) => place_pending(stretch, behind.as_ref(), desk),
                Phase::Changed(stretch) => self.place_changed(stretch, desk),
                Phase::Over => {
                    desk.requests.end(self.page.ticket);
                    return Step::Done;
                }
            };
        }
        Step::Paused
    }

    /// Finds out whether the page is of use, and how far it reaches.
    fn check(&self, desk: &mut Desk<'_>) -> Phase {
        let Some(request) = desk.requests.get(self.page.ticket) else {
            return Phase::Over;
        };
        let Wanted::Page {
            entity_type,
            run: key,
            ..
        } = &request.wanted
        else {
            return Phase::Over;
        };
        let Some((stream, _)) = desk.world.edit(entity_type) else {
            return Phase::Over;
        };
        let Ok(at) = point_of_answer(stream, request, &self.page.as_of) else {
            return Phase::Over;
        };
        let after = request.continues_after();
        let era = stream.standing.era;
        let newer = request.log.iter().filter(|moved| is_newer(moved, at, era));
        let mut stretch = Stretch {
            entity_type: entity_type.clone(),
            run: key.clone(),
            at,
            begun: request.begun,
            after,
            extent: Extent::Nothing,
            confirmed: BTreeSet::new(),
            changed: newer.map(|moved| moved.id.clone()).collect(),
            disputed: false,
            holed: false,
            installs: false,
        };
        if let Some(mut run) = stream.runs.edit(key) {
            let bound = stretch.after.clone().map(Extent::UpTo);
            let places: Vec<Option<SortPosition>> = self
                .page
                .rows
                .iter()
                .map(|row| run.position(&row.id, &Image::Present(row.record.clone())))
                .collect();
            // A page that continues from a bound the run no longer has is learnt from, no more.
            stretch.installs = bound.is_none_or(|bound| run.extent == bound);
            stretch.disputed = !run.agrees(&places, stretch.after.as_ref());
            stretch.extent = match places.into_iter().flatten().max() {
                Some(last) if !self.page.end && !stretch.disputed => Extent::UpTo(last),
                _ => Extent::End,
            };
            if stretch.installs {
                run.extent = stretch.extent.clone();
            }
        }
        Phase::Rows(stretch, 0)
    }

    fn learn(&self, mut stretch: Stretch, index: usize, desk: &mut Desk<'_>) -> Phase {
        let Some(row) = self.page.rows.get(index) else {
            let behind = stretch.after.clone();
            return if stretch.installs {
                Phase::Sweep(stretch, behind)
            } else {
                Phase::Over
            };
        };
        desk.spend();
        let home = stretch.installs.then_some(&stretch.run);
        let lesson = Lesson {
            now: desk.now,
            at: stretch.at,
            begun: stretch.begun,
            moment: desk.moment,
            home,
            origin: Origin::Answer,
        };
        if let Some((stream, overlay)) = desk.world.edit(&stretch.entity_type) {
            stream.apply_row(
                &row.id,
                Some((&row.record, row.version)),
                lesson,
                overlay,
                &mut desk.touches,
            );
            // A row that is not believed, while nothing newer is held, would leave a hole.
            stretch.holed |= stream.base_image(&row.id) == Image::Unknown;
            if stretch.installs {
                stream.ensure_placed(&stretch.run, &row.id, &mut desk.touches);
            }
        }
        desk.evict(&stretch.entity_type);
        stretch.confirmed.insert(row.id.clone());
        Phase::Rows(stretch, index + 1)
    }

    /// What changed since the request, above the page's point, stands by its own image.
    fn place_changed(&self, mut stretch: Stretch, desk: &mut Desk<'_>) -> Phase {
        let Some(id) = stretch.changed.pop_first() else {
            self.finish(&stretch, desk);
            return Phase::Over;
        };
        desk.spend();
        if let Some((stream, _)) = desk.world.edit(&stretch.entity_type) {
            stream.ensure_placed(&stretch.run, &id, &mut desk.touches);
        }
        Phase::Changed(stretch)
    }

    fn finish(&self, stretch: &Stretch, desk: &mut Desk<'_>) {
        let Some(request) = desk.requests.end(self.page.ticket) else {
            return;
        };
        let now = desk.now;
        let Some((stream, _)) = desk.world.edit(&stretch.entity_type) else {
            return;
        };
        let (era, by_client) = (stream.standing.era, stream.has_client_points());
        let since = Since::of(&request, stretch.at, era, by_client);
        let Some(mut run) = stream.runs.edit(&stretch.run) else {
            return;
        };
        let counted = self
            .page
            .total_count
            .and_then(|rows| i64::try_from(rows).ok());
        let whole = stretch.extent == Extent::End
            && run.query().start() == &tidewire_model::Start::default();
        let exact = !since.unsure && !stretch.holed;
        run.total = match counted {
            Some(rows) => Some(Total {
                rows: rows.saturating_add(since.rows),
                exact,
                as_of: stretch.at,
            }),
            None if whole => {
                let rows = i64::try_from(run.rows()).unwrap_or(i64::MAX) - run.overlay_rows;
                Some(Total {
                    rows,
                    exact,
                    as_of: stretch.at,
                })
            }
            None => run.total.filter(|_| stretch.after.is_some()),
        };
        let was_disputed = run.disputed;
        if stretch.after.is_none() {
            run.as_of = stretch.at;
            run.confirmed = stretch.begun;
            run.learnt = now;
            run.mark = run.mark.filter(|mark| mark.moment > stretch.begun);
            run.disputed = stretch.disputed;
        } else {
            run.disputed |= stretch.disputed;
        }
        if run.disputed && !was_disputed {
            desk.touches.disputed.push(stretch.run.clone());
        }
        if !exact {
            // Asked for once more.
            match since.newest {
                Some(newest) => run.stale_at = Some(later(run.stale_at, newest)),
                None => {
                    run.mark = Some(Mark {
                        moment: desk.moment,
                        why: StaleReason::Marked,
                    });
                }
            }
        }
        drop(run);
        desk.touches.runs.push((stretch.run.clone(), RunTouch::All));
        desk.world.settle(&stretch.entity_type, &mut desk.touches);
    }
}

/// What happened to a list since a page of it was asked for.
#[derive(Debug)]
struct Since {
    /// How the total moved.
    rows: i64,
    /// Nobody can tell whether the page has it all.
    unsure: bool,
    newest: Option<At>,
}

impl Since {
    fn of(request: &Request, at: Option<At>, era: u32, by_client: bool) -> Self {
        let newer = request.log.iter().filter(|moved| is_newer(moved, at, era));
        let mut since = Self {
            rows: 0,
            unsure: request.overflowed,
            newest: None,
        };
        for moved in newer {
            since.newest = Some(moved.at);
            match moved.rows {
                // A peer without points may have counted it already.
                Some(rows) if rows == 0 || !by_client => since.rows += rows,
                _ => since.unsure = true,
            }
        }
        since
    }
}

/// Whether a change came after the point of a page. One of an earlier epoch did not.
fn is_newer(moved: &Moved, at: Option<At>, era: u32) -> bool {
    let at = at.and_then(|at| at.within(era));
    moved
        .at
        .within(era)
        .is_some_and(|offset| at.is_none_or(|at| offset > at))
}

/// Takes out of the stretch what the page does not have, unless it is newer or pending.
fn sweep(stretch: Stretch, behind: Option<&SortPosition>, desk: &mut Desk<'_>) -> Phase {
    desk.spend();
    let Some((stream, overlay)) = desk.world.edit(&stretch.entity_type) else {
        return Phase::Over;
    };
    let Some(run) = stream.runs.get(&stretch.run) else {
        return Phase::Over;
    };
    let Some(spot) = run.first_after(behind, stream.rows()) else {
        return Phase::Pending(stretch, None);
    };
    let Some(place) = run.position_of(&spot, stream.rows()) else {
        return Phase::Pending(stretch, None);
    };
    let id = place.id().clone();
    let entry = stream.base.get(&id);
    let known = entry
        .as_ref()
        .and_then(|entry| entry.known(stream.standing.era));
    let vouched = stretch.vouches_for(&id, stream);
    let inside = run.reaches_position(&place);
    let expected = entry
        .as_ref()
        .and_then(|entry| run.position(&id, &entry.image))
        .is_some_and(|place| stretch.reaches(run, &place));
    if expected
        && !vouched
        && let Some(mut entry) = entry
    {
        // The server does not have it here any more, so what is held of it is out of date.
        match stretch.at {
            Some(at) if known.is_none_or(|known| known < at.offset) => {
                entry.stale_at = Some(later(entry.stale_at, at));
            }
            _ => {
                entry.mark = Some(Mark {
                    moment: desk.moment,
                    why: StaleReason::Marked,
                });
            }
        }
        stream.put(&id, Some(&entry), overlay, Cause::Marked, &mut desk.touches);
    }
    let stays = inside && (vouched || stream.seen.contains_key(&id));
    if !stays {
        stream.take_out(&stretch.run, &place);
    }
    Phase::Sweep(stretch, Some(place))
}

fn place_pending(stretch: Stretch, behind: Option<&EntityId>, desk: &mut Desk<'_>) -> Phase {
    desk.spend();
    let Some((stream, _)) = desk.world.edit(&stretch.entity_type) else {
        return Phase::Over;
    };
    let Some(id) = stream.next_pending(behind) else {
        return Phase::Changed(stretch);
    };
    let vouched = stretch.vouches_for(&id, stream);
    let base = stream.base_image(&id);
    let grounded = |run: &Run, was: bool| match run.position(&id, &base) {
        Some(place) if stretch.reaches(run, &place) => vouched,
        Some(place) if run.reaches_position(&place) => was,
        _ => false,
    };
    stream.ensure_pending(&stretch.run, &id, grounded, &mut desk.touches);
    Phase::Pending(stretch, Some(id))
}

impl Stretch {
    /// Whether a place lies in the part of the run that the page is about.
    fn reaches(&self, run: &Run, place: &SortPosition) -> bool {
        run.reaches_position(place) && self.after.as_ref().is_none_or(|after| place > after)
    }

    /// Whether what is held of an entity is in the page, or newer than the page.
    fn vouches_for(&self, id: &EntityId, stream: &Stream) -> bool {
        let era = stream.standing.era;
        let at = self.at.and_then(|at| at.within(era));
        let known = stream.base.read(id, |kept| kept.known(era)).flatten();
        let newer = known.is_some_and(|known| at.is_none_or(|at| known > at));
        newer || self.changed.contains(id) || self.confirmed.contains(id)
    }
}
