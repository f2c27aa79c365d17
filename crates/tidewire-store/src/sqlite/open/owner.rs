//! Whose a file is, found without opening it as a database.
//! Holds the marks of a store. Never changes anything: a file without a mark is somebody's own and stays as it is.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{APPLICATION_ID, has_log, lock::lock_path};
use crate::StoreError;

/// How every SQLite file begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Where the header of an SQLite file says to whom it belongs.
const APPLICATION_ID_AT: usize = 68;
/// What is the same in the header of every SQLite file, and where it stands.
const FIXED: [u8; 3] = [64, 32, 32];
const FIXED_AT: usize = 21;
/// The length of that header.
const HEADER_BYTES: usize = 100;

/// Refuses a file that is there and carries no mark of a store.
///
/// A header that is whole decides alone. Where it is damaged, what is left of our mark in it decides, or what only a
/// store has beside it: a log, or the lock of somebody who has opened it.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let header = match header(path) {
        Ok(header) => header,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(StoreError::Io(format!(
                "{} cannot be read ({error}); allow reading and writing it",
                path.display()
            )));
        }
    };
    let ours = u32::try_from(APPLICATION_ID).map_or([0; 4], u32::to_be_bytes);
    let is_marked = header.get(APPLICATION_ID_AT..APPLICATION_ID_AT + 4) == Some(&ours[..]);
    let is_whole = header.len() == HEADER_BYTES
        && header.starts_with(MAGIC)
        && header.get(FIXED_AT..FIXED_AT + FIXED.len()) == Some(&FIXED[..]);
    // An empty file is nobody's: a place kept for a store, or what is left of one.
    if is_marked || header.is_empty() || (!is_whole && (has_log(path) || lock_path(path).exists()))
    {
        Ok(())
    } else {
        Err(StoreError::Foreign {
            path: path.to_path_buf(),
        })
    }
}

/// As much of the header as there is.
fn header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(path)?
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut header)?;
    Ok(header)
}
