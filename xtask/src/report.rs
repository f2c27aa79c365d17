//! Findings: what a check has to say about a place in the repository, and how that is printed.

use std::fmt;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// Counted from one; zero means the file as a whole.
    line: usize,
    what: String,
}

impl Finding {
    /// Something wrong with one line of a file, counted from one.
    pub(crate) fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_string(),
            line,
            what: what.into(),
        }
    }

    /// Something wrong with a file as a whole.
    pub(crate) fn of(path: &str, what: impl Into<String>) -> Self {
        Self::at(path, 0, what)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.path, self.what),
            line => write!(out, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// Prints the findings in order and turns them into the outcome of a check.
///
/// # Errors
/// The number of findings, if there is any.
pub(crate) fn verdict(check: &str, mut findings: Vec<Finding>) -> Result<(), String> {
    findings.sort();
    findings.dedup();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err(format!("{check}: one finding")),
        count => Err(format!("{check}: {count} findings")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_its_place_as_editors_do() {
        assert_eq!(
            Finding::at("a/b.rs", 3, "is long").to_string(),
            "a/b.rs:3: is long"
        );
        assert_eq!(
            Finding::of("a/b.rs", "is missing").to_string(),
            "a/b.rs: is missing"
        );
    }

    #[test]
    fn a_check_with_findings_fails_and_counts_them_once() {
        let twice = vec![
            Finding::of("a", "x"),
            Finding::of("a", "x"),
            Finding::of("b", "x"),
        ];
        assert_eq!(verdict("tidy", twice), Err("tidy: 2 findings".to_string()));
        assert_eq!(verdict("tidy", Vec::new()), Ok(()));
    }
}
