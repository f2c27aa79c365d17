//! A client is killed: what was durable is sent by the next one, once.

use std::path::Path;
#[cfg(unix)]
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::support::DEADLINE;
#[cfg(unix)]
use crate::support::program::Ended;
use crate::support::program::{Program, run};
use crate::support::relay::{Manner, Relay};
use crate::support::serve::{Serve, is_live_with, watch};

/// Waits until a store that a client holds open keeps so many actions. Looks at a copy, as it would be
/// found after a crash at that moment.
fn wait_until_stored(store: &Path, actions: usize) {
    let started = Instant::now();
    loop {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy");
        // The log of the database stands beside it, and may not be there yet.
        for ending in ["", "-wal"] {
            let [from, to] = [store, &copy].map(|path| {
                let mut name = path.as_os_str().to_owned();
                name.push(ending);
                name
            });
            let _ = std::fs::copy(from, to);
        }
        let listed = run(&["queue", "ls", "--json", "--store", copy.to_str().unwrap()]);
        if listed.code == Some(0) && listed.out.len() == actions {
            return;
        }
        assert!(started.elapsed() < DEADLINE, "never stored: {listed:?}");
    }
}

#[test]
fn a_write_of_a_client_that_was_killed_after_durable_arrives_once() {
    let serve = Serve::start();
    let watch = serve.watch("customers", &[]);
    watch.find("the start", |page| is_live_with(page, &[]));

    // It takes connections and says nothing, so a client that has stored its write waits for an answer.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("ws://{}/live", silent.local_addr().unwrap());
    let store = serve.path("store");
    for (number, name) in (1..).zip(["Ada", "Bo"]) {
        let fields = json!({"name": name}).to_string();
        let words = ["act", &nowhere, "create", "customers", &fields, "--store"];
        let act = Program::start(&[&words[..], &[store.to_str().unwrap()]].concat());
        wait_until_stored(&store, number);
        act.kill();
    }

    let store = store.to_str().unwrap();
    let sync = run(&["queue", "--store", store, "sync", &serve.url()]);
    assert_eq!(sync.success().last().unwrap(), "2 accepted, 0 left");
    let again = run(&["queue", "--store", store, "sync", &serve.url()]);
    assert_eq!(again.success(), ["0 accepted, 0 left"]);

    let names = |page: &serde_json::Value| {
        let mut names: Vec<String> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].to_string())
            .collect();
        names.sort();
        names
    };
    let page = watch.find("both", |page| {
        page["trust"] == "live" && names(page).len() == 2
    });
    assert_eq!(names(&page), ["\"Ada\"", "\"Bo\""]);
    // Whatever comes after them would have come behind anything sent twice.
    serve.act(&["create", "customers", r#"{"name":"Zoe"}"#]);
    let page = watch.find("the last", |page| {
        names(page).contains(&"\"Zoe\"".to_owned())
    });
    assert_eq!(names(&page), ["\"Ada\"", "\"Bo\"", "\"Zoe\""]);
}

#[test]
fn a_write_that_was_done_and_whose_answer_was_lost_is_done_once() {
    let serve = Serve::start();
    let seen = serve.watch("customers", &[]);
    seen.find("the start", |page| is_live_with(page, &[]));
    // The client hears nothing after the greeting, so it never learns that its write was done.
    let relay = Relay::start(serve.address(), |_| Manner::Mute { after: "WELCOME" });
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    let act = Program::start(&[
        "act",
        &relay.url(),
        "create",
        "customers",
        r#"{"name":"Ada"}"#,
        "--store",
        store,
    ]);
    seen.find("the write", |page| page["total_count"] == 1);
    act.kill();

    let listed = run(&["queue", "--store", store, "ls", "--json"]);
    assert_eq!(listed.json()["state"], "possibly_sent");
    let sync = run(&["queue", "--store", store, "sync", &serve.url(), "--json"]);
    sync.success();
    assert_eq!(sync.json()["state"], "accepted");
    serve.act(&["create", "customers", r#"{"name":"Zoe"}"#]);
    let page = seen.find("the last", |page| {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|item| item["name"] == "Zoe")
    });
    assert_eq!(page["total_count"], 2);
    // A client that comes new sees the same.
    let fresh = watch(&serve.url(), "customers", &[]);
    let page = fresh.find("to be live", |page| page["trust"] == "live");
    assert_eq!(page["total_count"], 2);
}

/// Runs the program where files cannot grow, as on a disk that is full.
#[cfg(unix)]
fn run_on_a_full_disk(words: &[&str]) -> Ended {
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_tidewire"))
        .args(words);
    Program::spawn(limited).ended()
}

#[cfg(unix)]
#[test]
fn what_could_not_be_stored_is_called_neither_decided_nor_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let store = store.to_str().unwrap();
    let url = "ws://127.0.0.1:1/live";
    let around = ["--store", store, "--offline", "--json"];
    let act = |id| [&["act", url, "create", "customers", id], &around[..]].concat();
    for id in [r#"{"id":"a"}"#, r#"{"id":"b"}"#] {
        run(&act(id)).success();
    }
    let kept = run(&["queue", "ls", "--store", store]);

    let discarded = run_on_a_full_disk(&["queue", "discard", "2", "--store", store]);
    assert!(discarded.failure(1).contains("the store failed"));
    assert_eq!(discarded.out, [] as [&str; 0]);
    let written = run_on_a_full_disk(&act(r#"{"id":"c"}"#));
    assert!(written.failure(1).contains("is not kept"), "{written:?}");
    let line = written.json();
    assert_eq!(
        (&line["state"], &line["number"]),
        (&json!("unsent"), &json!(null))
    );

    assert_eq!(run(&["queue", "ls", "--store", store]).out, kept.out);
}
