//! The canonical text of queries: one text for each query, and it parses back.

use std::fmt::{self, Display, Formatter, Write};

use super::filter::{Filter, Test};
use super::sort::{Cursor, Direction, Sort};
use super::{Query, Selection, Start};
use crate::order::sorted;
use crate::value::{Value, ValueRef};

/// Words that are never written as a bare path.
pub(super) const KEYWORDS: [&str; 20] = [
    "after",
    "all",
    "and",
    "asc",
    "contains",
    "desc",
    "false",
    "icontains",
    "in",
    "is",
    "limit",
    "not",
    "null",
    "offset",
    "opaque",
    "or",
    "sort",
    "starts_with",
    "true",
    "where",
];

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut clauses = Clauses { f, first: true };
        match &self.selection {
            Selection::Filter(Filter::All) => {}
            Selection::Filter(filter) => clauses.write(format_args!("where {filter}"))?,
            Selection::Opaque(parameters) => clauses.write(Parameters(parameters))?,
        }
        if !self.sort.keys().is_empty() {
            clauses.write(&self.sort)?;
        }
        if let Some(limit) = self.limit {
            clauses.write(format_args!("limit {limit}"))?;
        }
        match &self.start {
            Start::Offset(0) => Ok(()),
            Start::Offset(rows) => clauses.write(format_args!("offset {rows}")),
            Start::After(cursor) => clauses.write(cursor),
        }
    }
}

struct Clauses<'a, 'b> {
    f: &'a mut Formatter<'b>,
    first: bool,
}

impl Clauses<'_, '_> {
    fn write(&mut self, clause: impl Display) -> fmt::Result {
        if !std::mem::take(&mut self.first) {
            self.f.write_char(' ')?;
        }
        write!(self.f, "{clause}")
    }
}

struct Parameters<'a>(&'a [(Box<str>, Box<str>)]);

impl Display for Parameters<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("opaque (")?;
        write_joined(f, self.0, ", ", |f, (name, value)| {
            write!(f, "{} = {}", PathText(name), Quoted(value))
        })?;
        f.write_char(')')
    }
}

impl Display for Sort {
    /// The sort clause, `sort score desc, name`; nothing when the list is sorted by id alone.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.keys().is_empty() {
            return Ok(());
        }
        f.write_str("sort ")?;
        write_joined(f, self.keys(), ", ", |f, key| match key.direction {
            Direction::Ascending => PathText(&key.path).fmt(f),
            Direction::Descending => write!(f, "{} desc", PathText(&key.path)),
        })
    }
}

impl Display for Cursor {
    /// The cursor clause, `after (10, "x"; "c-5")`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("after (")?;
        write_joined(f, &self.values, ", ", |f, value| {
            Literal(value.as_value_ref()).fmt(f)
        })?;
        write!(f, "; {})", Quoted(self.id.as_str()))
    }
}

impl Display for Filter {
    /// The filter as it stands in a query behind `where`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::And(parts) if parts.is_empty() => f.write_str("all"),
            Self::Or(parts) if parts.is_empty() => f.write_str("not all"),
            Self::And(parts) => write_joined(f, parts, " and ", |f, part| match part {
                Self::And(_) | Self::Or(_) => write!(f, "({part})"),
                _ => part.fmt(f),
            }),
            Self::Or(parts) => write_joined(f, parts, " or ", |f, part| match part {
                Self::Or(_) => write!(f, "({part})"),
                _ => part.fmt(f),
            }),
            Self::Not(inner) => match **inner {
                Self::And(_) | Self::Or(_) => write!(f, "not ({inner})"),
                _ => write!(f, "not {inner}"),
            },
            Self::Test { path, test } => write!(f, "{} {test}", PathText(path)),
        }
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (operator, value) = match self {
            Self::Eq(value) => ("=", value),
            Self::Ne(value) => ("!=", value),
            Self::Lt(value) => ("<", value),
            Self::Le(value) => ("<=", value),
            Self::Gt(value) => (">", value),
            Self::Ge(value) => (">=", value),
            Self::OneOf(values) => {
                f.write_str("in (")?;
                write_joined(f, values, ", ", |f, value| {
                    Literal(value.as_value_ref()).fmt(f)
                })?;
                return f.write_char(')');
            }
            Self::Contains(text) => return write!(f, "contains {}", Quoted(text)),
            Self::ContainsFold(text) => return write!(f, "icontains {}", Quoted(text)),
            Self::StartsWith(text) => return write!(f, "starts_with {}", Quoted(text)),
            Self::IsNull => return f.write_str("is null"),
        };
        write!(f, "{operator} {}", Literal(value.as_value_ref()))
    }
}

impl Display for Value {
    /// The value as a literal of the query text, which is JSON with the fields of objects sorted by name.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Literal(self.as_value_ref()).fmt(f)
    }
}

struct Literal<'a>(ValueRef<'a>);

impl Display for Literal<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            ValueRef::Null => f.write_str("null"),
            ValueRef::Bool(value) => value.fmt(f),
            ValueRef::Int(value) => value.fmt(f),
            ValueRef::UInt(value) => value.fmt(f),
            ValueRef::Float(value) if value.is_finite() => {
                // Adding zero turns -0.0 into 0.0, which are equal and so have one text.
                write!(f, "{:?}", value + 0.0)
            }
            ValueRef::Float(_) => f.write_str("null"),
            ValueRef::Text(text) => Quoted(text).fmt(f),
            ValueRef::List(list) => {
                f.write_char('[')?;
                write_joined(f, list.iter(), ", ", |f, value| Literal(value).fmt(f))?;
                f.write_char(']')
            }
            ValueRef::Object(object) => {
                f.write_char('{')?;
                write_joined(f, sorted(object), ", ", |f, (name, value)| {
                    write!(f, "{}: {}", Quoted(name), Literal(value))
                })?;
                f.write_char('}')
            }
        }
    }
}

/// A text literal, with the escapes of JSON.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')
    }
}

/// A path, bare where it can be.
struct PathText<'a>(&'a str);

impl Display for PathText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_bare(self.0) {
            return f.write_str(self.0);
        }
        f.write_char('`')?;
        for (place, part) in self.0.split('`').enumerate() {
            if place > 0 {
                f.write_str("``")?;
            }
            f.write_str(part)?;
        }
        f.write_char('`')
    }
}

fn is_bare(path: &str) -> bool {
    path.split('.').all(|name| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(starts_name) && bytes.all(continues_name)
    }) && !is_keyword(path)
}

pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS
        .iter()
        .any(|keyword| keyword.eq_ignore_ascii_case(word))
}

pub(super) fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

pub(super) fn continues_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn write_joined<T>(
    f: &mut Formatter<'_>,
    items: impl IntoIterator<Item = T>,
    separator: &str,
    mut write: impl FnMut(&mut Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            f.write_str(separator)?;
        }
        write(f, item)?;
    }
    Ok(())
}
