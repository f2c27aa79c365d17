//! The facade against a real hub: over the in-memory pipe in virtual time, and over real sockets.
#![allow(missing_docs, unreachable_pub, reason = "tests")]

mod basic;
mod by_key;
mod callers;
mod ends;
mod listeners;
mod lists;
mod opaque;
mod pipe_server;
mod raw_server;
mod refused;
mod sockets;
mod stuck;
mod waiting;
mod writes;
