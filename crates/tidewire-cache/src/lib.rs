#![doc = include_str!("../README.md")]

mod ageing;
mod ask;
mod base;
mod cache;
mod fetch;
mod inflow;
mod intake;
mod overlay;
mod publish;
mod reader;
mod reading;
mod rename;
mod run;
mod settings;
mod settle;
mod sorted_map;
mod standing;
mod stats;
mod stream;
mod table;
mod take;
mod trust;
mod wants;
mod watch;
mod work;
mod world;

pub use cache::Cache;
pub use fetch::{FetchTicket, RunKey, Wanted};
pub use intake::{Attached, Commit, DetachReason, Echo, Intake, Taken};
pub use publish::{Progress, Publication, Retired};
pub use reader::{Reader, Snapshot};
pub use reading::{ListReading, ListRow, Presence, Reading};
pub use settings::{CollectionSettings, DefinedOtherwise, Interest, Points, Settings, Versions};
pub use stats::Stats;
pub use trust::{StaleReason, Trust};
pub use watch::{Target, WatchId};
