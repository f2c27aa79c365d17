//! Every transport against the one suite, and each against what only it can meet.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod peer;
mod pipe;
mod tls;
mod websocket;
