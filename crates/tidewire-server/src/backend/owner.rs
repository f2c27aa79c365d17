//! Whose a file is, found by its first bytes and without a lock beside it.
//!
//! Refuses only what is surely not ours; what cannot be told is left to those who open it as a database. Changes nothing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::error::OpenError;
use super::schema;

/// How every SQLite file begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Where the header of an SQLite file counts the changes of its tables.
const TABLES_CHANGED_AT: usize = 40;
/// Where it says to whom the file belongs.
const APPLICATION_ID_AT: usize = 68;
/// The length of that header.
const HEADER_BYTES: usize = 100;

/// Refuses a file that is there and belongs to somebody else. An empty one is nobody's.
pub(super) fn check(path: &Path) -> Result<(), OpenError> {
    let header = match header(path) {
        Ok(header) => header,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(OpenError::Io {
                path: path.to_owned(),
                detail: format!("{error}; allow reading and writing it"),
            });
        }
    };
    if header.is_empty() {
        return Ok(());
    }
    if !header.starts_with(MAGIC) {
        return Err(OpenError::NotADatabase {
            path: path.to_owned(),
        });
    }
    let number = |at: usize| header.get(at..at + 4).map(|bytes| bytes != [0; 4]);
    let ours = schema::APPLICATION_ID.to_be_bytes();
    let is_ours = header.get(APPLICATION_ID_AT..APPLICATION_ID_AT + 4) == Some(&ours[..]);
    let is_used =
        number(TABLES_CHANGED_AT) == Some(true) || number(APPLICATION_ID_AT) == Some(true);
    // What is in the log may not be in the file yet.
    if is_used && !is_ours && !has_log(path) {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    Ok(())
}

fn has_log(path: &Path) -> bool {
    let mut log = OsString::from(path);
    log.push("-wal");
    fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

/// As much of the header as there is.
fn header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(path)?
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut header)?;
    Ok(header)
}
