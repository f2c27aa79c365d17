//! What a pattern begins with, and that nothing is left out for it.

use proptest::prelude::*;
use regex::{Regex, RegexBuilder};

use super::beginning::Beginnings;

fn behind(pattern: &str, prefix: &str) -> Vec<String> {
    Beginnings::of(&Regex::new(pattern).unwrap()).behind(prefix)
}

#[test]
fn a_beginning_selects_by_type_and_then_by_id() {
    assert_eq!(
        behind("^customers:detail-c-4", "customers:detail-"),
        ["c-4"]
    );
    assert_eq!(behind("^customers:", "customers:detail-"), [""]);
    assert!(behind("^customers:", "orders:detail-").is_empty());
    assert!(behind("^customers:list-", "customers:detail-").is_empty());
    assert_eq!(behind("^cust", "customers:list-"), [""]);
    assert_eq!(
        behind(r"\Acustomers:detail-c\d+$", "customers:detail-"),
        ["c"]
    );
}

#[test]
fn an_alternation_of_literals_selects_several() {
    let pattern = "^(?:customers:detail-(?:a|b)|orders:detail-|customers:detail-ab)";
    assert_eq!(behind(pattern, "customers:detail-"), ["a", "b"]);
    assert_eq!(behind(pattern, "orders:detail-"), [""]);
    assert!(behind(pattern, "orders:list-").is_empty());
}

#[test]
fn what_may_match_anywhere_or_otherwise_than_it_looks_has_no_beginning() {
    let patterns = [
        "customers:detail-",
        "^a|b",
        "^(?:a|)",
        "(?:^)?a",
        "^.*a",
        "(?i)^a",
        "^(?i:a)b",
        "(?m)^a",
        "^a b",
        "(?x)^a",
        "^[^a]",
        "(?:^a|^b)c|d",
        r"^a|\Ab",
        r"^a\b",
    ];
    for pattern in patterns {
        assert_eq!(behind(pattern, "zebras:detail-"), [""], "{pattern}");
    }
}

#[test]
fn flags_that_a_pattern_was_built_with_are_noticed() {
    let prefix = "zebras:detail-";
    let built = |change: fn(&mut RegexBuilder) -> &mut RegexBuilder| {
        let mut builder = RegexBuilder::new("^cust(?:omers)?");
        Beginnings::of(&change(&mut builder).build().unwrap()).behind(prefix)
    };
    assert!(built(|builder| builder).is_empty());
    assert!(built(|builder| builder.dot_matches_new_line(true)).is_empty());
    assert!(built(|builder| builder.unicode(false)).is_empty());
    assert_eq!(built(|builder| builder.case_insensitive(true)), [""]);
    assert_eq!(built(|builder| builder.multi_line(true)), [""]);
    assert_eq!(
        built(|builder| builder.multi_line(true).line_terminator(b':')),
        [""]
    );
}

/// Small patterns over a small alphabet, anchored or not.
fn pattern() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        5 => "[abAB:-]{1,3}",
        1 => Just("[ab]".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just("[^a]".to_owned()),
        1 => Just(r"\b".to_owned()),
    ];
    let part = (atom, prop_oneof![6 => Just(""), 1 => Just("?"), 1 => Just("*"), 1 => Just("+"), 1 => Just("{2}")])
        .prop_map(|(atom, often)| format!("(?:{atom}){often}"));
    let sequence = proptest::collection::vec(part, 1..4).prop_map(|parts| parts.concat());
    let anchored = (
        prop_oneof![4 => Just("^"), 1 => Just(""), 1 => Just(r"\A")],
        sequence,
    )
        .prop_map(|(anchor, sequence)| format!("{anchor}{sequence}"));
    proptest::collection::vec(anchored, 1..3).prop_map(|choices| choices.join("|"))
}

proptest! {
    #[test]
    fn no_text_that_matches_is_left_out(
        pattern in pattern(),
        (insensitive, lines, spaces, end) in (any::<bool>(), any::<bool>(), any::<bool>(), "[a:\n]"),
        texts in proptest::collection::vec(("[abAB:-]{0,3}", "[abAB:-]{0,4}"), 40),
    ) {
        let built = RegexBuilder::new(&pattern)
            .case_insensitive(insensitive)
            .multi_line(lines)
            .ignore_whitespace(spaces)
            .line_terminator(end.as_bytes()[0])
            .build();
        let Ok(built) = built else { return Ok(()); };
        let beginnings = Beginnings::of(&built);
        for (prefix, rest) in texts {
            let rests = beginnings.behind(&prefix);
            let selected = rests.iter().any(|beginning| rest.starts_with(beginning.as_str()));
            let text = format!("{prefix}{rest}");
            prop_assert!(selected || !built.is_match(&text), "{pattern} matches {text} and has {rests:?}");
        }
    }
}
