//! The tests of the queue, in one binary: transitions one by one, stored forms, hostile stores, and the laws under
//! random sequences against a naive server.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod connection;
mod creation;
mod decide;
mod hostile;
mod kit;
mod laws;
mod rename;
mod send;
mod stored;
mod submit;
mod twin;
mod world;
mod worn;
