//! Commands in prose: what a reader is told to type can be typed. Known are `cargo`, with the chores and the packages of
//! this workspace, and the program `tidewire`.

use super::markdown::{Fence, Page};
use super::paths;
use super::program::Program;
use crate::chores::CHORES;
use crate::metadata::Workspace;
use crate::report::Finding;
use crate::repository::Repository;

/// Languages of fences in which each line is a command.
const SHELLS: &[&str] = &["sh", "bash", "shell"];
/// Languages of fences in which commands stand behind a prompt, among what they print.
const TRANSCRIPTS: &[&str] = &["console", "text", ""];

/// Subcommands of cargo that the documents may use; those that are not part of cargo included.
const OF_CARGO: &[&str] = &[
    "add", "bench", "build", "check", "clean", "clippy", "deny", "doc", "fmt", "fuzz", "install",
    "metadata", "miri", "nextest", "publish", "run", "test", "tree", "update", "xtask",
];

/// The program that the package of this name builds.
const PROGRAM: &str = "tidewire";
const PROGRAM_PACKAGE: &str = "tidewire-cli";

/// What commands can name.
pub(crate) struct Known {
    packages: Vec<String>,
    files: Vec<String>,
    program: Program,
}

impl Known {
    pub(crate) fn new(repository: &Repository, workspace: &Workspace, program: Program) -> Self {
        let packages = workspace
            .packages
            .iter()
            .map(|package| package.name.clone())
            .collect();
        Self {
            packages,
            files: repository.files().to_vec(),
            program,
        }
    }
}

/// Every command, in fences of a shell and between backquotes, names what exists.
pub(crate) fn check(page: &Page, known: &Known) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, command) in commands(page) {
        let words: Vec<&str> = command.split_whitespace().collect();
        findings.extend(
            wrong(&words, known)
                .map(|what| Finding::at(&page.path, line, format!("`{command}`: {what}"))),
        );
    }
    findings
}

/// The commands of a page, one by one, each with its line.
fn commands(page: &Page) -> Vec<(usize, String)> {
    let spans = page.spans.iter().map(|span| (span.line, span.text.clone()));
    let lines = page.fences.iter().flat_map(typed_lines).chain(spans);
    lines
        .flat_map(|(number, line)| {
            single_commands(&line)
                .into_iter()
                .map(move |one| (number, one))
        })
        .collect()
}

/// The lines of a fence that a reader is told to type. A backslash at the end joins a line to the next.
fn typed_lines(fence: &Fence) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut begun = String::new();
    for piece in &fence.lines {
        let text = piece.text.trim();
        let typed = match text.strip_prefix("$ ") {
            Some(typed) if fence.is_one_of(SHELLS) || fence.is_one_of(TRANSCRIPTS) => typed,
            None if fence.is_one_of(SHELLS) || !begun.is_empty() => text,
            _ => continue,
        };
        begun.push_str(typed);
        match begun.strip_suffix('\\') {
            Some(open) => begun = open.to_string(),
            None => found.push((piece.line, std::mem::take(&mut begun))),
        }
    }
    found
}

/// Parts a line at `&&`, `;` and ` | `, and drops what stands before the program: variables and a folder.
fn single_commands(line: &str) -> Vec<String> {
    let line = line
        .split(" # ")
        .next()
        .unwrap_or_default()
        .replace("&&", ";")
        .replace(" | ", ";");
    let mut found = Vec::new();
    for part in line.split(';') {
        let is_variable = |word: &&str| {
            word.split_once('=')
                .is_some_and(|(name, _)| is_variable_name(name))
        };
        let words: Vec<&str> = part.split_whitespace().skip_while(is_variable).collect();
        let Some(program) = words.first().and_then(|word| word.rsplit('/').next()) else {
            continue;
        };
        if matches!(program, "cargo" | PROGRAM) && words.len() > 1 {
            found.push(
                std::iter::once(program)
                    .chain(words[1..].iter().copied())
                    .collect::<Vec<_>>()
                    .join(" "),
            );
        }
    }
    found
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
}

/// What is wrong with a command, if anything is.
fn wrong(words: &[&str], known: &Known) -> Option<String> {
    match words {
        ["cargo", rest @ ..] => wrong_cargo(rest, known),
        [PROGRAM, rest @ ..] => known.program.wrong(rest),
        _ => None,
    }
}

fn wrong_cargo(words: &[&str], known: &Known) -> Option<String> {
    let words: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !word.starts_with('+'))
        .collect();
    let (subcommand, rest) = words.split_first()?;
    if is_open(subcommand) || subcommand.starts_with('-') {
        return None;
    }
    if !OF_CARGO.contains(subcommand) {
        return Some(format!("cargo has no `{subcommand}`"));
    }
    if *subcommand == "xtask" {
        return wrong_chore(rest);
    }
    let own: Vec<&str> = rest
        .iter()
        .copied()
        .take_while(|word| *word != "--")
        .collect();
    let for_program = rest.get(own.len() + 1..).unwrap_or_default();
    let package = value_of(&own, &["-p", "--package"]);
    if let Some(package) = package
        .filter(|package| !is_open(package) && !known.packages.iter().any(|name| name == package))
    {
        return Some(format!("there is no package `{package}`"));
    }
    if let Some(path) = own
        .iter()
        .find(|word| paths::looks_like_path(word) && !known.holds(word))
    {
        return Some(format!("`{path}` is not in the tree"));
    }
    if let Some(example) =
        value_of(&own, &["--example"]).filter(|example| !known.has_example(example))
    {
        return Some(format!("there is no example `{example}`"));
    }
    let runs_program = *subcommand == "run" && package == Some(PROGRAM_PACKAGE);
    if runs_program && !for_program.is_empty() {
        known.program.wrong(for_program)
    } else {
        None
    }
}

impl Known {
    fn holds(&self, path: &str) -> bool {
        let path = path.trim_start_matches("./").trim_end_matches('/');
        self.files
            .iter()
            .any(|file| file == path || file.starts_with(&format!("{path}/")))
    }

    fn has_example(&self, name: &str) -> bool {
        let endings = [
            format!("/examples/{name}.rs"),
            format!("/examples/{name}/main.rs"),
        ];
        self.files
            .iter()
            .any(|file| endings.iter().any(|ending| file.ends_with(ending)))
    }
}

fn wrong_chore(words: &[&str]) -> Option<String> {
    let (name, options) = words.split_first()?;
    if is_open(name) {
        return None;
    }
    let Some(chore) = CHORES.iter().find(|chore| chore.name == *name) else {
        return Some(format!("there is no chore `{name}`"));
    };
    let unknown = options
        .iter()
        .find(|option| option.starts_with('-') && !chore.knows(option));
    unknown.map(|option| format!("`{name}` does not know `{option}`"))
}

fn value_of<'a>(words: &[&'a str], options: &[&str]) -> Option<&'a str> {
    let at = words.iter().position(|word| options.contains(word))?;
    words.get(at + 1).copied()
}

/// True for a word that stands for others: `CRATE`, `<crate>`, `…`, `tidewire-*`.
pub(crate) fn is_open(word: &str) -> bool {
    word.contains(['<', '…', '*', '[', '{'])
        || word == "..."
        || word.chars().all(|letter| letter.is_ascii_uppercase())
}

#[cfg(test)]
mod tests;
