//! `queue`: what waits in a store, in which order it is sent, and what is decided.

use serde_json::{Value, json};

use crate::support::program::{Ended, Program, run};
use crate::support::relay::{Manner, Relay};
use crate::support::serve::{Serve, act, ids, is_live_with};

fn list(store: &str) -> Vec<Value> {
    let listed = run(&["queue", "ls", "--store", store, "--json"]);
    listed
        .success()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Leaves a write in the store, and sends nothing.
fn act_offline(serve: &Serve, store: &str, words: &[&str]) -> Ended {
    let more = ["--offline", "--store", store];
    let ended = act(&serve.url(), &[words, &more].concat());
    ended.success();
    ended
}

fn create_offline(serve: &Serve, store: &str, ids: &[&str]) {
    for id in ids {
        let fields = json!({"id": id}).to_string();
        act_offline(serve, store, &["create", "customers", &fields]);
    }
}

#[test]
fn what_cannot_be_read_is_told_and_is_no_success() {
    let serve = Serve::start();
    let path = serve.path("store");
    let store = path.to_str().unwrap();
    create_offline(&serve, store, &["a"]);
    // A version to come wrote it.
    let (known, newer) = (br#"{"v":1,"id":""#, br#"{"v":9,"id":""#);
    let mut bytes = std::fs::read(&path).unwrap();
    let places = bytes.windows(known.len());
    let places: Vec<usize> = places
        .enumerate()
        .filter(|(_, bytes)| bytes == known)
        .map(|(place, _)| place)
        .collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + newer.len()].copy_from_slice(newer);
    }
    std::fs::write(&path, &bytes).unwrap();

    let listed = run(&["queue", "ls", "--store", store]);
    assert_eq!((listed.code, listed.out), (Some(0), Vec::new()));
    let synced = run(&["queue", "sync", &serve.url(), "--store", store]);
    assert_eq!(
        (synced.code, &*synced.out),
        (Some(1), &["0 accepted, 0 left".to_owned()][..])
    );
    assert!(synced.err[0].contains("1 stored writes cannot be read"));
    assert!(synced.err[1].contains("the version that wrote the rest"));
}

#[test]
fn what_depends_on_a_write_that_cannot_be_read_says_so() {
    let serve = Serve::start();
    let path = serve.path("store");
    let store = path.to_str().unwrap();
    let words = ["create", "customers", r#"{"id":"a"}"#];
    let made = act_offline(&serve, store, &words).json();
    act_offline(&serve, store, &["delete", "customers", "a"]);
    // A version to come wrote the creation.
    let known = format!(r#"{{"v":1,"id":{}"#, made["action"]);
    let newer = known.replace("1,", "9,").into_bytes();
    let mut bytes = std::fs::read(&path).unwrap();
    let place = bytes
        .windows(known.len())
        .position(|bytes| bytes == known.as_bytes());
    let place = place.expect("the creation");
    bytes[place..place + newer.len()].copy_from_slice(&newer);
    std::fs::write(&path, &bytes).unwrap();

    let listed = run(&["queue", "--store", store, "ls"]);
    assert!(
        listed.out[0].contains("an action that is gone or cannot be read"),
        "{listed:?}"
    );
    assert!(listed.err[0].contains("cannot be read"), "{listed:?}");
}

#[test]
fn offline_writes_are_listed_sent_in_order_and_then_gone() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    let offline = |words: &[&str]| {
        let ended = act_offline(&serve, store, words);
        assert_eq!(ended.json()["state"], "durable");
        ended.json()
    };
    let made = offline(&["create", "customers", r#"{"name":"Ada","score":1}"#]);
    let temporary = made["id"].as_str().unwrap();
    assert!(temporary.starts_with("tmp_"), "{made}");
    // Later writes name the entity as it is called by now.
    offline(&["update", "customers", temporary, r#"{"score":2}"#]);
    offline(&["create", "customers", r#"{"id":"b","score":5}"#]);
    offline(&["delete", "customers", "b"]);

    let waiting = list(store);
    let words: Vec<_> = waiting
        .iter()
        .map(|line| (&line["name"], &line["state"], &line["type"]))
        .collect();
    let (wait, customers) = (json!("waiting"), json!("customers"));
    let names = [
        json!("create"),
        json!("update"),
        json!("create"),
        json!("delete"),
    ];
    assert_eq!(
        words,
        names
            .iter()
            .map(|name| (name, &wait, &customers))
            .collect::<Vec<_>>()
    );
    assert_eq!(waiting[0]["id"], made["action"]);
    assert!(
        waiting
            .windows(2)
            .all(|pair| pair[0]["number"].as_u64() < pair[1]["number"].as_u64())
    );

    let watch = serve.watch("customers", &[]);
    watch.find("the start", |page| is_live_with(page, &[]));
    let synced = run(&["queue", "--store", store, "sync", &serve.url(), "--json"]);
    let lines: Vec<Value> = synced
        .success()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines.len() == 4 && lines.iter().all(|line| line["state"] == "accepted"),
        "{lines:?}"
    );
    let page = watch.find("the result", |page| {
        page["total_count"] == 1 && page["items"][0]["score"] == 2
    });
    assert_eq!(lines[0]["entity"], ids(&page)[0]);
    assert!(list(store).is_empty());
}

#[test]
fn a_refused_write_waits_for_a_decision_and_can_be_sent_again_or_given_up() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    for id in ["a", "b"] {
        let words = ["update", "customers", id, r#"{"score":2}"#];
        act_offline(&serve, store, &words);
    }
    let synced = run(&["queue", "--store", store, "sync", &serve.url()]);
    let line = synced.failure(1);
    assert!(
        line.contains("actions 1 and 2 wait") && line.contains(&format!("--store {store} retry N")),
        "{line}"
    );
    assert_eq!(synced.out.last().unwrap(), "0 accepted, 2 left");
    let parked = list(store);
    assert!(
        parked.len() == 2 && parked.iter().all(|line| line["state"] == "parked"),
        "{parked:?}"
    );

    // What was missing is there now.
    serve.act(&["create", "customers", r#"{"id":"a","score":1}"#]);
    let number = |line: &Value| line["number"].to_string();
    let retried = run(&[
        "queue",
        "--store",
        store,
        "retry",
        &number(&parked[0]),
        "--json",
    ]);
    retried.success();
    assert_eq!(retried.json()["state"], "waiting");
    let discarded = run(&[
        "queue",
        "--store",
        store,
        "discard",
        &number(&parked[1]),
        "--json",
    ]);
    discarded.success();
    assert_eq!(
        (&discarded.json()["state"], &discarded.json()["entity"]),
        (&json!("gone"), &json!("b"))
    );
    let synced = run(&["queue", "--store", store, "sync", &serve.url()]);
    assert_eq!(synced.success().last().unwrap(), "1 accepted, 0 left");
    let watch = serve.watch("customers", &[]);
    watch.find("the write", |page| {
        is_live_with(page, &["a"]) && page["items"][0]["score"] == 2
    });
}

#[test]
fn a_number_that_is_not_there_is_a_failure_that_says_where_to_look() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    act_offline(&serve, store, &["delete", "customers", "a"]);
    for decision in ["retry", "discard"] {
        let ended = run(&["queue", "--store", store, decision, "99"]);
        let ls = format!("`tidewire queue --store {store} ls`");
        assert!(ended.failure(1).contains(&ls), "{ended:?}");
    }
    assert_eq!(list(store).len(), 1);
}

#[test]
fn a_write_that_waits_needs_no_retry_and_the_line_says_what_sends_it() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    act_offline(&serve, store, &["delete", "customers", "a"]);
    let ended = run(&["queue", "--store", store, "retry", "1"]);
    let line = ended.failure(1);
    for word in ["waits", "sync", "discard 1"] {
        assert!(line.contains(word), "{line}");
    }
    assert!(!line.contains("on its way"), "nothing sends it: {line}");
    assert_eq!(list(store).len(), 1);
}

#[test]
fn a_write_that_was_never_sent_can_be_taken_back() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    create_offline(&serve, store, &["a", "b"]);
    let gone = run(&["queue", "--store", store, "discard", "1", "--json"]);
    gone.success();
    assert_eq!(
        (&gone.json()["state"], &gone.json()["entity"]),
        (&json!("gone"), &json!("a"))
    );
    let synced = run(&["queue", "--store", store, "sync", &serve.url()]);
    assert_eq!(synced.success().last().unwrap(), "1 accepted, 0 left");
    let watch = serve.watch("customers", &[]);
    watch.find("only the other", |page| is_live_with(page, &["b"]));
}

#[cfg(unix)]
#[test]
fn a_sync_says_what_is_done_as_soon_as_it_is_and_can_be_interrupted() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    create_offline(&serve, store, &["a", "b"]);
    // The first answer comes through, and nothing behind it.
    let relay = Relay::start(serve.address(), |_| Manner::Mute { after: "ACK" });
    let sync = Program::start(&["queue", "--store", store, "sync", &relay.url(), "--json"]);
    let line = sync.json();
    assert_eq!(
        (&line["entity"], &line["state"]),
        (&json!("a"), &json!("accepted"))
    );
    sync.interrupt();
    let ended = sync.ended();
    let line = ended.failure(1);
    assert!(
        line.contains("interrupted") && line.contains("kept"),
        "{line}"
    );
    assert_eq!(ended.json()["entity"], "b");
    assert_eq!(list(store).len(), 1);
}

#[test]
fn with_nothing_to_send_a_sync_does_well_whatever_the_server_says() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    serve.act(&["create", "customers", "{}", "--store", store]);
    let nowhere = format!("ws://{}/elsewhere", serve.address());
    for url in [nowhere.as_str(), "ws://127.0.0.1:1/live"] {
        let synced = run(&["queue", "--store", store, "sync", url]);
        assert_eq!(synced.success(), ["0 accepted, 0 left"]);
    }
}

#[test]
fn a_sync_whose_reader_goes_sends_the_rest_and_says_what_is_left() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    let sync = ["queue", "--store", store, "sync", &serve.url()];
    create_offline(&serve, store, &["a", "b", "c"]);
    let unread = || {
        let (program, out) = Program::start_unread(&sync);
        drop(out);
        program.ended()
    };
    unread().success();
    assert_eq!(list(store).len(), 0);
    create_offline(&serve, store, &["a", "d"]);
    let ended = unread();
    assert!(
        ended.failure(1).contains("waits for a decision"),
        "{ended:?}"
    );
    assert_eq!(list(store).len(), 1);
}

#[test]
fn without_a_server_a_sync_keeps_everything() {
    let mut serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    act_offline(&serve, store, &["delete", "customers", "a"]);
    serve.kill();
    let ended = run(&["queue", "--store", store, "sync", &serve.url()]);
    assert!(ended.failure(1).contains("kept"), "{ended:?}");
    assert_eq!(list(store).len(), 1);
}

/// Whether a text holds what looks like the id of an action.
fn holds_an_id(text: &str) -> bool {
    let is_id = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .any(is_id)
}

/// A creation that will be refused, what depends on it, and what does not.
fn store_three_writes(serve: &Serve, store: &str) {
    serve.act(&["create", "customers", r#"{"id":"a"}"#]);
    for words in [
        &["create", "customers", r#"{"id":"a","score":1}"#][..],
        &["update", "customers", "a", r#"{"score":2}"#],
        &["create", "customers", r#"{"id":"b"}"#],
    ] {
        let number_is = |line: &str| !holds_an_id(line) && line.contains("(action ");
        let around = ["--offline", "--store", store];
        let ended = run(&[&["act", &serve.url()], words, &around].concat());
        assert!(number_is(&ended.success()[0]), "{ended:?}");
    }
}

fn words_of(ended: &Ended) -> Vec<Vec<&str>> {
    let lines = ended.success().iter();
    lines
        .map(|line| line.split_whitespace().collect())
        .collect()
}

#[test]
fn people_are_told_numbers_that_the_commands_take_and_never_an_id() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    let url = serve.url();
    store_three_writes(&serve, store);
    let listed = run(&["queue", "--store", store, "ls"]);
    let lines = listed.success();
    assert!(lines[1].ends_with("(waits for 1)"), "{lines:?}");
    assert!(
        lines[0].ends_with(" a") && lines[2].ends_with(" b"),
        "{lines:?}"
    );
    let waits: Vec<Value> = list(store)
        .iter()
        .map(|line| line["waits_for"].clone())
        .collect();
    assert_eq!(waits, [json!([]), json!([1]), json!([])]);

    let synced = run(&["queue", "--store", store, "sync", &url]);
    assert_eq!(
        synced.out.last().unwrap(),
        "1 accepted, 2 left",
        "{synced:?}"
    );
    let listed = run(&["queue", "--store", store, "ls"]);
    let lines = listed.success();
    assert!(lines[1].contains("depends on action 1,"), "{lines:?}");
    assert_eq!(list(store)[1]["waits_for"], json!([1]));
    let retried = run(&["queue", "--store", store, "retry", "2"]);
    assert!(
        retried.failure(1).contains("depends on action 1,"),
        "{retried:?}"
    );
    let words = ["act", &url, "delete", "customers", "a", "--store", store];
    let behind = run(&words);
    assert!(
        behind.failure(1).contains("depends on action 1,"),
        "{behind:?}"
    );
    // What comes back has new numbers, and each is said.
    let revived = run(&["queue", "--store", store, "retry", "1"]);
    let words = words_of(&revived);
    assert_eq!(words.len(), 2, "{revived:?}");
    assert_eq!(
        (words[0][0], &words[0][5..]),
        ("3", &["(was", "1)"][..]),
        "{words:?}"
    );
    assert_eq!(
        (words[1][0], &words[1][5..]),
        ("4", &["(was", "2)", "(waits", "for", "3)"][..]),
        "{words:?}"
    );
    let discarded = run(&["queue", "--store", store, "discard", "3"]);
    discarded.success();
    let last = run(&["queue", "--store", store, "ls"]);
    for ended in [synced, listed, retried, behind, revived, discarded, last] {
        for line in ended.out.iter().chain(&ended.err) {
            assert!(!holds_an_id(line), "{ended:?}");
        }
    }
    let in_json = list(store);
    assert!(
        in_json
            .iter()
            .all(|line| line["id"].as_str().unwrap().len() == 36)
    );
}

#[test]
fn a_write_whose_creation_was_given_up_can_only_follow_it_and_no_id_is_told() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    let url = serve.url();
    store_three_writes(&serve, store);
    let both = run(&["queue", "--store", store, "sync", &url]);
    assert!(both.failure(1).contains("retry N"), "{both:?}");
    let discarded = run(&["queue", "--store", store, "discard", "1"]);
    discarded.success();
    let synced = run(&["queue", "--store", store, "sync", &url]);
    assert!(
        synced.failure(1).contains("no retry can help"),
        "{synced:?}"
    );
    let retried = run(&["queue", "--store", store, "retry", "2"]);
    let line = retried.failure(1);
    assert!(
        line.contains("by an action that is gone") && !holds_an_id(line),
        "{line}"
    );
    run(&["queue", "--store", store, "discard", "2"]).success();
}

#[test]
fn giving_a_creation_up_tells_what_is_parked_with_it_and_that_no_retry_helps() {
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    let made = act_offline(&serve, store, &["create", "customers", "{}"]).json();
    let id = made["id"].as_str().unwrap();
    act_offline(&serve, store, &["update", "customers", id, r#"{"a":1}"#]);
    act_offline(&serve, store, &["delete", "customers", "other"]);
    let discarded = run(&["queue", "--store", store, "discard", "1", "--json"]);
    let lines = discarded.success().iter();
    let said: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|line: Value| json!([line["number"], line["state"]]))
        .collect();
    assert_eq!(said, [json!([1, "gone"]), json!([2, "parked"])]);
    let synced = run(&["queue", "--store", store, "sync", &serve.url()]);
    let line = synced.failure(1);
    assert!(
        line.contains("action 2 waits for a decision: no retry can help"),
        "{line}"
    );
    run(&["queue", "--store", store, "retry", "2"]).failure(1);
}
