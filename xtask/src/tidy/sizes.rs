//! How long files and functions may be, in lines of code.

use crate::report::Finding;
use crate::rust_source::RustSource;

const FILE_MAX: usize = 600;
const TEST_FILE_MAX: usize = 1000;
const FILE_MEDIAN_MAX: usize = 150;
const FUNCTION_MAX: usize = 70;
const TEST_FUNCTION_MAX: usize = 120;

/// A file has a ceiling; a file of tests a higher one, because cases are read one by one.
pub(crate) fn file(source: &RustSource) -> Vec<Finding> {
    let most = if source.is_tests() {
        TEST_FILE_MAX
    } else {
        FILE_MAX
    };
    let lines = source.code_lines();
    let what = || format!("has {lines} lines of code, {most} is the most");
    (lines > most)
        .then(|| Finding::of(&source.path, what()))
        .into_iter()
        .collect()
}

/// Half of the files that are not tests stay well below the ceiling.
pub(crate) fn median(sources: &[RustSource]) -> Vec<Finding> {
    let mut sizes: Vec<usize> = sources
        .iter()
        .filter(|source| !source.is_tests())
        .map(RustSource::code_lines)
        .collect();
    sizes.sort_unstable();
    let median = sizes.get(sizes.len() / 2).copied().unwrap_or_default();
    let what =
        || format!("the median file has {median} lines of code, {FILE_MEDIAN_MAX} is the most");
    (median > FILE_MEDIAN_MAX)
        .then(|| Finding::of("crates", what()))
        .into_iter()
        .collect()
}

/// A function fits on a screen; a test that tells a long story may be longer.
pub(crate) fn functions(source: &RustSource) -> Vec<Finding> {
    let most = |line| {
        if source.is_in_tests(line) {
            TEST_FUNCTION_MAX
        } else {
            FUNCTION_MAX
        }
    };
    let functions = source.functions().into_iter();
    let long = functions.filter(|function| function.code_lines > most(function.line));
    let finding = |function: crate::rust_source::Function| {
        let (name, lines) = (&function.name, function.code_lines);
        let most = most(function.line);
        Finding::at(
            &source.path,
            function.line,
            format!("`{name}` has {lines} lines of code, {most} is the most"),
        )
    };
    long.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, lines: usize) -> RustSource {
        RustSource::new(path, &"x();\n".repeat(lines))
    }

    fn function(path: &str, lines: usize) -> RustSource {
        RustSource::new(
            path,
            &format!("fn a() {{\n{}}}\n", "    x();\n".repeat(lines)),
        )
    }

    #[test]
    fn a_file_may_reach_the_ceiling_and_not_pass_it() {
        assert_eq!(file(&source("a.rs", FILE_MAX)), []);
        assert_eq!(file(&source("a.rs", FILE_MAX + 1)).len(), 1);
        assert_eq!(file(&source("a/tests.rs", TEST_FILE_MAX)), []);
        assert_eq!(file(&source("a/tests.rs", TEST_FILE_MAX + 1)).len(), 1);
    }

    #[test]
    fn comments_and_blank_lines_are_free() {
        let text = "// why\n\n".repeat(FILE_MAX) + "x();\n";
        assert_eq!(file(&RustSource::new("a.rs", &text)), []);
    }

    #[test]
    fn the_median_is_of_files_that_are_not_tests() {
        let long = |path| source(path, FILE_MEDIAN_MAX + 1);
        assert_eq!(
            median(&[long("a.rs"), long("b.rs"), source("c.rs", 1)]).len(),
            1
        );
        assert_eq!(
            median(&[long("a.rs"), source("b.rs", 1), source("c.rs", 1)]),
            []
        );
        assert_eq!(
            median(&[long("a/tests.rs"), long("b/tests.rs"), source("c.rs", 1)]),
            []
        );
        assert_eq!(median(&[]), []);
    }

    #[test]
    fn a_function_may_reach_its_limit_and_not_pass_it() {
        assert_eq!(functions(&function("a.rs", FUNCTION_MAX)), []);
        assert_eq!(functions(&function("a.rs", FUNCTION_MAX + 1)).len(), 1);
        assert_eq!(functions(&function("a/tests.rs", TEST_FUNCTION_MAX)), []);
        assert_eq!(
            functions(&function("a/tests.rs", TEST_FUNCTION_MAX + 1)).len(),
            1
        );
    }
}
