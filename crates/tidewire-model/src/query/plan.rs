//! A filter with its paths made ready. Decides in the order in which the filter does, and as far.

use super::eval::{Look, Run};
use super::filter::{Filter, Test};
use super::path::FieldPath;
use crate::record::Record;

#[derive(Debug)]
pub(super) enum Plan {
    All,
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Test(FieldPath, Test),
}

impl Plan {
    pub(super) fn of(filter: &Filter) -> Self {
        let all = |parts: &[Filter]| parts.iter().map(Self::of).collect();
        match filter {
            Filter::All => Self::All,
            Filter::And(parts) => Self::And(all(parts)),
            Filter::Or(parts) => Self::Or(all(parts)),
            Filter::Not(inner) => Self::Not(Box::new(Self::of(inner))),
            Filter::Test { path, test } => Self::Test(FieldPath::new(path), test.clone()),
        }
    }

    pub(super) fn passes<'r, E>(
        &self,
        record: &'r Record,
        run: &mut Run<'_, 'r, impl Look<E>>,
    ) -> Result<bool, E> {
        let mut finds = |parts: &[Self], what: bool| {
            for part in parts {
                if part.passes(record, run)? == what {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        match self {
            Self::All => Ok(true),
            Self::And(parts) => Ok(!finds(parts, false)?),
            Self::Or(parts) => finds(parts, true),
            Self::Not(inner) => Ok(!inner.passes(record, run)?),
            Self::Test(path, test) => test.passes(path.find(record), run),
        }
    }
}
