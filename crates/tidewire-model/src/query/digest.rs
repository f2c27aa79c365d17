//! What tells most places of a list apart, as plain numbers in the order of the list.

use super::sort::Direction;
use crate::id::EntityId;
use crate::value::ValueRef;

/// Plain numbers that stand for a place in the order of a list.
///
/// Of two places of one sort with different digests, the one with the lower digest comes first. Places with one digest
/// have to be compared by what they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SortDigest {
    first: u64,
    second: u64,
    third: u32,
}

impl SortDigest {
    /// Of the values of the sort keys, then the id.
    pub(super) fn new<'v>(
        keys: impl Iterator<Item = (Direction, ValueRef<'v>)>,
        id: &EntityId,
    ) -> Self {
        let mut words = [0; 3];
        let mut at = 0;
        for (direction, value) in keys.take(words.len()) {
            let word = word(value);
            words[at] = match direction {
                Direction::Ascending => word,
                Direction::Descending => !word,
            };
            at += 1;
            if word & INEXACT != 0 {
                // Different values may share the word, so what comes behind it says nothing.
                return Self::of(words);
            }
        }
        let mut rest = id.as_bytes();
        for word in &mut words[at..] {
            *word = leading(rest);
            rest = rest.get(size_of::<u64>()..).unwrap_or_default();
        }
        Self::of(words)
    }

    /// The numbers, the one that decides first before the others.
    pub fn parts(self) -> (u64, u64, u32) {
        (self.first, self.second, self.third)
    }

    fn of([first, second, third]: [u64; 3]) -> Self {
        Self {
            first,
            second,
            third: (third >> u32::BITS) as u32,
        }
    }
}

/// Stands in a word that values share which are not equal. The value that has the word without it comes before them.
const INEXACT: u64 = 1;

/// How many bits tell the kind of a value.
const KIND_BITS: u32 = 3;

/// How many bits at the end of a number have no room.
const LOST_BITS: u32 = KIND_BITS + 1;

/// A number that never falls where values rise. Equal values have one; different ones too where it is inexact.
fn word(value: ValueRef<'_>) -> u64 {
    let (kind, rest, exact) = match value {
        ValueRef::Null => (0, 0, true),
        ValueRef::Bool(false) => (1, 0, true),
        ValueRef::Bool(true) => (2, 0, true),
        ValueRef::Int(number) => number_word(i128::from(number)),
        ValueRef::UInt(number) => number_word(i128::from(number)),
        ValueRef::Float(number) => float_word(number, true),
        // What follows a text with a zero byte at its end could be taken for that byte.
        ValueRef::Text(text) => {
            let exact = text.len() < size_of::<u64>() && !text.ends_with('\0');
            (4, leading(text.as_bytes()), exact)
        }
        ValueRef::List(_) => (5, 0, false),
        ValueRef::Object(_) => (6, 0, false),
    };
    kind << (u64::BITS - KIND_BITS) | rest >> LOST_BITS << 1 | if exact { 0 } else { INEXACT }
}

fn number_word(number: i128) -> (u64, u64, bool) {
    let rounded = number as f64;
    match (rounded as i128).cmp(&number) {
        std::cmp::Ordering::Equal => float_word(rounded, true),
        std::cmp::Ordering::Less => float_word(rounded, false),
        // An inexact word stands for what is not less than its number.
        std::cmp::Ordering::Greater => float_word(rounded.next_down(), false),
    }
}

fn float_word(number: f64, exact: bool) -> (u64, u64, bool) {
    let bits = ordered(number);
    let lost = bits & ((1 << LOST_BITS) - 1);
    (3, bits, exact && lost == 0)
}

/// The bits of a float, so that they rise with it. What is not a number comes before all numbers.
fn ordered(number: f64) -> u64 {
    if number.is_nan() {
        return 0;
    }
    // Adding zero turns -0.0 into 0.0, which are equal.
    let bits = (number + 0.0).to_bits();
    let negative = bits >> (u64::BITS - 1) == 1;
    if negative {
        !bits
    } else {
        bits | 1 << (u64::BITS - 1)
    }
}

/// The first bytes of a text, so that they rise with it.
fn leading(text: &[u8]) -> u64 {
    let mut bytes = [0; size_of::<u64>()];
    for (byte, given) in bytes.iter_mut().zip(text) {
        *byte = *given;
    }
    u64::from_be_bytes(bytes)
}
