//! Servers of another dialect, or at another path: what is advised fits the command that was typed.

use crate::support::foreign::{BasicServer, FastServer};
use crate::support::program::{Program, run};
use crate::support::serve::Serve;

/// The one line on standard error of a command that fails.
fn line_of(arguments: &[&str]) -> String {
    run(arguments).failure(1).to_owned()
}

#[test]
fn a_write_to_a_basic_server_is_told_what_is_wrong_and_not_to_start_the_server() {
    let server = FastServer::start();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let store = store.to_str().unwrap();
    let url = server.url();
    let words = ["act", &url, "delete", "customers", "a"];
    for arguments in [
        &words[..],
        &[&words[..], &["--store", store]].concat(),
        &["queue", "--store", store, "sync", &url],
    ] {
        let line = line_of(arguments);
        assert!(
            line.contains("does not speak tidewire.v1.json") && line.contains("check the address"),
            "{line}"
        );
        assert!(
            !line.contains("dialect") && !line.to_lowercase().contains("start the server"),
            "{line}"
        );
    }
}

#[test]
fn a_path_without_a_websocket_is_what_is_wrong_and_the_server_need_not_be_started() {
    let serve = Serve::start();
    let url = format!("ws://{}/elsewhere", serve.address());
    let line = line_of(&["act", &url, "delete", "customers", "a"]);
    assert!(
        line.contains("no WebSocket at this path") && line.contains("/live"),
        "{line}"
    );
    assert!(!line.to_lowercase().contains("start the server"), "{line}");
    let line = line_of(&["act", "ws://127.0.0.1:1/live", "delete", "customers", "a"]);
    assert!(line.contains("start the server"), "{line}");
}

#[test]
fn a_watch_in_the_wrong_dialect_is_told_which_option_to_add_or_to_leave_out() {
    let basic = FastServer::start();
    let line = line_of(&["watch", &basic.url(), "customers"]);
    assert!(line.contains("add --dialect basic"), "{line}");
    let serve = Serve::start();
    let words = ["watch", &serve.url(), "customers", "--dialect", "basic"];
    assert!(line_of(&words).contains("leave --dialect basic out"));
}

#[test]
fn a_table_too_says_on_standard_error_why_there_is_no_connection_each_reason_once() {
    let watch = Program::start(&["watch", "ws://nobody.invalid/live", "customers"]);
    let mut attempts = 0;
    while attempts < 3 {
        attempts += usize::from(watch.line().contains("· offline ·"));
    }
    let line = watch.error_line();
    assert!(line.contains("nobody.invalid"), "{line}");
    #[cfg(unix)]
    {
        watch.terminate();
        assert_eq!(watch.ended().err, [""; 0]);
    }
}

#[test]
fn faults_of_different_kinds_are_told_apart() {
    let mut server = FastServer::start();
    let url = server.url();
    let watch = Program::start(&["watch", &url, "customers", "--dialect", "basic", "--json"]);
    server.heard();
    let faults = [
        ("this is no JSON", "none"),
        ("[]", "another kind of value"),
        (
            r#"{"type":"ENTITY_CREATED","data":{"entityType":"customers","entity":{"name":"x"}}}"#,
            "id",
        ),
    ];
    for (frame, _) in faults {
        server.say(frame);
    }
    for (frame, fault) in faults {
        let line = watch.error_line();
        assert!(
            line.contains("makes no sense") && line.contains(fault),
            "{frame}: {line}"
        );
    }
}

#[test]
fn a_peer_that_words_its_nonsense_anew_each_time_fills_nobodys_screen() {
    let mut server = FastServer::start();
    let url = server.url();
    let watch = Program::start(&["watch", &url, "customers", "--dialect", "basic", "--json"]);
    server.heard();
    for number in 0..2_000 {
        server.say(&format!(
            r#"{{"type":"ENTITY_CREATED","data":{{"entityType":"customers","entity":{{"id":[{number}],"x{number}":{{}}}}}}}}"#
        ));
        server.say(&format!("{{\"a\":1{}nonsense", " ".repeat(number)));
    }
    let mut told = 1;
    while !watch.error_line().contains("more like it") {
        told += 1;
    }
    assert!(told < 100, "{told}");
}
