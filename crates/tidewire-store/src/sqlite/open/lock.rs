//! The lock under which a store is opened, made and moved aside.
//! Holds a file beside the store's own. Never waits for another holder, and removes the file only where it was made for
//! a store that is refused.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
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
    is_new: bool,
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let refused = |error: &io::Error| {
            StoreError::Io(format!(
                "{} cannot be opened (no lock beside it: {error}); check that its folder may be written to",
                path.display()
            ))
        };
        let lock_path = lock_path(path);
        loop {
            let (file, is_new) = open(&lock_path).map_err(|error| refused(&error))?;
            match file.try_lock() {
                // Whoever had it before may have removed it, and a lock on a file that was removed holds nothing.
                Ok(()) if is_at(&file, &lock_path) => {
                    return Ok(Self {
                        _file: file,
                        is_new,
                    });
                }
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Busy {
                        path: path.to_path_buf(),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(refused(&error)),
            }
        }
    }

    /// Whether no store has been opened here before.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Leaves no lock beside a file that is refused, unless there was one.
    pub(super) fn give_up(self, path: &Path) {
        // Elsewhere it cannot be told whether a file that was opened is the one that stands there.
        if cfg!(unix) && self.is_new {
            // One that stays does little harm.
            let _ = fs::remove_file(lock_path(path));
        }
    }
}

/// The file, and whether it was made for this.
fn open(lock_path: &Path) -> io::Result<(File, bool)> {
    loop {
        match OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(lock_path)
        {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (file, true)),
        }
        match OpenOptions::new().write(true).open(lock_path) {
            // It was removed in between.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && fs::symlink_metadata(lock_path).is_err() => {}
            opened => return opened.map(|file| (file, false)),
        }
    }
}

/// Whether a file that was opened is the one that stands there.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let number = |found: fs::Metadata| (found.dev(), found.ino());
    matches!(
        (file.metadata().map(number), fs::metadata(path).map(number)),
        (Ok(opened), Ok(found)) if opened == found
    )
}

/// Nothing removes it here.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}
