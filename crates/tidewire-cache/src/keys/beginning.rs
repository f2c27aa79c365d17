//! What every text that a pattern matches begins with, as far as that can be told for sure.
//!
//! A pattern does not say which flags it was built with, so what its text means under the usual ones is
//! tried out on it. Where anything is in doubt, there is no beginning: looking at more is never wrong.

use regex::Regex;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use tidewire_model::{CacheKey, EntityType};

/// The longest text that is made to try a pattern out.
const MAX_TRIAL_BYTES: usize = 1_024;

/// What every match begins with: one of these. None of them begins with another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beginnings {
    texts: Vec<String>,
    /// Every text with such a beginning matches.
    is_enough: bool,
}

impl Beginnings {
    /// Nothing is known: any text may match.
    fn any() -> Self {
        Self {
            texts: vec![String::new()],
            is_enough: false,
        }
    }

    /// Of what a pattern matches.
    pub(super) fn of(pattern: &Regex) -> Self {
        Self::told_by(pattern).unwrap_or_else(Self::any)
    }

    fn told_by(pattern: &Regex) -> Option<Self> {
        let text = pattern.as_str();
        if may_hide_flags(text) {
            return None;
        }
        let hir = regex_syntax::parse(text).ok()?;
        if !hir.properties().look_set_prefix().contains(Look::Start) {
            // It may match anywhere.
            return None;
        }
        if hir.properties().look_set().contains_word() {
            // What stands before a text decides whether it matches, so nothing can be tried out.
            return None;
        }
        let literals = Extractor::new().kind(ExtractKind::Prefix).extract(&hir);
        let texts = literals
            .literals()?
            .iter()
            .map(|literal| ascii_of(literal.as_bytes()));
        let texts = fewest(texts.collect());
        if texts.iter().all(String::is_empty) || !is_built_as_usual(pattern, &hir, &texts) {
            return None;
        }
        let is_enough = is_literal(&hir, &texts);
        Some(Self { texts, is_enough })
    }

    /// What may follow a prefix in a text that matches: one of these, each of which is the beginning of what
    /// follows. Empty where nothing that begins with the prefix can match.
    pub(super) fn behind(&self, prefix: &str) -> Vec<String> {
        let rests = self.texts.iter().filter_map(|text| {
            if prefix.starts_with(text.as_str()) {
                return Some(String::new());
            }
            text.strip_prefix(prefix).map(str::to_owned)
        });
        fewest(rests.collect())
    }

    /// Whether every key of a type matches.
    pub(super) fn are_all_of(&self, entity_type: &EntityType) -> bool {
        let all = |prefix: String| self.behind(&prefix).iter().any(String::is_empty);
        self.is_enough
            && all(CacheKey::detail_prefix(entity_type))
            && all(CacheKey::list_prefix(entity_type))
    }
}

/// Leaves out what begins with another one.
fn fewest(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts.dedup_by(|text, kept| text.starts_with(kept.as_str()));
    texts
}

/// The part up to the first byte that is not ASCII: upper and lower case are told apart there, and there
/// only, without a table.
fn ascii_of(bytes: &[u8]) -> String {
    let ascii = bytes.iter().take_while(|byte| byte.is_ascii());
    ascii.map(|byte| char::from(*byte)).collect()
}

/// Whether the text may mean something else in parts of it, or by the flag that ignores white space.
fn may_hide_flags(text: &str) -> bool {
    let is_group = |rest: &str| rest.starts_with([':', 'P', '<']);
    // By the flag for lines, these two differ, and they look the same here.
    if text.contains(r"\A") && text.contains('^') {
        return true;
    }
    let flagged = text
        .match_indices("(?")
        .any(|(at, _)| !is_group(&text[at + 2..]));
    flagged || text.contains(|c: char| c.is_whitespace() || c == '#')
}

/// Whether the pattern is only `^` and a literal.
fn is_literal(hir: &Hir, texts: &[String]) -> bool {
    let HirKind::Concat(parts) = hir.kind() else {
        return false;
    };
    match (parts.as_slice(), texts) {
        ([start, literal], [text]) => {
            *start.kind() == HirKind::Look(Look::Start)
                && matches!(literal.kind(), HirKind::Literal(found) if *found.0 == *text.as_bytes())
        }
        _ => false,
    }
}

/// Whether upper and lower case matter to a pattern, and `^` means the very beginning. Told by a text that it
/// matches: the flags that change it would have it match the same with another case, or behind a line.
fn is_built_as_usual(pattern: &Regex, hir: &Hir, texts: &[String]) -> bool {
    let mut trial = String::new();
    if !make_match(hir, &mut trial) || !pattern.is_match(&trial) {
        return false;
    }
    let has_case = |text: &str| text.contains(|c: char| c.is_ascii_alphabetic());
    if texts.iter().any(|text| has_case(text)) {
        let letter = trial.find(|c: char| c.is_ascii_alphabetic());
        let Some(at) = letter.filter(|at| trial[..=*at].is_ascii()) else {
            return false;
        };
        let mut other = trial.clone();
        let flip = |c: char| {
            if c.is_ascii_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        };
        let flipped: String = trial[at..=at].chars().map(flip).collect();
        other.replace_range(at..=at, &flipped);
        if pattern.is_match(&other) {
            return false;
        }
    }
    // Which byte ends a line can be chosen too.
    (0..=127_u8).all(|end| !pattern.is_match(&format!("{}{trial}", char::from(end))))
}

/// Appends a text that matches, going by the first of all choices. False where that would be too long, or there is
/// none.
fn make_match(hir: &Hir, text: &mut String) -> bool {
    if text.len() > MAX_TRIAL_BYTES {
        return false;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(literal) => {
                text.push_str(literal);
                true
            }
            Err(_) => false,
        },
        HirKind::Class(class) => {
            let first = match class {
                Class::Unicode(class) => class.ranges().first().map(|range| range.start()),
                Class::Bytes(class) => class
                    .ranges()
                    .first()
                    .map(|range| char::from(range.start())),
            };
            text.extend(first);
            first.is_some()
        }
        HirKind::Repetition(repetition) => {
            (0..repetition.min).all(|_| make_match(&repetition.sub, text))
        }
        HirKind::Capture(capture) => make_match(&capture.sub, text),
        HirKind::Concat(parts) => parts.iter().all(|part| make_match(part, text)),
        HirKind::Alternation(choices) => match choices.first() {
            Some(first) => make_match(first, text),
            None => false,
        },
    }
}
