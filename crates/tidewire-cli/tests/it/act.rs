//! `act`: what it prints, what it waits for, and how it ends when the answer is no.

use serde_json::json;

use crate::support::program::run;
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
    let line = &made.success()[0];
    assert!(line.starts_with("accepted: c1 (action "), "{line}");

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
    assert_eq!(ended.json()["state"], "refused");

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
        line.contains("nobody") && line.contains("queue --store"),
        "{line}"
    );
    assert_eq!(ended.json()["state"], "parked");
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
        ended.out.is_empty() && line.contains("not sent") && line.contains("--store"),
        "{line}"
    );

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
}
