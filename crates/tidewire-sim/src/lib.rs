#![doc = include_str!("../README.md")]

mod broken;
mod client;
mod clock;
mod disk;
mod event;
mod history;
mod hits;
mod names;
mod network;
mod observer;
mod options;
mod plant;
mod random;
mod run;
mod server;
mod trace;
mod twin;
mod world;

pub use broken::Broken;
pub use hits::{Hit, Hits};
pub use options::Options;
pub use plant::Plant;
pub use run::{Failure, Report, run};
