//! The cache as its users see it: the knowledge table row by row, the laws by number, and
//! comparisons with naive twins.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "a twin is one list of clauses, to be read beside the rules"
)]

mod asking;
mod batches;
mod budget;
mod counts;
mod customers;
mod eviction;
mod expiry;
mod fetching;
mod keys;
mod knowledge;
mod lists;
mod opaque;
mod opaque_twin;
mod overlay;
mod own_knowledge;
mod own_twin;
mod pushes;
mod readers;
mod server;
mod support;
mod trust;
mod twin;
mod twin_laws;
mod values;
mod wakes;
mod why;
mod windows;
