#![doc = include_str!("../README.md")]

mod action;
mod changes;
mod client;
mod error;
mod fingerprint;
mod lane;
mod mention;
mod outcome;
mod queue;
mod refusal;
mod settings;
mod shelf;
mod stored;

pub use action::{Action, ActionState, Draft};
pub use client::{ClientRecord, Renewal};
pub use error::{CancelError, DecideError, Problem, SubmitError};
pub use outcome::{Accepted, Counts, Fate, Outcome, Sending, Wait};
pub use queue::{Queue, SyncReason};
pub use refusal::{Refusal, RefusalClass};
pub use settings::Settings;
