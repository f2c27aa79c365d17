//! What happened, line by line: a hash over all of it, and the last lines for people. Decides nothing.

use std::collections::VecDeque;
use std::fmt;

use tidewire_model::Tick;

/// The longest part of a line that is kept for people, in bytes; the hash takes all of it.
const SHOWN_BYTES: usize = 360;

/// The trace of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: u64,
    tail: VecDeque<String>,
    tail_max: usize,
}

impl Trace {
    /// A trace that keeps so many lines for people.
    pub(crate) fn new(tail_max: usize) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            lines: 0,
            tail: VecDeque::new(),
            tail_max: tail_max.max(1),
        }
    }

    pub(crate) fn line(&mut self, at: Tick, what: fmt::Arguments<'_>) {
        let micros = at.as_micros();
        let mut line = format!("{:>4}.{:06} {what}", micros / 1_000_000, micros % 1_000_000);
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines += 1;
        if self.tail.len() >= self.tail_max {
            self.tail.pop_front();
        }
        line.truncate(line.floor_char_boundary(SHOWN_BYTES));
        self.tail.push_back(line);
    }

    /// A number that differs where two runs differ anywhere (FNV-1a).
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }
}
