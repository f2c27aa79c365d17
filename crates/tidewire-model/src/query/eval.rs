//! How filters run on records. Total: every test has an answer for every value.

use std::cmp::Ordering;

use super::filter::{Filter, Test};
use crate::order::{compare, equal};
use crate::record::Record;
use crate::value::{Value, ValueRef};

impl Filter {
    /// Whether a record is meant.
    pub fn matches(&self, record: &Record) -> bool {
        self.passes(record, &mut Folds::default())
    }

    fn passes<'a>(&self, record: &'a Record, folds: &mut Folds<'a>) -> bool {
        match self {
            Self::All => true,
            Self::And(parts) => parts.iter().all(|part| part.passes(record, folds)),
            Self::Or(parts) => parts.iter().any(|part| part.passes(record, folds)),
            Self::Not(inner) => !inner.passes(record, folds),
            Self::Test { path, test } => test.passes(record.path(path), folds),
        }
    }
}

impl Test {
    /// Whether a value passes; `None` stands for a missing one, which counts as null.
    pub fn holds(&self, value: Option<ValueRef<'_>>) -> bool {
        self.passes(value, &mut Folds::default())
    }

    fn passes<'a>(&self, value: Option<ValueRef<'a>>, folds: &mut Folds<'a>) -> bool {
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
                .is_some_and(|text| folds.of(text).contains(&*folded(part))),
            Self::StartsWith(part) => value
                .as_text()
                .is_some_and(|text| text.starts_with(&**part)),
            Self::IsNull => value.is_null(),
        }
    }
}

/// The folded texts of one record. A query may ask a thousand times of one text; it is folded once.
#[derive(Default)]
struct Folds<'a>(Vec<(&'a str, String)>);

impl<'a> Folds<'a> {
    fn of(&mut self, text: &'a str) -> &str {
        // It is about the text of a field, not about equal ones.
        let known = self
            .0
            .iter()
            .position(|(known, _)| std::ptr::eq(*known, text));
        let place = known.unwrap_or_else(|| {
            self.0.push((text, folded(text)));
            self.0.len() - 1
        });
        &self.0[place].1
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

/// A text in which letters that differ in case alone are one. Character by character, so that what stands around a
/// character never decides what it equals.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars()
        .flat_map(char::to_lowercase)
        // The two small sigmas are one letter; which of them is written depends on the place in the word.
        .map(|letter| if letter == 'ς' { 'σ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordBuilder;

    #[test]
    fn a_text_is_folded_once_however_often_a_query_asks_of_it() {
        let record = RecordBuilder::new()
            .field("a", "ÄB")
            .field("b", "ÄB")
            .build();
        let test = |path: &str, part: &str| Filter::Test {
            path: path.into(),
            test: Test::ContainsFold(part.into()),
        };
        let parts = ["x", "y", "äb"].map(|part| test("a", part));
        let parts = parts.into_iter().chain([test("b", "z"), test("b", "Ä")]);
        let filter = Filter::And(parts.map(|part| Filter::Not(Box::new(part))).collect());
        assert!(!filter.matches(&record));
        let every: Vec<Filter> = ["x", "y", "z"].map(|part| test("a", part)).into();
        let mut folds = Folds::default();
        assert!(!Filter::Or(every).passes(&record, &mut folds));
        assert_eq!(folds.0.len(), 1);
        assert!(test("b", "ä").passes(&record, &mut folds));
        assert_eq!(folds.0.len(), 2);
    }
}
