//! The engine as a driver sees it: inputs in, outputs out, virtual time.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "tests"
)]

mod actions;
mod answers;
mod basic;
mod basic_bench;
mod basic_holds;
mod basic_life;
mod basic_reads;
mod basic_writes;
mod bench;
mod by_key;
mod connection;
mod determinism;
mod hostile;
mod lists;
mod opaque;
mod power_cut;
mod streams;
mod unanswered;
