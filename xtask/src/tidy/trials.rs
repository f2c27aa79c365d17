//! What tests may not do: be left out without a reason, wait for time to pass, or fix how many cases are tried.

use crate::report::Finding;
use crate::rust_source::RustSource;

/// A test that does not run says why.
pub(crate) fn ignored(source: &RustSource) -> Vec<Finding> {
    let lines = source.masked.lines().enumerate();
    let bare = lines.filter(|(_, line)| line.contains("#[ignore]"));
    bare.map(|(number, _)| Finding::at(&source.path, number + 1, "`#[ignore]` without a reason"))
        .collect()
}

/// A test waits for what it expects, never for time to pass: such a test is slow when all is well, and fails on a
/// busy machine.
pub(crate) fn sleeping(source: &RustSource) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in source.masked.lines().enumerate() {
        if source.is_in_tests(number + 1) && calls_sleep(line) {
            let what = "a test sleeps; let it wait for what it expects, or hand the time in";
            findings.push(Finding::at(&source.path, number + 1, what));
        }
    }
    findings
}

/// How many cases a property is tried with is set from outside: few for every change, many in a deep run.
pub(crate) fn fixed_cases(source: &RustSource) -> Vec<Finding> {
    let is_fixed = |line: &str| {
        let mut values = line.split("cases:").skip(1).map(str::trim_start);
        line.contains("with_cases(")
            || values.any(|value| value.starts_with(|first: char| first.is_ascii_digit()))
    };
    let what =
        "fixes the number of cases; leave it to `PROPTEST_CASES`, so that a deep run can raise it";
    let lines = source.masked.lines().enumerate();
    let fixed = lines.filter(|(number, line)| source.is_in_tests(number + 1) && is_fixed(line));
    fixed
        .map(|(number, _)| Finding::at(&source.path, number + 1, what))
        .collect()
}

/// True for a call of a free function `sleep`, however it is reached.
fn calls_sleep(line: &str) -> bool {
    line.match_indices("sleep(").any(|(at, _)| {
        let before = &line[..at];
        !before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.')
            && !before.trim_end().ends_with("fn")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_tests(line: &str) -> RustSource {
        RustSource::new("crates/a/tests/it/main.rs", line)
    }

    #[test]
    fn an_ignored_test_needs_a_reason() {
        assert_eq!(ignored(&in_tests("#[ignore]\nfn a() {}\n")).len(), 1);
        assert_eq!(
            ignored(&in_tests("#[ignore = \"needs a printer\"]\nfn a() {}\n")),
            []
        );
        assert_eq!(ignored(&in_tests("// no #[ignore] here\n")), []);
    }

    #[test]
    fn a_sleeping_test_is_caught_however_it_calls() {
        for line in [
            "std::thread::sleep(d);",
            "tokio::time::sleep(d).await;",
            "sleep(d).await;",
            "time::sleep(d);",
        ] {
            assert_eq!(sleeping(&in_tests(line)).len(), 1, "{line}");
        }
    }

    #[test]
    fn what_only_looks_like_sleep_is_left_alone() {
        for line in [
            "no_sleep(d);",
            "fn sleep(d: u8) {}",
            "clock.sleep(d);",
            "// sleep(d)",
            "\"sleep(d)\"",
            "sleeps()",
        ] {
            assert_eq!(sleeping(&in_tests(line)), [], "{line}");
        }
    }

    #[test]
    fn a_fixed_number_of_cases_is_caught() {
        for line in [
            "#![proptest_config(ProptestConfig::with_cases(48))]",
            "    cases: 48,",
            "#![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]",
        ] {
            assert_eq!(fixed_cases(&in_tests(line)).len(), 1, "{line}");
        }
        for line in [
            "cases: Vec<Case>,",
            "for case in cases {",
            "// with_cases(48)",
        ] {
            assert_eq!(fixed_cases(&in_tests(line)), [], "{line}");
        }
    }

    #[test]
    fn code_that_is_no_test_may_sleep() {
        let text = "fn a() {\n    sleep(d);\n}\n#[cfg(test)]\nmod tests {\n    fn b() {\n        sleep(d);\n    }\n}\n";
        assert_eq!(
            sleeping(&RustSource::new("crates/a/src/a.rs", text)).len(),
            1
        );
    }
}
