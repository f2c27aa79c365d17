//! Frames that make no sense, both ways: nothing is lost, nobody else notices.

use crate::support::foreign::close_code_after;
use crate::support::relay::{Manner, Relay};
use crate::support::serve::{Serve, ids, is_live_with, watch};

#[test]
fn a_v1_frame_that_makes_no_sense_costs_the_connection_and_nothing_else() {
    for frame in [
        "this is no JSON",
        "[]",
        r#"{"type":"EVENTS","entityType":"customers","from":"x"}"#,
        r#"{"type":7}"#,
    ] {
        let serve = Serve::start();
        serve.act(&["create", "customers", r#"{"id":"a"}"#]);
        let manner = move |number| match number {
            0 => Manner::Adds {
                after: "SNAPSHOT_END",
                frame,
            },
            _ => Manner::Fair,
        };
        let relay = Relay::start(serve.address(), manner);
        let watch = watch(&relay.url(), "customers", &[]);
        watch.find("the start", |page| is_live_with(page, &["a"]));
        serve.act(&["create", "customers", r#"{"id":"b"}"#]);
        let pages = watch.until("what followed", |page| is_live_with(page, &["a", "b"]));
        for page in pages {
            assert!(
                page["trust"] != "unknown" && ids(&page).contains(&"a"),
                "{frame}: {page}"
            );
        }
        assert!(watch.error_line().contains("makes no sense"), "{frame}");
    }
}

#[test]
fn a_v1_message_of_an_unknown_type_is_ignored() {
    let serve = Serve::start();
    let manner = |_| Manner::Adds {
        after: "SNAPSHOT_END",
        frame: r#"{"type":"SOMETHING_NEW","entityType":"customers","more":[1]}"#,
    };
    let relay = Relay::start(serve.address(), manner);
    let watch = watch(&relay.url(), "customers", &[]);
    watch.find("the start", |page| is_live_with(page, &[]));
    serve.act(&["create", "customers", r#"{"id":"a"}"#]);
    let pages = watch.until("what followed", |page| is_live_with(page, &["a"]));
    assert!(
        pages.iter().all(|page| page["status"] == "live"),
        "{pages:?}"
    );
}

#[test]
fn a_client_that_sends_what_makes_no_sense_is_closed_and_the_others_go_on() {
    let serve = Serve::start();
    let watch = serve.watch("customers", &[]);
    watch.find("the start", |page| is_live_with(page, &[]));
    for frame in ["this is no JSON", "{}", "[[[[", r#"{"type":"SUBSCRIBE"}"#] {
        let code = close_code_after(serve.address(), frame);
        assert!((4000..4100).contains(&code), "{frame}: {code}");
    }
    serve.act(&["create", "customers", r#"{"id":"a"}"#]);
    let pages = watch.until("what followed", |page| is_live_with(page, &["a"]));
    assert!(
        pages.iter().all(|page| page["status"] == "live"),
        "{pages:?}"
    );
}
