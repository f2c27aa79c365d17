//! Many seeds, the same seed twice, and mistakes that must be found.

mod plants;
mod seeds;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
