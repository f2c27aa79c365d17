//! Words that do not belong in the repository, each with its reason. The list names them, so this file is the one that
//! is not looked at.

use crate::report::Finding;

const THIS_FILE: &str = "xtask/src/tidy/words.rs";

/// A word and why it is banned. It is found at the beginning of a longer word too.
struct Word {
    text: &'static str,
    letters: Letters,
    reason: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Letters {
    /// Only as written.
    AsWritten,
    /// Large and small letters are the same.
    AnyCase,
}

const UNFINISHED: &str = "unfinished work is finished, or described where users read of it";
const OF_A_MACHINE: &str = "a place on the writer's machine says nothing to the reader";
const OF_A_WORKPLACE: &str = "the reader has this repository and nothing else";
const BELITTLING: &str = "what is easy for the writer may not be for the reader";
const ADVERTISING: &str = "say what it does, and the figure if one was measured";
const SWOLLEN: &str = "say `use`";

const WORDS: &[Word] = &[
    exactly("TODO", UNFINISHED),
    exactly("FIXME", UNFINISHED),
    exactly("XXX", UNFINISHED),
    exactly("HACK", UNFINISHED),
    exactly("/work/", OF_A_MACHINE),
    exactly("/root/", OF_A_MACHINE),
    exactly("../shared", OF_A_WORKPLACE),
    any_case("the shared folder", OF_A_WORKPLACE),
    any_case("helper agent", OF_A_WORKPLACE),
    any_case("subagent", OF_A_WORKPLACE),
    any_case("design §", OF_A_WORKPLACE),
    any_case("spec §", OF_A_WORKPLACE),
    any_case("design.md", OF_A_WORKPLACE),
    any_case("simply", BELITTLING),
    any_case("obviously", BELITTLING),
    any_case("blazing", ADVERTISING),
    any_case("seamless", ADVERTISING),
    any_case("effortless", ADVERTISING),
    any_case("leverag", SWOLLEN),
    any_case("utiliz", SWOLLEN),
    any_case("utilis", SWOLLEN),
];

const fn exactly(text: &'static str, reason: &'static str) -> Word {
    Word {
        text,
        letters: Letters::AsWritten,
        reason,
    }
}

const fn any_case(text: &'static str, reason: &'static str) -> Word {
    Word {
        text,
        letters: Letters::AnyCase,
        reason,
    }
}

/// Looks for every banned word in a text: code, comments and prose alike.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    if path == THIS_FILE {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let small = line.to_lowercase();
        for word in WORDS {
            let line = if word.letters == Letters::AnyCase {
                small.as_str()
            } else {
                line
            };
            if begins_a_word(line, word.text) {
                findings.push(Finding::at(
                    path,
                    number + 1,
                    format!("`{}`: {}", word.text, word.reason),
                ));
            }
        }
    }
    findings
}

fn begins_a_word(line: &str, word: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(line: &str) -> usize {
        check("a.md", line).len()
    }

    #[test]
    fn every_word_of_the_list_is_caught() {
        for word in WORDS {
            assert_eq!(
                caught(&format!("Then {} it.", word.text)),
                1,
                "{}",
                word.text
            );
        }
    }

    #[test]
    fn longer_forms_and_large_letters_are_caught() {
        for line in [
            "// TODO: later",
            "Simply call it.",
            "It leverages the cache.",
            "Utilizing it",
            "(XXX)",
            "seamlessly",
        ] {
            assert_eq!(caught(line), 1, "{line}");
        }
    }

    #[test]
    fn the_end_of_another_word_is_not_caught() {
        for line in [
            "mastodon",
            "a todo list",
            "hacksaw",
            "network/work/a",
            "MAXXXL",
            "exact hacking",
        ] {
            assert_eq!(caught(line), 0, "{line}");
        }
    }

    #[test]
    fn the_list_itself_is_not_looked_at() {
        assert_eq!(check(THIS_FILE, "TODO"), []);
    }
}
