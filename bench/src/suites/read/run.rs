//! One case of one subject: the threads, the clock, and the pace of the writer. Knows nothing of what is read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::Samples;

/// One go in so many is looked at with the clock.
const SAMPLED: usize = 64;

/// What the writer applies at once.
pub(crate) const BATCH: usize = 100;

/// How often it does.
pub(crate) const BATCH_EVERY: Duration = Duration::from_millis(2);

/// Who is measured. What is read is named by its place in the order of heat.
pub(crate) trait Subject: Sync {
    /// What it is called.
    fn called(&self) -> String;
    /// How many it reads in one go.
    fn together(&self) -> usize {
        1
    }
    /// Reads these in one go.
    fn read(&self, places: &[u32]);
    /// Applies the next events of the work and notes how long showing them took. False where none are left.
    fn write(&self, events: usize, publications: &mut Samples) -> bool;
}

/// How many read, and whether somebody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) readers: usize,
    pub(crate) writer: Writer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    Rests,
    Writes,
}

impl Case {
    pub(crate) const fn new(readers: usize, writer: Writer) -> Self {
        Self { readers, writer }
    }
}

/// What came out of one case.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) reads_per_second: f64,
    pub(crate) events_per_second: f64,
    pub(crate) sampled: Samples,
    pub(crate) publications: Samples,
}

/// A subject, whatever it is, with the loop of reads compiled for it.
pub(crate) trait Measured {
    fn name(&self) -> String;
    /// Each reader goes through its own draws until the time is over.
    fn measure(&self, case: Case, drawn: &[Vec<u32>], longest: Duration) -> Outcome;
}

impl<S: Subject> Measured for S {
    fn name(&self) -> String {
        self.called()
    }

    fn measure(&self, case: Case, drawn: &[Vec<u32>], longest: Duration) -> Outcome {
        let end = AtomicBool::new(false);
        let mut outcome = Outcome::default();
        // Once through, so that the first reads do not pay for what others used before.
        for places in drawn[0].chunks(self.together()) {
            self.read(places);
        }
        let begun = Instant::now();
        thread::scope(|scope| {
            let readers: Vec<_> = drawn
                .iter()
                .take(case.readers)
                .map(|drawn| scope.spawn(|| read(self, drawn, &end)))
                .collect();
            if case.writer == Writer::Writes {
                let written = write(self, longest, &mut outcome.publications);
                outcome.events_per_second = written as f64 / begun.elapsed().as_secs_f64();
            } else {
                thread::sleep(longest);
            }
            end.store(true, Ordering::Relaxed);
            for reader in readers {
                let (rate, sampled) = reader.join().expect("reading does not panic");
                outcome.reads_per_second += rate;
                outcome.sampled.join(&sampled);
            }
        });
        outcome
    }
}

/// Reads until the end, at least one go, and gives reads per second.
fn read<S: Subject>(subject: &S, drawn: &[u32], end: &AtomicBool) -> (f64, Samples) {
    let (mut sampled, mut reads, begun) = (Samples::default(), 0, Instant::now());
    for (number, places) in drawn.chunks(subject.together()).cycle().enumerate() {
        if number.is_multiple_of(SAMPLED) {
            let begun = Instant::now();
            subject.read(places);
            sampled.push(begun.elapsed());
        } else {
            subject.read(places);
        }
        reads += places.len();
        if number % SAMPLED == 1 && end.load(Ordering::Relaxed) {
            break;
        }
    }
    (reads as f64 / begun.elapsed().as_secs_f64(), sampled)
}

/// Applies a batch at each beat; where it comes late, the next follows at once. Returns how many events that were.
fn write<S: Subject>(subject: &S, longest: Duration, publications: &mut Samples) -> usize {
    let (begun, mut written) = (Instant::now(), 0);
    let mut beat = begun;
    while begun.elapsed() < longest && subject.write(BATCH, publications) {
        written += BATCH;
        beat += BATCH_EVERY;
        thread::sleep(beat.saturating_duration_since(Instant::now()));
    }
    written
}
