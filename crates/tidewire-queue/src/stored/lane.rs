//! The stored form of one lane.

use serde::{Deserialize, Serialize};

use super::{FORMAT, MAX_NUMBER, read};
use crate::lane::LaneState;

/// The value of a lane's row.
pub(crate) fn lane_row(lane: &LaneState) -> Vec<u8> {
    let row = Written {
        v: FORMAT,
        next: lane.next,
        sent: lane.sent,
        answered: lane.answered,
    };
    serde_json::to_vec(&row).expect("numbers have a JSON form")
}

#[derive(Serialize)]
struct Written {
    v: u32,
    next: u64,
    sent: u64,
    answered: u64,
}

/// A lane's row as it was read.
#[derive(Deserialize)]
pub(crate) struct StoredLane {
    next: u64,
    sent: u64,
    answered: u64,
}

impl StoredLane {
    /// Reads a row.
    ///
    /// # Errors
    /// Why the row cannot be used, as text for people.
    pub(crate) fn read(value: &[u8]) -> Result<LaneState, String> {
        let Self {
            next,
            sent,
            answered,
        } = read(value)?;
        if answered <= sent && sent < next && next <= MAX_NUMBER {
            Ok(LaneState::stored(next, sent, answered))
        } else {
            Err(format!(
                "its numbers make no sense: next {next}, sent {sent}, answered {answered}"
            ))
        }
    }
}
