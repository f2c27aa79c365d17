//! Names of crates and the version of Rust, wherever prose states them.

use super::markdown::{Page, Piece};
use crate::metadata::Workspace;
use crate::report::Finding;

/// What a crate's name begins with, but for the facade.
const PREFIX: &str = "tidewire-";

/// Words before a version of Rust.
const BEFORE_VERSION: &[&str] = &[
    "rust ",
    "rustc ",
    "msrv ",
    "rust-version = \"",
    "rust-version: ",
];

/// Every crate that is named is in the workspace.
pub(crate) fn crates(page: &Page, workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for piece in lines(page) {
        for name in crate_names(&piece.text)
            .into_iter()
            .filter(|name| !workspace.has(name))
        {
            findings.push(Finding::at(
                &page.path,
                piece.line,
                format!("there is no crate `{name}`"),
            ));
        }
    }
    findings
}

/// The version of Rust that is stated is the one the manifests ask for.
pub(crate) fn rust_version(page: &Page, workspace: &Workspace) -> Vec<Finding> {
    let Some(wanted) = workspace
        .packages
        .iter()
        .map(|package| &package.rust_version)
        .find(|text| !text.is_empty())
    else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for piece in lines(page) {
        for stated in versions(&piece.text)
            .into_iter()
            .filter(|stated| !is_same_version(stated, wanted))
        {
            let what = format!("states Rust {stated}, the manifests ask for {wanted}");
            findings.push(Finding::at(&page.path, piece.line, what));
        }
    }
    findings
}

fn lines(page: &Page) -> impl Iterator<Item = &Piece> {
    page.prose
        .iter()
        .chain(page.fences.iter().flat_map(|fence| &fence.lines))
}

fn crate_names(line: &str) -> Vec<String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let begins = |at: usize| !line[..at].ends_with(is_word);
    let name = |at: usize| {
        line[at..]
            .chars()
            .take_while(|letter| is_word(*letter))
            .collect::<String>()
    };
    let names = line
        .match_indices(PREFIX)
        .filter(|(at, _)| begins(*at))
        .map(|(at, _)| name(at));
    // `tidewire-*` stands for all of them.
    names
        .map(|name| name.trim_end_matches('-').to_string())
        .filter(|name| name.len() > PREFIX.len())
        .collect()
}

fn versions(line: &str) -> Vec<String> {
    let small = line.to_lowercase();
    let mut found = Vec::new();
    for before in BEFORE_VERSION {
        for (at, _) in small.match_indices(before) {
            let rest = &small[at + before.len()..];
            let is_number = |letter: &char| letter.is_ascii_digit() || *letter == '.';
            let version: String = rest.chars().take_while(is_number).collect();
            let version = version.trim_end_matches('.');
            if version.starts_with("1.") {
                found.push(version.to_string());
            }
        }
    }
    found
}

/// `1.95` and `1.95.0` are the same version.
fn is_same_version(one: &str, other: &str) -> bool {
    let short = |version: &str| {
        version
            .strip_suffix(".0")
            .filter(|rest| rest.contains('.'))
            .unwrap_or(version)
            .to_string()
    };
    short(one) == short(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Package;

    fn workspace() -> Workspace {
        let package = |name: &str| Package {
            name: name.to_string(),
            rust_version: "1.95".to_string(),
            ..Package::default()
        };
        Workspace {
            packages: ["tidewire", "tidewire-model"].map(package).to_vec(),
            target_directory: std::path::PathBuf::new(),
        }
    }

    #[test]
    fn a_crate_that_is_not_there_is_caught() {
        let found = crates(
            &Page::read("a.md", "Use `tidewire-model`, not\n`tidewire-base`."),
            &workspace(),
        );
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["a.md:2: there is no crate `tidewire-base`"]
        );
        assert_eq!(
            crates(
                &Page::read("a.md", "```toml\ntidewire-base = \"1\"\n```"),
                &workspace()
            )
            .len(),
            1
        );
    }

    #[test]
    fn other_names_are_left_alone() {
        let text = "`tidewire`, tidewire.v1.json, `tidewire-*`, tidewire-model's, my-tidewire-app, crates/tidewire-model/";
        assert_eq!(crates(&Page::read("a.md", text), &workspace()), []);
    }

    #[test]
    fn another_version_of_rust_is_caught() {
        for text in [
            "Needs Rust 1.88.",
            "rustc 1.80.1 or later",
            "```toml\nrust-version = \"1.90\"\n```",
            "MSRV 1.9",
        ] {
            assert_eq!(
                rust_version(&Page::read("a.md", text), &workspace()).len(),
                1,
                "{text}"
            );
        }
    }

    #[test]
    fn the_true_version_and_other_numbers_pass() {
        for text in [
            "Rust 1.95",
            "Rust 1.95.0.",
            "`rust-version = \"1.95\"`",
            "tokio 1.54",
            "Rust 2024",
            "TLS 1.2",
        ] {
            assert_eq!(
                rust_version(&Page::read("a.md", text), &workspace()),
                [],
                "{text}"
            );
        }
    }
}
