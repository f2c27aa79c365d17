//! The reader of Rust text: braces and words in comments and literals are not code, and sizes are counted as stated.

use super::*;

fn masked(text: &str) -> String {
    mask::masked(text)
}

#[test]
fn comments_become_spaces_also_where_they_nest() {
    assert_eq!(masked("a // {\nb"), "a     \nb");
    assert_eq!(
        masked("a /* { /* } */ { */ b"),
        format!("a {} b", " ".repeat(17))
    );
    assert_eq!(masked("/// doc {\nx"), "         \nx");
}

#[test]
fn literals_of_every_kind_become_quotation_marks() {
    assert_eq!(
        masked(r#"f("}\"{") + 1"#),
        format!("f({}) + 1", "\"".repeat(6))
    );
    for literal in [
        r##"r#"a " } {"#"##,
        r#"r"}""#,
        r#"b"{""#,
        r#"c"{""#,
        r##"br#"{"#"##,
        "'{'",
        r"'\''",
        r"b'}'",
        "'ä'",
    ] {
        assert_eq!(
            masked(&format!("x {literal} y")),
            format!("x {} y", "\"".repeat(literal.len())),
            "{literal}"
        );
    }
}

#[test]
fn a_comment_mark_inside_a_string_opens_nothing() {
    assert_eq!(masked("\"http://a\" }"), format!("{} }}", "\"".repeat(10)));
    assert_eq!(masked("// \"\n}"), "    \n}");
}

#[test]
fn lifetimes_and_raw_names_are_code() {
    for code in [
        "fn a<'a>(x: &'a str)",
        "'outer: loop {",
        "r#fn + br + r",
        "&'static str",
    ] {
        assert_eq!(masked(code), code);
    }
}

#[test]
fn a_literal_over_several_lines_keeps_its_lines() {
    assert_eq!(masked("a(\"1\n2\")"), "a(\"\"\n\"\")");
}

#[test]
fn text_that_is_no_rust_does_no_harm() {
    for text in [
        "\"open", "r#\"open", "/* open", "'", "'\\", "b'", "}}}", "fn ", "fn x", "fn x(", "\"\\",
    ] {
        let source = RustSource::new("a.rs", text);
        assert_eq!(source.masked.len(), text.len());
        assert_eq!(source.functions(), []);
    }
}

#[test]
fn code_lines_leave_out_blanks_comments_and_the_inline_tests() {
    let text = "//! Head.\n\nuse a;\n/* one\n two */\nfn a() {} // yes\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
    let source = RustSource::new("crates/a/src/lib.rs", text);
    assert_eq!(source.code_lines(), 2);
    assert!(source.is_in_tests(9) && !source.is_in_tests(6));
}

#[test]
fn a_test_module_in_a_file_of_its_own_hides_nothing() {
    let text =
        "fn a() {}\n#[cfg(test)]\nmod tests;\n\n#[cfg(test)]\nuse x;\nmod b {\n    fn c() {}\n}\n";
    assert_eq!(RustSource::new("a.rs", text).code_lines(), 8);
}

#[test]
fn attributes_may_stand_between_the_mark_and_the_test_module() {
    let text = "fn a() {}\n#[cfg(test)]\n#[expect(dead_code)]\nmod tests {\n    fn b() {}\n}\n";
    assert_eq!(RustSource::new("a.rs", text).code_lines(), 1);
}

#[test]
fn files_of_tests_are_known_by_their_place() {
    let is_tests = |path: &str| RustSource::new(path, "").is_tests();
    assert!(is_tests("crates/a/src/b/tests.rs") && is_tests("crates/a/tests/it/main.rs"));
    assert!(is_tests("crates/a/benches/b.rs"));
    assert!(!is_tests("crates/a/src/testing.rs") && !is_tests("crates/tests_of/src/lib.rs"));
}

#[test]
fn a_function_is_measured_between_its_braces() {
    let text = "fn a(\n    x: [u8; 2],\n) -> u8\nwhere\n    T: Into<u8>,\n{\n    // why\n    if x {\n\n        1\n    }\n}\n";
    let expected = Function {
        name: "a".to_string(),
        line: 1,
        code_lines: 3,
    };
    assert_eq!(RustSource::new("a.rs", text).functions(), [expected]);
}

#[test]
fn braces_in_text_do_not_end_a_function() {
    let text =
        "fn a() {\n    b('}');\n    c(\"}\");\n    // }\n    d();\n}\nfn e() {\n    f();\n}\n";
    let lines: Vec<_> = RustSource::new("a.rs", text)
        .functions()
        .iter()
        .map(|found| found.code_lines)
        .collect();
    assert_eq!(lines, [3, 1]);
}

#[test]
fn what_has_no_body_is_no_function_with_lines() {
    let text = "trait A {\n    fn a(&self);\n    fn b(&self) -> [u8; 4];\n}\ntype F = fn (u8);\nlet my_fn = 1;\n";
    assert_eq!(RustSource::new("a.rs", text).functions(), []);
}

#[test]
fn functions_inside_functions_are_found_too() {
    let text = "fn a() {\n    fn b() {\n        c();\n    }\n    b();\n}\n";
    let found: Vec<_> = RustSource::new("a.rs", text).functions();
    assert_eq!(
        found
            .iter()
            .map(|found| (found.name.as_str(), found.code_lines))
            .collect::<Vec<_>>(),
        [("a", 4), ("b", 1)]
    );
}
