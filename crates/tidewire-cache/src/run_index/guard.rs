//! Guards: what every member of a list must have at certain paths, so that lists are found by value.
//!
//! A guard may let through records that are no members, never keep out one that is. Looks at filters
//! only; which runs there are is not known here.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::quality::FixedState;
use tidewire_model::{Filter, Record, Test, Value, ValueRef, compare};

/// A list with more alternatives than this has no guard: opening it would cost too much.
const MAX_TERMS: usize = 256;
/// How many paths of a conjunction are looked at. More would hardly tell more lists apart.
const MAX_PATHS: usize = 4;
/// A longer text is no guard, so that looking a record up never reads more than this.
const MAX_TEXT_BYTES: usize = 1024;

/// The paths that guards of one kind look at, in order.
pub(super) type Paths = Arc<[Box<str>]>;
/// The values at those paths.
pub(super) type Values = Arc<[Scalar]>;

/// One alternative: these values at these paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) paths: Paths,
    pub(super) values: Values,
}

/// A value without parts, equal to another where filters take the two for equal: `1` and `1.0` are.
#[derive(Debug, Clone)]
pub(super) struct Scalar(Value);

impl Scalar {
    /// Nothing for what is no guard.
    fn of(value: ValueRef<'_>) -> Option<Self> {
        is_scalar(value).then(|| Self(value.to_value()))
    }
}

/// Not lists, objects and long texts, which are no guards.
fn is_scalar(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::List(_) | ValueRef::Object(_) => false,
        ValueRef::Text(text) => text.len() <= MAX_TEXT_BYTES,
        _ => true,
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.0.as_value_ref(), other.0.as_value_ref())
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scalar {}

impl Term {
    /// One number for all values that filters take for equal to these; others may have it too.
    pub(super) fn number(&self) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        for value in &*self.values {
            hash(value.0.as_value_ref(), &mut hasher);
        }
        hasher.finish()
    }
}

/// The number of a record's values at some paths, a missing one being null; nothing if no guard can be met.
pub(super) fn number_at(record: &Record, paths: &Paths) -> Option<u64> {
    let mut hasher = FixedState::default().build_hasher();
    for path in &**paths {
        let value = record.path(path).unwrap_or(ValueRef::Null);
        if !is_scalar(value) {
            return None;
        }
        hash(value, &mut hasher);
    }
    Some(hasher.finish())
}

fn hash(value: ValueRef<'_>, hasher: &mut impl Hasher) {
    match value {
        ValueRef::Text(text) => hasher.write(text.as_bytes()),
        ValueRef::Bool(value) => hasher.write_u8(value.into()),
        // Numbers of any kind are compared; adding zero turns -0.0 into 0.0, which are equal.
        value => hasher.write_u64(value.as_f64().map_or(0, |number| (number + 0.0).to_bits())),
    }
}

/// The alternatives of which every record that the filter means meets one; none if it means no record at all. Nothing
/// if the filter has no guard.
pub(super) fn terms(filter: &Filter) -> Option<Vec<Term>> {
    let terms = match filter {
        Filter::All => None,
        Filter::Not(inner) => (**inner == Filter::All).then(Vec::new),
        Filter::Test { path, test } => scalars(test)?
            .map(|value| {
                Some(Term {
                    paths: [path.clone()].into(),
                    values: [value?].into(),
                })
            })
            .collect(),
        Filter::And(parts) => conjunction(parts),
        Filter::Or(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(terms(part)?);
            }
            Some(all)
        }
    };
    terms.filter(|terms| terms.len() <= MAX_TERMS)
}

/// The values that a test lets through, if they can be counted up.
fn scalars(test: &Test) -> Option<impl Iterator<Item = Option<Scalar>>> {
    let values: &[Value] = match test {
        Test::Eq(value) => std::slice::from_ref(value),
        Test::OneOf(values) => values,
        Test::IsNull => &[Value::Null],
        _ => return None,
    };
    Some(values.iter().map(|value| Scalar::of(value.as_value_ref())))
}

/// All must be met, so any part would do. Those that leave no choice are taken together, which tells the most lists
/// apart; without one of them, the part with the fewest alternatives.
fn conjunction(parts: &[Filter]) -> Option<Vec<Term>> {
    let mut fixed: Vec<(&str, &Scalar)> = Vec::new();
    let known: Vec<Vec<Term>> = parts.iter().filter_map(terms).collect();
    if known.iter().any(Vec::is_empty) {
        return Some(Vec::new());
    }
    for terms in &known {
        if let [term] = terms.as_slice() {
            fixed.extend(term.paths.iter().map(|path| &**path).zip(&*term.values));
        }
    }
    if fixed.is_empty() {
        return known.into_iter().min_by_key(Vec::len);
    }
    fixed.truncate(MAX_PATHS);
    fixed.sort_unstable();
    fixed.dedup();
    Some(vec![Term {
        paths: fixed.iter().map(|(path, _)| Box::from(*path)).collect(),
        values: fixed.iter().map(|(_, value)| (*value).clone()).collect(),
    }])
}
