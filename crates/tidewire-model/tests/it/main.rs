//! The laws of the model, tested through its public face.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod allocations;
mod changes;
mod customer;
mod diffs;
mod effects;
mod names;
mod orders;
mod packing;
mod queries;
mod query_texts;
mod records;
mod sorts;
mod strategies;
mod typed;
mod values;
