//! What worlds see of a list about everything held, against plain maps; and what is left of what nobody reads.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidewire_model::{EntityId, Query, Record, RecordBuilder, Tick};

use super::shared::MIN_LOG;
use super::*;
use crate::base::{Entry, Image};
use crate::criteria::Criteria;
use crate::kept::Kept;
use crate::row_number::OwnNumbers;
use crate::rows::Rows;
use crate::slots::{Entries, Limits};
use crate::sorted_map::SortedMap;

/// Entities by number, each with its score.
type Scores = BTreeMap<u8, u8>;

fn id(number: u8) -> EntityId {
    // They differ behind what a digest has room for.
    EntityId::text(&format!("entities with long names {number:03}")).expect("it is short")
}

fn record(score: u8) -> Record {
    RecordBuilder::new()
        .field("score", u64::from(score))
        .build()
}

fn criteria() -> Criteria {
    let entity_type = tidewire_model::EntityType::new("things").expect("it is a name");
    Criteria::of(&Query::new(entity_type).sort_desc("score"))
}

/// One world: a list, and what it must show.
#[derive(Clone)]
struct World {
    entries: Entries,
    whole: Whole,
    seen: SortedMap<EntityId, Image>,
    own: OwnNumbers,
    base: Scores,
    /// What pending actions make of entities: a score, or nothing.
    pending: BTreeMap<u8, Option<u8>>,
}

/// An entity before a change or after it.
struct Sides {
    number: Option<RowNumber>,
    base: Option<Record>,
    view: Option<Record>,
    pending: bool,
}

fn place<'a>(record: &'a Option<Record>, id: &'a EntityId) -> Option<Place<'a>> {
    let record = record.as_ref()?;
    Some(Place {
        digest: criteria().sorter().digest(record, id),
        record,
        id,
    })
}

fn standing<'a>(sides: &'a Sides, id: &'a EntityId) -> Standing<'a> {
    Standing {
        number: sides.number,
        held: place(&sides.base, id),
        own: place(&sides.view, id),
        pending: sides.pending,
    }
}

impl World {
    fn new() -> Self {
        Self {
            entries: Entries::new(3),
            whole: Whole::new(Stamp::default()),
            seen: SortedMap::default(),
            own: OwnNumbers::default(),
            base: Scores::new(),
            pending: BTreeMap::new(),
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            base: &self.entries,
            seen: &self.seen,
            own: &self.own,
        }
    }

    fn sides(&self, number: u8) -> Sides {
        let pending = self.pending.get(&number);
        Sides {
            number: self.rows().number(&id(number)),
            base: self.base.get(&number).map(|score| record(*score)),
            view: pending.and_then(|score| score.map(record)),
            pending: pending.is_some(),
        }
    }

    /// Brings the list in step with a change of one entity.
    fn change(&mut self, number: u8, change: impl FnOnce(&mut Self)) {
        let before = self.sides(number);
        change(self);
        let after = self.sides(number);
        let (criteria, id) = (criteria(), id(number));
        let (before, after) = (standing(&before, &id), standing(&after, &id));
        let rows = Rows {
            base: &self.entries,
            seen: &self.seen,
            own: &self.own,
        };
        let ruler = criteria.ruler(rows);
        if !before.is_same(&after, criteria.sorter()) {
            self.whole.move_own(&before, &after, ruler);
            self.whole.move_held(&before, &after, ruler);
        }
    }

    fn write(&mut self, number: u8, score: Option<u8>) {
        self.change(number, |world| {
            match score {
                Some(score) => drop(world.base.insert(number, score)),
                None => drop(world.base.remove(&number)),
            }
            let entry = score.map(|score| Entry {
                image: Image::Present(record(score)),
                ..Entry::unknown(Tick::ZERO)
            });
            let slot = world
                .entries
                .set((&id(number), None), entry.as_ref().map(Kept::from));
            world.number(number, slot.is_some());
        });
    }

    fn act(&mut self, number: u8, pending: Option<Option<u8>>) {
        self.change(number, |world| {
            match pending {
                Some(score) => {
                    let image = score.map_or(Image::Absent, |score| Image::Present(record(score)));
                    world.pending.insert(number, score);
                    world.seen.insert(id(number), image);
                }
                None => {
                    world.pending.remove(&number);
                    world.seen.remove(&id(number));
                }
            }
            let is_held = world.base.contains_key(&number);
            world.number(number, is_held);
        });
    }

    fn number(&mut self, number: u8, is_held: bool) {
        if self.pending.contains_key(&number) && !is_held {
            self.own.give(&id(number));
        } else {
            self.own.take(&id(number));
        }
    }

    /// The rows in order, highest score first.
    fn expected(&self) -> Vec<(u8, u8)> {
        let mut view = self.base.clone();
        for (number, score) in &self.pending {
            match score {
                Some(score) => drop(view.insert(*number, *score)),
                None => drop(view.remove(number)),
            }
        }
        let mut rows: Vec<(u8, u8)> = view.into_iter().collect();
        rows.sort_by_key(|(number, score)| (std::cmp::Reverse(*score), *number));
        rows
    }

    fn shown(&self, begin: Begin<'_>, limit: usize) -> Vec<EntityId> {
        let criteria = criteria();
        let ruler = criteria.ruler(self.rows());
        let numbers = self.whole.window(begin, limit, ruler).into_iter();
        let ids = numbers.map(|number| self.rows().look(number, Side::View, |id, _| id.clone()));
        ids.map(|id| id.expect("each row is there")).collect()
    }

    fn check(&self) {
        let expected = self.expected();
        let ids: Vec<EntityId> = expected.iter().map(|(number, _)| id(*number)).collect();
        assert_eq!(self.whole.len(self.entries.stamp()), ids.len());
        assert_eq!(self.shown(Begin::Rank(0), usize::MAX), ids);
        let some = ids.len() / 2;
        let rest = ids.iter().skip(some).take(3).cloned();
        assert_eq!(self.shown(Begin::Rank(some), 3), rest.collect::<Vec<_>>());
        let criteria = criteria();
        if let Some((number, score)) = expected.get(some) {
            let place = criteria.sorter().position(&record(*score), &id(*number));
            let rest = ids.iter().skip(some + 1).take(2).cloned();
            let shown = self.shown(Begin::After(&place), 2);
            assert_eq!(shown, rest.collect::<Vec<_>>());
        }
        for (rank, (number, score)) in expected.iter().enumerate() {
            let (record, id) = (record(*score), id(*number));
            let place = Place {
                digest: criteria.sorter().digest(&record, &id),
                record: &record,
                id: &id,
            };
            let ruler = criteria.ruler(self.rows());
            assert_eq!(self.whole.rank(&place, None, ruler), rank);
        }
    }
}

/// The world that is shown, the next one, and those that are read.
struct Stage {
    shown: World,
    batch: World,
    read: Vec<World>,
}

impl Stage {
    fn new() -> Self {
        let mut stage = Self {
            shown: World::new(),
            batch: World::new(),
            read: Vec::new(),
        };
        stage.begin();
        stage
    }

    fn begin(&mut self) {
        self.batch = self.shown.clone();
        let until = self.shown.entries.stamp();
        let needed = self.read.iter().map(|world| world.entries.stamp());
        let limits = Limits {
            until,
            needed: needed.filter(|stamp| *stamp < until).collect(),
        };
        self.batch.entries.set_stamp(until.next(), &limits);
    }

    fn show(&mut self, is_read: bool) {
        let old = std::mem::replace(&mut self.shown, self.batch.clone());
        if is_read {
            self.read.push(old);
        }
        self.begin();
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Write(number, score) => self.batch.write(number, score),
            Step::Act(number, pending) => {
                self.shown.act(number, pending);
                self.batch.act(number, pending);
            }
            Step::Show(is_read) => self.show(is_read),
            Step::Leave(which) if !self.read.is_empty() => {
                let which = which % self.read.len();
                self.read.remove(which);
            }
            Step::Leave(_) => {}
        }
    }

    fn check(&self) {
        for world in self.read.iter().chain([&self.shown, &self.batch]) {
            world.check();
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Write(u8, Option<u8>),
    Act(u8, Option<Option<u8>>),
    Show(bool),
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let score = || prop::option::weighted(0.7, 0..4_u8);
    let pending = prop::option::weighted(0.6, score());
    prop_oneof![
        6 => (0..24_u8, score()).prop_map(|(number, score)| Step::Write(number, score)),
        2 => (0..26_u8, pending).prop_map(|(number, pending)| Step::Act(number, pending)),
        2 => any::<bool>().prop_map(Step::Show),
        1 => any::<usize>().prop_map(Step::Leave),
    ]
}

proptest! {
    #[test]
    fn law_9_each_world_sees_the_list_as_of_its_own_stamp(steps in prop::collection::vec(step(), 1..200)) {
        let mut stage = Stage::new();
        for step in steps {
            stage.take(step);
            stage.check();
        }
    }
}

#[test]
fn law_17_what_lists_remember_for_a_reader_that_stays_is_bounded() {
    let mut stage = Stage::new();
    for number in 0..8 {
        stage.batch.write(number, Some(0));
    }
    stage.show(false);
    stage.show(true);
    for round in 0..2_000_u32 {
        for number in 0..8 {
            let score = (round + u32::from(number)) % 5;
            stage
                .batch
                .write(number, (score > 0).then_some(score as u8));
        }
        stage.show(false);
        let remembered = stage.shown.whole.held.remembered();
        assert!(remembered <= 2 * MIN_LOG, "{remembered} in round {round}");
    }
    stage.check();
}

#[test]
fn law_18_what_nobody_reads_any_more_is_forgotten_at_the_next_change() {
    let mut stage = Stage::new();
    for round in 0..10 {
        stage.batch.write(1, Some(round));
        stage.show(true);
    }
    assert!(stage.shown.whole.held.remembered() > 10);
    stage.read.clear();
    stage.show(false);
    stage.batch.write(2, Some(1));
    // The change itself, and the lengths of the world that is shown and of the next one.
    assert_eq!(stage.batch.whole.held.remembered(), 3);
}
