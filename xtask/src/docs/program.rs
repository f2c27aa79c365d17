//! The command line of the program `tidewire`, read from its sources: the variants of the enum that clap makes
//! subcommands of, and the long options. Read, not asked by `--help`, so that prose can be checked before it is built.

use std::collections::BTreeSet;

use super::commands::is_open;
use crate::repository::Repository;
use crate::rust_source::RustSource;

const SOURCES: &str = "crates/tidewire-cli/src/";

/// What clap adds by itself.
const ADDED_COMMANDS: &[&str] = &["help"];
const ADDED_OPTIONS: &[&str] = &["help", "version"];

/// Subcommands and long options that the program knows.
#[derive(Debug, Default)]
pub(crate) struct Program {
    subcommands: BTreeSet<String>,
    options: BTreeSet<String>,
}

impl Program {
    /// Reads the sources of the program.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn read(repository: &Repository) -> Result<Self, String> {
        let paths = repository
            .files()
            .iter()
            .filter(|path| path.starts_with(SOURCES) && path.ends_with(".rs"));
        let texts = paths
            .map(|path| repository.read(path))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self::from_sources(
            &texts.iter().map(String::as_str).collect::<Vec<_>>(),
        ))
    }

    /// Reads subcommands and options from texts of Rust.
    pub(crate) fn from_sources(texts: &[&str]) -> Self {
        let sources: Vec<RustSource> = texts.iter().map(|text| RustSource::new("", text)).collect();
        let top = sources
            .iter()
            .find_map(|source| top_enum(&source.masked))
            .unwrap_or_default();
        let variants = sources
            .iter()
            .flat_map(|source| variants(&source.masked, &top));
        let options = sources.iter().flat_map(long_options);
        Self {
            subcommands: variants
                .map(|name| kebab(&name))
                .chain(owned(ADDED_COMMANDS))
                .collect(),
            options: options.chain(owned(ADDED_OPTIONS)).collect(),
        }
    }

    /// What is wrong with the words behind the program's name, if anything is.
    pub(crate) fn wrong(&self, words: &[&str]) -> Option<String> {
        let first = words.iter().find(|word| !word.starts_with('-'))?;
        if !is_open(first) && !self.subcommands.contains(*first) {
            return Some(format!("`tidewire` has no `{first}`"));
        }
        // Brackets stand around what may be left out.
        let names = words
            .iter()
            .filter_map(|word| word.trim_matches(['[', ']']).strip_prefix("--"));
        let mut names = names.map(|name| name.split('=').next().unwrap_or(name));
        let unknown =
            names.find(|name| !name.is_empty() && !is_open(name) && !self.options.contains(*name));
        unknown.map(|name| format!("`tidewire` has no option `--{name}`"))
    }
}

fn owned(names: &[&str]) -> impl Iterator<Item = String> {
    names.iter().map(ToString::to_string)
}

/// The type of the field that holds the subcommand: what stands behind the colon after `#[command(subcommand)]`.
/// The program's own struct comes first in its file; those of subcommands that have subcommands come later.
fn top_enum(masked: &str) -> Option<String> {
    let parser = masked
        .find("Parser")
        .filter(|_| masked.contains("derive("))?;
    let field = parser + masked[parser..].find("#[command(subcommand)]")?;
    let kind = masked[field..].split_once(':')?.1;
    Some(word(kind.trim_start()))
}

/// The names that stand at the first level of an enum's braces, at the beginning of an item.
fn variants(masked: &str, name: &str) -> Vec<String> {
    let Some(at) = masked
        .find(&format!("enum {name} {{"))
        .filter(|_| !name.is_empty())
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut expects_name = false;
    let body = &masked[at + masked[at..].find('{').unwrap_or_default()..];
    for (offset, letter) in body.char_indices() {
        match letter {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            letter if depth == 1 && expects_name && letter.is_ascii_uppercase() => {
                found.push(word(&body[offset..]));
                expects_name = false;
            }
            _ => {}
        }
        expects_name |= depth == 1 && matches!(letter, '{' | ',');
        if depth == 0 {
            break;
        }
    }
    found
}

/// The names of fields with `#[arg(long)]`, or what stands in `long = "…"`.
fn long_options(source: &RustSource) -> Vec<String> {
    let mut found = Vec::new();
    for (at, mark) in source.masked.match_indices("#[arg(") {
        let inside = at + mark.len();
        let Some(length) = source.masked[inside..].find(")]") else {
            continue;
        };
        let masked = &source.masked[inside..inside + length];
        let Some(long) = masked
            .split([',', '('])
            .find(|part| part.trim_start().starts_with("long"))
        else {
            continue;
        };
        if long.contains('=') {
            let text = &source.text[inside..inside + length];
            let value = text
                .split("long")
                .nth(1)
                .and_then(|rest| rest.split('"').nth(1));
            found.extend(value.map(ToString::to_string));
        } else {
            found.extend(
                field_name(&source.masked[inside + length + ")]".len()..])
                    .map(|name| name.replace('_', "-")),
            );
        }
    }
    found
}

/// The name of the field that follows: further attributes and `pub` are skipped.
fn field_name(masked: &str) -> Option<String> {
    let mut rest = masked.trim_start();
    while let Some(attribute) = rest.strip_prefix("#[") {
        rest = attribute.split_once(']')?.1.trim_start();
    }
    let before = rest.split(':').next()?;
    before.split_whitespace().last().map(ToString::to_string)
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs { all, in, one }.
    Demo {
        /// Where to listen.
        #[arg(long, default_value = \"127.0.0.1:7878\")]
        listen: String,
    },
    #[command(about = \"X, Y\")]
    Watch(WatchArguments),
    TopList,
}

#[derive(Args)]
struct WatchArguments {
    #[arg(short, long = \"for\")]
    #[allow(dead_code)]
    pub(crate) seconds: u64,
    #[arg(value_name = \"URL\")]
    url: String,
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Subcommand)]
enum Inner {
    Other,
}
";

    #[test]
    fn subcommands_are_the_variants_of_the_outer_enum() {
        let program = Program::from_sources(&["fn main() {}", SOURCE]);
        assert_eq!(
            program.subcommands.iter().collect::<Vec<_>>(),
            ["demo", "help", "top-list", "watch"]
        );
    }

    #[test]
    fn options_are_named_by_the_field_or_by_hand() {
        let program = Program::from_sources(&[SOURCE]);
        assert_eq!(
            program.options.iter().collect::<Vec<_>>(),
            ["dry-run", "for", "help", "listen", "version"]
        );
    }

    #[test]
    fn what_the_program_does_not_know_is_named() {
        let program = Program::from_sources(&[SOURCE]);
        assert_eq!(program.wrong(&["watch", "URL", "--for", "5"]), None);
        assert_eq!(
            program.wrong(&["other"]),
            Some("`tidewire` has no `other`".to_string())
        );
        assert_eq!(
            program.wrong(&["watch", "[--age", "N]"]),
            Some("`tidewire` has no option `--age`".to_string())
        );
        assert_eq!(
            program.wrong(&["watch", "--url=x"]),
            Some("`tidewire` has no option `--url`".to_string())
        );
    }
}
