//! Installing a page of a list that only the server can evaluate: its rows in the server's order, in
//! the place of those that were there, or behind them.
//!
//! Works on the list in place, row by row. What changed since the request speaks against the list
//! afterwards as it did before.

use tidewire_model::{EntityType, Start};

use super::page::PageAnswer;
use super::rows::point_of_answer;
use super::{Desk, Step};
use crate::base::{At, Image, Mark, Moment, Origin};
use crate::fetch::{RunKey, Wanted};
use crate::opaque::{Continues, Place, Said};
use crate::run::RunTouch;
use crate::table::Lesson;
use crate::trust::StaleReason;

/// Installs the answer to a request for a page.
#[derive(Debug)]
pub(crate) struct InstallOpaque {
    page: PageAnswer,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Check,
    /// Learning and placing the rows, from this index on.
    Rows(Stretch, usize),
    /// Taking out what stood there before.
    Sweep(Stretch),
    Over,
}

/// What the page is about.
#[derive(Debug)]
struct Stretch {
    entity_type: EntityType,
    list: RunKey,
    at: Option<At>,
    begun: Moment,
    continues: Continues,
    /// The places of its rows begin here.
    first: Place,
    /// How many of its rows are known to be deleted since.
    deleted: u64,
    /// A row of it could not be taken.
    holed: bool,
    installs: bool,
}

impl InstallOpaque {
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
                Phase::Sweep(stretch) => self.sweep(stretch, desk),
                Phase::Over => {
                    desk.requests.end(self.page.ticket);
                    return Step::Done;
                }
            };
        }
        Step::Paused
    }

    /// Finds out whether the page is of use.
    fn check(&self, desk: &mut Desk<'_>) -> Phase {
        let Some(request) = desk.requests.get(self.page.ticket) else {
            return Phase::Over;
        };
        let Wanted::Page {
            entity_type,
            run: key,
            query,
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
        let list = stream.opaque.get(key);
        let (continues, installs) = match query.start() {
            Start::Offset(rows) if query.start() != key.query().start() => {
                // A page that continues where the list no longer ends is learnt from, no more.
                (
                    Continues::Behind,
                    list.is_some_and(|list| list.ends_at(*rows)),
                )
            }
            _ => (Continues::FromStart, list.is_some()),
        };
        let first = match (continues, list) {
            (Continues::FromStart, Some(list)) => list.next_place(),
            _ => 0,
        };
        let stretch = Stretch {
            entity_type: entity_type.clone(),
            list: key.clone(),
            at,
            begun: request.begun,
            continues,
            first,
            deleted: 0,
            holed: false,
            installs,
        };
        Phase::Rows(stretch, 0)
    }

    fn learn(&self, mut stretch: Stretch, index: usize, desk: &mut Desk<'_>) -> Phase {
        let Some(row) = self.page.rows.get(index) else {
            return if stretch.installs {
                Phase::Sweep(stretch)
            } else {
                Phase::Over
            };
        };
        desk.spend();
        let lesson = Lesson {
            origin: Origin::Answer,
            now: desk.now,
            at: stretch.at,
            begun: stretch.begun,
            moment: desk.moment,
            home: Some(&stretch.list),
        };
        if let Some((stream, overlay)) = desk.world.edit(&stretch.entity_type) {
            let said = Some((&row.record, row.version));
            stream.apply_row(&row.id, said, lesson, overlay, &mut desk.touches);
            if stretch.installs {
                match stream.place_opaque(&stretch.list, stretch.first, &row.id) {
                    Image::Present(_) => {}
                    // Something newer is known: it is gone.
                    Image::Absent => stretch.deleted += 1,
                    // Not believed, while nothing newer is held.
                    Image::Unknown => stretch.holed = true,
                }
            }
        }
        desk.evict(&stretch.entity_type);
        Phase::Rows(stretch, index + 1)
    }

    fn sweep(&self, stretch: Stretch, desk: &mut Desk<'_>) -> Phase {
        desk.spend();
        let swept = match desk.world.edit(&stretch.entity_type) {
            Some((stream, _)) => stream.sweep_opaque(&stretch.list, stretch.first),
            None => false,
        };
        if swept {
            return Phase::Sweep(stretch);
        }
        self.finish(&stretch, desk);
        Phase::Over
    }

    fn finish(&self, stretch: &Stretch, desk: &mut Desk<'_>) {
        desk.requests.end(self.page.ticket);
        let hole = stretch.holed.then_some(Mark {
            moment: desk.moment,
            why: StaleReason::Marked,
        });
        let said = Said {
            at: stretch.at,
            begun: stretch.begun,
            now: desk.now,
            rows: u64::try_from(self.page.rows.len()).unwrap_or(u64::MAX),
            total: self
                .page
                .total_count
                .map(|rows| rows.saturating_sub(stretch.deleted)),
            end: self.page.end,
            hole,
        };
        if let Some((stream, _)) = desk.world.edit(&stretch.entity_type) {
            let era = stream.standing.era;
            stream
                .opaque
                .confirm(&stretch.list, stretch.continues, era, said);
        }
        desk.touches
            .runs
            .push((stretch.list.clone(), RunTouch::All));
        desk.world.settle(&stretch.entity_type, &mut desk.touches);
    }
}
