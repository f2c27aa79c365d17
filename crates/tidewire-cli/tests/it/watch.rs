//! `watch`: the table for people, its ends, and a reader that goes away.

use crate::support::DEADLINE;
use crate::support::program::{Program, run};
use crate::support::serve::{Serve, is_live_with};

#[test]
fn the_table_names_status_trust_and_every_row() {
    let serve = Serve::start();
    serve.act(&[
        "create",
        "customers",
        r#"{"id":"c1","name":"Ada","note":"two\nlines \u001b[31m"}"#,
    ]);
    let watch = Program::start(&["watch", &serve.url(), "customers"]);
    let mut lines = Vec::new();
    while !lines
        .last()
        .is_some_and(|line: &String| line.contains("Ada"))
    {
        lines.push(watch.line());
    }
    assert!(
        lines
            .iter()
            .any(|line| line.contains("customers · live · live · 1 of 1")),
        "{lines:#?}"
    );
    let row = lines.last().unwrap();
    assert!(
        row.contains("c1") && !row.contains('\u{1b}'),
        "nothing in the data steers the terminal: {row:?}"
    );
}

#[test]
fn it_ends_after_the_time_it_was_given() {
    let serve = Serve::start();
    let ended = run(&["watch", &serve.url(), "customers", "--json", "--for", "0.3"]);
    assert!(!ended.success().is_empty());
}

#[test]
fn it_ends_quietly_when_nobody_reads_it_any_more() {
    let serve = Serve::start();
    let mut watch = serve.watch("customers", &[]);
    watch.find("the start", |page| is_live_with(page, &[]));
    watch.stop_reading();
    // It notices when it has something to say.
    let started = std::time::Instant::now();
    while !watch.has_ended() {
        serve.act(&["create", "customers", "{}"]);
        assert!(
            started.elapsed() < DEADLINE,
            "it goes on with nobody reading"
        );
    }
    let ended = watch.ended();
    assert_eq!((ended.code, ended.err.len()), (Some(0), 0), "{ended:?}");
}

#[test]
fn each_page_is_printed_once() {
    let serve = Serve::start();
    let watch = serve.watch("customers", &[]);
    let mut pages = watch.until("the start", |page| is_live_with(page, &[]));
    serve.act(&["create", "customers", r#"{"id":"a"}"#]);
    serve.act(&["create", "orders", r#"{"id":"o"}"#]);
    serve.act(&["create", "customers", r#"{"id":"b"}"#]);
    pages.extend(watch.until("the end", |page| is_live_with(page, &["a", "b"])));
    for pair in pages.windows(2) {
        assert_ne!(pair[0], pair[1]);
        assert!(
            pair[0]["revision"].as_u64() <= pair[1]["revision"].as_u64(),
            "{pair:?}"
        );
    }
}

#[test]
fn a_server_that_does_not_speak_the_dialect_ends_it_with_the_reason() {
    let serve = Serve::start();
    let ended = run(&[
        "watch",
        &serve.url(),
        "customers",
        "--dialect",
        "basic",
        "--json",
    ]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.last().unwrap().contains("400"), "{ended:?}");
}
