//! The house rules that a machine can hold: sizes, headers, words, white space, what each crate has. Each rule is a
//! function of its own; this file only hands them what they look at. `docs/style.md` gives the reasons.

mod headers;
mod house;
mod sizes;
mod trials;
mod white_space;
mod words;

use crate::metadata::Workspace;
use crate::report::{self, Finding};
use crate::repository::Repository;
use crate::rust_source::RustSource;

/// Endings of the files whose words and white space are looked at.
const TEXT_ENDINGS: &[&str] = &[
    ".rs", ".md", ".toml", ".html", ".css", ".js", ".py", ".sh", ".yml", ".ci/run",
];

/// Runs every rule.
///
/// # Errors
/// The number of findings, or that a file could not be read.
pub(crate) fn run(repository: &Repository) -> Result<(), String> {
    let workspace = Workspace::read(repository)?;
    let mut findings = text_findings(repository)?;
    let sources = rust_sources(repository)?;
    findings.extend(sources.iter().flat_map(source_findings));
    findings.extend(sizes::median(&sources));
    findings.extend(house::check(repository, &workspace.packages)?);
    report::verdict("tidy", findings)
}

fn source_findings(source: &RustSource) -> Vec<Finding> {
    let rules: [fn(&RustSource) -> Vec<Finding>; 6] = [
        headers::check,
        sizes::file,
        sizes::functions,
        trials::ignored,
        trials::sleeping,
        trials::fixed_cases,
    ];
    rules.iter().flat_map(|rule| rule(source)).collect()
}

fn text_findings(repository: &Repository) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    for path in repository
        .files()
        .iter()
        .filter(|path| TEXT_ENDINGS.iter().any(|ending| path.ends_with(ending)))
    {
        let text = repository.read(path)?;
        findings.extend(white_space::check(path, &text));
        findings.extend(words::check(path, &text));
    }
    Ok(findings)
}

fn rust_sources(repository: &Repository) -> Result<Vec<RustSource>, String> {
    let ours = |path: &&String| {
        path.ends_with(".rs")
            && ["crates/", "xtask/"]
                .iter()
                .any(|folder| path.starts_with(folder))
    };
    let read = |path: &String| Ok(RustSource::new(path, &repository.read(path)?));
    repository.files().iter().filter(ours).map(read).collect()
}
