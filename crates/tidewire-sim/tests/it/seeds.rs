//! The laws over many seeds, and the same seed twice.

use tidewire_sim::{Hits, Options, run};

use crate::number;

/// Seeds of a usual run. Enough to meet every kind of fault, work and thing seen several times.
const SEEDS: u64 = 300;
/// With fewer seeds than this, it is no surprise that some kind was not met.
const ENOUGH_SEEDS: u64 = 40;

fn options(seed: u64) -> Options {
    let mut options = Options::draw(seed);
    if let Some(lines) = number("TIDEWIRE_SIM_TAIL").and_then(|lines| usize::try_from(lines).ok()) {
        options.tail_lines = lines;
    }
    options
}

#[test]
fn many_seeds_hold_the_laws() {
    let (first, count) = match number("TIDEWIRE_SIM_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number("TIDEWIRE_SIM_SEEDS").unwrap_or(SEEDS)),
    };
    let mut hits = Hits::default();
    for seed in first..first + count {
        match run(options(seed)) {
            Ok(report) => hits.add(&report.hits),
            Err(failure) => panic!("{failure}"),
        }
    }
    if count >= ENOUGH_SEEDS {
        assert_eq!(hits.missing(), [], "some kinds were never met: {hits:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 17, 29] {
        let [first, second] = [run(options(seed)), run(options(seed))];
        assert_eq!(first, second);
    }
    let hash = |seed| run(options(seed)).map(|report| report.trace_hash);
    assert_ne!(hash(3), hash(17), "the trace tells nothing");
}
