//! The laws over many seeds, and the same seed twice.

use tidewire_sim::{Hits, Options, run};

/// Enough to meet every kind of fault, work and thing seen several times. `cargo xtask sim` runs more.
const SEEDS: u64 = 300;
#[test]
fn many_seeds_hold_the_laws() {
    let mut hits = Hits::default();
    for seed in 1..=SEEDS {
        match run(Options::draw(seed)) {
            Ok(report) => hits.add(&report.hits),
            Err(failure) => panic!("{failure}"),
        }
    }
    assert_eq!(hits.missing(), [], "some kinds were never met: {hits:?}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 17, 29] {
        let [first, second] = [run(Options::draw(seed)), run(Options::draw(seed))];
        assert_eq!(first, second);
    }
    let hash = |seed| run(Options::draw(seed)).map(|report| report.trace_hash);
    assert_ne!(hash(3), hash(17), "the trace tells nothing");
}
