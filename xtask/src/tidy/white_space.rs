//! White space and characters nobody sees: they make differences that no reader can find.

use crate::report::Finding;

/// No tabs, nothing at the end of a line, one line end at the end of the file, no invisible characters.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.split('\n').enumerate() {
        let mut found = |what: &str| findings.push(Finding::at(path, number + 1, what));
        if line.ends_with(char::is_whitespace) {
            found("white space at the end of the line");
        }
        if line.contains('\t') {
            found("a tab");
        }
        if line.chars().any(is_invisible) {
            found("a character that cannot be seen; write it as an escape");
        }
    }
    if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
        findings.push(Finding::of(path, "does not end with exactly one line end"));
    }
    findings
}

fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{00A0}' | '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        check("a", text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn clean_text_passes_whatever_its_letters() {
        for text in ["", "a\n", "a\n\n    b → ä ≤ 日\n"] {
            assert_eq!(findings(text), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn each_kind_is_caught_with_its_line() {
        assert_eq!(
            findings("a\nb \n"),
            ["a:2: white space at the end of the line"]
        );
        assert_eq!(
            findings("a\r\n"),
            ["a:1: white space at the end of the line"]
        );
        assert_eq!(findings("\ta\n"), ["a:1: a tab"]);
        assert_eq!(
            findings("a\u{200B}b\n"),
            ["a:1: a character that cannot be seen; write it as an escape"]
        );
        assert_eq!(findings("a"), ["a: does not end with exactly one line end"]);
        assert_eq!(
            findings("a\n\n"),
            ["a: does not end with exactly one line end"]
        );
    }
}
