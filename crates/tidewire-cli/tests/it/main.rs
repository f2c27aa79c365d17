//! The program as a user has it: real processes, real ports, real files.
//!
//! Nothing here looks inside. Every wait has a deadline; nothing waits for a time to pass.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod act;
mod bad_input;
mod bad_store;
mod basic;
mod browser;
mod crash;
mod demo;
mod dialect;
mod endings;
mod garbage;
mod live;
mod outage;
mod queue;
mod restored;
mod support;
mod terminal;
mod watch;
