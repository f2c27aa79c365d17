//! Opens the database file: the lock that keeps other processes out, the checks, and the settings of a connection.
//!
//! A file that is not sound, not ours or too new is left as it was.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::error::OpenError;
use super::{owner, schema};

/// How long a connection waits for another program that looks into the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a write waits for it: longer, because a write that fails is the last one.
const BUSY_TIMEOUT_OF_WRITES: Duration = Duration::from_secs(30);

/// Files up to this size are read through once when they are opened; for larger ones that would take too long, and
/// damage shows when the damaged place is read.
const CHECKED_BYTES: u64 = 256 * 1024 * 1024;

/// The file of an open backend, held against other processes as long as any part of it lives.
#[derive(Clone, Debug)]
pub(super) struct HeldFile {
    path: PathBuf,
    _lock: Arc<File>,
}

impl HeldFile {
    /// Takes the file for this process.
    pub(super) fn hold(path: &Path) -> Result<Self, OpenError> {
        let path = resolved(path)?;
        let mut lock_path = OsString::from(&path);
        lock_path.push(".lock");
        if !Path::new(&lock_path).exists() {
            // No lock is left beside a file that is refused.
            owner::check(&path)?;
        }
        let lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| OpenError::Io {
                path: path.clone(),
                detail: format!("no lock beside it ({error}); allow writing to its folder"),
            })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path,
                _lock: Arc::new(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Busy { path }),
            Err(TryLockError::Error(error)) => Err(OpenError::from_io(&path, &error)),
        }
    }

    /// The path without links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the writing connection, makes the tables where there are none, and checks those that are there.
    pub(super) fn open_writing(&self) -> Result<Connection, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let fault = |error: rusqlite::Error| OpenError::from_sqlite(&self.path, &error);
        let connection = Connection::open_with_flags(&self.path, flags).map_err(fault)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
        check_writable(&connection).map_err(fault)?;
        let is_new = self.check_kind(&connection)?;
        if !is_new {
            self.check_sound(&connection)?;
        }
        set_durable(&connection).map_err(fault)?;
        if is_new {
            schema::create(&connection)
                .map_err(|trouble| OpenError::from_trouble(&self.path, &trouble))?;
        }
        connection
            .busy_timeout(BUSY_TIMEOUT_OF_WRITES)
            .map_err(fault)?;
        Ok(connection)
    }

    /// Opens a connection that only reads.
    pub(super) fn open_reading(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    /// Whether the file is new; an error where it belongs to another program or to a newer one.
    fn check_kind(&self, connection: &Connection) -> Result<bool, OpenError> {
        let number = |sql: &str| {
            connection
                .query_row(sql, [], |row| row.get::<_, i64>(0))
                .map_err(|error| OpenError::from_sqlite(&self.path, &error))
        };
        let application = number("PRAGMA application_id")?;
        let format = number("PRAGMA user_version")?;
        if application == 0 && format == 0 && number("SELECT count(*) FROM sqlite_master")? == 0 {
            return Ok(true);
        }
        if application != i64::from(schema::APPLICATION_ID) {
            return Err(OpenError::Foreign {
                path: self.path.clone(),
            });
        }
        if format == i64::from(schema::FORMAT) {
            return Ok(false);
        }
        match u32::try_from(format) {
            Ok(found) if found > schema::FORMAT => Err(OpenError::Newer {
                path: self.path.clone(),
                found,
                known: schema::FORMAT,
            }),
            _ => Err(OpenError::Damaged {
                path: self.path.clone(),
                detail: format!("it has format {format}"),
            }),
        }
    }

    fn check_sound(&self, connection: &Connection) -> Result<(), OpenError> {
        let bytes = fs::metadata(&self.path)
            .map_err(|error| OpenError::from_io(&self.path, &error))?
            .len();
        if bytes > CHECKED_BYTES {
            return Ok(());
        }
        let found: String = connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(|error| OpenError::from_sqlite(&self.path, &error))?;
        if found == "ok" {
            Ok(())
        } else {
            Err(OpenError::Damaged {
                path: self.path.clone(),
                detail: found,
            })
        }
    }
}

/// A commit is on the medium when it returns, and readers never wait for it.
fn set_durable(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.query_row("PRAGMA journal_size_limit = 67108864", [], |_| Ok(()))?;
    Ok(())
}

/// The path without links, so that two names of one file share one lock.
fn resolved(path: &Path) -> Result<PathBuf, OpenError> {
    let refused = |detail: String| OpenError::Io {
        path: path.to_owned(),
        detail,
    };
    if let Ok(found) = fs::metadata(path) {
        if !found.is_file() {
            let kind = if found.is_dir() {
                "a folder"
            } else {
                "no ordinary file"
            };
            return Err(refused(format!("it is {kind}; name a file")));
        }
        return fs::canonicalize(path).map_err(|error| OpenError::from_io(path, &error));
    }
    let Some(name) = path.file_name() else {
        return Err(refused("the path names no file; name one".into()));
    };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = fs::canonicalize(parent).map_err(|error| {
        let parent = parent.display();
        refused(format!(
            "the folder {parent} cannot be used ({error}); create it first"
        ))
    })?;
    Ok(parent.join(name))
}

/// SQLite opens what may not be written for reading, and would fail at the first write only.
fn check_writable(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_readonly(MAIN_DB)? {
        let refused = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(rusqlite::Error::SqliteFailure(refused, None));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_not_be_written_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.db");
        drop(Connection::open(&path).unwrap());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(&path, flags).unwrap();
        let refused = check_writable(&connection).unwrap_err();
        let told = OpenError::from_sqlite(&path, &refused).to_string();
        assert!(told.contains("allow reading and writing it"), "{told}");
    }
}
