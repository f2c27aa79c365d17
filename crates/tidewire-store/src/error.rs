//! What can go wrong with a store, sorted by who can do something about it.
//! Holds text and paths only, so that one failure can be told to everybody who waits. Never retries anything.

use std::path::PathBuf;

/// Why a store could not be opened, read or written.
///
/// After a failed [`commit`](crate::Store::commit) the store refuses everything with the same error until it is
/// opened again: what the medium holds after a failed write is only known by reading it anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or another part of this one, has the store open. The user closes the other one.
    #[error("the store {} is in use by another process; close that one first", path.display())]
    Busy {
        /// The file that is held.
        path: PathBuf,
    },
    /// The file is no longer what was written. It is kept for repair and never taken for an empty store.
    #[error("the store {} is damaged ({detail}); {}", path.display(), damaged_advice(set_aside.as_ref()))]
    Damaged {
        /// Where the store was expected.
        path: PathBuf,
        /// Where the damaged file was moved, so that opening again starts with an empty store. `None`: it could
        /// not be moved, or was found damaged while in use, and still stands at `path`.
        set_aside: Option<PathBuf>,
        /// What was found.
        detail: String,
    },
    /// The file carries no mark of a store: it is some other program's, or too little is left of it to tell. It was not
    /// touched; the user gives another path, or moves the file away.
    #[error("{} is not known as a store, and was left as it is: it is a file of another program, or its beginning is damaged; give the store a path of its own, or put a copy back", path.display())]
    Foreign {
        /// The file that was found.
        path: PathBuf,
    },
    /// No space is left. The user frees some, then the program opens the store again.
    #[error("no space left for the store; free some and open the store again")]
    Full,
    /// The store was written by a newer program. The user updates this one.
    #[error(
        "the store has format {found}, this program knows formats up to {known}; update the program"
    )]
    Newer {
        /// The format version in the file.
        found: i64,
        /// The newest format version this program can read.
        known: i64,
    },
    /// The operating system refused; the text says what and, where it can, what to do.
    #[error("store: {0}")]
    Io(String),
    /// The store was closed, or its worker ended. The program opens it again.
    #[error("the store is closed; open it again")]
    Closed,
}

fn damaged_advice(set_aside: Option<&PathBuf>) -> String {
    match set_aside {
        Some(path) => format!(
            "it was moved to {} with all that it kept; open again to start with an empty store",
            path.display()
        ),
        None => "move it away, or put a copy back, then open it again".to_owned(),
    }
}
