//! The working tree: where it is and which files belong to it. Reads files, never writes one.

use std::path::{Path, PathBuf};

use crate::process::Call;

/// Folders that never hold files of the project: what is built, and git's own.
const NOT_OURS: &[&str] = &["target", ".git"];

/// The root of the working tree and the files in it, by their path from the root, sorted.
pub(crate) struct Repository {
    root: PathBuf,
    files: Vec<String>,
}

impl Repository {
    /// Finds the tree this program was built from. Files are what git tracks or would track; where there is no git,
    /// all files outside the folders that are built.
    ///
    /// # Errors
    /// The tree is not where it was, or cannot be read.
    pub(crate) fn open() -> Result<Self, String> {
        let package = std::env::var("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_string());
        let root = Path::new(&package)
            .parent()
            .ok_or("xtask has no folder around it")?
            .to_path_buf();
        let mut files = listed_by_git(&root).map_or_else(|| walked(&root), Ok)?;
        files.retain(|path| root.join(path).is_file());
        Ok(Self::of(root, files))
    }

    /// A tree with exactly these files.
    pub(crate) fn of(root: PathBuf, mut files: Vec<String>) -> Self {
        files.sort();
        files.dedup();
        Self { root, files }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn files(&self) -> &[String] {
        &self.files
    }

    /// True if a file, or a folder with files in it, has this path.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let inside = format!("{path}/");
        self.files
            .iter()
            .any(|file| file == path || file.starts_with(&inside))
    }

    /// The text of a file.
    ///
    /// # Errors
    /// The file cannot be read, or is no text.
    pub(crate) fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(self.root.join(path)).map_err(|error| format!("{path}: {error}"))
    }
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let listing = Call::new("git ls-files --cached --others --exclude-standard -z")
        .output(root)
        .ok()?;
    Some(
        listing
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(ToString::to_string)
            .collect(),
    )
}

fn walked(root: &Path) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if !path.is_dir() {
                files.extend(
                    path.strip_prefix(root)
                        .ok()
                        .map(|path| path.to_string_lossy().replace('\\', "/")),
                );
            } else if !NOT_OURS.iter().any(|name| path.ends_with(name)) {
                folders.push(path);
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_if_a_file_is_in_it() {
        let tree = Repository::of(
            PathBuf::new(),
            vec!["docs/a.md".to_string(), "Cargo.toml".to_string()],
        );
        assert!(tree.holds("docs") && tree.holds("docs/") && tree.holds("docs/a.md"));
        assert!(!tree.holds("doc") && !tree.holds("docs/b.md"));
    }

    #[test]
    fn this_tree_holds_this_file_and_nothing_that_is_built() {
        let tree = Repository::open().unwrap();
        assert!(tree.holds("xtask/src/repository.rs"));
        assert!(!tree.files().iter().any(|path| path.starts_with("target/")));
        let walked = walked(tree.root()).unwrap();
        assert!(walked.contains(&"xtask/src/repository.rs".to_string()));
        assert!(!walked.iter().any(|path| path.starts_with(".git/")));
    }
}
