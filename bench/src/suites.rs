//! The suites, each a function that measures and prints.

pub mod apply;
pub mod lists;
pub mod memory;
pub mod read;

use std::time::{Duration, Instant};

use crate::figures::{clock_micros, short};
use crate::options::{Options, Size};

/// The seed of all suites.
const SEED: u64 = 1;

/// How long lists may take to be built before a size is left out.
const MOST_BUILDING: Duration = Duration::from_secs(60);

/// Prints what the figures depend on.
pub fn print_conditions(options: &Options) {
    let Options {
        suite,
        rounds,
        size,
    } = options;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let size = match size {
        Size::Quick => "quick rounds, not to be quoted",
        Size::Whole => "whole rounds",
    };
    println!(
        "suite {suite}: {rounds} rounds, {size}; {cores} cores, load {}; two looks at the clock take {} µs and are in \
         every single time\n",
        load.join(" "),
        short(clock_micros()),
    );
}

/// Says how long a step took that is not measured.
fn told<T>(what: &str, step: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let made = step();
    println!("({what}: {:.1} s)", begun.elapsed().as_secs_f64());
    made
}
