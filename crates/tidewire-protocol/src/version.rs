//! The versions of the protocol, and how two sides agree on one.
//!
//! This file never looks at a message.
//!
//! # When to raise the version
//!
//! A field that may be absent and may be ignored can be added without a step: a peer that does not know it skips it.
//! So can a message that is not critical. Everything else is a step: a new required field, another meaning, another
//! kind of value, a field or message taken away, a new op, a new word in a closed list such as a class. A step gets a
//! line in [`HISTORY`], raises [`PROTOCOL_VERSION`], and leaves the version before it supported. The listing of
//! message shapes under `tests/shape` fails the build when a shape changes and the version does not.

use crate::VersionRange;

/// The newest version this crate speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// The oldest version this crate still speaks.
pub const OLDEST_SUPPORTED: u32 = 1;

/// What this crate speaks, as a range.
pub const SUPPORTED: VersionRange = VersionRange {
    min: OLDEST_SUPPORTED,
    max: PROTOCOL_VERSION,
};

/// Every version there has been, and what it brought.
pub const HISTORY: &[(u32, &str)] = &[(1, "the first")];

/// The WebSocket subprotocol of v1 in JSON.
pub const SUBPROTOCOL_V1_JSON: &str = "tidewire.v1.json";

/// The newest version that a peer with this range and this crate both speak, if there is one.
#[must_use]
pub const fn negotiate(range: VersionRange) -> Option<u32> {
    let newest = if range.max < SUPPORTED.max {
        range.max
    } else {
        SUPPORTED.max
    };
    if newest >= range.min && newest >= SUPPORTED.min {
        Some(newest)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(min: u32, max: u32) -> VersionRange {
        VersionRange { min, max }
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        assert_eq!(negotiate(SUPPORTED), Some(PROTOCOL_VERSION));
        assert_eq!(negotiate(range(0, u32::MAX)), Some(PROTOCOL_VERSION));
        assert_eq!(
            negotiate(range(PROTOCOL_VERSION, PROTOCOL_VERSION + 1)),
            Some(PROTOCOL_VERSION)
        );
        assert_eq!(
            negotiate(range(0, OLDEST_SUPPORTED)),
            Some(OLDEST_SUPPORTED)
        );
    }

    #[test]
    fn without_a_common_version_there_is_none() {
        assert_eq!(negotiate(range(PROTOCOL_VERSION + 1, u32::MAX)), None);
        assert_eq!(negotiate(range(0, OLDEST_SUPPORTED - 1)), None);
        assert_eq!(negotiate(range(2, 1)), None);
    }

    #[test]
    fn the_history_ends_at_the_version_spoken() {
        assert_eq!(HISTORY.last().map(|entry| entry.0), Some(PROTOCOL_VERSION));
        assert!(HISTORY.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
        assert!(HISTORY.iter().any(|entry| entry.0 == OLDEST_SUPPORTED));
    }
}
