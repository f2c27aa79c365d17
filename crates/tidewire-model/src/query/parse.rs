//! The parser of query text. Never panics, never recurses beyond its bound, whatever the text.

mod literal;
mod scan;

use super::filter::{Filter, Test, field};
use super::sort::{Cursor, Direction, Sort};
use super::{Query, Start};
use crate::id::{EntityId, EntityType};
use crate::value::{Value, ValueRef};

use scan::Scanner;

/// The longest query text, in bytes.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;

/// How deep parentheses, `not`, lists and objects may be nested in a query text.
pub const MAX_QUERY_DEPTH: usize = 32;

/// The most paths a query may be sorted by.
pub const MAX_SORT_KEYS: usize = 16;

/// The most tests a filter may have, each value of an `in` counted as one.
pub const MAX_QUERY_TERMS: usize = 1024;

type Named<T> = (&'static str, fn(T) -> Test);

/// Longer operators first, so that `<=` is not read as `<`.
const COMPARISONS: [Named<Value>; 6] = [
    ("!=", Test::Ne),
    ("<=", Test::Le),
    (">=", Test::Ge),
    ("=", Test::Eq),
    ("<", Test::Lt),
    (">", Test::Gt),
];

const TEXT_TESTS: [Named<Box<str>>; 3] = [
    ("contains", Test::Contains),
    ("icontains", Test::ContainsFold),
    ("starts_with", Test::StartsWith),
];

/// A query text was refused. Whoever wrote it must correct it at the place named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {position}: expected {expected}")]
pub struct QueryError {
    /// Where, in bytes from the start of the text.
    pub position: usize,
    /// What could have stood there.
    pub expected: Box<str>,
}

/// Reads a text, and refuses one whose canonical text, which is what travels, would be refused.
pub(super) fn parse(entity_type: EntityType, text: &str) -> Result<Query, QueryError> {
    let query = read(entity_type, text)?;
    let canonical = query.to_string();
    if canonical != text {
        read(query.entity_type.clone(), &canonical).map_err(|error| QueryError {
            position: text.len(),
            expected: format!(
                "less: written in full the query has {} bytes, and at byte {} of it {} is expected",
                canonical.len(),
                error.position,
                error.expected
            )
            .into(),
        })?;
    }
    Ok(query)
}

fn read(entity_type: EntityType, text: &str) -> Result<Query, QueryError> {
    if text.len() > MAX_QUERY_BYTES {
        let expected = format!("at most {MAX_QUERY_BYTES} bytes").into();
        return Err(QueryError {
            position: MAX_QUERY_BYTES,
            expected,
        });
    }
    let mut scanner = Scanner::new(text);
    let query = clauses(&mut scanner, Query::new(entity_type))?;
    scanner.end(if matches!(query.start, Start::After(_)) {
        "the end"
    } else {
        "a clause or the end"
    })?;
    Ok(query)
}

pub(super) fn check(query: &Query) -> Result<(), QueryError> {
    if let Some(filter) = query.as_filter() {
        check_filter(filter, 0)?;
    }
    if let Start::After(cursor) = &query.start {
        cursor.values.iter().try_for_each(check_value)?;
    }
    read(query.entity_type.clone(), &query.to_string()).map(drop)
}

/// Keeps the writing of the text from recursing as deep as the filter was built, and from writing another value than
/// the one it holds.
fn check_filter(filter: &Filter, depth: usize) -> Result<(), QueryError> {
    if depth > 2 * MAX_QUERY_DEPTH {
        return Err(QueryError {
            position: 0,
            expected: scan::depth_message(),
        });
    }
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts
            .iter()
            .try_for_each(|part| check_filter(part, depth + 1)),
        Filter::Not(inner) => check_filter(inner, depth + 1),
        Filter::All => Ok(()),
        Filter::Test { test, .. } => match test {
            Test::Eq(value)
            | Test::Ne(value)
            | Test::Lt(value)
            | Test::Le(value)
            | Test::Gt(value)
            | Test::Ge(value) => check_value(value),
            Test::OneOf(values) => values.iter().try_for_each(check_value),
            Test::Contains(_) | Test::ContainsFold(_) | Test::StartsWith(_) | Test::IsNull => {
                Ok(())
            }
        },
    }
}

fn check_value(value: &Value) -> Result<(), QueryError> {
    fn is_finite(value: ValueRef<'_>, depth: usize) -> bool {
        // What is nested deeper is refused for that when its text is read.
        depth > MAX_QUERY_DEPTH
            || match value {
                ValueRef::Float(number) => number.is_finite(),
                ValueRef::List(list) => list.iter().all(|value| is_finite(value, depth + 1)),
                ValueRef::Object(object) => {
                    object.iter().all(|(_, value)| is_finite(value, depth + 1))
                }
                _ => true,
            }
    }
    if is_finite(value.as_value_ref(), 0) {
        Ok(())
    } else {
        Err(QueryError {
            position: 0,
            expected: "a finite number".into(),
        })
    }
}

fn clauses(scanner: &mut Scanner<'_>, mut query: Query) -> Result<Query, QueryError> {
    if scanner.keyword("where") {
        query = query.filter(any_of(scanner)?);
    } else if scanner.keyword("opaque") {
        query = opaque(scanner, query)?;
    }
    if scanner.keyword("sort") {
        query.sort = sort(scanner)?;
    }
    if scanner.keyword("limit") {
        query = query.limit(scanner.count()?);
    }
    if scanner.keyword("offset") {
        query = query.offset(scanner.count()?);
    } else if scanner.keyword("after") {
        let cursor = cursor(scanner, query.sort.keys().len())?;
        query = query.after(cursor);
    }
    Ok(query)
}

fn opaque(scanner: &mut Scanner<'_>, mut query: Query) -> Result<Query, QueryError> {
    query.selection = super::Selection::Opaque(Vec::new());
    scanner.symbol("(")?;
    if scanner.try_symbol(")") {
        return Ok(query);
    }
    loop {
        let name = scanner.path()?;
        scanner.symbol("=")?;
        query = query.opaque(&name, &scanner.text()?);
        if !scanner.try_symbol(",") {
            scanner.symbol(")")?;
            return Ok(query);
        }
    }
}

fn sort(scanner: &mut Scanner<'_>) -> Result<Sort, QueryError> {
    let mut sort = Sort::by_id();
    loop {
        if sort.keys().len() == MAX_SORT_KEYS {
            return Err(scanner.expected(&format!("at most {MAX_SORT_KEYS} paths to sort by")));
        }
        let path = scanner.path()?;
        let direction = if scanner.keyword("desc") {
            Direction::Descending
        } else {
            scanner.keyword("asc");
            Direction::Ascending
        };
        sort = sort.then(&path, direction);
        if !scanner.try_symbol(",") {
            return Ok(sort);
        }
    }
}

fn cursor(scanner: &mut Scanner<'_>, keys: usize) -> Result<Cursor, QueryError> {
    scanner.symbol("(")?;
    let mut values = Vec::new();
    for place in 0..keys {
        if place > 0 {
            scanner.symbol(",")?;
        }
        if scanner.next_is(";") {
            return Err(scanner.expected("one value for each sort key before the \";\""));
        }
        values.push(scanner.literal()?);
    }
    if !scanner.try_symbol(";") {
        return Err(scanner.expected("\";\" after one value for each sort key"));
    }
    let before = scanner.position();
    let id = match scanner.literal()? {
        Value::Text(text) => EntityId::text(&text).map_err(|error| QueryError {
            position: before,
            expected: format!("an id, but {error}").into(),
        })?,
        Value::Int(number) => EntityId::integer(number),
        Value::UInt(number) => EntityId::unsigned(number),
        _ => {
            return Err(QueryError {
                position: before,
                expected: "an id: text or an integer".into(),
            });
        }
    };
    scanner.symbol(")")?;
    Ok(Cursor { values, id })
}

fn any_of(scanner: &mut Scanner<'_>) -> Result<Filter, QueryError> {
    let mut parts = vec![all_of(scanner)?];
    while scanner.keyword("or") {
        parts.push(all_of(scanner)?);
    }
    Ok(Filter::Or(parts))
}

fn all_of(scanner: &mut Scanner<'_>) -> Result<Filter, QueryError> {
    let mut parts = vec![single(scanner)?];
    while scanner.keyword("and") {
        parts.push(single(scanner)?);
    }
    Ok(Filter::And(parts))
}

fn single(scanner: &mut Scanner<'_>) -> Result<Filter, QueryError> {
    if scanner.keyword("not") {
        scanner.enter()?;
        let inner = single(scanner)?;
        scanner.leave();
        return Ok(inner.not());
    }
    if scanner.try_symbol("(") {
        scanner.enter()?;
        let inner = any_of(scanner)?;
        scanner.symbol(")")?;
        scanner.leave();
        return Ok(inner);
    }
    if scanner.keyword("all") {
        return Ok(Filter::All);
    }
    test(scanner)
}

fn test(scanner: &mut Scanner<'_>) -> Result<Filter, QueryError> {
    let path = scanner.path()?;
    scanner.count_term()?;
    for (symbol, make) in COMPARISONS {
        if scanner.try_symbol(symbol) {
            let test = make(scanner.literal()?);
            return Ok(Filter::Test { path, test });
        }
    }
    for (word, make) in TEXT_TESTS {
        if scanner.keyword(word) {
            let test = make(scanner.text()?);
            return Ok(Filter::Test { path, test });
        }
    }
    if scanner.keyword("in") {
        scanner.symbol("(")?;
        let values = scanner.literals_until(")")?;
        for _ in 1..values.len() {
            scanner.count_term()?;
        }
        let test = Test::OneOf(values);
        return Ok(Filter::Test { path, test });
    }
    if scanner.keyword("is") {
        let negated = scanner.keyword("not");
        if !scanner.keyword("null") {
            return Err(scanner.expected("null"));
        }
        let filter = field(&path).is_null();
        return Ok(if negated { filter.not() } else { filter });
    }
    Err(scanner.expected("an operator: = != < <= > >= in contains icontains starts_with is null"))
}
