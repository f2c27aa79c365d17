//! Which crate may use which: the table, held against what cargo says. Prose about the borders is in
//! `docs/architecture.md`; what the compiler is told is checked here.

mod closure;

pub(crate) use closure::WITHOUT_IO;

use crate::metadata::{Kind, Package, Workspace};
use crate::report::{self, Finding};
use crate::repository::Repository;

/// One crate: how high it stands, and which of our crates it may use.
struct Place {
    name: &'static str,
    /// What only tests use may stand on the same level or lower.
    level: u8,
    /// Names without their common beginning.
    may_use: &'static str,
}

const PLACES: &[Place] = &[
    place("tidewire-model", 0, ""),
    place("tidewire-store", 0, ""),
    place("tidewire-transport", 0, ""),
    place("tidewire-protocol", 1, "model"),
    place("tidewire-cache", 1, "model"),
    place("tidewire-queue", 1, "model store"),
    place("tidewire-engine", 2, "model store protocol cache queue"),
    place("tidewire-hub", 2, "model protocol"),
    place(
        "tidewire",
        3,
        "model store transport protocol cache queue engine",
    ),
    place("tidewire-server", 3, "model protocol hub"),
    place(
        "tidewire-sim",
        3,
        "model store transport protocol cache queue engine hub",
    ),
    place(
        "tidewire-cli",
        4,
        "model store transport protocol cache queue engine hub tidewire server",
    ),
    place("xtask", 0, ""),
];

/// Tools: no crate uses them, not even in its tests.
const NEVER_USED: &[&str] = &["tidewire-sim", "xtask"];

/// Holds the table against the manifests, and the crates without I/O against what they are built from.
///
/// # Errors
/// The number of findings, or that cargo could not be asked.
pub(crate) fn run(repository: &Repository) -> Result<(), String> {
    let workspace = Workspace::read(repository)?;
    let mut findings = edges(&workspace.packages);
    for name in WITHOUT_IO {
        findings.extend(closure::check(
            name,
            &closure::built_from(repository, name)?,
        ));
    }
    report::verdict("layers", findings)
}

fn edges(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        match place_of(&package.name) {
            Some(place) => findings.extend(edges_of(package, place)),
            None => findings.push(finding(package, "is not in the table of layers")),
        }
    }
    let gone = PLACES
        .iter()
        .filter(|place| !packages.iter().any(|package| package.name == place.name));
    findings.extend(gone.map(|place| {
        Finding::of(
            place.name,
            "is in the table of layers, but not in the workspace",
        )
    }));
    findings
}

fn edges_of(package: &Package, place: &Place) -> Vec<Finding> {
    let mut findings = Vec::new();
    for edge in &package.dependencies {
        // Crates from elsewhere are judged by `licences` and by the closure, not by the table.
        let Some(other) = place_of(&edge.name) else {
            continue;
        };
        let allowed = match edge.kind {
            Kind::Shipped => place.may_use(other.name),
            Kind::Development => other.level <= place.level && !NEVER_USED.contains(&other.name),
        };
        if !allowed {
            let purpose = if edge.kind == Kind::Shipped {
                ""
            } else {
                " in its tests"
            };
            findings.push(finding(
                package,
                &format!("may not use `{}`{purpose}", other.name),
            ));
        }
    }
    findings
}

const fn place(name: &'static str, level: u8, may_use: &'static str) -> Place {
    Place {
        name,
        level,
        may_use,
    }
}

impl Place {
    fn may_use(&self, name: &str) -> bool {
        let short = name.strip_prefix("tidewire-").unwrap_or(name);
        self.may_use.split(' ').any(|used| used == short)
    }
}

fn place_of(name: &str) -> Option<&'static Place> {
    PLACES.iter().find(|place| place.name == name)
}

fn finding(package: &Package, what: &str) -> Finding {
    Finding::of(
        &format!("{}/Cargo.toml", package.folder),
        format!("`{}` {what}", package.name),
    )
}

#[cfg(test)]
mod tests;
