//! The hub from outside: its laws, told through inputs and outputs.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod actions;
mod client;
mod determinism;
mod drain;
mod fetch;
mod handshake;
mod limits;
mod malformed;
mod order;
mod random;
mod resume;
mod rights;
mod slow;
mod snapshot;
mod suite;
mod time;
mod world;
mod writes;
