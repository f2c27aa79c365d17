//! `watch`: the table for people, its ends, and a reader that goes away.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::demo::Demo;
use crate::support::program::{Program, run};
use crate::support::serve::{Serve, is_live_with, watch};

/// Less than the time that other commands give to what they leave.
#[cfg(unix)]
const AT_ONCE: Duration = Duration::from_millis(400);

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
fn it_ends_after_the_time_it_was_given_and_not_before() {
    let serve = Serve::start();
    let started = Instant::now();
    let ended = run(&["watch", &serve.url(), "customers", "--json", "--for", "1.5"]);
    assert!(started.elapsed() >= Duration::from_millis(1_500));
    assert!(!ended.success().is_empty());
}

#[test]
fn it_ends_quietly_when_nobody_reads_it_any_more_also_with_nothing_to_say() {
    let serve = Serve::start();
    let (mut watch, out) = Program::start_unread(&["watch", &serve.url(), "customers", "--json"]);
    let mut lines = BufReader::new(out).lines();
    let is_live = |line: &str| line.contains(r#""status":"live","trust":"live""#);
    assert!(lines.any(|line| is_live(&line.unwrap())));
    drop(lines);
    assert_eq!(watch.wait(), Some(0));
    assert!(watch.ended().err.is_empty());
}

#[test]
fn a_reader_that_stalls_keeps_it_from_neither_its_time_nor_its_end() {
    let serve = Serve::start();
    // More than a pipe holds.
    let text = "x".repeat(50_000);
    for id in ["a", "b", "c"] {
        serve.act(&[
            "create",
            "customers",
            &format!(r#"{{"id":"{id}","text":"{text}"}}"#),
        ]);
    }
    let watch = ["watch", &serve.url(), "customers", "--json"];
    let stalled = |more: &[&str]| {
        let (program, mut out) = Program::start_unread(&[&watch[..], more].concat());
        // The page with the texts is on its way out.
        out.read_exact(&mut [0; 5_000]).unwrap();
        (program, out)
    };
    let (mut timed, _unread) = stalled(&["--for", "3"]);
    assert_eq!(timed.wait(), Some(0));
    #[cfg(unix)]
    for ask in [Program::terminate, Program::interrupt] {
        let (mut asked, mut unread) = stalled(&[]);
        let started = Instant::now();
        ask(&asked);
        assert_eq!(asked.wait(), Some(0));
        let took = started.elapsed();
        // Only where nothing else is running does a time say something.
        let is_timed = std::env::var_os("TIDEWIRE_TIMINGS").is_some();
        assert!(!is_timed || took < AT_ONCE, "{took:?}");
        eprintln!("asked to end, it did after {took:?}");
        // The line that was being written is cut, and nothing follows it.
        let mut rest = String::new();
        unread.read_to_string(&mut rest).unwrap();
        assert!(rest.starts_with('x') && !rest.contains('\n'), "{rest}");
        assert!(asked.ended().err.is_empty());
    }
}

#[test]
fn where_there_is_no_websocket_it_ends_and_says_where_one_is() {
    let serve = Serve::start();
    for url in [
        format!("ws://{}", serve.address()),
        format!("ws://{}/elsewhere", serve.address()),
    ] {
        let ended = run(&["watch", &url, "customers", "--json"]);
        let line = ended.failure(1);
        assert!(
            line.contains("no WebSocket") && line.contains("/live"),
            "{line}"
        );
    }
}

#[test]
fn where_a_page_is_it_says_so_and_goes_on_since_a_network_may_show_one_before_the_server() {
    let demo = Demo::start();
    let watch = watch(&format!("ws://{}", demo.address), "customers", &[]);
    for _ in 0..2 {
        watch.find("to be offline", |page| page["status"] == "offline");
        watch.find("to try again", |page| page["status"] == "connecting");
    }
    let line = watch.error_line();
    assert!(
        line.contains("sign in to the network") && line.contains("/live"),
        "{line}"
    );
}

#[test]
fn why_there_is_no_connection_is_told_once_however_often_it_is_tried() {
    let watch = watch("ws://nobody.invalid/live", "customers", &[]);
    for _ in 0..3 {
        watch.find("to be offline", |page| page["status"] == "offline");
        watch.find("to try again", |page| page["status"] == "connecting");
    }
    #[cfg(unix)]
    watch.terminate();
    #[cfg(unix)]
    {
        let ended = watch.ended();
        assert_eq!((ended.code, ended.err.len()), (Some(0), 1), "{ended:?}");
        assert!(ended.err[0].contains("nobody.invalid"), "{ended:?}");
    }
}

#[test]
fn no_page_is_printed_twice_in_a_row_and_revisions_rise() {
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
fn a_revision_that_changes_nothing_on_the_page_is_not_printed() {
    // How many revisions there are until the first attempt has failed differs from run to run, and so does
    // how many pages are printed: there have to be two to compare.
    let mut compared = 0;
    for _ in 0..100 {
        let url = "ws://127.0.0.1:1/live";
        let ended = run(&["watch", url, "customers", "--json", "--for", "0.2"]);
        let mut pages: Vec<Value> = ended
            .out
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for page in &mut pages {
            page["revision"].take();
        }
        for pair in pages.windows(2) {
            assert_ne!(pair[0], pair[1], "{ended:#?}");
            compared += 1;
        }
        if compared >= 10 {
            break;
        }
    }
    assert!(compared > 0, "never more than one page");
}

#[test]
fn an_entitys_own_field_named_like_its_version_is_kept_under_a_name_of_its_own() {
    let serve = Serve::start();
    serve.act(&[
        "create",
        "customers",
        r#"{"id":"a","_version":"mine","__version":"deeper","version":"plain"}"#,
    ]);
    let json = serve.watch("customers", &[]);
    let page = json.find("the entity", |page| is_live_with(page, &["a"]));
    let item = &page["items"][0];
    assert_eq!(
        (
            &item["_version"],
            &item["__version"],
            &item["___version"],
            &item["version"]
        ),
        (&1.into(), &"mine".into(), &"deeper".into(), &"plain".into())
    );
    let table = Program::start(&["watch", &serve.url(), "customers"]);
    let mut head = table.line();
    loop {
        let line = table.line();
        if line.contains("mine") {
            break;
        }
        head = line;
    }
    let names: Vec<_> = head.split_whitespace().collect();
    assert!(
        names.contains(&"__version") && !names.contains(&"_version"),
        "{head}"
    );
}

#[test]
fn long_texts_and_many_fields_leave_a_table_of_bounded_width() {
    let serve = Serve::start();
    let fields: Vec<String> = (0..50)
        .map(|number| format!(r#""field-{number}":"{}""#, "x".repeat(400)))
        .collect();
    let record = format!(r#"{{"id":"a",{}}}"#, fields.join(","));
    serve.act(&["create", "customers", &record]);
    let table = Program::start(&["watch", &serve.url(), "customers"]);
    loop {
        let line = table.line();
        assert!(line.chars().count() < 260, "{line}");
        if line.contains("xxx") {
            break;
        }
    }
}
