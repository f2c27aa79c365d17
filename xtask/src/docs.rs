//! Prose against the tree: every path, link, crate, command, version and test that the documents name exists. What the
//! documents mean is not judged here.

mod commands;
mod links;
mod markdown;
mod names;
mod paths;
mod program;
mod proofs;

use crate::metadata::Workspace;
use crate::report::{self, Finding};
use crate::repository::Repository;
use markdown::Page;

/// What a reader must find, beside the README of each crate.
const EXPECTED: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/consistency.md",
    "docs/coverage.md",
    "docs/decisions",
    "docs/protocol.md",
    "docs/style.md",
];

/// Pages whose tables name a test for each row.
const WITH_PROOFS: &[&str] = &["docs/consistency.md", "docs/coverage.md"];

/// Reads every page and holds it against the tree.
///
/// # Errors
/// The number of findings, or that a file could not be read.
pub(crate) fn run(repository: &Repository) -> Result<(), String> {
    let workspace = Workspace::read(repository)?;
    let pages = pages(repository)?;
    let commands =
        commands::Known::new(repository, &workspace, program::Program::read(repository)?);
    let tests = proofs::functions(repository)?;

    let missing = EXPECTED.iter().filter(|path| !repository.holds(path));
    let mut findings: Vec<Finding> = missing
        .map(|path| Finding::of(path, "is missing"))
        .collect();
    for page in &pages {
        findings.extend(paths::check(page, repository.files()));
        findings.extend(links::check(page, &pages, repository));
        findings.extend(commands::check(page, &commands));
        findings.extend(names::crates(page, &workspace));
        findings.extend(names::rust_version(page, &workspace));
        if WITH_PROOFS.contains(&page.path.as_str()) {
            findings.extend(proofs::check(page, &tests));
        }
    }
    report::verdict("docs", findings)
}

fn pages(repository: &Repository) -> Result<Vec<Page>, String> {
    let paths = repository.files().iter().filter(|path| is_page(path));
    paths
        .map(|path| Ok(Page::read(path, &repository.read(path)?)))
        .collect()
}

/// The change log is left out: it speaks of what was.
fn is_page(path: &str) -> bool {
    let folders: Vec<&str> = path.split('/').collect();
    match folders.as_slice() {
        ["README.md" | "CONTRIBUTING.md"] => true,
        ["docs", .., name] => name.ends_with(".md"),
        ["crates", _, "README.md"] | ["bench" | "fuzz", "README.md"] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_what_readers_are_sent_to() {
        for path in [
            "README.md",
            "CONTRIBUTING.md",
            "docs/a.md",
            "docs/decisions/a.md",
            "crates/tidewire/README.md",
        ] {
            assert!(is_page(path), "{path}");
        }
        for path in [
            "CHANGELOG.md",
            "docs/a.svg",
            "crates/tidewire/tests/README.md",
            "crates/README.md",
        ] {
            assert!(!is_page(path), "{path}");
        }
    }
}
