//! How filters run on records. Total: every test has an answer for every value.

use std::cmp::Ordering;

use super::filter::{Filter, Test};
use crate::order::{compare, equal};
use crate::record::Record;
use crate::value::{Value, ValueRef};

impl Filter {
    /// Whether a record is meant.
    pub fn matches(&self, record: &Record) -> bool {
        match self {
            Self::All => true,
            Self::And(parts) => parts.iter().all(|part| part.matches(record)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(record)),
            Self::Not(inner) => !inner.matches(record),
            Self::Test { path, test } => test.holds(record.path(path)),
        }
    }
}

impl Test {
    /// Whether a value passes; `None` stands for a missing one, which counts as null.
    pub fn holds(&self, value: Option<ValueRef<'_>>) -> bool {
        let value = value.unwrap_or(ValueRef::Null);
        match self {
            Self::Eq(other) => equal(value, other.as_value_ref()),
            Self::Ne(other) => !equal(value, other.as_value_ref()),
            Self::Lt(other) => within_kind(value, other).is_some_and(Ordering::is_lt),
            Self::Le(other) => within_kind(value, other).is_some_and(Ordering::is_le),
            Self::Gt(other) => within_kind(value, other).is_some_and(Ordering::is_gt),
            Self::Ge(other) => within_kind(value, other).is_some_and(Ordering::is_ge),
            Self::OneOf(others) => others
                .iter()
                .any(|other| equal(value, other.as_value_ref())),
            Self::Contains(part) => value.as_text().is_some_and(|text| text.contains(&**part)),
            Self::ContainsFold(part) => value
                .as_text()
                .is_some_and(|text| contains_fold(text, part)),
            Self::StartsWith(part) => value
                .as_text()
                .is_some_and(|text| text.starts_with(&**part)),
            Self::IsNull => value.is_null(),
        }
    }
}

fn within_kind(value: ValueRef<'_>, other: &Value) -> Option<Ordering> {
    let other = other.as_value_ref();
    let one_kind = match (value, other) {
        (ValueRef::Bool(_), ValueRef::Bool(_)) | (ValueRef::Text(_), ValueRef::Text(_)) => true,
        (value, other) => value.is_number() && other.is_number(),
    };
    one_kind.then(|| compare(value, other))
}

/// Linear in both lengths. Each side is folded by itself and character by character, so that what stands around a
/// character never decides what it equals.
fn contains_fold(text: &str, part: &str) -> bool {
    if text.is_ascii() && part.is_ascii() {
        return text
            .to_ascii_lowercase()
            .contains(&*part.to_ascii_lowercase());
    }
    folded(text).contains(&*folded(part))
}

fn folded(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        // The two small sigmas are one letter; which of them is written depends on the place in the word.
        .map(|letter| if letter == 'ς' { 'σ' } else { letter })
        .collect()
}
