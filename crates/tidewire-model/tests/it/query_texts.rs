//! Every query has one text, the text reads back, and no text brings the parser down.

use proptest::prelude::*;
use proptest::sample::Index;
use tidewire_model::{
    Cursor, EntityId, Filter, MAX_QUERY_BYTES, MAX_QUERY_TERMS, MAX_SORT_KEYS, Query, QueryError,
    Value, field,
};

use crate::strategies::{customers, example_filter, id, query, text};

fn parse(text: &str) -> Result<Query, QueryError> {
    Query::parse(customers(), text)
}

fn canonical(text: &str) -> String {
    parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .to_string()
}

#[test]
fn the_text_is_what_a_person_would_type() {
    let query = Query::new(customers())
        .filter(example_filter())
        .sort_desc("score")
        .sort_asc("name");
    let expected =
        r#"where status = "active" and (score > 5 or not name contains "x") sort score desc, name"#;
    assert_eq!(
        query.clone().limit(50).offset(10).to_string(),
        format!("{expected} limit 50 offset 10")
    );
    let cursor = Cursor {
        values: vec![10.into(), "x".into()],
        id: id("c-5"),
    };
    assert_eq!(
        query.after(cursor).to_string(),
        format!("{expected} after (10, \"x\"; \"c-5\")")
    );
    assert_eq!(Query::new(customers()).to_string(), "");
    let by_id = Query::new(customers()).after(Cursor {
        values: vec![],
        id: EntityId::integer(7),
    });
    assert_eq!(by_id.to_string(), r#"after (; "7")"#);
}

#[test]
fn canonical_text_is_left_as_it_is() {
    for text in [
        "",
        "where all or a is null",
        "where not all",
        "where a = 1 and b != 2 and c < 3 and d <= 4.5 and e > -6 and f >= 1e300",
        "where a in () or b in (1, \"x\", null, true, false, [1, []], {\"k\": {}})",
        "where a icontains \"x\" and b starts_with \"y\" and not c is null",
        "where not (a = 1 and b = 2) or c = 3 and (d = 4 or e = 5)",
        "where address.city = \"Oslo\" and `address.` = 1 and `limit` = 2 and `a``b` = 3 and `` = 4 and `1a` = 5",
        "where a = 18446744073709551615 and b = 1e20 and c = 1.0",
        "where a = \"\\\"\\\\\\n\\r\\t\\u0001\\u007f é / ` '\"",
        "opaque ()",
        "opaque (`a b` = \"1\", segment = \"vip\") sort name limit 0",
        "sort `desc` desc, desc-x, a.b.c limit 18446744073709551615 offset 1",
    ] {
        assert_eq!(canonical(text), text);
    }
}

#[test]
fn people_may_write_more_freely() {
    for (free, text) in [
        (
            "  WHERE\ta=1\r\nAND NOT(b<=2)  LIMIT  5 ",
            "where a = 1 and not b <= 2 limit 5",
        ),
        ("where ((a = 1))", "where a = 1"),
        (
            "where (a = 1 and (b = 2)) and c = 3",
            "where a = 1 and b = 2 and c = 3",
        ),
        (
            "where a = 1 or (b = 2 or (c = 3 and d = 4))",
            "where a = 1 or b = 2 or c = 3 and d = 4",
        ),
        ("where not not a = 1", "where a = 1"),
        ("where all", ""),
        ("where a is not null", "where not a is null"),
        ("where `a` = 007", "where a = 7"),
        (
            "where a = -0.0 and b = -0 and c = 1E2",
            "where a = 0.0 and b = 0 and c = 100.0",
        ),
        (
            r#"where a = "\u0041\u00e9\ud83d\ude00\/""#,
            "where a = \"Aé😀/\"",
        ),
        (
            r#"where a = {"b":1,"a":2,"b":3}"#,
            r#"where a = {"a": 2, "b": 3}"#,
        ),
        ("sort a ASC, b Desc offset 0", "sort a, b desc"),
        ("sort a after (1; 5)", "sort a after (1; \"5\")"),
        (
            r#"opaque (b="1",a="2",b="3")"#,
            r#"opaque (a = "2", b = "3")"#,
        ),
    ] {
        assert_eq!(canonical(free), text);
    }
}

#[test]
fn a_refusal_names_the_place_and_what_was_expected() {
    for (text, position, expected) in [
        ("wher a = 1", 0, "a clause or the end"),
        ("where", 5, "a field name"),
        ("where limit = 1", 6, "a field name"),
        ("where a", 7, "an operator"),
        ("where a == 1", 9, "a value"),
        ("where a = ", 10, "a value"),
        ("where a = 'x'", 10, "a value"),
        ("where a = \"x", 12, "a closing double quote"),
        ("where a = \"\u{1}\"", 11, "no control character"),
        (r#"where a = "\x""#, 11, "an escape"),
        (r#"where a = "\ud800""#, 11, "a whole pair"),
        (r#"where a = "\u12""#, 11, "four hexadecimal digits"),
        ("where a = 1e999", 10, "a finite number"),
        ("where a = 1-2", 10, "a finite number"),
        ("where (a = 1", 12, "\")\""),
        ("where a = 1 and", 15, "a field name"),
        ("where a contains 1", 17, "text in double quotes"),
        ("where a is 1", 11, "null"),
        ("where a in 1", 11, "\"(\""),
        ("where a in (1 2)", 14, "\",\""),
        ("where a = {b: 1}", 11, "text in double quotes"),
        ("where `a = 1", 12, "a closing backquote"),
        ("sort", 4, "a field name"),
        ("limit -1", 6, "a number of rows"),
        ("limit 18446744073709551616", 6, "a number of rows"),
        ("offset 1 limit 1", 9, "a clause or the end"),
        ("limit 1 limit 2", 8, "a clause or the end"),
        ("after (1; \"x\")", 7, "\";\""),
        ("sort a after (; \"x\")", 14, "one value for each sort key"),
        ("after (; true)", 9, "an id"),
        ("after (; \"\")", 9, "an id"),
        ("after (; 5", 10, "\")\""),
        ("after (; 5) limit 2", 12, "the end"),
        ("opaque (a = 1)", 12, "text in double quotes"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.position, position, "{text}: {error}");
        assert!(error.expected.contains(expected), "{text}: {error}");
    }
}

#[test]
fn length_and_nesting_are_bounded() {
    let padded = |length: usize| format!("{:length$}", "where a = 1");
    assert!(parse(&padded(MAX_QUERY_BYTES)).is_ok());
    assert_eq!(
        parse(&padded(MAX_QUERY_BYTES + 1)).unwrap_err().position,
        MAX_QUERY_BYTES
    );
    for (open, close) in [("(", ")"), ("not (", ")"), ("not not (a = 1) and (", ")")] {
        let deep =
            |depth: usize| format!("where {}a = 1{}", open.repeat(depth), close.repeat(depth));
        assert!(parse(&deep(10)).is_ok(), "{open}");
        assert!(
            parse(&deep(100)).unwrap_err().expected.contains("nesting"),
            "{open}"
        );
    }
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let deep =
            |depth: usize| format!("where a = {}1{}", open.repeat(depth), close.repeat(depth));
        assert!(parse(&deep(16)).is_ok(), "{open}");
        assert!(
            parse(&deep(200)).unwrap_err().expected.contains("nesting"),
            "{open}"
        );
    }
    assert!(parse(&format!("where {} a = 1", "not ".repeat(3_000))).is_err());
    assert!(parse(&format!("where {}", "(".repeat(8_000))).is_err());
}

#[test]
fn a_built_query_that_could_not_be_parsed_is_told_so() {
    assert_eq!(
        Query::new(customers()).filter(example_filter()).validate(),
        Ok(())
    );
    let long = field("a").eq("x".repeat(MAX_QUERY_BYTES));
    assert!(Query::new(customers()).filter(long).validate().is_err());
    let deep = (0..100).fold(field("a").eq(1), |inner, _| {
        inner.or(field("b").eq(2)).and(field("c").eq(3)).not()
    });
    assert!(Query::new(customers()).filter(deep).validate().is_err());
    let nested = (0..40).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    assert!(
        Query::new(customers())
            .filter(field("a").eq(nested))
            .validate()
            .is_err()
    );
    let cursor = Cursor {
        values: vec![],
        id: id("x"),
    };
    assert!(
        Query::new(customers())
            .sort_asc("a")
            .after(cursor)
            .validate()
            .is_err()
    );
}

#[test]
fn what_is_read_can_be_sent_also_where_its_canonical_text_is_longer_or_deeper() {
    // Without spaces it fits, with them it does not.
    let tight = |length: usize| {
        let tail = "a=1";
        let filler = "b".repeat(length - "where ".len() - tail.len() - " and =1".len());
        format!("where {tail} and {filler}=1")
    };
    let spread = " = ".len() * 2 - "=".len() * 2;
    assert!(parse(&tight(MAX_QUERY_BYTES - spread)).is_ok());
    let error = parse(&tight(MAX_QUERY_BYTES - spread + 1)).unwrap_err();
    assert!(error.expected.contains("16385 bytes"), "{error}");
    // An `and` inside an `or` needs no parentheses, an `is not null` inside needs a `not`.
    let nested = |depth: usize, inner: &str| {
        format!(
            "where {}{inner}{}",
            "not (b = 1 or ".repeat(depth),
            ")".repeat(depth)
        )
    };
    let deepest = (1..40)
        .take_while(|depth| parse(&nested(*depth, "a is null")).is_ok())
        .count();
    assert!(deepest > 10);
    for inner in ["a is null", "a is not null", "a = 1 and c = 2"] {
        for depth in deepest - 1..=deepest + 1 {
            if let Ok(query) = parse(&nested(depth, inner)) {
                assert_eq!(query.validate(), Ok(()), "{inner} {depth}");
                assert_eq!(parse(&query.to_string()).as_ref(), Ok(&query));
            }
        }
    }
    assert!(parse(&nested(deepest, "a is not null")).is_err());
}

#[test]
fn the_number_of_sort_keys_and_of_tests_is_bounded() {
    let listed = |count: usize, item: &str, between: &str| vec![item; count].join(between);
    let sorted = |count| parse(&format!("sort {}", listed(count, "a", ", ")));
    assert!(sorted(MAX_SORT_KEYS).is_ok());
    let error = sorted(MAX_SORT_KEYS + 1).unwrap_err();
    assert!(error.expected.contains("at most 16 paths"), "{error}");
    let tests = |count| parse(&format!("where {}", listed(count, "a=1", " or ")));
    assert!(tests(MAX_QUERY_TERMS).is_ok());
    let error = tests(MAX_QUERY_TERMS + 1).unwrap_err();
    assert!(error.expected.contains("at most 1024 tests"), "{error}");
    let within = |count| {
        parse(&format!(
            "where a in ({}) and b = 1",
            listed(count, "1", ",")
        ))
    };
    assert!(within(MAX_QUERY_TERMS - 1).is_ok());
    assert!(within(MAX_QUERY_TERMS).is_err());
    let built = (0..=MAX_SORT_KEYS).fold(Query::new(customers()), |query, _| query.sort_asc("a"));
    assert!(built.validate().is_err());
}

#[test]
fn a_built_query_with_a_number_that_is_not_finite_is_told_so() {
    for filter in [
        field("a").gt(f64::NAN),
        field("a").one_of([1.0, f64::INFINITY]),
        field("a").eq(vec![f64::NEG_INFINITY]),
    ] {
        let error = Query::new(customers()).filter(filter).validate();
        assert!(error.unwrap_err().expected.contains("finite"));
    }
}

/// Shards of query text, so that random input reaches deep into the parser.
fn shards() -> impl Strategy<Value = String> {
    let shard = prop_oneof![
        8 => proptest::sample::select(vec![
            "where ", "sort ", "limit ", "offset ", "after ", "opaque ", "not ", "and ", "or ", "(", ")", "a ", "b.c ",
            "= ", "!= ", "<= ", "< ", "in ", "contains ", "is ", "null ", "true ", "\"x\" ", "1 ", "-2.5e3 ", "[", "]",
            "{", "}", "\"k\": ", ", ", "; ", "`", "desc ", "\\u", "\"", "all ", "é",
        ])
        .prop_map(str::to_owned),
        1 => text(),
    ];
    proptest::collection::vec(shard, 0..20).prop_map(|shards| shards.concat())
}

proptest! {
    #[test]
    fn a_query_reads_back_from_its_text(query in query()) {
        let text = query.to_string();
        let back = parse(&text);
        prop_assert_eq!(back.as_ref(), Ok(&query), "{}", text);
        prop_assert_eq!(back.unwrap().to_string(), text);
        prop_assert_eq!(query.validate(), Ok(()));
    }

    #[test]
    fn near_the_bounds_what_is_read_is_valid(
        length in MAX_QUERY_BYTES - 300..=MAX_QUERY_BYTES,
        depth in 0_usize..40,
        open in proptest::sample::select(vec!["(", "not (", "not (b=1 or ", "(b=1 and c=1 or ", "(b is not null or "]),
    ) {
        let text = format!("where {}a is not null{}", open.repeat(depth), ")".repeat(depth));
        let tests = (length.saturating_sub(text.len()) / " or z<\"0123456789\"".len()).min(900);
        let text = format!("{text}{}", " or z<\"0123456789\"".repeat(tests));
        if let Ok(query) = parse(&text) {
            prop_assert_eq!(query.validate(), Ok(()));
            let canonical = query.to_string();
            prop_assert!(canonical.len() <= MAX_QUERY_BYTES);
            prop_assert_eq!(parse(&canonical), Ok(query));
        }
    }

    #[test]
    fn equal_queries_have_one_text_and_one_text_is_one_query(first in query(), second in query()) {
        prop_assert_eq!(first == second, first.to_string() == second.to_string());
        prop_assert_eq!(first == second, first.cmp(&second).is_eq());
    }

    #[test]
    fn no_text_brings_the_parser_down(text in prop_oneof![any::<String>(), shards()]) {
        match parse(&text) {
            Ok(query) => {
                let canonical = query.to_string();
                prop_assert_eq!(parse(&canonical), Ok(query), "{}", canonical);
            }
            Err(error) => prop_assert!(error.position <= text.len() && text.is_char_boundary(error.position)),
        }
    }

    #[test]
    fn a_text_with_a_piece_cut_out_is_read_or_refused(query in query(), from in any::<Index>(), to in any::<Index>()) {
        let letters: Vec<char> = query.to_string().chars().collect();
        let (from, to) = (from.index(letters.len() + 1), to.index(letters.len() + 1));
        let cut: String = letters[..from.min(to)].iter().chain(&letters[from.max(to)..]).collect();
        if let Err(error) = parse(&cut) {
            prop_assert!(error.position <= cut.len() && cut.is_char_boundary(error.position));
        }
    }

    #[test]
    fn grouping_leaves_no_trace(parts in proptest::collection::vec(0_i64..5, 1..6), cut in any::<Index>()) {
        let tests: Vec<Filter> = parts.iter().map(|number| field("a").ne(*number)).collect();
        let (left, right) = tests.split_at(cut.index(tests.len()));
        let grouped = Filter::And(vec![Filter::And(left.to_vec()), Filter::And(vec![Filter::And(right.to_vec())])]);
        let flat = Query::new(customers()).filter(Filter::And(tests.clone()));
        prop_assert_eq!(Query::new(customers()).filter(grouped).to_string(), flat.to_string());
    }
}
