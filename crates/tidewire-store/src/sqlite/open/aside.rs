//! Moving files without ever replacing one.
//! Holds the way a damaged store is put aside. Never removes what it could not move.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{COMPANIONS, with_suffix};

/// Moves the file and its companions to the first free `<name>.damaged-<n>`. `None` if the system refuses.
pub(super) fn set_aside(path: &Path) -> Option<PathBuf> {
    let is_free = |target: &PathBuf| {
        !target.exists()
            && COMPANIONS
                .iter()
                .all(|companion| !with_suffix(target, companion).exists())
    };
    let target = (1..=u32::MAX)
        .map(|n| with_suffix(path, &format!(".damaged-{n}")))
        .find(is_free)?;
    if path.exists() {
        move_to_free_name(path, &target).ok()?;
    }
    for companion in COMPANIONS {
        let from = with_suffix(path, companion);
        if from.exists() {
            move_to_free_name(&from, &with_suffix(&target, companion)).ok()?;
        }
    }
    Some(target)
}

/// Gives a file another name.
///
/// # Errors
/// `AlreadyExists` if something has that name, or what the system says.
pub(super) fn move_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Not every file system has links. Renaming replaces, so that only the lock, and this look, stand before it.
        Err(_) if fs::symlink_metadata(to).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}
