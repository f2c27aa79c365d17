//! Browsers and their drivers, for the tests of the page: Chromium, and Firefox where it happens to be.

use super::{Lack, Machine, Variable};

/// Finds both programs, or installs them where that is allowed, and tells the tests where they are.
pub(super) fn find(machine: &Machine<'_>) -> Result<Vec<Variable>, Lack> {
    if let Some(both) = pair(CHROMIUM) {
        return Ok(both);
    }
    if machine.install("chromium chromium-driver")
        && let Some(both) = pair(CHROMIUM)
    {
        return Ok(both);
    }
    Err(
        "chromium with chromedriver: install both (on Debian: chromium, chromium-driver)"
            .to_string(),
    )
}

/// Finds Firefox and its driver, and tells the tests where they are. Where they are lacking it is only named, in CI
/// too: no package of Debian has the driver, and building it takes longer than everything else.
pub(super) fn find_firefox() -> Result<Vec<Variable>, Lack> {
    Ok(pair(FIREFOX).unwrap_or_else(|| {
        println!(
            "    without: firefox with geckodriver, whose test is skipped (on Debian: apt install firefox-esr; cargo \
             install geckodriver)"
        );
        Vec::new()
    }))
}

/// A variable, and the names its program goes by.
type Named = (&'static str, &'static [&'static str]);

const CHROMIUM: [Named; 2] = [
    (
        "TIDEWIRE_CHROMIUM",
        &["chromium", "chromium-browser", "google-chrome"],
    ),
    ("TIDEWIRE_CHROMEDRIVER", &["chromedriver"]),
];
const FIREFOX: [Named; 2] = [
    ("TIDEWIRE_FIREFOX", &["firefox-esr", "firefox"]),
    ("TIDEWIRE_GECKODRIVER", &["geckodriver"]),
];

fn pair(programs: [Named; 2]) -> Option<Vec<Variable>> {
    let chosen = |(variable, names): Named| {
        let program = std::env::var(variable)
            .ok()
            .or_else(|| Machine::program(names))?;
        Some((variable.to_string(), program))
    };
    programs.into_iter().map(chosen).collect()
}
