//! Suite read: reads of entities that are there, by Zipf's law, with one and two threads, at rest and beside a writer.
//!
//! The writer beside applies the events of the work at a steady pace, the same for all: ours from frames to a published
//! view with ten lists and ten entities watched, the maps from messages into the map and nothing more. Two readers and a
//! writer on two cores share them, so those figures are only told.

mod maps;
mod ours;
mod run;

use std::time::Duration;

use crate::figures::{Rounds, Samples, Table, short};
use crate::options::Options;
use crate::random::{Random, Zipf};
use crate::suites::{SEED, told};
use crate::work::{EXPONENT, Work};
use maps::{Dashmap, Locked, MapSubject, Moka, Papaya, QuickCache, Scc};
use run::{BATCH, BATCH_EVERY, Case, Measured, Outcome, Writer};

const ENTITIES: u64 = 100_000;

/// Reads drawn in advance for each thread; they are gone through again and again.
const DRAWN: usize = 1 << 18;

/// The last one has no readers and is about publications alone.
const CASES: [Case; 5] = [
    Case::new(1, Writer::Rests),
    Case::new(2, Writer::Rests),
    Case::new(1, Writer::Writes),
    Case::new(2, Writer::Writes),
    Case::new(0, Writer::Writes),
];

/// What one subject did in one case, over all rounds.
#[derive(Default)]
struct Figures {
    reads: Rounds,
    sampled: Samples,
    written: Rounds,
    publications: Samples,
}

impl Figures {
    fn take(&mut self, outcome: &Outcome) {
        self.reads.push(outcome.reads_per_second);
        self.written.push(outcome.events_per_second);
        self.sampled.join(&outcome.sampled);
        self.publications.join(&outcome.publications);
    }
}

/// Runs the suite.
pub fn run(options: &Options) {
    let mut work = Work::new(ENTITIES, SEED);
    let longest = Duration::from_millis(options.size.choose(150, 300));
    let ids: Vec<String> = work.ids_by_heat().collect();
    let ours = told("loading ours", || ours::load(&work));
    let writing = CASES.iter().filter(|case| case.writer == Writer::Writes);
    let turns = longest.as_millis() / BATCH_EVERY.as_millis() + 1;
    let most = turns as usize * BATCH * writing.count() * options.rounds;
    // Ours has two ways to read, and both go on in one stream.
    let customers: Vec<_> = work.customers().collect();
    let events = told("making events", || work.events(most * 2));
    let ours = ours::Shared::new(ours, &ids, &events.v1);
    let [get, together] = ours.subjects();
    let map = (&*customers, &*ids, &events.basic);
    let subjects: [&dyn Measured; 8] = [
        &MapSubject::<Dashmap>::new("dashmap", map),
        &MapSubject::<Scc>::new("scc", map),
        &MapSubject::<Papaya>::new("papaya", map),
        &MapSubject::<QuickCache>::new("quick_cache", map),
        &MapSubject::<Moka>::new("moka", map),
        &MapSubject::<Locked>::new("parking_lot RwLock<HashMap>", map),
        &get,
        &together,
    ];
    let drawn: Vec<Vec<u32>> = (0..2).map(draw).collect();
    let mut figures: Vec<[Figures; CASES.len()]> = Vec::new();
    figures.resize_with(subjects.len(), Default::default);
    for _ in 0..options.rounds {
        for (number, case) in CASES.into_iter().enumerate() {
            for (subject, figures) in subjects.iter().zip(&mut figures) {
                figures[number].take(&subject.measure(case, &drawn, longest));
            }
        }
    }
    for (number, case) in CASES.into_iter().enumerate() {
        if case.readers > 0 {
            print_case(number, case, &subjects, &mut figures);
        }
    }
    print_publications(&mut figures[subjects.len() - 2]);
}

/// Places in the order of heat, as they are read one after the other.
fn draw(thread: u64) -> Vec<u32> {
    let ranks = usize::try_from(ENTITIES).unwrap_or_default();
    let (zipf, mut random) = (Zipf::new(ranks, EXPONENT), Random::new(SEED + thread));
    let places = (0..DRAWN).map(|_| zipf.draw(&mut random));
    places
        .map(|place| u32::try_from(place).unwrap_or_default())
        .collect()
}

fn print_case(
    number: usize,
    case: Case,
    subjects: &[&dyn Measured],
    figures: &mut [[Figures; CASES.len()]],
) {
    let beside = match case.writer {
        Writer::Rests => "the writer rests",
        Writer::Writes => "a writer beside",
    };
    println!("\n## N = {ENTITIES}, {} readers, {beside}\n", case.readers);
    let mut table = Table::new(&[
        "M reads/s",
        "median",
        "min",
        "max",
        "× dashmap",
        "min",
        "max",
        "a go, p99.9 µs",
        "events/s beside",
    ]);
    let dashmap = figures[0][number].reads.clone();
    for (subject, figures) in subjects.iter().zip(figures) {
        let figures = &mut figures[number];
        let millions = figures.reads.times(1e-6).shown();
        let ratios = figures.reads.over(&dashmap).shown();
        let [slow] = figures.sampled.micros([999]);
        let written = figures.written.median();
        let name = [subject.name()].into_iter();
        table.line(
            name.chain(millions)
                .chain(ratios)
                .chain([short(slow), short(written)]),
        );
    }
    table.print();
}

fn print_publications(ours: &mut [Figures; CASES.len()]) {
    println!("\n## How long ours takes to show a batch of {BATCH}, by readers beside\n");
    let mut table = Table::new(&["readers", "batches", "p50 µs", "p99 µs", "p99.9 µs"]);
    for (case, figures) in CASES.into_iter().zip(ours) {
        if case.writer == Writer::Writes {
            let quantiles = figures.publications.micros([500, 990, 999]).map(short);
            let counts = [
                case.readers.to_string(),
                figures.publications.len().to_string(),
            ];
            table.line(counts.into_iter().chain(quantiles));
        }
    }
    table.print();
}
