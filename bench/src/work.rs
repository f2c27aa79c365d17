//! The work W: one definition, made from a seed, for all who are measured.
//!
//! Says what is there at first and what happens to it, as the texts that each of them eats. Does none of it.
//!
//! Deletions are uniform and only updates are by Zipf's law: otherwise whatever is hot would die after ten events of its
//! own, and lists would run empty. A created entity takes a freed place in the ranking, under a new id.

use crate::customer::{self, Customer};
use crate::events::{self, Change, Event};
use crate::random::{Random, Zipf};
use crate::texts::Texts;

/// The exponent of Zipf's law, for updates and for reads.
pub const EXPONENT: f64 = 0.99;

/// The version of everything that is there at first, and the offset of the snapshot.
pub const FIRST_VERSION: u64 = 1;

/// Rows of one frame of the snapshot.
const SNAPSHOT_ROWS: u64 = 500;

/// A world to begin with and a stream of events.
#[derive(Debug)]
pub struct Work {
    seed: u64,
    entities: u64,
    companies: u64,
    /// By place: which customer holds it, and at which version. `None` where it was deleted.
    places: Vec<Option<Held>>,
    freed: Vec<usize>,
    /// By rank: the place.
    ranks: Vec<usize>,
    zipf: Zipf,
    random: Random,
    next_number: u64,
    version: u64,
}

/// Who holds a place in the ranking.
#[derive(Clone, Copy, Debug)]
struct Held {
    number: u64,
    version: u64,
}

/// Events in both forms, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// For the floor and the peers: messages of the basic dialect.
    pub basic: Texts,
    /// For ours: v1 frames, one event in each.
    pub v1: Texts,
}

impl Work {
    /// The work on so many entities.
    #[must_use]
    pub fn new(entities: u64, seed: u64) -> Self {
        let companies = (entities / 100).max(1);
        let mut random = Random::new(seed);
        let count = usize::try_from(entities).unwrap_or(usize::MAX);
        let mut ranks: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            ranks.swap(last, random.place(last + 1));
        }
        let held = |number| {
            Some(Held {
                number,
                version: FIRST_VERSION,
            })
        };
        Self {
            seed,
            entities,
            companies,
            places: (0..entities).map(held).collect(),
            freed: Vec::new(),
            ranks,
            zipf: Zipf::new(count, EXPONENT),
            random,
            next_number: entities,
            version: FIRST_VERSION,
        }
    }

    /// How many entities there are at first.
    #[must_use]
    pub fn entities(&self) -> u64 {
        self.entities
    }

    /// What is there at first.
    pub fn customers(&self) -> impl Iterator<Item = Customer> {
        let (seed, companies) = (self.seed, self.companies);
        (0..self.entities).map(move |number| Customer::make(seed, number, companies, FIRST_VERSION))
    }

    /// What is there at first, as the frames of a v1 snapshot.
    pub fn snapshot(&self) -> impl Iterator<Item = String> {
        let (seed, companies, entities) = (self.seed, self.companies, self.entities);
        (0..entities.div_ceil(SNAPSHOT_ROWS)).map(move |part| {
            let numbers = part * SNAPSHOT_ROWS..entities.min((part + 1) * SNAPSHOT_ROWS);
            let customers = numbers.map(|number| Customer::make(seed, number, companies, 1));
            events::snapshot(part, FIRST_VERSION, customers)
        })
    }

    /// The companies, those first whose customers are updated most.
    #[must_use]
    pub fn companies_by_heat(&self) -> Vec<String> {
        let mut heat = vec![0.0; usize::try_from(self.companies).unwrap_or_default()];
        for (rank, place) in self.ranks.iter().enumerate() {
            let company = customer::company(self.seed, *place as u64, self.companies);
            heat[usize::try_from(company).unwrap_or_default()] += Zipf::weight(rank, EXPONENT);
        }
        let mut companies: Vec<(usize, f64)> = heat.into_iter().enumerate().collect();
        companies.sort_by(|one, other| other.1.total_cmp(&one.1));
        let names = companies
            .into_iter()
            .map(|(number, _)| customer::company_id(number as u64));
        names.collect()
    }

    /// The ids of what is there at first, the hottest first.
    pub fn ids_by_heat(&self) -> impl Iterator<Item = String> {
        self.ranks.iter().map(|place| customer::id(*place as u64))
    }

    /// The next so many events.
    pub fn events(&mut self, count: usize) -> Events {
        let mut made = Events::default();
        for _ in 0..count {
            let event = self.event();
            made.basic
                .push_with(|text| events::write_basic(text, &event));
            made.v1.push_with(|text| events::write_v1(text, &event));
        }
        made
    }

    /// Four in five are updates; of the rest half are deletions and half creations, so that the number of entities stays.
    fn event(&mut self) -> Event {
        self.version += 1;
        let kind = self.random.below(10);
        let most_freed = (self.places.len() / 100).max(1);
        match kind {
            0..8 => self.update(),
            8 if self.freed.len() < most_freed => self.delete(),
            9 if self.freed.is_empty() => self.delete(),
            _ => self.create(),
        }
    }

    fn update(&mut self) -> Event {
        let (place, held) = loop {
            let place = self.ranks[self.zipf.draw(&mut self.random)];
            if let Some(held) = self.places[place] {
                break (place, held);
            }
        };
        let version = self.version;
        self.places[place] = Some(Held { version, ..held });
        let change = Change::Update {
            base: held.version,
            fields: events::fields(&mut self.random, self.companies),
        };
        Event {
            id: customer::id(held.number),
            version,
            change,
        }
    }

    fn delete(&mut self) -> Event {
        let (place, held) = loop {
            let place = self.random.place(self.places.len());
            if let Some(held) = self.places[place].take() {
                break (place, held);
            }
        };
        self.freed.push(place);
        Event {
            id: customer::id(held.number),
            version: self.version,
            change: Change::Delete,
        }
    }

    /// There is a freed place when this is called.
    fn create(&mut self) -> Event {
        let (number, version) = (self.next_number, self.version);
        self.next_number += 1;
        if let Some(place) = self.freed.pop() {
            self.places[place] = Some(Held { number, version });
        }
        let made = Customer::make(self.seed, number, self.companies, version);
        Event {
            id: made.id.clone(),
            version,
            change: Change::Create(Box::new(made)),
        }
    }
}

#[cfg(test)]
mod tests;
