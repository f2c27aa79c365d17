//! What goes wrong on a pipe, drawn from a seed so that it goes wrong the same way again.
//! Holds ranges and a small generator. Never asks for randomness or time.

use std::ops::RangeInclusive;

/// What goes wrong on a pipe. The n-th connection of equal faults always fares the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Where the draws start.
    pub seed: u64,
    /// Of a hundred connections, about this many are not made.
    pub refuse_percent: u8,
    /// Each connection breaks with the frame after a number of frames drawn from this range, both directions
    /// together. What is on its way is lost with it.
    pub cut_after_frames: Option<RangeInclusive<u64>>,
    /// Each connection breaks with the byte after a number of bytes drawn from this range, both directions
    /// together. What is on its way is lost with it.
    pub cut_after_bytes: Option<RangeInclusive<u64>>,
}

/// How one connection will fare.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) frames_left: u64,
    pub(super) bytes_left: u64,
}

impl Faults {
    /// How connection `number` fares; `None` if it is not made.
    pub(super) fn plan(&self, number: u64) -> Option<Plan> {
        let mut draws = Draws(self.seed ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let refused = draws.within(&(0..=99)) < u64::from(self.refuse_percent);
        let frames_left = self
            .cut_after_frames
            .as_ref()
            .map_or(u64::MAX, |range| draws.within(range));
        let bytes_left = self
            .cut_after_bytes
            .as_ref()
            .map_or(u64::MAX, |range| draws.within(range));
        (!refused).then_some(Plan {
            frames_left,
            bytes_left,
        })
    }
}

/// The splitmix64 generator (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Draws(u64);

impl Draws {
    fn within(&mut self, range: &RangeInclusive<u64>) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let width = range.end().saturating_sub(*range.start()).saturating_add(1);
        range.start() + mixed % width
    }
}
