//! Runs the worlds of a range of seeds, on as many threads as the machine has cores, and stops at
//! the first in which a law does not hold.
//!
//! `cargo run --release -p tidewire-sim --example seeds -- FIRST COUNT [LINES]`; `LINES` is how much
//! of the trace is shown, its end. `cargo xtask sim` calls this.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tidewire_sim::{Failure, Hits, Options, run};

/// With fewer seeds than this, it is no surprise that some kind of thing was not met.
const ENOUGH_SEEDS: u64 = 40;

fn main() -> ExitCode {
    let numbers: Option<Vec<u64>> = std::env::args()
        .skip(1)
        .map(|word| word.parse().ok())
        .collect();
    let (first, count, lines) = match numbers.as_deref() {
        Some([first, count]) => (*first, *count, None),
        Some([first, count, lines]) => (*first, *count, usize::try_from(*lines).ok()),
        _ => {
            eprintln!("usage: seeds FIRST COUNT [LINES]");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    match run_all(first, count, lines) {
        Ok(hits) => {
            let seconds = begun.elapsed().as_secs_f64();
            println!(
                "every law holds in the worlds of {count} seeds, from {first}; {seconds:.1} s"
            );
            let missing = hits.missing();
            if count >= ENOUGH_SEEDS && !missing.is_empty() {
                println!(
                    "but these were never met, so the run proves nothing of them: {missing:?}"
                );
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all seeds; of several that fail, the first.
fn run_all(first: u64, count: u64, lines: Option<usize>) -> Result<Hits, Box<Failure>> {
    let end = first.saturating_add(count);
    let next = AtomicU64::new(first);
    let found: Mutex<(Hits, Option<Box<Failure>>)> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let mut options = Options::draw(seed);
            options.tail_lines = lines.unwrap_or(options.tail_lines);
            let outcome = run(options);
            let mut found = found.lock().expect("a run that panics ends the program");
            match outcome {
                Ok(report) => found.0.add(&report.hits),
                Err(failure) => {
                    // Seeds below it may still be under way; those above are not begun.
                    next.store(end, Ordering::Relaxed);
                    if found
                        .1
                        .as_ref()
                        .is_none_or(|other| failure.seed < other.seed)
                    {
                        found.1 = Some(failure);
                    }
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    match found.into_inner().expect("no run has panicked") {
        (hits, None) => Ok(hits),
        (_, Some(failure)) => Err(failure),
    }
}
