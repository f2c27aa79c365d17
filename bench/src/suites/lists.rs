//! Suite lists: what one event costs as lists become more, and as entities become more; and what it costs when a row
//! moves inside a sorted window of a large list.
//!
//! What cannot be made ready within a minute is left out, with a word.

use std::time::{Duration, Instant};

use crate::customer::MAX_SCORE;
use crate::figures::{Rounds, Samples, Table, short};
use crate::options::Options;
use crate::ours::{InTime, NOW, Ours};
use crate::queries::{self, List};
use crate::random::Random;
use crate::suites::{MOST_BUILDING, SEED, told};
use crate::work::{FIRST_VERSION, Work};

const ENTITIES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
const LISTS: [usize; 4] = [10, 100, 1_000, 10_000];

/// The size at which the other one grows.
const ENTITIES_OF_LISTS: u64 = 100_000;
const LISTS_OF_ENTITIES: usize = 100;

/// Events of one batch; the engine shows at most 10 000 at once.
const BATCH: usize = 100;

/// A round of one size does not go on for longer.
const LONGEST_ROUND: Duration = Duration::from_millis(500);

/// Runs the suite.
pub fn run(options: &Options) {
    println!("## Cost of an event by lists, N = {ENTITIES_OF_LISTS}, batches of {BATCH}\n");
    let by_lists = LISTS.map(|lists| {
        let cost = cost(ENTITIES_OF_LISTS, lists, options);
        (format!("L = {lists}"), cost)
    });
    print_growth(&by_lists);
    println!("## Cost of an event by entities, L = {LISTS_OF_ENTITIES}, batches of {BATCH}\n");
    let by_entities = ENTITIES.map(|entities| {
        let cost = cost(entities, LISTS_OF_ENTITIES, options);
        (format!("N = {entities}"), cost)
    });
    print_growth(&by_entities);
    row_in_window(options);
}

/// Microseconds per event; nothing where it could not be made ready in time.
fn cost(entities: u64, lists: usize, options: &Options) -> Option<Rounds> {
    let mut work = Work::new(entities, SEED);
    let lists = queries::lists(&work, lists);
    let what = format!("N = {entities}, L = {}: loading", lists.len());
    let mut ours = told(&what, || {
        let begun = Instant::now();
        let mut ours = Ours::load(&work);
        let left = MOST_BUILDING.saturating_sub(begun.elapsed());
        let ready = ours.watch_lists(&lists, left);
        (ready == InTime::Yes).then_some(ours)
    })?;
    ours.watch_entities(work.ids_by_heat().take(10));
    let a_round = options.size.choose(4_000, 20_000);
    let events = work.events(a_round * options.rounds);
    let (mut next, mut rounds) = (0, Rounds::default());
    for _ in 0..options.rounds {
        let (begun, first) = (Instant::now(), next);
        while next - first < a_round && begun.elapsed() < LONGEST_ROUND {
            let frames = (next..next + BATCH).map(|place| events.v1.get(place));
            ours.apply(frames, &mut ());
            next += BATCH;
        }
        rounds.push(begun.elapsed().as_secs_f64() * 1e6 / (next - first) as f64);
    }
    Some(rounds)
}

fn print_growth(sizes: &[(String, Option<Rounds>)]) {
    let mut table = Table::new(&["µs per event", "median", "min", "max", "× the first"]);
    let first = sizes.iter().find_map(|(_, rounds)| rounds.as_ref());
    let first = first.map_or(f64::NAN, Rounds::median);
    for (size, rounds) in sizes {
        let Some(rounds) = rounds else {
            let left_out = format!("left out: not ready within {} s", MOST_BUILDING.as_secs());
            table.line([size.clone(), left_out]);
            continue;
        };
        let ratio = short(rounds.median() / first);
        let line = [size.clone()].into_iter().chain(rounds.shown());
        table.line(line.chain([ratio]));
    }
    table.print();
}

/// A row among the first 50 of all gets another score, so that it stays in the window; one event, shown alone.
fn row_in_window(options: &Options) {
    let work = Work::new(ENTITIES_OF_LISTS, SEED);
    let mut ours = told("loading", || Ours::load(&work));
    let page = List {
        status: None,
        company: None,
        page: 0,
    };
    let ready = ours.watch_lists(std::slice::from_ref(&page), MOST_BUILDING);
    assert_eq!(ready, InTime::Yes, "one list is built in time");
    let (reader, query) = (ours.reader(), page.query(ours.entity_type()));
    let mut random = Random::new(SEED);
    let mut rounds: [Rounds; 3] = Default::default();
    let (mut version, mut read) = (FIRST_VERSION, Samples::default());
    for _ in 0..options.rounds {
        let mut samples = Samples::default();
        for _ in 0..options.size.choose(1_000, 5_000) {
            let begun = Instant::now();
            let shown = reader.list(NOW, &query);
            read.push(begun.elapsed());
            assert_eq!(shown.rows.len(), 50, "the window is full");
            let row = &shown.rows[random.place(50)];
            let base = row.version.map_or(0, |version| version.get());
            version += 1;
            let score = MAX_SCORE + random.below(1_000);
            let frame = format!(
                r#"{{"type":"EVENTS","entityType":"customers","from":{},"to":{version},"ops":[{{"type":"ENTITY_UPDATED","entityId":"{}","version":{version},"base":{base},"changes":{{"score":{score}}}}}]}}"#,
                version - 1,
                row.id.as_str(),
            );
            drop(shown);
            let begun = Instant::now();
            let woken = ours.apply([&*frame].into_iter(), &mut ());
            samples.push(begun.elapsed());
            assert_eq!(woken, 1, "whoever watches the window is told");
        }
        for (rounds, micros) in rounds.iter_mut().zip(samples.micros([500, 990, 999])) {
            rounds.push(micros);
        }
    }
    println!(
        "## One row moved in a window of 50 over {ENTITIES_OF_LISTS}, frame to published view\n"
    );
    let mut table = Table::new(&["µs", "p50", "p99", "p99.9"]);
    let line =
        |name: &str, micros: [f64; 3]| [name.to_owned()].into_iter().chain(micros.map(short));
    table.line(line(
        "one row changed",
        rounds.each_ref().map(Rounds::median),
    ));
    table.line(line("reading the page of 50", read.micros([500, 990, 999])));
    table.print();
}
