//! Values packed into one text: how a record holds what it holds, in one allocation.
//!
//! Everything is text, so that a text inside is a slice, checked once when it was read, and nothing here is `unsafe`:
//! numbers and offsets are written with seven bits to a byte. Private to the crate; no form of it is stored or sent.
//!
//! ```text
//! a slot     4 bytes, 28 bits: what it is (4 bits), and a small number or the way back to where it is (24 bits);
//!            in a wide block 8 bytes, 56 bits, for what lies further back than 16 MiB
//! a text     its length, six bits to a byte, then the text
//! a number   10 bytes, 64 bits
//! a list     contents, then the block: a slot for each value, how long all of it is, how many values
//! an object  names and contents, then the block: a slot for each name, a slot for each value, the places sorted by name
//!            where there are more than 16, how long all of it is, how many fields
//! ```
//!
//! A record of a known shape is contents and a slot for each value; names and their number are in the shape. One that owns
//! its names is an object, and a last letter that tells whether its block is wide.

mod block;
mod number;
mod slot;
mod write;

pub(crate) use block::{PackedList, PackedObject, Table};
pub(crate) use slot::Slot;
pub(crate) use write::Packer;
