//! Paths between backquotes: a file that is named is there.

use super::markdown::Page;
use crate::report::Finding;

/// Folders at the root; what begins with one of them is meant from the root.
const ROOT_FOLDERS: &[&str] = &[
    "crates/", "docs/", "xtask/", "bench/", "fuzz/", ".cargo/", ".ci/",
];

/// Endings by which a word with a slash in it is known for a path.
const ENDINGS: &[&str] = &[
    ".rs", ".md", ".toml", ".html", ".css", ".js", ".json", ".py", ".sh",
];

/// Endings by which even a bare name is known for a file of the project.
const BARE_ENDINGS: &[&str] = &[".md", ".toml", ".lock"];

/// Every path between backquotes is in the tree.
pub(crate) fn check(page: &Page, files: &[String]) -> Vec<Finding> {
    let missing = page
        .spans
        .iter()
        .filter(|span| looks_like_path(&span.text) && !exists(&span.text, page, files));
    missing
        .map(|span| {
            Finding::at(
                &page.path,
                span.line,
                format!("`{}` is not in the tree", span.text),
            )
        })
        .collect()
}

/// True if a word can only be meant as a path of this repository.
pub(crate) fn looks_like_path(word: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-/*".contains(letter);
    if !word.chars().all(is_plain) || word.starts_with('/') || word.starts_with("target/") {
        return false;
    }
    let ends = |endings: &[&str]| {
        endings
            .iter()
            .any(|ending| word.len() > ending.len() && word.ends_with(ending))
    };
    ROOT_FOLDERS.iter().any(|folder| word.starts_with(folder))
        || (word.contains('/') && ends(ENDINGS))
        || ends(BARE_ENDINGS)
}

/// From the root, from the folder of the page, or, where it begins with neither, the end of some file's path.
fn exists(path: &str, page: &Page, files: &[String]) -> bool {
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = format!("{folder}/{path}");
    let from_root = ROOT_FOLDERS.iter().any(|folder| path.starts_with(folder));
    files.iter().any(|file| {
        leads_to(path, file)
            || leads_to(beside.trim_start_matches('/'), file)
            || (!from_root && ends_in(path, file))
    })
}

/// True if the pattern names the file, or a folder around it. `*` stands for any part of one name.
fn leads_to(pattern: &str, file: &str) -> bool {
    let mut names = file.split('/');
    let mut parts = pattern.trim_end_matches('/').split('/');
    parts.all(|part| names.next().is_some_and(|name| fits(part, name)))
}

fn ends_in(pattern: &str, file: &str) -> bool {
    let length = pattern.split('/').count();
    let names: Vec<&str> = file.split('/').collect();
    names.len() >= length && leads_to(pattern, &names[names.len() - length..].join("/"))
}

fn fits(part: &str, name: &str) -> bool {
    match part.split_once('*') {
        None => part == name,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(path: &str, text: &str) -> Vec<String> {
        let files = [
            "Cargo.toml",
            "crates/a/src/lib.rs",
            "crates/a/clippy.toml",
            "crates/a/README.md",
            "docs/b.md",
            ".ci/run",
        ];
        let findings = check(&Page::read(path, text), &files.map(ToString::to_string));
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_there_is_found_from_the_root_and_from_beside() {
        let text = "`crates/a/src/lib.rs` `docs/` `docs` `.ci/run` `crates/*/clippy.toml` `Cargo.toml` `src/lib.rs` `b.md`";
        assert_eq!(missing("README.md", text), [""; 0]);
        assert_eq!(
            missing("crates/a/README.md", "`src/lib.rs` `clippy.toml`"),
            [""; 0]
        );
    }

    #[test]
    fn what_is_gone_is_caught() {
        for path in [
            "crates/b/src/lib.rs",
            "docs/c.md",
            "src/main.rs",
            "crates/*/deny.toml",
            "deny.toml",
            ".ci/go",
        ] {
            let expected = format!("docs/b.md:1: `{path}` is not in the tree");
            assert_eq!(missing("docs/b.md", &format!("See `{path}`.")), [expected]);
        }
    }

    #[test]
    fn what_is_no_path_of_ours_is_left_alone() {
        let text = "`ws://a/live` `application/json` `/live` `a.b` `x/y` `app.db` `Arc<T>` `cargo test` `target/debug/x.rs` `lib.rs`";
        assert_eq!(missing("docs/b.md", text), [""; 0]);
    }
}
