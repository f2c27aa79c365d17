//! How new something is: offsets, points and versions.
//!
//! A point is the one measure of "how new". Nothing here looks at a clock, and nothing compares points of
//! different epochs.

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

use crate::id::Epoch;

/// The largest integer that goes over the wire, 2^53 - 1: every JSON reader holds it exactly.
pub const MAX_WIRE: u64 = (1 << 53) - 1;

/// A place in a stream: how many commits it has had. Rises by one per commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Offset(u64);

/// The point at which an entity last changed, as a number that rises with every change of the entity.
///
/// In v1 it is the offset of that commit; in the basic dialect the peer decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Version(u64);

macro_rules! bounded_number {
    ($type:ident, $expected:literal) => {
        impl $type {
            /// Zero.
            pub const ZERO: Self = Self(0);
            /// The largest value, [`MAX_WIRE`].
            pub const MAX: Self = Self(MAX_WIRE);
            /// The largest number that goes over the wire.
            pub const MAX_WIRE: u64 = MAX_WIRE;

            /// Checks and makes a value; `None` above [`MAX_WIRE`].
            pub const fn new(number: u64) -> Option<Self> {
                if number <= MAX_WIRE {
                    Some(Self(number))
                } else {
                    None
                }
            }

            /// The number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The next value. At the bound, which takes 2^53 steps to reach, it stays there.
            #[must_use]
            pub const fn next(self) -> Self {
                if self.0 < MAX_WIRE {
                    Self(self.0 + 1)
                } else {
                    self
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = u64::deserialize(deserializer)?;
                Self::new(number).ok_or_else(|| {
                    D::Error::invalid_value(Unexpected::Unsigned(number), &$expected)
                })
            }
        }
    };
}

bounded_number!(Offset, "an offset below 2^53");
bounded_number!(Version, "a version below 2^53");

impl From<Offset> for Version {
    fn from(offset: Offset) -> Self {
        Self(offset.0)
    }
}

impl From<Version> for Offset {
    fn from(version: Version) -> Self {
        Self(version.0)
    }
}

/// Epoch and offset in a stream. Not ordered as a whole: offsets compare only within one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Point {
    /// The epoch of the stream.
    pub epoch: Epoch,
    /// The offset in that epoch.
    pub offset: Offset,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.offset, self.epoch)
    }
}

impl Point {
    /// Puts an epoch and an offset together.
    pub fn new(epoch: Epoch, offset: Offset) -> Self {
        Self { epoch, offset }
    }
}
