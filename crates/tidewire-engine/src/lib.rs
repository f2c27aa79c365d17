#![doc = include_str!("../README.md")]

mod ageing;
mod answers;
mod assembly;
mod backoff;
mod batch;
mod engine;
mod frame;
mod hold;
mod input;
mod liveness;
mod output;
mod pace;
mod persistence;
mod random;
mod refetch;
mod session;
mod settings;
mod status;
mod subscriptions;
mod timers;

pub use backoff::BackoffSettings;
pub use engine::Engine;
pub use frame::{FrameReader, Incoming};
pub use input::{
    CacheCommand, Command, Executed, Failure, FailureOutcome, Fetched, Input, Submission, Switch,
    Trouble, Write,
};
pub use output::{CommandError, Event, Output, Problem, Reply, Stage, Submitted, Term};
pub use persistence::StoreTicket;
pub use refetch::FetchNumber;
pub use session::{Generation, SessionSettings};
pub use settings::{Dialects, OwnBackend, Settings};
pub use status::{Connection, Skipped, Status};
pub use timers::TimerReason;
