//! Filters: what they consist of, how they are built, and their normal form.

use crate::value::Value;

/// Which records are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Filter {
    /// Every record.
    #[default]
    All,
    /// Records that match all of these.
    And(Vec<Filter>),
    /// Records that match at least one of these.
    Or(Vec<Filter>),
    /// Records that do not match this.
    Not(Box<Filter>),
    /// Records whose value at a path passes a test.
    Test {
        /// A dotted path; a literal field name that contains the dots wins over descending.
        path: Box<str>,
        /// The test.
        test: Test,
    },
}

/// What a value is tested for. A missing value counts as null.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Test {
    /// Equal, where `1` equals `1.0`.
    Eq(Value),
    /// Not equal.
    Ne(Value),
    /// Less, among values of one kind: numbers, texts or truth values. False across kinds.
    Lt(Value),
    /// Less or equal, among values of one kind.
    Le(Value),
    /// Greater, among values of one kind.
    Gt(Value),
    /// Greater or equal, among values of one kind.
    Ge(Value),
    /// Equal to one of these.
    OneOf(Vec<Value>),
    /// A text that contains this text.
    Contains(Box<str>),
    /// A text that contains this text, upper and lower case being the same.
    ContainsFold(Box<str>),
    /// A text that starts with this text.
    StartsWith(Box<str>),
    /// Null or missing.
    IsNull,
}

/// Begins a test of the value at a dotted path: `field("status").eq("active")`.
pub fn field(path: &str) -> Field {
    Field { path: path.into() }
}

/// A path that waits for its test.
#[derive(Debug, Clone)]
pub struct Field {
    path: Box<str>,
}

impl Field {
    /// The value equals this; `1` equals `1.0`, and a missing value equals null.
    pub fn eq(self, value: impl Into<Value>) -> Filter {
        self.test(Test::Eq(value.into()))
    }

    /// The value does not equal this.
    pub fn ne(self, value: impl Into<Value>) -> Filter {
        self.test(Test::Ne(value.into()))
    }

    /// The value is less than this, and of its kind.
    pub fn lt(self, value: impl Into<Value>) -> Filter {
        self.test(Test::Lt(value.into()))
    }

    /// The value is less than or equal to this, and of its kind.
    pub fn le(self, value: impl Into<Value>) -> Filter {
        self.test(Test::Le(value.into()))
    }

    /// The value is greater than this, and of its kind.
    pub fn gt(self, value: impl Into<Value>) -> Filter {
        self.test(Test::Gt(value.into()))
    }

    /// The value is greater than or equal to this, and of its kind.
    pub fn ge(self, value: impl Into<Value>) -> Filter {
        self.test(Test::Ge(value.into()))
    }

    /// The value equals one of these.
    pub fn one_of<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.test(Test::OneOf(values.into_iter().map(Into::into).collect()))
    }

    /// The value is a text that contains this.
    pub fn contains(self, text: &str) -> Filter {
        self.test(Test::Contains(text.into()))
    }

    /// The value is a text that contains this, upper and lower case being the same.
    pub fn contains_ignoring_case(self, text: &str) -> Filter {
        self.test(Test::ContainsFold(text.into()))
    }

    /// The value is a text that starts with this.
    pub fn starts_with(self, text: &str) -> Filter {
        self.test(Test::StartsWith(text.into()))
    }

    /// The value is null or missing.
    pub fn is_null(self) -> Filter {
        self.test(Test::IsNull)
    }

    fn test(self, test: Test) -> Filter {
        Filter::Test {
            path: self.path,
            test,
        }
    }
}

impl Filter {
    /// Both this and another.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, other) => other,
            (first, Self::All) => first,
            (Self::And(mut parts), other) => {
                parts.push(other);
                Self::And(parts)
            }
            (first, other) => Self::And(vec![first, other]),
        }
    }

    /// This or another, or both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Or(mut parts) => {
                parts.push(other);
                Self::Or(parts)
            }
            first => Self::Or(vec![first, other]),
        }
    }

    /// The opposite.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "a method beside `and` and `or` that needs no import"
    )]
    pub fn not(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// The normal form: nested `and` and `or` joined, those with one part unwrapped, `all` left out of `and`, double
    /// `not` left out. The order of the parts stays. An `or` without parts, which nothing matches, is `not all`.
    #[must_use]
    pub fn normalised(self) -> Self {
        match self {
            Self::And(parts) => {
                let mut flat = Vec::with_capacity(parts.len());
                for part in parts {
                    match part.normalised() {
                        Self::All => {}
                        Self::And(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                unwrap_single(flat, Self::And).unwrap_or(Self::All)
            }
            Self::Or(parts) => {
                let mut flat = Vec::with_capacity(parts.len());
                for part in parts {
                    match part.normalised() {
                        Self::Or(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                unwrap_single(flat, Self::Or).unwrap_or_else(|| Self::Not(Box::new(Self::All)))
            }
            Self::Not(inner) => inner.normalised().not(),
            other => other,
        }
    }

    /// The paths that the filter reads, as they come.
    pub(super) fn collect_paths<'a>(&'a self, paths: &mut Vec<&'a str>) {
        match self {
            Self::All => {}
            Self::And(parts) | Self::Or(parts) => {
                for part in parts {
                    part.collect_paths(paths);
                }
            }
            Self::Not(inner) => inner.collect_paths(paths),
            Self::Test { path, .. } => paths.push(path),
        }
    }
}

/// `None` when there is no part.
fn unwrap_single(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Option<Filter> {
    if parts.len() > 1 {
        Some(join(parts))
    } else {
        parts.pop()
    }
}
