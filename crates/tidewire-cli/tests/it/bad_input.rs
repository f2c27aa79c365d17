//! Arguments that make no sense: exit code 2, one clear line, and nothing is done.

use crate::support::program::{Ended, run};
use crate::support::serve::Serve;

/// An address that nothing listens on; whoever connects to it fails with code 1.
const URL: &str = "ws://127.0.0.1:1/live";

fn misuse(arguments: &[&str]) -> String {
    let ended: Ended = run(arguments);
    assert_eq!(
        (ended.code, ended.out.len()),
        (Some(2), 0),
        "{arguments:?}: {ended:?}"
    );
    assert_eq!(ended.err.len(), 1, "{arguments:?}: {ended:?}");
    assert!(ended.err[0].starts_with("tidewire: "), "{ended:?}");
    ended.err[0].clone()
}

#[test]
fn a_url_that_is_no_websocket_address_is_misuse() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let store = store.to_str().unwrap();
    for url in [
        "http://127.0.0.1:7878/live",
        "127.0.0.1:7878",
        "live",
        "",
        "ws://127.0.0.1:0/live",
        "ws://somebody@127.0.0.1/live",
    ] {
        for arguments in [
            vec!["queue", "--store", store, "sync", url],
            vec!["watch", url, "customers"],
            vec!["act", url, "delete", "customers", "a"],
            vec![
                "act",
                url,
                "delete",
                "customers",
                "a",
                "--offline",
                "--store",
                store,
            ],
        ] {
            assert!(
                misuse(&arguments).contains("ws://host:port/path"),
                "{arguments:?}"
            );
        }
    }
    assert!(
        !folder.path().join("store").exists(),
        "no store is made for it"
    );
}

#[test]
fn fields_that_are_no_json_object_are_misuse() {
    for fields in [
        "",
        "x",
        "7",
        "[]",
        "null",
        "\"text\"",
        "{",
        r#"{"a":1} {"b":2}"#,
        r#"{"a":NaN}"#,
        "{'a':1}",
    ] {
        assert!(
            misuse(&["act", URL, "create", "customers", fields]).contains("JSON object"),
            "{fields}"
        );
        assert!(
            misuse(&["act", URL, "update", "customers", "a", fields]).contains("JSON object"),
            "{fields}"
        );
    }
}

#[test]
fn an_update_of_nothing_is_misuse_whatever_a_server_would_say() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    let url = serve.url();
    serve.act(&["create", "customers", r#"{"id":"a"}"#]);
    for id in ["a", "nobody"] {
        for fields in ["{}", r#"{"id":"a"}"#] {
            let words = ["act", &url, "update", "customers", id, fields];
            for more in [&[][..], &["--offline", "--store", store]] {
                let line = misuse(&[&words[..], more].concat());
                assert!(line.contains("changes nothing"), "{line}");
            }
        }
    }
    assert!(!serve.path("store").exists());
}

#[test]
fn a_query_that_cannot_be_read_is_misuse_and_the_place_is_named() {
    for query in [
        "where",
        "score >",
        "where score > 5 sort",
        "limit many",
        "where (a = 1",
    ] {
        let line = misuse(&["watch", URL, "customers", "--query", query]);
        assert!(line.contains("at byte"), "{query}: {line}");
    }
}

#[test]
fn a_name_that_cannot_be_used_is_misuse() {
    let long = "x".repeat(300);
    for name in [
        "",
        "a\nb",
        "customers:list-all",
        "customers:detail-1",
        &long,
    ] {
        misuse(&["watch", URL, name]);
        misuse(&["act", URL, "create", name, "{}"]);
    }
    for id in ["", "a\tb", &long] {
        misuse(&["act", URL, "delete", "customers", id]);
    }
}

#[test]
fn an_id_that_cannot_be_used_is_misuse_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    for fields in [
        r#"{"id":[]}"#,
        r#"{"id":1.5}"#,
        r#"{"id":""}"#,
        r#"{"id":{}}"#,
    ] {
        let line = misuse(&[
            "act",
            URL,
            "create",
            "t",
            fields,
            "--store",
            store.to_str().unwrap(),
        ]);
        assert!(line.contains("id"), "{line}");
    }
    assert!(!store.exists());
}

#[test]
fn what_contradicts_itself_is_misuse() {
    assert!(misuse(&["act", URL, "delete", "t", "a", "--offline"]).contains("--store"));
    assert!(misuse(&["act", URL, "delete", "t", "a", "--wait", "durable"]).contains("--store"));
    misuse(&[
        "act",
        URL,
        "delete",
        "t",
        "a",
        "--offline",
        "--store",
        "f",
        "--wait",
        "accepted",
    ]);
    misuse(&["act", URL, "delete", "t", "a", "--wait", "soon"]);
    assert!(misuse(&["queue", "ls"]).contains("--store"));
    for number in ["one", "-1", "", "99999999999999999999"] {
        let line = misuse(&["queue", "--store", "f", "retry", number]);
        assert!(line.contains("queue ls"), "{line}");
    }
    misuse(&["watch", URL, "t", "--dialect", "v9"]);
    for time in ["-1", "soon", "1e30", "NaN", "inf"] {
        let line = misuse(&["watch", URL, "t", "--for", time]);
        assert!(line.contains("seconds, 0 or more"), "{line}");
    }
    assert!(misuse(&["act", URL, "delete", "t", "-x"]).contains("-- -x"));
    assert!(misuse(&["act", URL, "create", "t"]).contains("<JSON>"));
    misuse(&["serve", "--db", "f"]);
    misuse(&["serve", "--listen", "nowhere", "--db", "f"]);
    assert!(misuse(&["what"]).contains("--help"));
}

#[test]
fn a_command_without_words_behind_it_tells_which_there_are() {
    for arguments in [&[][..], &["act"], &["queue"]] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.out.len()), (Some(2), 0), "{ended:?}");
        assert!(
            ended
                .err
                .iter()
                .any(|line| line.starts_with("Usage: tidewire"))
        );
    }
}

#[test]
fn help_and_version_are_no_misuse() {
    for arguments in [
        &["--help"][..],
        &["act", "--help"],
        &["watch", "--help"],
        &["--version"],
    ] {
        assert!(!run(arguments).success().is_empty(), "{arguments:?}");
    }
}

#[test]
fn fields_that_are_nested_too_deep_are_misuse() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(60), "]".repeat(60));
    assert!(misuse(&["act", URL, "create", "customers", &deep]).contains("nested deeper"));
}

#[test]
fn a_write_the_server_cannot_take_is_refused_and_the_server_goes_on() {
    let serve = Serve::start();
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
    let ended = run(&["act", &serve.url(), "create", "customers", &large]);
    assert!(ended.failure(1).contains("too_large"), "{ended:?}");
    serve.act(&["create", "customers", r#"{"id":"a"}"#]);
}

#[test]
fn a_write_that_is_nested_deep_arrives_and_a_deeper_one_is_refused_and_harms_nothing() {
    let serve = Serve::start();
    let nested = |id: &str, lists: usize| {
        let value = format!("{}1{}", "[".repeat(lists), "]".repeat(lists));
        format!("{{\"id\":\"{id}\",\"a\":{value}}}")
    };
    // The entity is one level itself, and the server takes 28.
    serve.act(&["create", "customers", &nested("a", 27)]);
    serve.act(&["update", "customers", "a", &nested("a", 27)]);
    // What no entity may be is misuse, also where a message would carry it.
    let url = serve.url();
    for lists in 28..32 {
        for words in [&["create", "customers"][..], &["update", "customers", "a"]] {
            let fields = nested("a", lists);
            let line = misuse(&[&["act", &url], words, &[&fields]].concat());
            assert!(line.contains("nested deeper than 28"), "{line}");
        }
    }
    serve.act(&["create", "customers", r#"{"id":"e"}"#]);
}

#[test]
fn a_write_no_client_takes_is_misuse_and_names_what_is_wrong_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let nested = |lists: usize| format!("{{\"deep\":{}1{}}}", "[".repeat(lists), "]".repeat(lists));
    // Both sides of the borders of what a message carries.
    let (deep, deeper, deepest) = (nested(30), nested(31), nested(200));
    let reserved = r#"{"a":{"$serde_json::private::Number":"1"}}"#;
    let cases: [(&[&str], &[&str]); 10] = [
        (
            &["update", "orders", "o1", r#"{"id":"zz","a":1}"#],
            &["update orders o1", "\"id\""],
        ),
        (
            &["update", "orders", "o1", r#"{"id":null,"a":1}"#],
            &["update orders o1", "\"id\""],
        ),
        (&["create", "orders", &deep], &["\"deep\"", "nested deeper"]),
        (
            &["create", "orders", &deeper],
            &["\"deep\"", "nested deeper"],
        ),
        (
            &["create", "orders", &deepest],
            &["\"deep\"", "nested deeper"],
        ),
        (
            &["update", "orders", "o1", &deep],
            &["\"deep\"", "nested deeper"],
        ),
        (&["create", "orders", reserved], &["Number", "another name"]),
        (
            &["create", "orders", r#"{"id":"a","id":"b"}"#],
            &["\"id\"", "twice"],
        ),
        (
            &["create", "orders", r#"{"id":["a"]}"#],
            &["\"id\"", "neither text nor an integer"],
        ),
        (
            &["create", "orders", r#"{"id":"tmp_mine","y":1}"#],
            &["\"tmp_mine\"", "give another"],
        ),
    ];
    for (words, parts) in cases {
        for more in [&["--offline"][..], &[]] {
            let around = ["--store", store.to_str().unwrap()];
            let line = misuse(&[&["act", URL], words, &around, more].concat());
            for part in parts {
                assert!(line.contains(part), "{words:?}: {line}");
            }
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
