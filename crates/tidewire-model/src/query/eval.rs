//! How filters run on records. Total: every test has an answer for every value.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::filter::{Filter, Test};
use super::plan::Plan;
use crate::order::{compare, equal};
use crate::record::Record;
use crate::value::{Value, ValueRef};

impl Filter {
    /// Whether a record is meant. To ask of many records, [prepare](Self::prepare) the filter.
    pub fn matches(&self, record: &Record) -> bool {
        let mut run = Run {
            needles: &Needles::default(),
            folds: Folds::default(),
            look: &mut |_| Ok(()),
        };
        self.passes(record, &mut run).unwrap_or_else(no_error)
    }

    /// Makes the filter ready to be asked of many records.
    pub fn prepare(&self) -> Matcher {
        let mut needles = Needles::default();
        needles.collect(self);
        Matcher {
            plan: Plan::of(self),
            needles,
        }
    }

    fn passes<'r, E>(
        &self,
        record: &'r Record,
        run: &mut Run<'_, 'r, impl Look<E>>,
    ) -> Result<bool, E> {
        match self {
            Self::All => Ok(true),
            Self::And(parts) => Ok(!run.finds(parts, record, false)?),
            Self::Or(parts) => run.finds(parts, record, true),
            Self::Not(inner) => Ok(!inner.passes(record, run)?),
            Self::Test { path, test } => test.passes(record.path(path), run),
        }
    }
}

/// A filter that is asked of many records: what is the same for all of them is worked out once.
#[derive(Debug)]
pub struct Matcher {
    plan: Plan,
    needles: Needles,
}

impl Matcher {
    /// Whether a record is meant.
    pub fn means(&self, record: &Record) -> bool {
        self.matches(record, |_| Ok(())).unwrap_or_else(no_error)
    }

    /// Whether a record is meant. Before each test, `look` hears about how many bytes it looks at: a record of 256 KiB
    /// and a query of a thousand tests come to hundreds of megabytes. Its error ends the asking.
    ///
    /// # Errors
    /// What `look` gives.
    pub fn matches<E>(
        &self,
        record: &Record,
        mut look: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut run = Run {
            needles: &self.needles,
            folds: Folds::default(),
            look: &mut look,
        };
        self.plan.passes(record, &mut run)
    }
}

/// The folded texts that a filter looks for, by the texts as they were given.
#[derive(Debug, Default)]
struct Needles(BTreeMap<Box<str>, String>);

impl Needles {
    fn collect(&mut self, filter: &Filter) {
        match filter {
            Filter::And(parts) | Filter::Or(parts) => {
                parts.iter().for_each(|part| self.collect(part));
            }
            Filter::Not(inner) => self.collect(inner),
            Filter::Test {
                test: Test::ContainsFold(part),
                ..
            } => drop(self.0.insert(part.clone(), folded(part))),
            Filter::All | Filter::Test { .. } => {}
        }
    }

    fn of<'n>(&'n self, part: &str) -> Cow<'n, str> {
        match self.0.get(part) {
            Some(folded) => Cow::Borrowed(folded),
            None => Cow::Owned(folded(part)),
        }
    }
}

/// Hears about how many bytes are looked at. Its error ends the asking.
pub(super) trait Look<E>: FnMut(usize) -> Result<(), E> {}

impl<E, L: FnMut(usize) -> Result<(), E>> Look<E> for L {}

/// One record being asked.
pub(super) struct Run<'n, 'r, L> {
    needles: &'n Needles,
    folds: Folds<'r>,
    look: &'n mut L,
}

impl<'r, E, L: FnMut(usize) -> Result<(), E>> Run<'_, 'r, L> {
    /// Whether the record passes one of the parts, or fails one.
    fn finds(&mut self, parts: &[Filter], record: &'r Record, what: bool) -> Result<bool, E> {
        for part in parts {
            if part.passes(record, self)? == what {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn no_error(error: std::convert::Infallible) -> bool {
    match error {}
}

impl Test {
    /// Whether a value passes; `None` stands for a missing one, which counts as null.
    pub fn holds(&self, value: Option<ValueRef<'_>>) -> bool {
        let mut run = Run {
            needles: &Needles::default(),
            folds: Folds::default(),
            look: &mut |_| Ok(()),
        };
        self.passes(value, &mut run).unwrap_or_else(no_error)
    }

    pub(super) fn passes<'r, E>(
        &self,
        value: Option<ValueRef<'r>>,
        run: &mut Run<'_, 'r, impl Look<E>>,
    ) -> Result<bool, E> {
        let value = value.unwrap_or(ValueRef::Null);
        (run.look)(self.looks_at(value))?;
        Ok(match self {
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
                .is_some_and(|text| run.folds.of(text).contains(&*run.needles.of(part))),
            Self::StartsWith(part) => value
                .as_text()
                .is_some_and(|text| text.starts_with(&**part)),
            Self::IsNull => value.is_null(),
        })
    }

    /// About how many bytes the test has to look at. What compares ends where what it compares with does, and that is
    /// as long as the query at most.
    fn looks_at(&self, value: ValueRef<'_>) -> usize {
        match self {
            Self::Contains(_) | Self::ContainsFold(_) => value
                .as_text()
                .map_or(TEST_BYTES, |text| TEST_BYTES + text.len()),
            Self::OneOf(others) => TEST_BYTES * others.len(),
            _ => TEST_BYTES,
        }
    }
}

/// What a test counts for beside texts it looks through: the value has to be found first.
const TEST_BYTES: usize = 64;

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
        let mut run = Run {
            needles: &Needles::default(),
            folds: Folds::default(),
            look: &mut |_| Ok(()),
        };
        assert!(
            !Filter::Or(every)
                .passes(&record, &mut run)
                .unwrap_or_else(no_error)
        );
        assert_eq!(run.folds.0.len(), 1);
        assert!(
            test("b", "ä")
                .passes(&record, &mut run)
                .unwrap_or_else(no_error)
        );
        assert_eq!(run.folds.0.len(), 2);
    }

    #[test]
    fn what_a_query_looks_for_is_folded_once_for_all_records() {
        let test = |part: &str| Filter::Test {
            path: "a".into(),
            test: Test::ContainsFold(part.into()),
        };
        let filter = Filter::Or(vec![
            test("Ä"),
            Filter::Not(Box::new(Filter::And(vec![test("Σ"), test("Ä")]))),
        ]);
        let matcher = filter.prepare();
        let known: Vec<&str> = matcher.needles.0.values().map(String::as_str).collect();
        assert_eq!(known, ["ä", "σ"]);
        assert!(matches!(matcher.needles.of("Ä"), Cow::Borrowed("ä")));
    }

    #[test]
    fn a_filter_says_what_it_looks_at_and_stops_where_it_is_told_to() {
        let record = RecordBuilder::new().field("a", "x".repeat(1000)).build();
        let part = |part: &str| Filter::Test {
            path: "a".into(),
            test: Test::Contains(part.into()),
        };
        let filter = Filter::Or(["u", "v", "w"].map(part).into());
        let mut looks = Vec::new();
        let is_meant = filter.prepare().matches(&record, |bytes| {
            looks.push(bytes);
            if looks.len() == 2 {
                Err("enough")
            } else {
                Ok(())
            }
        });
        assert_eq!(is_meant, Err("enough"));
        assert_eq!(looks, [1000 + TEST_BYTES; 2]);
    }
}
