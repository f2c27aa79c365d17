//! `act`: what it prints, what it waits for, and how it ends when the answer is no.

use serde_json::json;

use crate::support::program::{Program, run};
use crate::support::relay::{Manner, Relay};
use crate::support::serve::{Serve, act};

#[test]
fn each_write_says_how_far_it_came() {
    let serve = Serve::start();
    let url = serve.url();
    let made = run(&[
        "act",
        &url,
        "create",
        "customers",
        r#"{"id":"c1","name":"Ada"}"#,
    ]);
    assert_eq!(made.success(), ["accepted: c1"]);

    for (wait, state) in [("accepted", "accepted"), ("visible", "visible")] {
        let line = serve.act(&[
            "update",
            "customers",
            "c1",
            r#"{"score":1}"#,
            "--wait",
            wait,
        ]);
        let action = line["action"].as_str().unwrap();
        assert_eq!(line, json!({"id": "c1", "action": action, "state": state}));
        assert_eq!(action.len(), 36, "an action's name is a UUID");
    }
    let store = serve.path("store");
    let words = [
        "delete",
        "customers",
        "c1",
        "--wait",
        "durable",
        "--store",
        store.to_str().unwrap(),
    ];
    assert_eq!(serve.act(&words)["state"], "durable");
}

#[test]
fn a_change_of_an_entity_that_is_not_there_is_refused_and_parked() {
    let serve = Serve::start();
    let ended = act(
        &serve.url(),
        &["update", "customers", "nobody", r#"{"name":"x"}"#],
    );
    assert!(ended.failure(1).contains("nobody"), "{ended:?}");
    let printed = ended.json();
    assert_eq!(
        (&printed["state"], &printed["code"]),
        (&json!("refused"), &json!("not_found"))
    );
    assert!(
        printed["reason"].as_str().unwrap().contains("nobody"),
        "{printed}"
    );

    let store = serve.path("store");
    let store = store.to_str().unwrap();
    let ended = act(
        &serve.url(),
        &[
            "update",
            "customers",
            "nobody",
            r#"{"name":"x"}"#,
            "--store",
            store,
        ],
    );
    let line = ended.failure(1);
    assert!(
        line.contains("nobody") && line.contains("retry 1` ") && line.contains("`discard 1`"),
        "{line}"
    );
    assert_eq!(ended.json()["state"], "parked");
    assert_eq!(ended.json()["number"], 1);
    let parked = run(&["queue", "--store", store, "ls", "--json"]).json();
    assert_eq!(
        (&parked["state"], &parked["name"], &parked["entity"]),
        (&json!("parked"), &json!("update"), &json!("nobody"))
    );
    assert!(
        parked["reason"].as_str().unwrap().contains("nobody"),
        "{parked}"
    );
}

#[test]
fn without_a_server_a_write_with_a_store_is_kept_and_one_without_is_not_sent() {
    let mut serve = Serve::start();
    serve.kill();
    let store = serve.path("store");
    let store = store.to_str().unwrap();

    let ended = act(&serve.url(), &["create", "customers", r#"{"id":"a"}"#]);
    let line = ended.failure(1);
    assert!(
        line.contains("not sent") && line.contains("--store"),
        "{line}"
    );
    let printed = ended.json();
    assert_eq!(
        (&printed["id"], &printed["state"]),
        (&json!("a"), &json!("unsent"))
    );
    assert!(
        printed["reason"].as_str().unwrap().contains("cannot reach")
            && printed.get("code").is_none(),
        "{printed}"
    );
    assert_eq!(printed["action"].as_str().unwrap().len(), 36);

    let ended = act(
        &serve.url(),
        &["create", "customers", r#"{"id":"b"}"#, "--store", store],
    );
    let line = ended.failure(1);
    assert!(
        line.contains("kept") && line.contains("sync ws://"),
        "{line}"
    );
    assert_eq!(ended.json()["state"], "durable");

    serve.start_again();
    assert_eq!(
        serve.act(&["create", "customers", r#"{"id":"c"}"#, "--store", store])["state"],
        "accepted"
    );
    assert_eq!(
        run(&["queue", "--store", store, "ls"]).success(),
        ["nothing waits"]
    );
}

#[test]
fn a_host_that_is_not_there_is_told_at_once() {
    let ended = act("ws://nobody.invalid/live", &["delete", "customers", "a"]);
    assert!(ended.failure(1).contains("nobody.invalid"), "{ended:?}");
    let ended = act("ws://127.0.0.1:1/live", &["delete", "customers", "a"]);
    assert!(ended.failure(1).contains("127.0.0.1:1"), "{ended:?}");
}

#[test]
fn a_server_that_is_something_else_is_told() {
    let serve = Serve::start();
    let url = format!("ws://{}/elsewhere", serve.address());
    let ended = act(&url, &["delete", "customers", "a"]);
    assert!(ended.failure(1).contains("404"), "{ended:?}");
    let store = serve.path("store");
    let words = ["delete", "customers", "a", "--store"];
    let ended = act(&url, &[&words[..], &[store.to_str().unwrap()]].concat());
    let line = ended.failure(1);
    assert!(
        line.contains("404")
            && line.contains("sync URL`")
            && !line.contains(&format!("sync {url}")),
        "{line}"
    );
}

#[test]
fn a_write_the_client_does_not_take_is_told_in_json_too_and_is_not_kept() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    let url = serve.url();
    serve.act(&["create", "customers", r#"{"id":"a"}"#]);
    let words = ["create", "customers", r#"{"id":"a"}"#, "--store", store];
    act(&url, &words).failure(1);
    let ended = act(&url, &["delete", "customers", "a", "--store", store]);
    let line = ended.failure(1);
    assert!(
        line.contains("depends on action 1") && line.contains("was not kept"),
        "{line}"
    );
    let printed = ended.json();
    assert_eq!(
        (&printed["id"], &printed["action"], &printed["state"]),
        (&json!("a"), &json!(null), &json!("refused"))
    );
    assert!(
        printed["reason"].as_str().unwrap().contains("action 1"),
        "{printed}"
    );
    assert_eq!(run(&["queue", "--store", store, "ls"]).success().len(), 1);
}

#[test]
fn what_no_retry_can_help_is_only_given_up() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
    let ended = act(
        &serve.url(),
        &["create", "customers", &large, "--store", store],
    );
    let synced = run(&["queue", "--store", store, "sync", &serve.url()]);
    for ended in [ended, synced] {
        let line = ended.failure(1);
        assert!(
            line.contains("no retry can help")
                && line.contains(&format!("--store {store} discard "))
                && !line.contains(&format!("{store} retry")),
            "{line}"
        );
    }
}

#[test]
fn the_hint_for_a_store_whose_name_begins_with_a_dash_can_be_typed() {
    let folder = tempfile::tempdir().unwrap();
    let run_there = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidewire"));
        command.current_dir(folder.path()).args(words);
        Program::spawn(command).ended()
    };
    let url = "ws://127.0.0.1:1/live";
    let ended = run_there(&["act", url, "delete", "customers", "a", "--store=-dash.db"]);
    let line = ended.failure(1);
    let hint = line.split('`').nth(1).expect("a command");
    let words: Vec<&str> = hint.split(' ').skip(1).collect();
    let synced = run_there(&words);
    assert!(synced.failure(1).contains("is kept"), "{hint}: {synced:?}");
}

#[cfg(unix)]
#[test]
fn a_write_that_is_interrupted_says_what_became_of_it() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/live", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let words = ["act", &url, "delete", "customers", "a", "--json"];
    let kept = ["--store", store.to_str().unwrap()];
    for (more, state, word) in [
        (&kept[..], "durable", "kept"),
        (&[], "unsent", "was not sent"),
    ] {
        let act = Program::start(&[&words[..], more].concat());
        // It listens for signals before it connects.
        let _connection = silent.accept().unwrap();
        act.interrupt();
        let ended = act.ended();
        let line = ended.failure(1);
        assert!(
            line.contains("interrupted") && line.contains(word),
            "{line}"
        );
        assert_eq!(ended.json()["state"], state);
    }
}

#[test]
fn behind_a_write_whose_outcome_cannot_be_known_it_is_said_at_once() {
    // One write was answered, the next was sent and never answered; then the store is used with a server
    // that knows of neither.
    let first = Serve::start();
    let relay = Relay::start(first.address(), |_| Manner::Mute { after: "WELCOME" });
    let store = first.path("store");
    let store = store.to_str().unwrap();
    first.act(&["create", "customers", "{}", "--store", store]);
    let seen = first.watch("customers", &[]);
    let words = [
        "act",
        &relay.url(),
        "create",
        "customers",
        "{}",
        "--store",
        store,
    ];
    let act_unanswered = Program::start(&words);
    seen.find("the write", |page| page["total_count"] == 2);
    act_unanswered.kill();

    let other = Serve::start();
    let words = ["create", "customers", r#"{"id":"b"}"#, "--store", store];
    let ended = act(&other.url(), &words);
    let line = ended.failure(1);
    assert!(
        line.contains("behind action 1") && line.contains("kept"),
        "{line}"
    );
    assert_eq!(ended.json()["state"], "durable");

    let synced = run(&["queue", "--store", store, "sync", &other.url()]);
    assert!(
        synced.failure(1).contains("action 1 waits for a decision"),
        "{synced:?}"
    );
    run(&["queue", "--store", store, "discard", "1"]).success();
    let synced = run(&["queue", "--store", store, "sync", &other.url()]);
    assert_eq!(synced.success().last().unwrap(), "1 accepted, 0 left");
}

#[test]
fn a_refusal_ends_with_1_and_its_reason_whether_or_not_anybody_reads_the_output() {
    let serve = Serve::start();
    let url = serve.url();
    let refused = ["act", &url, "update", "customers", "a", r#"{"name":"Ada"}"#];
    let store = serve.path("store");
    let kept = [&refused[..], &["--store", store.to_str().unwrap()]].concat();
    for (words, said) in [(&refused[..], "does not exist"), (&kept, "is kept")] {
        for json in [&[][..], &["--json"]] {
            let (program, out) = Program::start_unread(&[words, json].concat());
            drop(out);
            let ended = program.ended();
            assert!(ended.failure(1).contains(said), "{ended:?}");
        }
    }
}
