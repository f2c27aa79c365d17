#![doc = include_str!("../README.md")]

mod backend;
mod commit;
mod connection;
mod decide;
mod draft;
mod hub;
mod input;
mod memory;
mod output;
mod pack;
mod settings;
mod stats;
mod stream;
pub mod suite;
mod timers;

pub use backend::*;
pub use commit::*;
pub use draft::{
    Draft, DraftRefused, ID_FIELD, MAX_ACTION_BYTES, MAX_ENTITY_BYTES, MAX_ENTITY_DEPTH, Present,
    work_out, work_out_action,
};
pub use hub::Hub;
pub use input::{CallerId, ConnectionId, Input, Principal, Ticket};
pub use memory::Truth;
pub use output::{Anew, Fact, Frame, Output, PublishError, WakeReason};
pub use settings::{Actions, OpenToAll, Rights, Settings, StandardActions};
pub use stats::Stats;
