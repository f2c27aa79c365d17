//! Tests of the server over files and sockets. One binary; each module holds one subject.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod crash;
mod damage;
mod faults;
mod live;
mod pages;
mod raw;
mod slow;
mod storage;
mod suite;
mod support;
mod twin;
