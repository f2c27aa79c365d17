//! The table of chores: names, options, one line each. The command line is read by it, and `docs` checks the written
//! commands against it.

use crate::repository::Repository;
use crate::{bench, ci, docs, layers, licences, sim, tidy};

/// One subcommand of `cargo xtask`.
pub(crate) struct Chore {
    pub(crate) name: &'static str,
    /// The options it knows; one with `=` takes a value, and what stands behind it says of which kind.
    options: &'static [&'static str],
    about: &'static str,
    pub(crate) run: fn(&Repository, &[String]) -> Result<(), String>,
}

/// What a command line asks for.
pub(crate) enum Request {
    Help,
    /// A chore, with its options.
    Run(&'static Chore, Vec<String>),
}

/// Every chore, in the order in which they are listed.
pub(crate) const CHORES: &[Chore] = &[
    Chore {
        name: "ci",
        options: &["--deep"],
        about: "everything a change must pass; --deep adds what takes long",
        run: |repository, options| {
            let depth = if options.is_empty() {
                ci::Depth::Usual
            } else {
                ci::Depth::Deep
            };
            ci::run(repository, depth)
        },
    },
    Chore {
        name: "tidy",
        options: &[],
        about: "sizes, headers, words and white space",
        run: |repository, _| tidy::run(repository),
    },
    Chore {
        name: "layers",
        options: &[],
        about: "which crate may use which",
        run: |repository, _| layers::run(repository),
    },
    Chore {
        name: "docs",
        options: &[],
        about: "every path, link, crate, command, version and test named in prose exists",
        run: |repository, _| docs::run(repository),
    },
    Chore {
        name: "licences",
        options: &[],
        about: "licences and banned crates, by the lists in deny.toml",
        run: |repository, _| licences::run(repository),
    },
    Chore {
        name: "sim",
        options: &["--seeds=N", "--seed=N", "--lines=N"],
        about: "the laws in the worlds of many seeds, or of one, with so many lines of its trace",
        run: sim::run,
    },
    Chore {
        name: "bench",
        options: &["--suite=NAME", "--rounds=N", "--quick"],
        about: "one suite of measurements, ours beside others: read, apply, lists or memory",
        run: bench::run,
    },
];

impl Chore {
    /// Whether it knows an option by this name, value and all.
    pub(crate) fn knows(&self, option: &str) -> bool {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        self.takes_value(name) || (self.options.contains(&name) && value.is_empty())
    }

    fn takes_value(&self, name: &str) -> bool {
        let mut options = self.options.iter();
        options.any(|known| {
            known
                .split_once('=')
                .is_some_and(|(known, _)| known == name)
        })
    }

    /// The options with `=` before each value, where it was left out.
    fn joined(&self, words: &[String]) -> Vec<String> {
        let mut options: Vec<String> = Vec::new();
        for word in words {
            match options.last_mut() {
                Some(last) if !word.starts_with('-') && self.takes_value(last) => {
                    last.push('=');
                    last.push_str(word);
                }
                _ => options.push(word.clone()),
            }
        }
        options
    }
}

/// Finds the chore that a command line names, and refuses options it does not know.
///
/// # Errors
/// A sentence about the word that is not understood.
pub(crate) fn read(arguments: &[String]) -> Result<Request, String> {
    let Some(name) = arguments.first() else {
        return Ok(Request::Help);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        return Ok(Request::Help);
    }
    let chore = CHORES
        .iter()
        .find(|chore| chore.name == name)
        .ok_or_else(|| format!("There is no chore `{name}`."))?;
    let options = chore.joined(&arguments[1..]);
    match options.iter().find(|option| !chore.knows(option)) {
        Some(unknown) => Err(format!("`{name}` does not know `{unknown}`.")),
        None => Ok(Request::Run(chore, options)),
    }
}

/// The list of chores, as people see it.
pub(crate) fn usage() -> String {
    let mut text = String::from("Usage: cargo xtask <chore>\n");
    for chore in CHORES {
        let options: Vec<String> = chore
            .options
            .iter()
            .map(|option| format!("[{option}]"))
            .collect();
        let call = format!("{} {}", chore.name, options.join(" "));
        text.push_str(&format!("\n  {:<12} {}", call.trim_end(), chore.about));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Result<&'static str, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        read(&words).map(|request| match request {
            Request::Help => "help",
            Request::Run(chore, _) => chore.name,
        })
    }

    #[test]
    fn a_chore_is_found_by_name_with_its_options() {
        assert_eq!(asked(&["tidy"]), Ok("tidy"));
        assert_eq!(asked(&["ci", "--deep"]), Ok("ci"));
        assert_eq!(asked(&["sim", "--seeds=9"]), Ok("sim"));
        assert_eq!(asked(&[]), Ok("help"));
    }

    #[test]
    fn a_value_may_stand_behind_its_option_or_after_it() {
        let words = ["bench", "--suite", "read", "--rounds=3", "--quick"];
        let Ok(Request::Run(_, options)) = read(&words.map(ToString::to_string)) else {
            panic!("it is understood");
        };
        assert_eq!(options, ["--suite=read", "--rounds=3", "--quick"]);
        assert_eq!(
            asked(&["bench", "--quick", "read"]),
            Err("`bench` does not know `read`.".to_string())
        );
    }

    #[test]
    fn an_unknown_word_is_named() {
        assert_eq!(
            asked(&["tidi"]),
            Err("There is no chore `tidi`.".to_string())
        );
        assert_eq!(
            asked(&["tidy", "--deep"]),
            Err("`tidy` does not know `--deep`.".to_string())
        );
    }

    #[test]
    fn the_usage_lists_every_chore() {
        let usage = usage();
        assert!(
            CHORES
                .iter()
                .all(|chore| usage.contains(chore.name) && usage.contains(chore.about))
        );
    }
}
