//! What a peer or a file says never steers the terminal it is shown on.

use serde_json::{Value, json};

use crate::support::foreign::{BasicServer, FastServer};
use crate::support::program::{Program, run};
use crate::support::serve::{Serve, act, watch};

/// Letters that steer a terminal or cannot be seen, in JSON and as they are.
const NASTY: &str = r"\u001b[31m\u009b2J\u202e\u2066\u2069\u200e\u200f\u2028\u2029\ufeff\u200b\u200d\u00ad\udb40\udc41";

fn is_harmless(line: &str) -> bool {
    let unseen = "\u{202e}\u{2066}\u{2069}\u{200e}\u{200f}\u{2028}\u{2029}\u{feff}\u{200b}\u{200d}\u{ad}\u{e0041}";
    !line
        .chars()
        .any(|letter| letter.is_control() || unseen.contains(letter))
}

fn nasty() -> String {
    serde_json::from_str(&format!("\"{NASTY}\"")).unwrap()
}

#[test]
fn neither_table_nor_json_hands_on_what_steers_a_terminal_and_json_keeps_the_value() {
    let serve = Serve::start();
    let fields = format!(r#"{{"id":"c1","note":"{NASTY}","{NASTY}":1}}"#);
    serve.act(&["create", "customers", &fields]);
    let json = Program::start(&["watch", &serve.url(), "customers", "--json"]);
    let line = loop {
        let line = json.line();
        if line.contains("c1") {
            break line;
        }
    };
    assert!(is_harmless(&line), "{line:?}");
    let page: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(page["items"][0]["note"], nasty());
    assert_eq!(page["items"][0][nasty()], 1);

    let table = Program::start(&["watch", &serve.url(), "customers"]);
    loop {
        let line = table.line();
        assert!(is_harmless(&line), "{line:?}");
        if line.contains("c1") {
            break;
        }
    }
}

#[test]
fn what_a_server_refuses_with_or_says_in_its_frames_is_shown_harmless() {
    let mut server = FastServer::start();
    let watch = watch(&server.url(), "customers", &["--dialect", "basic"]);
    server.heard();
    let nasty = nasty();
    server.say(&format!(
        r#"{{"type":"ENTITY_CREATED","data":{{"entityType":"customers","entity":{{"id":["{nasty}"]}}}}}}"#
    ));
    server.say(&format!("{nasty} is no JSON"));
    for _ in 0..2 {
        let line = watch.error_line();
        assert!(is_harmless(&line), "{line:?}");
    }

    // An id of the user's own comes back in the server's words, and stands in the store.
    let serve = Serve::start();
    let store = serve.path("store");
    let store = store.to_str().unwrap();
    let id = "c\u{202e}1";
    let words = ["update", "customers", id, "{\"a\":1}", "--store", store];
    let ended = act(&serve.url(), &words);
    assert!(is_harmless(ended.failure(1)), "{ended:?}");
    assert!(is_harmless(&ended.out[0]), "{ended:?}");
    assert_eq!(ended.json()["id"], json!(id));
    for more in [&[][..], &["--json"]] {
        let listed = run(&[&["queue", "--store", store, "ls"], more].concat());
        assert!(is_harmless(&listed.success()[0]), "{listed:?}");
    }
}
