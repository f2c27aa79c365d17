//! A client is killed: what was durable is sent by the next one, once.

use serde_json::json;

use crate::support::program::{Program, run};
use crate::support::relay::{Manner, Relay};
use crate::support::serve::{Serve, is_live_with, watch};

#[test]
fn a_write_of_a_client_that_was_killed_after_durable_arrives_once() {
    let mut serve = Serve::start();
    let watch = serve.watch("customers", &[]);
    watch.find("the start", |page| is_live_with(page, &[]));
    serve.kill();

    let store = serve.path("store");
    let store = store.to_str().unwrap();
    for name in ["Ada", "Bo"] {
        let fields = json!({"name": name}).to_string();
        let act = Program::start(&[
            "act",
            &serve.url(),
            "create",
            "customers",
            &fields,
            "--offline",
            "--store",
            store,
            "--json",
        ]);
        assert_eq!(act.json()["state"], "durable");
        act.kill();
    }

    serve.start_again();
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
