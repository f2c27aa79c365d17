//! Opening a store's file: whose it is, who holds it, whether it is whole.
//! Holds the checks, all of them under a lock. Never takes a damaged file for an empty one.

mod aside;
mod lock;
mod owner;

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, config::DbConfig};

pub(super) use self::lock::Lock;
use crate::StoreError;

/// "TIDW": tells our files from other programs'.
const APPLICATION_ID: i64 = 0x5449_4457;
/// The format of the tables in the file.
const FORMAT: i64 = 1;
/// What is left of the log after a checkpoint, in bytes.
const LOG_LIMIT_BYTES: u32 = 4 << 20;
/// What SQLite says of a schema format it does not know, without a code of its own. It has not had a new one for
/// twenty years, so that the number in the header is not what was written.
const BAD_SCHEMA_FORMAT: &str = "unsupported file format";
/// What SQLite keeps beside the file.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// No names with a meaning of their own, no file made by opening it, no lock inside: one thread uses it.
const OPEN_FLAGS: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// A store's file, held and found whole.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// Held as long as the connection is, and longer.
    pub(super) lock: Lock,
}

/// What may be done about a store that is not there, or not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// An empty one is made, a damaged one is moved aside.
    Replace,
    /// None: what stands there stays as it is.
    Refuse,
}

/// Nothing beside the file is made, and the file is neither made nor moved, before it is known to be a store's and
/// nobody else works on it.
pub(super) fn open(path: &Path, remedy: Remedy) -> Result<Opened, StoreError> {
    let path = resolve(path)?;
    if remedy == Remedy::Refuse {
        check_there(&path)?;
    }
    let lock = take_lock(&path)?;
    // Whoever held it before may have made, moved or replaced the file.
    let checked = owner::check(&path).and_then(|()| hold_and_check(&path, lock.is_new(), remedy));
    match checked {
        Ok(connection) => Ok(Opened {
            connection,
            path,
            lock,
        }),
        Err(error) => {
            let error = with_remedy(error, &path, remedy);
            lock.give_up(&path);
            Err(error)
        }
    }
}

/// Moves what is damaged aside, where it may be.
fn with_remedy(error: StoreError, path: &Path, remedy: Remedy) -> StoreError {
    match (error, remedy) {
        (StoreError::Damaged { detail, .. }, Remedy::Replace) => StoreError::Damaged {
            set_aside: aside::set_aside(path),
            path: path.to_path_buf(),
            detail,
        },
        (error, _) => error,
    }
}

/// Refuses to look for a store where none can be. A log without its file is one that is damaged.
fn check_there(path: &Path) -> Result<(), StoreError> {
    let is_unused = match length(path) {
        None => !has_log(path),
        Some(bytes) => bytes == 0 && !lock::lock_path(path).exists() && !has_log(path),
    };
    if is_unused {
        return Err(StoreError::Io(format!(
            "there is no store at {} yet; check the path",
            path.display()
        )));
    }
    Ok(())
}

/// Whether something of SQLite's that is not empty stands beside the file.
fn has_log(path: &Path) -> bool {
    COMPANIONS
        .iter()
        .any(|name| length(&with_suffix(path, name)).is_some_and(|bytes| bytes > 0))
}

/// Takes the lock of a store that is there, or of one that may be made, and makes none beside a file of another kind.
///
/// A file is read only where no store can be open on it in this process: to close a file gives up the locks that the
/// whole process has on it, SQLite's among them. Whoever opens a store here has made its lock before, and one does so
/// at a time.
fn take_lock(path: &Path) -> Result<Lock, StoreError> {
    static TAKING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = TAKING.lock();
    if !lock::lock_path(path).exists() {
        owner::check(path)?;
    }
    Lock::take(path)
}

/// The absolute path behind `path`, so that names special to SQLite are ordinary names and a link is followed once.
fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let refused =
        |error: &io::Error| StoreError::Io(format!("cannot use {}: {error}", path.display()));
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(StoreError::Io(format!(
            "{} is a folder; give the path of a file",
            path.display()
        ))),
        Ok(found) if !found.is_file() => Err(StoreError::Io(format!(
            "{} is no ordinary file; give the path of a file",
            path.display()
        ))),
        Ok(_) => fs::canonicalize(path).map_err(|error| refused(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Ok(target) = fs::read_link(path) {
                return Err(StoreError::Io(format!(
                    "{} is a link to {}, which is not there; put that back, or remove the link",
                    path.display(),
                    target.display()
                )));
            }
            let absolute = std::path::absolute(path).map_err(|error| refused(&error))?;
            let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
                return Err(StoreError::Io(format!("{} names no file", path.display())));
            };
            let folder = fs::canonicalize(folder).map_err(|error| {
                StoreError::Io(format!(
                    "the folder {} cannot be used: {error}; create it first",
                    folder.display()
                ))
            })?;
            Ok(folder.join(name))
        }
        Err(error) => Err(refused(&error)),
    }
}

/// `is_first` says that no store has been opened here before.
fn hold_and_check(path: &Path, is_first: bool, remedy: Remedy) -> Result<Connection, StoreError> {
    let found = length(path);
    if found.is_none() && has_log(path) {
        // SQLite would start anew and throw the log away.
        return Err(damaged(path, "the file is gone, its log is still there"));
    }
    // An empty file is a place kept for a store, as long as none was there: a store is never empty.
    let is_new = found.is_none() || (found == Some(0) && is_first && !has_log(path));
    if is_new && remedy == Remedy::Replace {
        create(path)?;
    }
    let failed = |error: rusqlite::Error| store_error(path, &error);
    let connection = Connection::open_with_flags(path, OPEN_FLAGS).map_err(failed)?;
    hold(&connection).map_err(failed)?;
    check_length(&connection, path)?;
    check_owner(&connection, path)?;
    check_whole(&connection, path)?;
    connection.execute_batch("COMMIT").map_err(failed)?;
    prepare(&connection).map_err(failed)?;
    set_log_on_close(&connection, LogOnClose::Folded).map_err(failed)?;
    Ok(connection)
}

/// Makes an empty store under another name and gives it its own once it is whole. So a store that is there is
/// always one that was whole, and one that is empty is damaged. An empty file that was there before lends it its rights.
fn create(path: &Path) -> Result<(), StoreError> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let draft = with_suffix(path, &format!(".new-{}-{number}", process::id()));
    let clear = || {
        for name in ["", "-journal"] {
            // A draft is there only after a crash, and one that stays does no harm.
            let _ = fs::remove_file(with_suffix(&draft, name));
        }
    };
    clear();
    let made = write_draft(&draft)
        .map_err(|error| store_error(path, &error))
        .and_then(|()| take_place(&draft, path))
        .and_then(|()| publish(&draft, path));
    clear();
    made
}

/// Clears an empty file away, whose place and rights the draft takes.
fn take_place(draft: &Path, path: &Path) -> Result<(), StoreError> {
    let Ok(found) = fs::metadata(path) else {
        return Ok(());
    };
    if found.len() > 0 {
        return Ok(());
    }
    fs::set_permissions(draft, found.permissions())
        .and_then(|()| fs::remove_file(path))
        .map_err(|error| StoreError::Io(format!("{} cannot be made: {error}", path.display())))
}

fn publish(draft: &Path, path: &Path) -> Result<(), StoreError> {
    match aside::move_to_free_name(draft, path) {
        // Some other program was first; its file is looked at like any other.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        moved => moved
            .map_err(|error| StoreError::Io(format!("{} cannot be made: {error}", path.display()))),
    }
}

fn write_draft(draft: &Path) -> rusqlite::Result<()> {
    let connection =
        Connection::open_with_flags(draft, OPEN_FLAGS | OpenFlags::SQLITE_OPEN_CREATE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.execute_batch(&format!(
        "BEGIN; \
         PRAGMA application_id = {APPLICATION_ID}; \
         PRAGMA user_version = {FORMAT}; \
         CREATE TABLE rows (tbl TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (tbl, key)) \
         WITHOUT ROWID, STRICT; \
         COMMIT"
    ))?;
    connection.close().map_err(|(_, error)| error)
}

/// Takes the file for this process alone and leaves a transaction open.
pub(super) fn hold(connection: &Connection) -> rusqlite::Result<()> {
    // SQLite opens what may not be written for reading, and would call the first write an I/O error.
    if connection.is_readonly(MAIN_DB)? {
        let refused = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(rusqlite::Error::SqliteFailure(refused, None));
    }
    connection.busy_timeout(Duration::ZERO)?;
    // Until the file is known to be ours and whole, giving it up again must not change it.
    set_log_on_close(connection, LogOnClose::Kept)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.execute_batch("BEGIN IMMEDIATE")
}

/// What becomes of the log when the file is given back.
#[derive(Clone, Copy)]
pub(super) enum LogOnClose {
    /// It is left as it is.
    Kept,
    /// It is synced and folded into the file.
    Folded,
}

pub(super) fn set_log_on_close(connection: &Connection, log: LogOnClose) -> rusqlite::Result<()> {
    let is_kept = matches!(log, LogOnClose::Kept);
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, is_kept)
        .map(drop)
}

/// SQLite rounds the length of a file up to whole pages and would read what is missing as zeros.
fn check_length(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let read = |name| pragma(connection, name).map_err(|error| store_error(path, &error));
    let needed = read("page_count")?.saturating_mul(read("page_size")?);
    let found = i64::try_from(length(path).unwrap_or(0)).unwrap_or(i64::MAX);
    // What is in the log need not be in the file yet.
    let has_log = length(&with_suffix(path, "-wal")).is_some_and(|bytes| bytes > 0);
    if found == 0 || (found < needed && !has_log) {
        return Err(damaged(path, &format!("{found} bytes are left of it")));
    }
    Ok(())
}

fn check_owner(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let read = |name| pragma(connection, name).map_err(|error| store_error(path, &error));
    match (read("application_id")?, read("user_version")?) {
        (APPLICATION_ID, FORMAT) => Ok(()),
        (APPLICATION_ID, found @ ..=0) => Err(damaged(
            path,
            &format!("it has format {found}, which never was"),
        )),
        (APPLICATION_ID, found) => Err(StoreError::Newer {
            found,
            known: FORMAT,
        }),
        _ => Err(StoreError::Foreign {
            path: path.to_path_buf(),
        }),
    }
}

/// Sets what holds for the life of the connection.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        let refused = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        return Err(rusqlite::Error::SqliteFailure(
            refused,
            Some("no write-ahead log on this file system".into()),
        ));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Without it a sync on macOS does not reach the disk itself; elsewhere it means nothing.
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.pragma_update(None, "checkpoint_fullfsync", "ON")?;
    connection.query_row(
        &format!("PRAGMA journal_size_limit = {LOG_LIMIT_BYTES}"),
        [],
        |_| Ok(()),
    )
}

fn check_whole(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let verdict: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| store_error(path, &error))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(damaged(path, &verdict))
    }
}

/// What a failure of SQLite means for whoever has to act.
pub(super) fn store_error(path: &Path, error: &rusqlite::Error) -> StoreError {
    let shown = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy {
            path: path.to_path_buf(),
        },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            damaged(path, &error.to_string())
        }
        Some(ErrorCode::Unknown) if error.to_string().contains(BAD_SCHEMA_FORMAT) => {
            damaged(path, &error.to_string())
        }
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::ReadOnly) => StoreError::Io(format!(
            "{shown} cannot be written ({error}); allow writing to the file and its folder"
        )),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => StoreError::Io(format!(
            "{shown} cannot be opened ({error}); check that its folder may be written to"
        )),
        _ => StoreError::Io(format!("{shown}: {error}")),
    }
}

fn damaged(path: &Path, detail: &str) -> StoreError {
    StoreError::Damaged {
        path: path.to_path_buf(),
        set_aside: None,
        detail: detail.to_owned(),
    }
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).map(|found| found.len()).ok()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
