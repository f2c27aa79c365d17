//! Suite apply: events per second from the text of a frame to the published view, on one thread, and the time of one
//! event applied alone; against the floor and against what is written by hand.
//!
//! All take turns, round by round, each going on in the stream of events where it stopped, so that nothing has to be
//! loaded anew. Who is slow stops a turn early.

use std::time::{Duration, Instant};

use crate::events::json;
use crate::figures::{Rounds, Samples, Table, short};
use crate::floor::{Floor, Way};
use crate::hand_rolled::HandRolled;
use crate::options::Options;
use crate::ours::{InTime, Ours, Split};
use crate::queries::{self, List};
use crate::suites::{MOST_BUILDING, SEED, told};
use crate::texts::Texts;
use crate::work::{Events, Work};

const ENTITIES: u64 = 100_000;

/// Lists that are watched.
const LISTS: [usize; 2] = [100, 1_000];

/// Events of one batch. As it is shipped, the engine shows what comes after a quiet time at once, alone, and then what
/// came within 100 ms or 10 000 rows, whichever is first: a flood is batches of up to 10 000.
const BATCHES: [usize; 4] = [1, 100, 1_000, 10_000];

/// A turn of ours in each round for each size of batch, and one for single times.
const TURNS: usize = BATCHES.len() + 1;

/// A turn does not go on for longer.
const LONGEST_TURN: Duration = Duration::from_secs(1);

/// A turn of what is known to be slow.
const LONGEST_BY_HAND: Duration = Duration::from_millis(300);

/// Runs the suite.
pub fn run(options: &Options) {
    for lists in LISTS {
        let mut work = Work::new(ENTITIES, SEED);
        let lists = queries::lists(&work, lists);
        let mut runners = told("loading", || Runners::load(&work, &lists));
        let turn = options.size.choose(10_000, 28_000);
        let events = told("making events", || {
            work.events(turn * TURNS * options.rounds)
        });
        println!(
            "\n## N = {ENTITIES}, L = {}: {} events a turn; mean lengths: message {} B, frame {} B, entity {} B\n",
            lists.len(),
            turn,
            short(events.basic.mean_bytes()),
            short(events.v1.mean_bytes()),
            short(mean_entity(&work)),
        );
        let mut figures = Figures::default();
        for _ in 0..options.rounds {
            runners.round(&events, turn, &mut figures);
        }
        figures.print();
    }
    println!(
        "As it is shipped, the engine shows the first event after a quiet time alone, then what came within 100 ms or \
         10 000 rows, whichever is first."
    );
}

fn mean_entity(work: &Work) -> f64 {
    let some = work.customers().take(1_000);
    some.map(|one| json(&one).len()).sum::<usize>() as f64 / 1_000.0
}

/// Somebody's place in a stream of events.
struct Cursor<'a> {
    texts: &'a Texts,
    next: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, most: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        let (texts, begin) = (self.texts, self.next);
        self.next = texts.len().min(begin + most);
        (begin..self.next).map(move |place| texts.get(place))
    }
}

/// Applies events until there were enough or the time is over, a batch after the other, and gives events per second.
fn rate(
    cursor: &mut Cursor<'_>,
    turn: (usize, Duration),
    batch: usize,
    mut apply: impl FnMut(&mut Cursor<'_>, usize),
) -> f64 {
    let (events, longest) = turn;
    let (begun, first) = (Instant::now(), cursor.next);
    while cursor.next - first < events && cursor.next < cursor.texts.len() {
        let left = events - (cursor.next - first);
        apply(cursor, batch.min(left));
        if begun.elapsed() > longest {
            break;
        }
    }
    (cursor.next - first) as f64 / begun.elapsed().as_secs_f64()
}

/// All who are measured, each with how far it came.
struct Runners {
    floor: (Floor, usize),
    in_place: (Floor, usize),
    of_v1: (Floor, usize),
    by_hand: (HandRolled, usize),
    ours: (Ours, usize),
}

/// What was measured.
#[derive(Default)]
struct Figures {
    floor: Rounds,
    floor_alone: [Rounds; 3],
    in_place: Rounds,
    of_v1: Rounds,
    by_hand: Rounds,
    ours: [Rounds; BATCHES.len()],
    ours_alone: [Rounds; 3],
    splits: [Vec<Split>; BATCHES.len()],
    events: [usize; BATCHES.len()],
}

/// Median, p99 and p99.9.
const QUANTILES: [usize; 3] = [500, 990, 999];

fn push_quantiles(rounds: &mut [Rounds; 3], samples: &mut Samples) {
    for (rounds, micros) in rounds.iter_mut().zip(samples.micros(QUANTILES)) {
        rounds.push(micros);
    }
}

impl Runners {
    fn load(work: &Work, lists: &[List]) -> Self {
        let mut ours = Ours::load(work);
        if ours.watch_lists(lists, MOST_BUILDING * 5) == InTime::No {
            println!("the lists of ours are not all built: what follows is not comparable");
        }
        ours.watch_entities(work.ids_by_heat().take(10));
        Self {
            floor: (Floor::load(work, Way::Replaced), 0),
            in_place: (Floor::load(work, Way::InPlace), 0),
            of_v1: (Floor::load(work, Way::Replaced), 0),
            by_hand: (HandRolled::load(work, lists), 0),
            ours: (ours, 0),
        }
    }

    /// The floor and ours in turns.
    fn round(&mut self, events: &Events, events_a_turn: usize, figures: &mut Figures) {
        let turn = (events_a_turn, LONGEST_TURN);
        let floor = &mut self.floor;
        figures
            .floor
            .push(one_by_one(&mut floor.1, &events.basic, turn, |text| {
                floor.0.apply_basic(text);
            }));
        self.ours_round(events, turn, figures);
        let floor = &mut self.floor;
        let mut alone = Samples::default();
        one_by_one(&mut floor.1, &events.basic, turn, |text| {
            let begun = Instant::now();
            floor.0.apply_basic(text);
            alone.push(begun.elapsed());
        });
        push_quantiles(&mut figures.floor_alone, &mut alone);
        let in_place = &mut self.in_place;
        figures
            .in_place
            .push(one_by_one(&mut in_place.1, &events.basic, turn, |text| {
                in_place.0.apply_basic(text);
            }));
        let of_v1 = &mut self.of_v1;
        figures
            .of_v1
            .push(one_by_one(&mut of_v1.1, &events.v1, turn, |text| {
                of_v1.0.apply_v1(text);
            }));
        let by_hand = &mut self.by_hand;
        let turn = (events_a_turn, LONGEST_BY_HAND);
        figures
            .by_hand
            .push(one_by_one(&mut by_hand.1, &events.basic, turn, |text| {
                by_hand.0.apply_basic(text);
            }));
    }

    fn ours_round(&mut self, events: &Events, turn: (usize, Duration), figures: &mut Figures) {
        let (ours, next) = &mut self.ours;
        let mut cursor = Cursor {
            texts: &events.v1,
            next: *next,
        };
        for (number, batch) in BATCHES.into_iter().enumerate() {
            let (mut split, before) = (Split::default(), cursor.next);
            let of_rounds = &mut figures.ours[number];
            if batch == 1 {
                // Looking at the clock would cost as much as a stage.
                of_rounds.push(rate(&mut cursor, turn, 1, |cursor, most| {
                    ours.apply(cursor.take(most), &mut ());
                }));
                continue;
            }
            split.begin();
            of_rounds.push(rate(&mut cursor, turn, batch, |cursor, most| {
                ours.apply(cursor.take(most), &mut split);
            }));
            figures.splits[number].push(split);
            figures.events[number] += cursor.next - before;
        }
        let (mut alone, mut split, before) = (Samples::default(), Split::default(), cursor.next);
        rate(&mut cursor, turn, 1, |cursor, most| {
            let frames = cursor.take(most);
            split.begin();
            let begun = Instant::now();
            ours.apply(frames, &mut split);
            alone.push(begun.elapsed());
        });
        figures.splits[0].push(split);
        figures.events[0] += cursor.next - before;
        push_quantiles(&mut figures.ours_alone, &mut alone);
        *next = cursor.next;
    }
}

fn one_by_one(
    next: &mut usize,
    texts: &Texts,
    turn: (usize, Duration),
    mut apply: impl FnMut(&str),
) -> f64 {
    let mut cursor = Cursor { texts, next: *next };
    let rate = rate(&mut cursor, turn, 1, |cursor, most| {
        cursor.take(most).for_each(&mut apply);
    });
    *next = cursor.next;
    rate
}

impl Figures {
    fn print(&self) {
        let mut table = Table::new(&["events/s", "median", "min", "max", "× floor", "min", "max"]);
        let mut line = |name: &str, rounds: &Rounds| {
            let ratios = rounds.over(&self.floor).shown();
            table.line(
                [name.to_owned()]
                    .into_iter()
                    .chain(rounds.shown())
                    .chain(ratios),
            );
        };
        line("floor: typed, replaced", &self.floor);
        line("floor, changed in place", &self.in_place);
        line("floor, reading v1 frames", &self.of_v1);
        line("by hand: moka, Value, lists scanned", &self.by_hand);
        for (batch, rounds) in BATCHES.iter().zip(&self.ours) {
            line(&format!("ours, batches of {batch}"), rounds);
        }
        table.print();
        self.print_alone();
        self.print_split();
    }

    fn print_alone(&self) {
        let mut table = Table::new(&["one event alone, µs", "p50", "p99", "p99.9"]);
        let mut line = |name: &str, medians: Vec<f64>| {
            table.line(
                [name.to_owned()]
                    .into_iter()
                    .chain(medians.into_iter().map(short)),
            );
        };
        let medians = |rounds: &[Rounds; 3]| rounds.iter().map(Rounds::median).collect();
        line("floor", medians(&self.floor_alone));
        line("ours", medians(&self.ours_alone));
        let ratios = self.ours_alone.iter().zip(&self.floor_alone);
        let ratios = ratios.map(|(ours, floor)| ours.over(floor).median());
        line("ratio of the same round", ratios.collect());
        table.print();
    }

    fn print_split(&self) {
        let mut table = Table::new(&[
            "ours, µs per event",
            "decode",
            "take and work",
            "publish",
            "drop",
        ]);
        for ((batch, splits), events) in BATCHES.iter().zip(&self.splits).zip(self.events) {
            let of_stage = |stage: usize| {
                let took: Duration = splits.iter().map(|split| split.took[stage]).sum();
                short(took.as_secs_f64() * 1e6 / events.max(1) as f64)
            };
            let name = format!("batches of {batch}");
            table.line([name].into_iter().chain((0..4).map(of_stage)));
        }
        table.print();
    }
}
