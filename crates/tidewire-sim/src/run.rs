//! One seed, from beginning to end, and what is said when a law does not hold.

use std::fmt;

use crate::broken::Broken;
use crate::hits::Hits;
use crate::options::Options;
use crate::world::World;

/// What a run came to in which every law held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// A hash over everything that happened. The same seed has the same hash (law 20).
    pub trace_hash: u64,
    /// Lines of the trace.
    pub lines: u64,
    /// Things that happened.
    pub steps: u64,
    /// What it came across.
    pub hits: Hits,
}

/// A run in which a law did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// What did not hold.
    pub broken: Broken,
    /// The last lines of the trace.
    pub tail: Vec<String>,
}

/// The line that shows the same again.
fn replay_line(seed: u64) -> String {
    format!("cargo xtask sim --seed={seed}")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.tail {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "seed {}: {}", self.seed, self.broken)?;
        write!(f, "{}", replay_line(self.seed))
    }
}

impl std::error::Error for Failure {}

/// Lives through the world of some options.
///
/// # Errors
/// A law did not hold.
pub fn run(options: Options) -> Result<Report, Box<Failure>> {
    let seed = options.seed;
    let mut world = OnPanic(World::new(options));
    match world.0.run() {
        Ok(()) => Ok(Report {
            trace_hash: world.0.trace.hash(),
            lines: world.0.trace.lines(),
            steps: world.0.steps,
            hits: world.0.hits.clone(),
        }),
        Err(broken) => Err(Box::new(Failure {
            seed,
            broken,
            tail: world.0.trace.tail(),
        })),
    }
}

/// A world that says how to see it again where one of its parts panics.
struct OnPanic(World);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in self.0.trace.tail() {
                eprintln!("    {line}");
            }
            eprintln!("{}", replay_line(self.0.options.seed));
        }
    }
}
