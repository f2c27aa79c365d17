//! What can go wrong with the file of a backend, told so that the operator knows what to do.
//!
//! Holds errors only; never repairs, moves or overwrites anything.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use tidewire_hub::BackendError;
use tidewire_model::EntityType;

/// What SQLite says of a schema format it does not know, without a code of its own. It has not had a new one for
/// twenty years, so that the number in the header is not what was written.
const BAD_SCHEMA_FORMAT: &str = "unsupported file format";

/// Why a backend's file could not be opened. Nothing in the file was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another backend of this one, has the file open. The operator stops the other one.
    #[error("the database {} is in use by another process; stop that one first", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file does not begin as a database. It was not touched; the operator names another path, or puts a copy back.
    #[error("{} is no database: it is a file of another program, or its beginning is damaged; name another path, or put a copy back", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is no longer what was written. The operator moves it away or puts a copy back.
    #[error("the database {} is damaged ({detail}); move it away or put a copy back", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file is a sound database of some other program. The operator names another path.
    #[error("{} is a database of another program; name another path", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer program. The operator updates this one.
    #[error("the database {} has format {found}, this program knows formats up to {known}; update the program", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format in the file.
        found: u32,
        /// The newest format this program can read.
        known: u32,
    },
    /// The operating system refused; the text says what.
    #[error("the database {} cannot be opened: {detail}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
}

impl OpenError {
    /// What an error of SQLite means while the file is being opened.
    pub(super) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, detail },
            Some(ErrorCode::Unknown) if detail.contains(BAD_SCHEMA_FORMAT) => {
                Self::Damaged { path, detail }
            }
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::Io {
                    path,
                    detail: format!("{detail}; allow reading and writing it and its folder"),
                }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            _ => Self::Io { path, detail },
        }
    }

    /// What is read from the file makes no sense.
    pub(super) fn from_trouble(path: &Path, trouble: &Trouble) -> Self {
        match trouble {
            Trouble::Sqlite(error) => Self::from_sqlite(path, error),
            Trouble::Content { .. }
            | Trouble::Entity { .. }
            | Trouble::TooLarge { .. }
            | Trouble::GivenUp => Self::Damaged {
                path: path.to_owned(),
                detail: trouble.to_string(),
            },
        }
    }

    /// What an error of the operating system means.
    pub(super) fn from_io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            detail: error.to_string(),
        }
    }
}

/// What can go wrong once the file is open.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// SQLite could not do it.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row is not what this program writes.
    #[error("{what} cannot be read: {detail}")]
    Content {
        /// Which kind of row.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// An entity is not what this program writes.
    #[error("the entity {id} of the type {entity_type} cannot be read: {detail}")]
    Entity {
        /// Its type.
        entity_type: EntityType,
        /// Its id, as far as that can be read.
        id: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A reader asks for more than may be in memory for it.
    #[error("it comes to more than {bound} bytes")]
    TooLarge {
        /// The bound, in bytes.
        bound: usize,
    },
    /// Nobody waits for it any more.
    #[error("it was given up on its way")]
    GivenUp,
}

impl Trouble {
    /// A row that is not what this program writes.
    pub(super) fn content(what: &'static str, detail: &dyn fmt::Display) -> Self {
        Self::Content {
            what,
            detail: detail.to_string(),
        }
    }
}

impl From<Trouble> for BackendError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::TooLarge { .. } => Self::TooLarge(trouble.to_string()),
            Trouble::GivenUp => Self::Closed,
            trouble => Self::Storage(trouble.to_string()),
        }
    }
}

/// The same error, with the file whose storage failed.
pub(super) fn of_file(path: &Path) -> impl Fn(BackendError) -> BackendError {
    move |error| match error {
        BackendError::Storage(text) => {
            BackendError::Storage(format!("in the database {}: {text}", path.display()))
        }
        other => other,
    }
}
