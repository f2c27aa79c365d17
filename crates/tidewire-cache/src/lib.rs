#![doc = include_str!("../README.md")]

mod ageing;
mod ask;
mod base;
mod budget;
mod by_key;
mod cache;
mod criteria;
mod fetch;
mod gathered;
mod held;
mod inflow;
mod intake;
#[cfg(test)]
mod interleavings;
mod kept;
mod key_index;
#[cfg(feature = "regex")]
mod keys;
mod opaque;
mod overlay;
mod past;
mod places;
mod publish;
mod reader;
mod reading;
mod rename;
mod row_number;
mod rows;
mod run;
mod run_index;
mod run_set;
mod set;
mod settings;
mod settle;
mod slots;
mod sorted_map;
mod standing;
mod stats;
mod stream;
mod table;
mod take;
mod trust;
mod values;
mod wants;
mod watch;
mod whole;
mod why;
mod work;
mod world;

pub use base::Origin;
pub use budget::MAX_TOUCHED;
pub use cache::Cache;
pub use fetch::{FetchTicket, RunKey, Wanted};
pub use intake::{Attached, Commit, DetachReason, Echo, Intake, Taken};
#[cfg(feature = "regex")]
pub use keys::{Keys, Matching};
pub use publish::{Progress, Publication, Retired, Shows};
pub use reader::{Reader, Snapshot};
pub use reading::{ListReading, ListRow, Presence, Reading};
pub use set::OwnedByServer;
pub use settings::{CollectionSettings, DefinedOtherwise, Interest, Points, Settings, Versions};
pub use stats::{HeldBytes, Pressure, Stats};
pub use trust::{StaleReason, Trust};
pub use values::{ValueReading, ValueTooLarge};
pub use watch::{Target, WatchId};
pub use why::{Confirmed, Provenance, Shown};

#[cfg(feature = "regex")]
pub use regex::Regex;
