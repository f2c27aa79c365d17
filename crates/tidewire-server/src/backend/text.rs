//! How entities, commits and answers stand in the file: JSON of this backend's own, apart from the wire's.
//!
//! What is written here is read by later versions of this program, so a change of shape is a new format number.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Error;
use tidewire_hub::Answer;
use tidewire_model::{ActionId, EntityId, EntityType, Offset, Patch, Record, Version};
use tidewire_protocol::{ActionEcho, Class, Op};

use super::error::Trouble;

/// An entity, as text.
pub(super) fn write_record(record: &Record) -> Result<String, Trouble> {
    serde_json::to_string(record).map_err(|error| unwritable(&error))
}

/// An entity, from text.
pub(super) fn read_record(text: &str) -> Result<Record, Trouble> {
    serde_json::from_str(text).map_err(|error| Trouble::content("an entity", &error))
}

/// The changes of a commit in one stream, as text. Their point is the commit's and is not repeated.
pub(super) fn write_ops(ops: &[Op]) -> Result<String, Trouble> {
    let stored = ops.iter().map(StoredOp::of).collect::<Option<Vec<_>>>();
    let stored =
        stored.ok_or_else(|| Trouble::content("a commit", &"a change lacks its images"))?;
    serde_json::to_string(&stored).map_err(|error| unwritable(&error))
}

/// The changes of a commit in one stream, from text.
pub(super) fn read_ops(text: &str, to: Offset) -> Result<Vec<Op>, Trouble> {
    let stored: Vec<StoredOp> =
        serde_json::from_str(text).map_err(|error| Trouble::content("a commit", &error))?;
    Ok(stored.into_iter().map(|op| op.into_op(to)).collect())
}

/// The offsets that a commit over several streams brings to each; nothing for a commit over one.
pub(super) fn write_offsets(
    offsets: &BTreeMap<EntityType, Offset>,
) -> Result<Option<String>, Trouble> {
    (offsets.len() > 1)
        .then(|| serde_json::to_string(offsets))
        .transpose()
        .map_err(|error| unwritable(&error))
}

/// The offsets that a commit over several streams brings to each.
pub(super) fn read_offsets(text: &str) -> Result<BTreeMap<EntityType, Offset>, Trouble> {
    serde_json::from_str(text).map_err(|error| Trouble::content("a commit", &error))
}

/// The actions of a commit, as text; nothing where there are none.
pub(super) fn write_actions(actions: &[ActionEcho]) -> Result<Option<String>, Trouble> {
    let stored: Vec<_> = actions
        .iter()
        .map(|echo| StoredEcho {
            id: echo.id,
            replaced: pairs(&echo.replaced),
        })
        .collect();
    (!stored.is_empty())
        .then(|| serde_json::to_string(&stored))
        .transpose()
        .map_err(|error| unwritable(&error))
}

/// The actions of a commit, from text.
pub(super) fn read_actions(text: &str) -> Result<Vec<ActionEcho>, Trouble> {
    let stored: Vec<StoredEcho> =
        serde_json::from_str(text).map_err(|error| Trouble::content("a commit", &error))?;
    let echo = |stored: StoredEcho| ActionEcho {
        id: stored.id,
        replaced: stored.replaced.into_iter().collect(),
    };
    Ok(stored.into_iter().map(echo).collect())
}

/// An answer, as text.
pub(super) fn write_answer(answer: &Answer) -> Result<String, Trouble> {
    let stored = match answer.clone() {
        Answer::Applied {
            as_of,
            rows,
            replaced,
        } => StoredAnswer::Applied {
            as_of,
            rows,
            replaced: pairs(&replaced),
        },
        Answer::Refused {
            class,
            code,
            message,
            rows,
        } => StoredAnswer::Refused {
            class: class.into(),
            code,
            message,
            rows,
        },
    };
    serde_json::to_string(&stored).map_err(|error| unwritable(&error))
}

/// An answer, from text.
pub(super) fn read_answer(text: &str) -> Result<Answer, Trouble> {
    let stored =
        serde_json::from_str(text).map_err(|error| Trouble::content("an answer", &error))?;
    Ok(match stored {
        StoredAnswer::Applied {
            as_of,
            rows,
            replaced,
        } => Answer::Applied {
            as_of,
            rows,
            replaced: replaced.into_iter().collect(),
        },
        StoredAnswer::Refused {
            class,
            code,
            message,
            rows,
        } => Answer::Refused {
            class: class.into(),
            code,
            message,
            rows,
        },
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredOp {
    Created {
        entity: Record,
    },
    Updated {
        id: EntityId,
        base: Version,
        #[serde(with = "tidewire_model::patch_whole")]
        changes: Patch,
        entity: Record,
        was: Record,
    },
    Deleted {
        id: EntityId,
        was: Record,
    },
}

impl StoredOp {
    /// Nothing for a change without its images, which the backend never makes.
    fn of(op: &Op) -> Option<Self> {
        match op.clone() {
            Op::Created { entity, .. } => Some(Self::Created { entity }),
            Op::Updated {
                id,
                base,
                changes,
                entity,
                was,
                ..
            } => Some(Self::Updated {
                id,
                base: base?,
                changes,
                entity: entity?,
                was: was?,
            }),
            Op::Deleted { id, was, .. } => Some(Self::Deleted { id, was: was? }),
            Op::Stale(_) | Op::StaleAll(_) => None,
        }
    }

    fn into_op(self, to: Offset) -> Op {
        let version = Some(to.into());
        match self {
            Self::Created { entity } => Op::Created { entity, version },
            Self::Updated {
                id,
                base,
                changes,
                entity,
                was,
            } => Op::Updated {
                id,
                version,
                base: Some(base),
                changes,
                entity: Some(entity),
                was: Some(was),
            },
            Self::Deleted { id, was } => Op::Deleted {
                id,
                version,
                was: Some(was),
            },
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredEcho {
    id: ActionId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    replaced: Vec<(EntityId, EntityId)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredAnswer {
    Applied {
        as_of: BTreeMap<EntityType, Offset>,
        rows: Vec<(EntityType, Record, Offset)>,
        replaced: Vec<(EntityId, EntityId)>,
    },
    Refused {
        class: StoredClass,
        code: String,
        message: String,
        rows: Vec<(EntityType, Record, Offset)>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredClass {
    Permanent,
    Conflict,
    Retry,
    Auth,
    Session,
}

impl From<Class> for StoredClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Permanent => Self::Permanent,
            Class::Conflict => Self::Conflict,
            Class::Retry => Self::Retry,
            Class::Auth => Self::Auth,
            Class::Session => Self::Session,
        }
    }
}

impl From<StoredClass> for Class {
    fn from(class: StoredClass) -> Self {
        match class {
            StoredClass::Permanent => Self::Permanent,
            StoredClass::Conflict => Self::Conflict,
            StoredClass::Retry => Self::Retry,
            StoredClass::Auth => Self::Auth,
            StoredClass::Session => Self::Session,
        }
    }
}

fn pairs(replaced: &BTreeMap<EntityId, EntityId>) -> Vec<(EntityId, EntityId)> {
    replaced
        .iter()
        .map(|(temporary, real)| (temporary.clone(), real.clone()))
        .collect()
}

fn unwritable(error: &Error) -> Trouble {
    Trouble::content("what is to be stored", error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidewire_model::{RecordBuilder, Value};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_number_comes_back_to_the_last_bit(
            floats in prop::collection::vec(any::<f64>(), 64),
            integers in prop::collection::vec(any::<u64>(), 8),
        ) {
            let mut record = RecordBuilder::new();
            for (place, value) in floats.into_iter().filter_map(Value::float).enumerate() {
                record.push(&format!("f{place}"), value);
            }
            for (place, number) in integers.into_iter().enumerate() {
                record.push(&format!("u{place}"), number);
                record.push(&format!("i{place}"), number.cast_signed());
            }
            let record = record.build();
            prop_assert_eq!(read_record(&write_record(&record).unwrap()).unwrap(), record);
        }
    }
}
