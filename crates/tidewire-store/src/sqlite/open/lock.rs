//! The lock under which a store is opened, made and moved aside.
//! Holds a file beside the store's own. Never waits for another holder, and never removes the file: whoever waits for
//! a lock on a file that was removed holds nothing.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::with_suffix;
use crate::StoreError;

/// Where the lock of a store stands. It stays when the store is closed, and says that one was here.
pub(super) fn lock_path(path: &Path) -> PathBuf {
    with_suffix(path, ".lock")
}

/// A store that nobody else opens, in this process or another. The system gives it back when the process ends.
#[derive(Debug)]
pub(in crate::sqlite) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let refused = |error: &io::Error| {
            StoreError::Io(format!(
                "{} cannot be opened (no lock beside it: {error}); check that its folder may be written to",
                path.display()
            ))
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(lock_path(path))
            .map_err(|error| refused(&error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy {
                path: path.to_path_buf(),
            }),
            Err(TryLockError::Error(error)) => Err(refused(&error)),
        }
    }
}
