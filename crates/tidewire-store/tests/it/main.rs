//! Every store against the one suite, and SQLite against real files, real locks and real kills.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod crash;
mod file;
mod memory;
mod power_cut;
mod twin;
