//! Entries as worlds see them, against plain maps; and what is left of those that nobody reads.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidewire_model::{EntityId, RecordBuilder, Tick};

use super::*;
use crate::base::{Entry, Image};

type Naive = BTreeMap<EntityId, u64>;

fn id(number: u8) -> EntityId {
    EntityId::text(&format!("e-{number}")).expect("it is short")
}

fn entry(value: u64) -> Entry {
    let record = RecordBuilder::new().field("value", value).build();
    Entry {
        image: Image::Present(record),
        ..Entry::unknown(Tick::ZERO)
    }
}

fn value(kept: &Kept) -> u64 {
    let record = kept.image().record().expect("every entry has one");
    let value = record.get("value").and_then(|value| value.as_u64());
    value.expect("every record has one")
}

/// What a world sees: by id, and by walking.
fn seen(entries: &Entries) -> (Naive, Naive) {
    let by_id = (0..32).map(id);
    let by_id = by_id.filter_map(|id| Some((id.clone(), entries.read(&id, value)?)));
    let (mut walked, mut slot) = (Naive::new(), None);
    while let Some((next, id)) = entries.next(slot) {
        let value = entries.read(&id, value).expect("it was walked over");
        assert_eq!(walked.insert(id, value), None, "once each");
        slot = Some(next);
    }
    (by_id.collect(), walked)
}

/// Entries, the worlds that are read, and what each must see.
struct World {
    shown: (Entries, Naive),
    batch: (Entries, Naive),
    read: Vec<(Entries, Naive)>,
    replaced: Vec<Pruning>,
    count: u64,
}

impl World {
    fn new() -> Self {
        let entries = Entries::new(7);
        let mut world = Self {
            batch: (entries.clone(), Naive::new()),
            shown: (entries, Naive::new()),
            read: Vec::new(),
            replaced: Vec::new(),
            count: 0,
        };
        world.begin();
        world
    }

    fn limits(&self) -> Limits {
        let until = self.shown.0.stamp;
        let needed = self.read.iter().map(|(entries, _)| entries.stamp);
        Limits {
            until,
            needed: needed.filter(|stamp| *stamp < until).collect(),
        }
    }

    fn begin(&mut self) {
        self.batch = self.shown.clone();
        let stamp = self.shown.0.stamp.next();
        self.batch.0.set_stamp(stamp, &self.limits());
    }

    fn write(&mut self, number: u8, there: bool) {
        self.count += 1;
        let (entries, naive) = &mut self.batch;
        if there {
            naive.insert(id(number), self.count);
        } else {
            naive.remove(&id(number));
        }
        entries.set(
            (&id(number), None),
            there.then(|| Kept::from(&entry(self.count))),
        );
    }

    fn show(&mut self, is_read: bool) {
        let old = std::mem::replace(&mut self.shown, self.batch.clone());
        if is_read {
            self.read.push(old);
        }
        let limits = self.limits();
        self.replaced.extend(self.shown.0.take_touched(&limits));
        for pruning in std::mem::take(&mut self.replaced) {
            let pruning = pruning.with(&limits);
            if pruning.is_held_up() {
                self.replaced.push(pruning);
            }
        }
        self.begin();
    }

    fn check(&self) {
        let worlds = self.read.iter().chain([&self.shown, &self.batch]);
        for (entries, naive) in worlds {
            let (by_id, walked) = seen(entries);
            assert_eq!(&by_id, naive);
            assert_eq!(&walked, naive);
        }
        let (entries, naive) = &self.batch;
        assert_eq!(entries.len(Kind::Kept), naive.len());
        let counted = naive.keys().map(|id| entries.counted_bytes(id));
        assert_eq!(entries.all_counted_bytes(), counted.sum::<usize>());
    }

    /// How many editions there are, and how many slots are in use.
    fn held(&self) -> (usize, usize) {
        let slots = &self.shown.0.slots;
        let held = slots.shards.iter().map(|shard| shard.read().count());
        held.fold((0, 0), |sum, held| (sum.0 + held.0, sum.1 + held.1))
    }
}

#[derive(Debug, Clone)]
enum Step {
    Write(u8, bool),
    Show(bool),
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..32_u8, prop::bool::weighted(0.7)).prop_map(|(number, there)| Step::Write(number, there)),
        2 => any::<bool>().prop_map(Step::Show),
        1 => any::<usize>().prop_map(Step::Leave),
    ]
}

proptest! {
    #[test]
    fn each_world_reads_what_was_written_up_to_its_own_stamp(steps in prop::collection::vec(step(), 1..200)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Write(number, there) => world.write(number, there),
                Step::Show(is_read) => world.show(is_read),
                Step::Leave(which) if !world.read.is_empty() => {
                    let which = which % world.read.len();
                    world.read.remove(which);
                }
                Step::Leave(_) => {}
            }
            world.check();
        }
        // Once nobody reads what was, nothing of it is left.
        world.read.clear();
        world.show(false);
        let there = world.shown.1.len();
        prop_assert_eq!(world.held(), (there, there));
    }
}

#[test]
fn a_reader_that_stays_keeps_one_edition_of_each_entry_however_often_it_is_written() {
    let mut world = World::new();
    for number in 0..4 {
        world.write(number, true);
    }
    world.show(false);
    world.show(true);
    for round in 0..50 {
        for number in 0..4 {
            world.write(number, round % 5 != 0);
        }
        world.show(false);
        world.check();
        let (editions, slots) = world.held();
        assert!(editions <= 4 * 3, "{editions} editions in round {round}");
        assert_eq!(slots, 4);
    }
}
