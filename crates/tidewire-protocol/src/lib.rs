#![doc = include_str!("../README.md")]

mod basic;
pub mod close;
mod dialect;
mod down;
mod error;
mod fields;
mod frame;
pub mod limits;
mod naming;
mod up;
mod v1;
pub mod version;
mod wire;

pub use basic::Basic;
pub use close::{CloseClass, close_class};
pub use dialect::*;
pub use down::*;
pub use error::DecodeError;
pub use limits::Limits;
pub use naming::{Naming, Ops, Points, StaleAll, changes};
pub use up::*;
pub use v1::V1Json;
pub use version::{PROTOCOL_VERSION, negotiate};
