//! Numbers between the model and the file, which knows 64 bit with a sign only.

use tidewire_model::Offset;

use super::error::Trouble;

/// A number as the file holds it. What comes over the wire stays below 2^53 and is kept exactly.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number from the file.
pub(super) fn number(stored: i64) -> Result<u64, Trouble> {
    u64::try_from(stored).map_err(|error| Trouble::content("a number", &error))
}

/// An offset from the file.
pub(super) fn offset(stored: i64) -> Result<Offset, Trouble> {
    let offset = u64::try_from(stored).ok().and_then(Offset::new);
    offset.ok_or_else(|| Trouble::content("an offset", &format_args!("{stored} is none")))
}
