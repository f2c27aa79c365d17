//! Chromium and its driver, for the tests of the page.

use super::{Lack, Machine, Variable};

const CHROMIUM: &[&str] = &["chromium", "chromium-browser", "google-chrome"];
const CHROMEDRIVER: &[&str] = &["chromedriver"];

/// Finds both programs, or installs them where that is allowed, and tells the tests where they are.
pub(super) fn find(machine: &Machine<'_>) -> Result<Vec<Variable>, Lack> {
    if let Some(both) = both() {
        return Ok(both);
    }
    if machine.install("chromium chromium-driver")
        && let Some(both) = both()
    {
        return Ok(both);
    }
    Err(
        "chromium with chromedriver: install both (on Debian: chromium, chromium-driver)"
            .to_string(),
    )
}

fn both() -> Option<Vec<Variable>> {
    let chosen = |variable: &str, names| {
        std::env::var(variable)
            .ok()
            .or_else(|| Machine::program(names))
    };
    let found = [
        ("TIDEWIRE_CHROMIUM", CHROMIUM),
        ("TIDEWIRE_CHROMEDRIVER", CHROMEDRIVER),
    ];
    found
        .into_iter()
        .map(|(variable, names)| Some((variable.to_string(), chosen(variable, names)?)))
        .collect()
}
