//! Every Rust file opens with what it holds and what it never does.

use crate::report::Finding;
use crate::rust_source::RustSource;

/// The first line is a header comment, or takes the crate's README as its header.
pub(crate) fn check(source: &RustSource) -> Vec<Finding> {
    let first = source.text.lines().next().unwrap_or_default();
    let speaks = first
        .strip_prefix("//!")
        .is_some_and(|header| !header.trim().is_empty());
    if speaks || first.starts_with("#![doc = include_str!(") {
        return Vec::new();
    }
    vec![Finding::at(
        &source.path,
        1,
        "does not open with a `//!` header: what it holds, and what it never does",
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> usize {
        check(&RustSource::new("a.rs", text)).len()
    }

    #[test]
    fn a_header_or_the_readme_opens_a_file() {
        assert_eq!(findings("//! The nouns.\n"), 0);
        assert_eq!(findings("#![doc = include_str!(\"../README.md\")]\n"), 0);
    }

    #[test]
    fn anything_else_does_not() {
        for text in [
            "",
            "use a;\n//! Late.\n",
            "// Not a header.\n",
            "//!\n",
            "\n//! Late.\n",
            "/// Of an item.\n",
        ] {
            assert_eq!(findings(text), 1, "{text:?}");
        }
    }
}
