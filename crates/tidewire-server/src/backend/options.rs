//! The settings of a SQLite backend.

use std::path::PathBuf;

use super::SqliteBackend;
use super::error::OpenError;
use super::reader::ReadBounds;

/// How to open a [`SqliteBackend`].
#[derive(Clone, Debug)]
#[must_use]
pub struct SqliteOptions {
    pub(super) path: PathBuf,
    pub(super) journal: JournalLimits,
    pub(super) reads: ReadBounds,
    pub(super) epoch: EpochChoice,
}

/// How much of each stream's past is kept for those who come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JournalLimits {
    pub(super) commits: u64,
    pub(super) bytes: u64,
}

/// Which epoch an opened file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EpochChoice {
    Keep,
    Begin,
}

impl SqliteOptions {
    /// The defaults for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            journal: JournalLimits {
                commits: 100_000,
                bytes: 64 * 1024 * 1024,
            },
            reads: ReadBounds::with_running(2),
            epoch: EpochChoice::Keep,
        }
    }

    /// The most commits kept per stream for those who come back. Default 100 000.
    pub fn journal_commits(mut self, commits: u64) -> Self {
        self.journal.commits = commits;
        self
    }

    /// The most bytes of changes kept per stream for those who come back. Default 64 MiB.
    pub fn journal_bytes(mut self, bytes: u64) -> Self {
        self.journal.bytes = bytes;
        self
    }

    /// How many reads run side by side, from 1 to 64. Default 2.
    ///
    /// Beside them, up to 8 long ones wait for their next turn; each keeps a thread, a read transaction and at most
    /// 32 MiB of rows.
    pub fn reading_threads(mut self, threads: usize) -> Self {
        self.reads.running = threads.clamp(1, 64);
        self
    }

    /// Begins a new epoch, which every client takes as a fresh start.
    ///
    /// An older copy of the file that was put back cannot be told from the file that was there: its offsets would
    /// name other commits than the clients have seen. Whoever restores a copy says so with this, once.
    pub fn new_epoch(mut self) -> Self {
        self.epoch = EpochChoice::Begin;
        self
    }

    /// Opens the file, and makes it where there is none. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the file and who must do what.
    pub fn open(self) -> Result<SqliteBackend, OpenError> {
        SqliteBackend::with(&self)
    }
}
