//! Why a record was refused. Says who must do what, and in which field.

use crate::id::NameError;

/// A record was refused or could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// What was given is not an object. The giver must send named fields.
    #[error("expected an object")]
    NotAnObject,
    /// The field that should hold the entity id is not there.
    #[error("the record has no id: the field \"{field}\" is missing")]
    MissingId {
        /// The name of the id field.
        field: Box<str>,
    },
    /// The field that should hold the entity id is neither text nor an integer.
    #[error("the record has no id: the field \"{field}\" is neither text nor an integer")]
    IdKind {
        /// The name of the id field.
        field: Box<str>,
    },
    /// The entity id breaks the rules for ids.
    #[error("the id in the field \"{field}\" is refused: {source}")]
    IdText {
        /// The name of the id field.
        field: Box<str>,
        /// The rule that was broken.
        source: NameError,
    },
    /// The content as a whole does not fit the application's type, or cannot be held by a record.
    #[error("{0}")]
    Mismatch(Box<str>),
    /// A field does not fit the application's type, or cannot be held by a record.
    #[error("the field \"{path}\": {detail}")]
    Field {
        /// Which, as in [`Record::path`](crate::Record::path); the place in a list is left out.
        path: Box<str>,
        /// What was expected.
        detail: Box<str>,
    },
}

impl RecordError {
    /// What went wrong inside of a field.
    pub(super) fn inside(self, field: &str) -> Self {
        match self {
            Self::Mismatch(detail) => Self::Field {
                path: field.into(),
                detail,
            },
            Self::Field { path, detail } => Self::Field {
                path: format!("{field}.{path}").into(),
                detail,
            },
            other => other,
        }
    }
}
