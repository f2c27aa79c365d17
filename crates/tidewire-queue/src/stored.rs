//! The stored form: three tables of JSON rows, each row with the number of its format.
//!
//! | table | key | value |
//! |---|---|---|
//! | `actions` | submission number, eight bytes, big-endian | the action |
//! | `lanes` | the lane's name | its three numbers |
//! | `client` | `self` | who the client is |
//!
//! Whether a waiting action is possibly sent is told by its lane's `sent`, so that sending one writes a small row.
//! Reading never panics and never trusts what it reads. A row of a newer format is refused, one of an older format is
//! brought up step by step.

mod action;
mod client;
mod lane;

pub(crate) use action::{StoredAction, action_row};
pub(crate) use client::{StoredClient, client_row};
pub(crate) use lane::{StoredLane, lane_row};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tidewire_store::Table;

use crate::settings::Settings;

/// The table of actions.
pub(crate) const ACTIONS: Table = Table::new("actions");
/// The table of lanes.
pub(crate) const LANES: Table = Table::new("lanes");
/// The table of the one client record.
pub(crate) const CLIENT: Table = Table::new("client");
/// The key of the one client record.
pub(crate) const CLIENT_KEY: &[u8] = b"self";

/// The format that is written. Raise it with every change of a row, and add the step from the one before in
/// [`read`]'s callers.
const FORMAT: u32 = 1;

/// Numbers above this are damage, and are not read. Whatever a queue writes must stay below.
const MAX_NUMBER: u64 = 1 << 52;

/// Numbers above this are used up: they begin anew when they are read. No program counts from here to
/// [`MAX_NUMBER`], so that nothing is ever written that is not read.
pub(crate) const WORN_NUMBER: u64 = 1 << 51;

/// The key of an action.
pub(crate) fn action_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The submission number that a key holds, if it is one.
pub(crate) fn action_number(key: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(key.try_into().ok()?);
    (1..=MAX_NUMBER).contains(&number).then_some(number)
}

/// Reads one row of the present format. Why it cannot be used, as text for people.
fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Format {
        v: u32,
    }

    if value.len() > Settings::MAX_ROW_BYTES {
        return Err(format!("has {} bytes, more than can be read", value.len()));
    }
    match serde_json::from_slice::<Format>(value) {
        Ok(Format { v: FORMAT }) => {
            serde_json::from_slice(value).map_err(|error| format!("cannot be read: {error}"))
        }
        Ok(Format { v }) if v > FORMAT => Err(format!(
            "has format {v}, this program knows formats up to {FORMAT}; update the program"
        )),
        Ok(Format { v }) => Err(format!("has format {v}, which never was")),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}
