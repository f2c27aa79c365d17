//! What the crates without I/O are built from, down to the last crate. A border that only direct dependencies keep is
//! no border: a clock or a runtime two edges away is in the program all the same.

use crate::process::Call;
use crate::report::Finding;
use crate::repository::Repository;

/// The crates that read no clock, start no thread and open nothing.
pub(crate) const WITHOUT_IO: &[&str] = &[
    "tidewire-model",
    "tidewire-protocol",
    "tidewire-cache",
    "tidewire-queue",
    "tidewire-engine",
    "tidewire-hub",
];

/// Crates that bring I/O, time, threads or chance, and what each brings.
const BANNED: &[(&str, &str)] = &[
    ("tokio", "an async runtime"),
    ("mio", "sockets"),
    ("socket2", "sockets"),
    ("axum", "a server"),
    ("rusqlite", "files"),
    ("parking_lot", "locks that park their thread"),
    ("getrandom", "chance from outside"),
    ("rand", "chance from outside"),
];

/// The names of all crates that are built for this one with all its features, on any platform.
///
/// Asked of `cargo tree` rather than of the metadata: only a build of this crate alone says which features of its
/// dependencies it turns on, the metadata mixes in those that other crates of the workspace ask for.
///
/// # Errors
/// Cargo cannot tell.
pub(crate) fn built_from(repository: &Repository, name: &str) -> Result<Vec<String>, String> {
    let call = format!(
        "cargo tree --package {name} --all-features --edges normal,build --target all --prefix none --format {{p}}"
    );
    let tree = Call::new(&call).output(repository.root())?;
    Ok(tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(ToString::to_string)
        .collect())
}

/// Compares what a crate is built from with what it must not be built from.
pub(crate) fn check(name: &str, built_from: &[String]) -> Vec<Finding> {
    let found = BANNED
        .iter()
        .filter(|(banned, _)| built_from.iter().any(|used| used == banned));
    let sentence = |(banned, brings): &(&str, &str)| {
        let what = format!(
            "`{name}` is built from `{banned}`, which brings {brings}; \
             see `cargo tree --package {name} --edges normal --invert {banned}`"
        );
        Finding::of(&format!("crates/{name}/Cargo.toml"), what)
    };
    found.map(sentence).collect()
}
