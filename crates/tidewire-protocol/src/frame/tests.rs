//! What a frame says of itself before it is decoded.

use super::*;

fn name_of(text: &str) -> Result<String, DecodeError> {
    Frame::open(Payload::Text(text), 1000).map(|frame| frame.name.into_owned())
}

#[test]
fn the_type_is_found_wherever_it_stands() {
    let frames = [
        r#"{"type":"PING"}"#,
        " \r\n\t{ \"type\"\t:\n\"PING\" , \"n\" : 1 }",
        r#"{"n":1,"type":"PING"}"#,
        r#"{"inner":{"type":"NOT_THIS"},"type":"PING"}"#,
        r#"{"typ":"NOT_THIS","types":"NOR_THIS","type":"PING"}"#,
        r#"{"\u0074ype":"PING"}"#,
        r#"{"type":"P\u0049NG"}"#,
    ];
    for frame in frames {
        assert_eq!(name_of(frame).as_deref(), Ok("PING"), "{frame}");
    }
}

#[test]
fn a_frame_that_begins_with_its_type_is_not_looked_through_for_it() {
    assert_eq!(leading_type(r#"{"type":"PING","n":"#), Some("PING"));
    for frame in [
        "",
        "{",
        r#"{"type""#,
        r#"{"type":"PING"#,
        r#"{"type":7}"#,
        "{\"type\":\"a\nb\"}",
        r#"["type":"A"]"#,
    ] {
        assert_eq!(leading_type(frame), None, "{frame}");
    }
}

#[test]
fn an_error_names_the_field_and_where_it_stands() {
    fields! {
        Inner {
            n: "n" => u8,
        }
    }
    fields! {
        Outer {
            first: "first" => u8,
            list: "list" => Vec<Inner>,
        }
    }
    let read = |text: &str| {
        read::<Outer>(text, "TEST").map(|outer| {
            let list = outer.list.unwrap_or_default();
            (
                outer.first,
                list.into_iter().map(|inner| inner.n).collect::<Vec<_>>(),
            )
        })
    };
    assert_eq!(
        read(r#"{"first":1,"list":[{"n":2},{}]}"#),
        Ok((Some(1), vec![Some(2), None]))
    );
    let wrong = [
        (r#"{"first":"x"}"#, "first"),
        ("{\n  \"first\": 1,\n  \"list\": 5\n}", "list"),
        (
            "{\n  \"list\": [\n    {\"n\": 1},\n    {\"n\": -1}\n  ]\n}",
            "list[1].n",
        ),
        (r#"{"a":"\"],[","é":[{}],"list":[{"n":1},[1]]}"#, "list[1]"),
        (r#"{"first":1,"first":2}"#, "first"),
        (r#"{"list":[{"n":1,"n":2}]}"#, "list[0].n"),
        (r#"{"list":[{"n":1}],"list":[{"n":2}],"first":1}"#, "list"),
    ];
    for (text, place) in wrong {
        match read(text) {
            Err(DecodeError::BadField {
                message: "TEST",
                field,
                ..
            }) => assert_eq!(field, place, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}
