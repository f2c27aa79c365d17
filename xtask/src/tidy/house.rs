//! What every crate has, and what the root of the repository may hold.

use std::collections::BTreeSet;

use crate::layers::WITHOUT_IO;
use crate::metadata::Package;
use crate::report::Finding;
use crate::repository::Repository;

/// Files and folders at the root, so that a newcomer sees all of it at once.
const ROOT_ENTRIES_MAX: usize = 18;
/// Features multiply what has to be tested.
const FEATURES_MAX: usize = 4;

/// Looks at the root, and at each crate.
///
/// # Errors
/// A file that is there cannot be read.
pub(crate) fn check(repository: &Repository, packages: &[Package]) -> Result<Vec<Finding>, String> {
    let mut findings: Vec<Finding> = root_entries(repository.files()).into_iter().collect();
    for package in packages
        .iter()
        .filter(|package| package.folder.starts_with("crates/"))
    {
        findings.extend(features(package));
        findings.extend(folder_name(package));
        findings.extend(readme(repository, package)?);
    }
    findings.extend(settings_without_io(repository)?);
    Ok(findings)
}

fn root_entries(files: &[String]) -> Option<Finding> {
    let entries: BTreeSet<&str> = files
        .iter()
        .filter_map(|path| path.split('/').next())
        .collect();
    let what = || {
        format!(
            "the root has {} entries, {ROOT_ENTRIES_MAX} is the most",
            entries.len()
        )
    };
    (entries.len() > ROOT_ENTRIES_MAX).then(|| Finding::of(".", what()))
}

fn features(package: &Package) -> Option<Finding> {
    let count = package
        .features
        .iter()
        .filter(|feature| *feature != "default")
        .count();
    let manifest = format!("{}/Cargo.toml", package.folder);
    (count > FEATURES_MAX).then(|| {
        Finding::of(
            &manifest,
            format!("has {count} features, {FEATURES_MAX} is the most"),
        )
    })
}

fn folder_name(package: &Package) -> Option<Finding> {
    let expected = format!("crates/{}", package.name);
    let what = || format!("holds `{}`; folder and crate have one name", package.name);
    (package.folder != expected).then(|| Finding::of(&package.folder, what()))
}

/// The README of a crate is the front page of its documentation, so that its example is compiled.
fn readme(repository: &Repository, package: &Package) -> Result<Option<Finding>, String> {
    let path = format!("{}/README.md", package.folder);
    if !repository.holds(&path) {
        return Ok(Some(Finding::of(&path, "is missing")));
    }
    let library = format!("{}/src/lib.rs", package.folder);
    if !package.has_library
        || repository
            .read(&library)?
            .contains("#![doc = include_str!(\"../README.md\")]")
    {
        return Ok(None);
    }
    Ok(Some(Finding::of(
        &library,
        "does not take `README.md` as its documentation",
    )))
}

/// Clippy reads only the nearest settings. Those of the crates without I/O are equal, and repeat the root's.
fn settings_without_io(repository: &Repository) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    let root = repository.read("clippy.toml")?;
    let mut first: Option<(String, String)> = None;
    for name in WITHOUT_IO {
        let path = format!("crates/{name}/clippy.toml");
        if !repository.holds(&path) {
            findings.push(Finding::of(&path, "is missing"));
            continue;
        }
        let text = repository.read(&path)?;
        findings.extend(
            unrepeated(&root, &text)
                .map(|setting| Finding::of(&path, format!("lacks `{setting}`"))),
        );
        match &first {
            Some((model, expected)) if *expected != text => {
                findings.push(Finding::of(&path, format!("differs from {model}")));
            }
            Some(_) => {}
            None => first = Some((path, text)),
        }
    }
    Ok(findings)
}

/// Settings of the root file that the other does not repeat word for word.
fn unrepeated<'a>(root: &'a str, other: &'a str) -> impl Iterator<Item = &'a str> {
    let settings = root
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    settings.filter(|setting| !other.lines().any(|line| line == *setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(features: &[&str]) -> Package {
        Package {
            name: "tidewire-a".to_string(),
            folder: "crates/tidewire-a".to_string(),
            features: features.iter().map(ToString::to_string).collect(),
            ..Package::default()
        }
    }

    #[test]
    fn four_features_are_allowed_and_default_is_none() {
        assert_eq!(features(&package(&["a", "b", "c", "d", "default"])), None);
        assert!(features(&package(&["a", "b", "c", "d", "e"])).is_some());
    }

    #[test]
    fn entries_of_the_root_are_counted_once() {
        let files = |count: usize| {
            (0..count)
                .flat_map(|n| [format!("d{n}/a"), format!("d{n}/b")])
                .collect::<Vec<_>>()
        };
        assert_eq!(root_entries(&files(ROOT_ENTRIES_MAX)), None);
        assert!(root_entries(&files(ROOT_ENTRIES_MAX + 1)).is_some());
    }

    #[test]
    fn folder_and_crate_have_one_name() {
        assert_eq!(folder_name(&package(&[])), None);
        assert!(
            folder_name(&Package {
                folder: "crates/a".to_string(),
                ..package(&[])
            })
            .is_some()
        );
    }

    #[test]
    fn a_setting_that_is_not_repeated_is_named() {
        let root = "# why\n\nallow-unwrap-in-tests = true\ntoo-many-lines-threshold = 70\n";
        let found: Vec<_> = unrepeated(
            root,
            "allow-unwrap-in-tests = true\ntoo-many-lines-threshold = 90\n",
        )
        .collect();
        assert_eq!(found, ["too-many-lines-threshold = 70"]);
    }

    #[test]
    fn a_missing_readme_is_named() {
        let repository = Repository::of(std::path::PathBuf::new(), Vec::new());
        let found = readme(&repository, &package(&[])).unwrap().unwrap();
        assert_eq!(found.to_string(), "crates/tidewire-a/README.md: is missing");
    }
}
