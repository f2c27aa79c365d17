//! Many seeds, the same seed twice, and mistakes that must be found.

mod plants;
mod seeds;
