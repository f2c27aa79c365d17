//! What the benchmarks share: the work, those who do it, and how figures are taken and shown.
//!
//! Nothing here is part of what tidewire's users build; see the README beside it.

pub mod customer;
pub mod events;
pub mod figures;
pub mod floor;
pub mod hand_rolled;
pub mod options;
pub mod ours;
pub mod queries;
pub mod random;
pub mod suites;
pub mod texts;
pub mod work;
