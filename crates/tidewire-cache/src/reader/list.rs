//! Reading one window of a list: which rows it has, how far they reach, and how far to trust them.

use tidewire_model::{EntityId, Query, Start, Tick};

use super::Snapshot;
use crate::base::Image;
use crate::criteria::Criteria;
use crate::kept::Kept;
use crate::places::Spot;
use crate::reading::{ListReading, ListRow};
use crate::row_number::RowNumber;
use crate::rows::Side;
use crate::run::{Extent, Members, Run, Scope};
use crate::slots::LOOKS;
use crate::standing::Evidence;
use crate::stream::Stream;
use crate::trust::{StaleReason, Trust};
use crate::whole::Begin;

impl Snapshot<'_> {
    /// One window of a list. One that only the server can evaluate is known while it is watched.
    pub fn list(&self, now: Tick, query: &Query) -> ListReading {
        let resolved = self.world.resolve_query(query);
        let query = resolved.as_ref().unwrap_or(query);
        let stream = self
            .world
            .stream(query.entity_type())
            .filter(|stream| !stream.standing.hidden);
        let Some(stream) = stream else {
            return self.unknown_list();
        };
        if query.is_opaque() {
            let reading = stream.read_opaque(now, query, self.world.revision);
            return reading.unwrap_or_else(|| self.unknown_list());
        }
        let key = stream.run_key(query);
        let run = stream.runs.get(&key).filter(|run| run.is_built());
        match (run, stream.scope()) {
            (Some(run), _) if stream.is_known(run) => self.window(now, stream, run, query),
            (None, Scope::Whole) if stream.knows_all() => {
                // Nobody watches it: evaluated here.
                let criteria = Criteria::of(query);
                let spots = stream.evaluate(&criteria);
                self.whole(now, stream, (&criteria, query), spots)
            }
            _ => self.own_rows(now, stream, query),
        }
    }

    fn window(&self, now: Tick, stream: &Stream, run: &Run, query: &Query) -> ListReading {
        let of_run = stream.judge_run(now, run);
        if of_run.is_expired() {
            return self.expired(now, stream, query);
        }
        let limit = limit_of(query);
        let (numbers, total) = match &run.members {
            Members::Whole(whole) => {
                let ruler = run.ruler(stream.rows());
                let numbers = match query.start() {
                    Start::Offset(_) => whole.window(Begin::Rank(offset_of(query)), limit, ruler),
                    Start::After(cursor) => {
                        let place = query.sort().position_of(cursor);
                        whole.window(Begin::After(&place), limit, ruler)
                    }
                };
                (numbers, stream.whole_total(whole.len(stream.base.stamp())))
            }
            Members::Window(places) => {
                let spots = places.iter_from_nth(offset_of(query)).take(limit);
                let total = run.view_total(stream.is_ground_sound());
                let total = total.map_or((None, false), |(rows, exact)| (Some(rows), exact));
                (spots.map(|spot| spot.number()).collect(), total)
            }
        };
        let to_the_end = match run.scope() {
            Scope::Whole => !stream.is_pushes_only(),
            Scope::Window => run.extent == Extent::End,
        };
        let trust = worse(of_run, stream.judge_ground(now).of_shown());
        self.list_reading(now, stream, &numbers, (limit, to_the_end), (total, trust))
    }

    /// A window of a list about everything held that was evaluated here.
    fn whole(
        &self,
        now: Tick,
        stream: &Stream,
        (criteria, query): (&Criteria, &Query),
        spots: Vec<Spot>,
    ) -> ListReading {
        let (total, trust) = (stream.whole_total(spots.len()), stream.judge_whole(now));
        if trust.is_expired() {
            return self.expired(now, stream, query);
        }
        let limit = limit_of(query);
        let numbers = cut(spots, stream, (criteria, query));
        let to_the_end = !stream.is_pushes_only();
        self.list_reading(now, stream, &numbers, (limit, to_the_end), (total, trust))
    }

    fn list_reading(
        &self,
        now: Tick,
        stream: &Stream,
        numbers: &[RowNumber],
        (limit, to_the_end): (usize, bool),
        ((total_count, total_exact), mut trust): ((Option<u64>, bool), Trust),
    ) -> ListReading {
        let mut rows = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some((row, doubt)) = stream.row(now, *number) else {
                continue;
            };
            if doubt.is_expired() && !row.pending {
                // Nothing vouches for a row of what was pushed but itself.
                continue;
            }
            trust = worse(trust, doubt.of_shown());
            rows.push(row);
        }
        // Something that was let go may belong between those that are there.
        let may_lack = stream.is_pushes_only() && stream.has_gaps;
        ListReading {
            complete: (rows.len() == limit && !may_lack) || to_the_end,
            rows,
            total_count,
            total_exact,
            trust,
            revision: self.world.revision,
            known: true,
        }
    }

    /// What is known of the list is too old to be shown, but for what own pending actions put into it.
    fn expired(&self, now: Tick, stream: &Stream, query: &Query) -> ListReading {
        ListReading {
            trust: Trust::Stale(StaleReason::Expired),
            ..self.own_rows(now, stream, query)
        }
    }

    /// Nothing is known of the list but what own pending actions put into it.
    fn own_rows(&self, now: Tick, stream: &Stream, query: &Query) -> ListReading {
        let criteria = Criteria::of(query);
        let mut spots = Vec::new();
        stream.own_spots(&criteria, &mut spots);
        let numbers = cut(spots, stream, (&criteria, query));
        let rows = numbers.into_iter();
        ListReading {
            rows: rows
                .filter_map(|number| stream.row(now, number))
                .map(|(row, _)| row)
                .collect(),
            ..self.unknown_list()
        }
    }

    fn unknown_list(&self) -> ListReading {
        ListReading {
            rows: Vec::new(),
            total_count: None,
            total_exact: false,
            complete: false,
            trust: Trust::Unknown,
            revision: self.world.revision,
            known: false,
        }
    }
}

impl Stream {
    /// The rows of a list about everything held, in no order.
    fn evaluate(&self, criteria: &Criteria) -> Vec<Spot> {
        let (mut spots, mut behind) = (Vec::new(), None);
        loop {
            let search = self.search(criteria, behind, LOOKS);
            if search.looked == 0 {
                break;
            }
            behind = search.last;
            for (slot, id, image) in &search.found {
                // What readers see of what pending actions touch comes below.
                if self.seen.is_empty() || !self.seen.contains_key(id) {
                    spots.extend(spot(criteria, (id, RowNumber::from(*slot)), image));
                }
            }
        }
        self.own_spots(criteria, &mut spots);
        spots
    }

    /// What the first rows of a list about everything held rest on, each by itself.
    pub(crate) fn evidence_of_rows(&self, run: &Run, most: usize) -> Vec<Evidence> {
        let Members::Whole(whole) = &run.members else {
            return Vec::new();
        };
        let numbers = whole.window(Begin::Rank(0), most, run.ruler(self.rows()));
        let slots = numbers.into_iter().filter_map(RowNumber::slot);
        let evidence = slots.filter_map(|slot| self.base.row(slot, |_, kept| kept.evidence()));
        evidence.flatten().collect()
    }

    /// What own pending actions put into a list.
    fn own_spots(&self, criteria: &Criteria, spots: &mut Vec<Spot>) {
        let rows = self.rows();
        for (id, image) in self.seen.iter() {
            let is_member = |record| criteria.means(record);
            if image.record().is_some_and(is_member)
                && let Some(number) = rows.number(id)
            {
                spots.extend(spot(criteria, (id, number), image));
            }
        }
    }

    /// Whether a list about everything held is known whole.
    fn knows_all(&self) -> bool {
        self.is_pushes_only() || self.standing.complete.is_some()
    }

    fn whole_total(&self, rows: usize) -> (Option<u64>, bool) {
        (u64::try_from(rows).ok(), !self.is_pushes_only())
    }

    fn judge_run(&self, now: Tick, run: &Run) -> Trust {
        let trust = match run.scope() {
            Scope::Whole => self.judge_whole(now),
            Scope::Window => self.standing.judge(now, &self.settings, &run.evidence()).0,
        };
        let disputed = if run.disputed {
            Trust::Stale(StaleReason::OtherOrder)
        } else {
            Trust::Live
        };
        worse(trust, disputed)
    }

    /// How far a list about everything held can be trusted.
    fn judge_whole(&self, now: Tick) -> Trust {
        let trust = match self.standing.complete {
            Some(snapped) => {
                let evidence = snapped.evidence();
                self.standing.judge(now, &self.settings, &evidence).0
            }
            None => self.standing.judge_pushes(),
        };
        worse(trust, self.first_doubt())
    }

    /// How far the places of pending rows can be trusted, in the window or out of it: one whose base
    /// is out of date may belong before it, or in it.
    fn judge_ground(&self, now: Tick) -> Trust {
        if self.scope() == Scope::Whole || self.is_ground_sound() {
            return Trust::Live;
        }
        let evidence = self.oldest_ground().and_then(|id| self.evidence(id));
        evidence.map_or(Trust::Live, |evidence| {
            self.standing.judge(now, &self.settings, &evidence).0
        })
    }

    /// One row, and what speaks against it.
    fn row(&self, now: Tick, number: RowNumber) -> Option<(ListRow, Trust)> {
        let Some(slot) = number.slot() else {
            let id = self.rows().own.id(number)?;
            return self.row_of(now, id, None);
        };
        let found = self
            .base
            .view_row(slot, |id, kept| self.row_of(now, id, Some(kept)));
        found.flatten()
    }

    /// The row of an entity, and what speaks against it.
    pub(crate) fn row_by_id(&self, now: Tick, id: &EntityId) -> Option<(ListRow, Trust)> {
        let held = self.base.read(id, |kept| self.row_of(now, id, Some(kept)));
        held.unwrap_or_else(|| self.row_of(now, id, None))
    }

    /// A list vouches for its rows, but not for those that pending actions brought; and a list of what
    /// was pushed vouches for none.
    fn row_of(&self, now: Tick, id: &EntityId, held: Option<&Kept>) -> Option<(ListRow, Trust)> {
        let seen = self.seen.get(id);
        let Some(Image::Present(record)) = seen.or(held.map(Kept::image)) else {
            return None;
        };
        let evidence = self.evidence_of(held.map(Kept::evidence));
        let doubt = match evidence.filter(|_| seen.is_some() || self.is_pushes_only()) {
            Some(evidence) => self.standing.judge(now, &self.settings, &evidence).0,
            None => self.doubt_of(id, held),
        };
        let row = ListRow {
            id: id.clone(),
            record: record.clone(),
            version: held.and_then(|kept| kept.version_in(self.standing.era)),
            pending: seen.is_some(),
        };
        Some((row, doubt))
    }
}

/// The place of an entity in a list, if it belongs there.
fn spot(criteria: &Criteria, (id, number): (&EntityId, RowNumber), image: &Image) -> Option<Spot> {
    let record = image.record().filter(|record| criteria.means(record))?;
    Some(Spot::new(criteria.sorter().digest(record, id), number))
}

/// The window of a query in the rows of its list, which come in no order.
fn cut(
    mut spots: Vec<Spot>,
    stream: &Stream,
    (criteria, query): (&Criteria, &Query),
) -> Vec<RowNumber> {
    let ruler = criteria.ruler(stream.rows());
    if let Start::After(cursor) = query.start() {
        let place = query.sort().position_of(cursor);
        let stands = ruler.to_position(&place, Side::View);
        spots.retain(|spot| stands(spot).is_gt());
    }
    let between = |one: &Spot, other: &Spot| ruler.between((one, Side::View), (other, Side::View));
    let (begin, limit) = (offset_of(query), limit_of(query));
    let end = begin.saturating_add(limit);
    if end < spots.len() {
        // What comes behind the window need not be put in order.
        spots.select_nth_unstable_by(end, between);
        spots.truncate(end);
    }
    spots.sort_unstable_by(between);
    let rows = spots.get(begin..).unwrap_or_default();
    rows.iter().map(Spot::number).collect()
}

fn limit_of(query: &Query) -> usize {
    query.row_limit().map_or(usize::MAX, |rows| {
        usize::try_from(rows).unwrap_or(usize::MAX)
    })
}

/// How many rows come before the window. One that begins behind a row begins where its run does.
fn offset_of(query: &Query) -> usize {
    match query.start() {
        Start::Offset(rows) => usize::try_from(*rows).unwrap_or(usize::MAX),
        Start::After(_) => 0,
    }
}

/// The lesser trust of two; of two reasons the first.
pub(crate) fn worse(one: Trust, other: Trust) -> Trust {
    let rank = |trust: &Trust| match trust {
        Trust::Live => 0,
        Trust::Fresh => 1,
        Trust::Stale(_) => 2,
        Trust::Unknown => 3,
    };
    if rank(&other) > rank(&one) {
        other
    } else {
        one
    }
}
