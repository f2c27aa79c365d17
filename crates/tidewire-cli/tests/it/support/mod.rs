//! What the tests stand on: the program, its server, peers that are not ours, HTTP and a browser.

pub(crate) mod foreign;
pub(crate) mod http;
pub(crate) mod program;
pub(crate) mod python;
pub(crate) mod relay;
pub(crate) mod serve;
pub(crate) mod webdriver;

use std::time::Duration;

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Something a machine may lack: says so and lets the test be skipped, except where everything has
/// to be there.
pub(crate) fn lacking(what: &str) {
    assert!(
        !matches!(std::env::var("CI").as_deref(), Ok("true" | "1")),
        "with CI=true nothing may be lacking, and {what} is"
    );
    eprintln!("skipped: {what} is lacking");
}
