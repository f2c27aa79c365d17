//! The server goes away and comes back: clients resume where they were and miss nothing.

#[cfg(unix)]
use std::process::Command;

use serde_json::Value;

use crate::support::program::{Program, run};
use crate::support::relay::{Manner, Relay};
use crate::support::serve::{Serve, ids, is_live_with, watch};

/// Every page until the one with these ids is live again; asserts that none of them was a reset.
fn resume(watch: &Program, before: &[&str], after: &[&str]) -> Vec<Value> {
    let pages = watch.until("to be live again", |page| is_live_with(page, after));
    for page in &pages {
        assert_ne!(page["trust"], "unknown", "{page}");
        let rows = ids(page);
        assert!(
            before.iter().all(|id| rows.contains(id)),
            "a row was missing for a while: {page}"
        );
    }
    pages
}

#[test]
fn clients_of_a_killed_server_resume_without_a_reset_and_miss_nothing() {
    let mut serve = Serve::start();
    for id in ["a", "b"] {
        serve.act(&[
            "create",
            "customers",
            &format!(r#"{{"id":"{id}","score":1}}"#),
        ]);
    }
    // What the server says is read beside the clients: what they show would be the same after a snapshot.
    let [whole, window] = [(); 2].map(|()| Relay::start(serve.address(), |_| Manner::Fair));
    let watches = [
        watch(&whole.url(), "customers", &[]),
        watch(
            &window.url(),
            "customers",
            &["--query", "where score > 0 limit 50"],
        ),
    ];
    for watch in &watches {
        watch.find("the start", |page| is_live_with(page, &["a", "b"]));
    }

    serve.kill();
    for watch in &watches {
        let page = watch.find("to be offline", |page| {
            page["status"] == "offline" && page["trust"] == "stale"
        });
        assert_eq!(ids(&page), ["a", "b"]);
    }
    serve.start_again();
    // Some of it happens before the clients are back, some after.
    serve.act(&["create", "customers", r#"{"id":"c","score":1}"#]);
    serve.act(&["update", "customers", "a", r#"{"score":2}"#]);
    for watch in &watches {
        resume(watch, &["a", "b"], &["a", "b", "c"]);
    }
    serve.act(&["delete", "customers", "b"]);
    for watch in &watches {
        let page = watch.find("what came after", |page| is_live_with(page, &["a", "c"]));
        assert_eq!(page["items"][0]["score"], 2);
    }
    assert_eq!(
        (streams(&whole.said()[0]), streams(&whole.said()[1])),
        (
            vec!["snapshot", "SNAPSHOT", "SNAPSHOT_END"],
            vec!["resumed"]
        )
    );
    assert_eq!(streams(&window.said()[1]), ["resumed"]);
}

/// How the streams of one connection began: the results of `SUBSCRIBED`, and what else tells of whole
/// streams.
fn streams(said: &[Value]) -> Vec<&str> {
    let beginning = |message: &'_ Value| match message["type"].as_str() {
        Some("SUBSCRIBED") => Some("result"),
        Some("SUBSCRIBE_ERROR" | "SNAPSHOT" | "SNAPSHOT_END" | "UNSUBSCRIBED") => Some("type"),
        _ => None,
    };
    said.iter()
        .filter_map(|message| message[beginning(message)?].as_str())
        .collect()
}

#[test]
fn a_watch_waits_for_a_server_that_is_not_there_yet() {
    let mut serve = Serve::start();
    serve.kill();
    let watch = serve.watch("customers", &[]);
    let page = watch.find("to be offline", |page| page["status"] == "offline");
    assert_eq!(
        (ids(&page).len(), &page["trust"]),
        (0, &Value::from("unknown"))
    );
    serve.start_again();
    watch.find("to be live", |page| is_live_with(page, &[]));
}

#[test]
fn the_status_says_connecting_live_and_offline() {
    let mut serve = Serve::start();
    // No connection stands before its first status was read.
    let (read, gate) = std::sync::mpsc::channel::<()>();
    let relay = Relay::start(serve.address(), move |_| {
        // Open for good once the other end is gone.
        let _ = gate.recv();
        Manner::Fair
    });
    let watch = watch(&relay.url(), "customers", &[]);
    assert_eq!(watch.json()["status"], "connecting");
    drop(read);
    watch.find("to be live", |page| is_live_with(page, &[]));
    serve.kill();
    watch.find("to be offline", |page| page["status"] == "offline");
    watch.find("to try again", |page| page["status"] == "connecting");
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_to_end_says_goodbye_and_ends_well() {
    let serve = Serve::start();
    let watch = serve.watch("customers", &[]);
    watch.find("to be live", |page| is_live_with(page, &[]));
    let (program, _folder) = serve.into_program();
    program.terminate();
    program.ended().success();
    watch.find("to be offline", |page| page["status"] == "offline");
    watch.terminate();
    assert_eq!(watch.ended().code, Some(0));
}

#[test]
fn a_port_that_is_in_use_is_a_failure_that_says_what_to_do() {
    let serve = Serve::start();
    let other = serve.path("other");
    let ended = run(&[
        "serve",
        "--listen",
        serve.address(),
        "--db",
        other.to_str().unwrap(),
    ]);
    let line = ended.failure(1);
    assert!(
        line.contains("in use") && line.contains("--listen"),
        "{line}"
    );
    assert!(
        !other.exists(),
        "nothing is made for a server that does not start"
    );

    let ended = run(&["demo", "--listen", serve.address()]);
    assert!(ended.failure(1).contains("in use"), "{ended:?}");
}

#[test]
fn a_database_that_is_in_use_or_damaged_is_a_failure_that_says_what_to_do() {
    let serve = Serve::start();
    let database = serve.path("database");
    let again = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--db",
        database.to_str().unwrap(),
    ]);
    assert!(
        again.failure(1).contains("in use by another process"),
        "{again:?}"
    );

    let damaged = serve.path("damaged");
    std::fs::write(
        &damaged,
        "this is no database, and long enough to be looked at ".repeat(40),
    )
    .unwrap();
    let ended = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--db",
        damaged.to_str().unwrap(),
    ]);
    assert!(ended.failure(1).contains("damaged"), "{ended:?}");
    assert!(damaged.exists());
}

#[cfg(unix)]
#[test]
fn a_server_whose_storage_failed_is_not_called_one_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    // No file of the server may grow beyond this many blocks, and it is told so, not killed.
    let mut limited = Command::new("sh");
    limited
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 200; exec \"$0\" serve --listen 127.0.0.1:0 --db \"$1\"",
        ])
        .arg(env!("CARGO_BIN_EXE_tidewire"))
        .arg(folder.path().join("database"));
    let serve = Program::spawn(limited);
    let url = serve.line().replace("listening on ", "");
    let text = "x".repeat(50_000);
    let _writers: Vec<Program> = (0..6)
        .map(|number| {
            let fields = format!(r#"{{"id":"{number}","text":"{text}"}}"#);
            Program::start(&["act", &url, "create", "customers", &fields])
        })
        .collect();
    assert!(serve.error_line().contains("storage failed"));

    let store = folder.path().join("store");
    let store = store.to_str().unwrap();
    let act = ["act", &url, "delete", "customers", "a", "--store", store];
    let sync = ["queue", "--store", store, "sync", &url];
    for words in [&act[..], &sync] {
        let ended = run(words);
        let line = ended.failure(1);
        assert!(
            line.contains("storage failed")
                && line.contains("frees space")
                && line.contains("kept"),
            "{line}"
        );
        assert!(!line.contains("check the URL"), "{line}");
    }
    let watch = Program::start(&["watch", &url, "customers"]);
    assert!(watch.error_line().contains("frees space"));
}

/// Starts a server whose entity `e2` of the type `notes` cannot be read.
#[cfg(unix)]
fn serve_with_an_unreadable_row() -> (Program, tempfile::TempDir, String) {
    let serve = Serve::start();
    for id in ["e1", "e2"] {
        let fields = format!(r#"{{"id":"{id}","text":"words of {id}"}}"#);
        serve.act(&["create", "notes", &fields]);
    }
    let (program, folder) = serve.into_program();
    program.terminate();
    program.ended().success();
    let database = folder.path().join("database");
    let mut bytes = std::fs::read(&database).unwrap();
    let words = b"words of e2";
    let mut damaged = 0;
    for at in 0..bytes.len() - words.len() {
        if bytes[at..].starts_with(words) {
            bytes[at] = 0xff;
            damaged += 1;
        }
    }
    assert!(damaged > 0, "the entity is in the file");
    std::fs::write(&database, bytes).unwrap();
    let database = database.to_str().unwrap();
    let program = Program::start(&["serve", "--listen", "127.0.0.1:0", "--db", database]);
    let url = program.line().replace("listening on ", "");
    (program, folder, url)
}

#[cfg(unix)]
#[test]
fn a_list_that_the_server_cannot_read_says_why_and_the_server_says_which_row() {
    let (serve, _folder, url) = serve_with_an_unreadable_row();
    let watch = Program::start(&["watch", &url, "notes", "--json"]);
    let page = watch.find("the reason", |page| page["reason"].is_string());
    assert_eq!(
        (&page["status"], &page["trust"]),
        (&"live".into(), &"unknown".into())
    );
    let reason = page["reason"].as_str().unwrap();
    assert!(reason.contains("internal"), "{reason}");
    let line = watch.error_line();
    assert!(
        line.contains("the server refused the stream notes: internal"),
        "{line}"
    );

    let table = Program::start(&["watch", &url, "notes"]);
    while !table
        .line()
        .contains("unknown (the server cannot answer for now: internal)")
    {}

    let line = serve.error_line();
    let named = ["database", "the entity e2 of the type notes"];
    assert!(named.iter().all(|part| line.contains(part)), "{line}");
}

#[cfg(unix)]
#[test]
fn whoever_writes_when_the_storage_fails_hears_why_at_once_and_at_the_end() {
    let (_serve, _folder, url) = serve_with_an_unreadable_row();
    let words = ["act", &url, "update", "notes", "e2", r#"{"n":1}"#, "--json"];
    let act = Program::start(&words);
    let line = act.error_line();
    assert!(line.contains("the server's storage failed"), "{line}");
    act.interrupt();
    let ended = act.ended();
    let heard = "interrupted; last heard: the server puts writes off: the server's storage failed";
    let line = ended.failure(1);
    assert!(
        line.contains(heard) && line.contains("frees space"),
        "{line}"
    );
    let reason = ended.json()["reason"].to_string();
    assert!(reason.contains(heard), "{reason}");
}

#[test]
fn whoever_waits_for_a_server_that_goes_away_is_told_that_it_did() {
    let mut serve = Serve::start();
    let watch = serve.watch("customers", &[]);
    // The answers stay away, so both wait for one.
    let relay = || Relay::start(serve.address(), |_| Manner::Mute { after: "WELCOME" });
    let [to_act, to_sync] = [relay(), relay()];
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    serve.act(&["delete", "customers", "b", "--store", store, "--offline"]);
    let act = ["act", &to_act.url(), "create", "customers", r#"{"id":"a"}"#];
    let act = Program::start(&act);
    let sync = Program::start(&["queue", "--store", store, "sync", &to_sync.url()]);
    watch.find("the write", |page| is_live_with(page, &["a"]));
    serve.kill();
    for (program, waited) in [
        (act, "no answer within 10 s"),
        (sync, "nothing happened for 10 s"),
    ] {
        let ended = program.ended();
        let line = ended.failure(1);
        assert!(line.contains(&format!("{waited}; last heard: ")), "{line}");
    }
}

#[test]
fn parameters_that_the_server_does_not_understand_are_refused_and_watch_says_so() {
    let serve = Serve::start();
    let watch = watch(&serve.url(), "notes", &["--query", r#"opaque (x = "1")"#]);
    let page = watch.find("the reason", |page| page["reason"].is_string());
    assert_eq!(page["reason"], "the server refused this: unsupported");
    assert_eq!(page["trust"], "unknown");
    // Where nobody can be asked, it is misuse.
    let query = ["--query", r#"opaque (x = "1")"#, "--dialect", "basic"];
    let ended = run(&[&["watch", &serve.url(), "notes"][..], &query].concat());
    let line = ended.failure(2);
    assert!(line.contains("opaque"), "{line}");
}
