//! The basic dialect with servers that are not ours, byte for byte.

use tidewire::{Client, Dialects, Record};

use crate::support::foreign::{BasicServer, FastServer};
use crate::support::lacking;
use crate::support::python::PythonServer;
use crate::support::serve::{fields, ids, watch};

const SUBSCRIBE: &str = r#"{"type":"SUBSCRIBE","entityType":"customers"}"#;

/// The whole of the dialect, as a server speaks it that knows nothing of tidewire.
fn speaks_basic(server: &mut dyn BasicServer) {
    let watch = watch(&server.url(), "customers", &["--dialect", "basic"]);
    assert_eq!(server.heard(), SUBSCRIBE);

    server.say(r#"{"type":"ENTITY_CREATED","data":{"entityType":"customers","entity":{"id":"c1","name":"A","version":1}}}"#);
    let page = watch.find("the creation", |page| ids(page) == ["c1"]);
    // More may be there than the pushes have shown.
    assert_eq!(page["total_exact"], false);
    assert_eq!(
        (&page["status"], &page["trust"]),
        (&"live".into(), &"fresh".into())
    );
    assert_eq!(
        (&page["items"][0]["name"], &page["items"][0]["_version"]),
        (&"A".into(), &1.into())
    );

    server.say(r#"{"type":"ENTITY_UPDATED","data":{"entityType":"customers","entityId":"c1","changes":{"name":"B"},"version":2}}"#);
    watch.find("the update", |page| {
        page["items"][0]["name"] == "B" && page["items"][0]["_version"] == 2
    });

    server.say(r#"{"type":"ENTITY_CREATED","data":{"entityType":"customers","entity":{"id":2,"name":"Z","version":1}}}"#);
    watch.find("a second", |page| {
        page["items"].as_array().unwrap().len() == 2
    });

    // One bulk update is one step.
    server.say(r#"{"type":"BULK_UPDATE","data":{"entityType":"customers","updates":[{"entityId":"c1","changes":{"name":"C"},"version":3},{"entityId":2,"changes":{"name":"Y"},"version":2}]}}"#);
    let pages = watch.until("the bulk update", |page| fields(page, "name") == ["Y", "C"]);
    assert!(
        pages[..pages.len() - 1]
            .iter()
            .all(|page| fields(page, "name") == ["Z", "B"]),
        "{pages:?}"
    );

    server.say(r#"{"type":"ENTITY_DELETED","data":{"entityType":"customers","entityId":"c1"}}"#);
    watch.find("the deletion", |page| fields(page, "id") == [2]);

    // A missing version means "newer than what is known".
    server.say(r#"{"type":"ENTITY_UPDATED","data":{"entityType":"customers","entityId":2,"changes":{"name":"X"}}}"#);
    watch.find("an update without a version", |page| {
        fields(page, "name") == ["X"] && page["trust"] == "fresh"
    });

    // Any bulk that cannot be applied leaves what is shown, marked.
    server.say(r#"{"type":"BULK_UPDATE","data":{"entityType":"customers","updates":[{"entityId":2,"changes":{"name":"V"}}]}}"#);
    let page = watch.find("the mark", |page| page["trust"] == "stale");
    assert_eq!(fields(&page, "name"), ["X"]);

    // An update creates nothing, and brings nothing back.
    for unknown in ["c1", "c9"] {
        server.say(&format!(r#"{{"type":"ENTITY_UPDATED","data":{{"entityType":"customers","entityId":"{unknown}","changes":{{"name":"no"}},"version":9}}}}"#));
    }
    server.say(
        r#"{"type":"ENTITY_DELETED","data":{"entityType":"customers","entityId":2,"version":4}}"#,
    );
    let pages = watch.until("a deletion with a version", |page| ids(page).is_empty());
    assert!(
        pages[..pages.len() - 1]
            .iter()
            .all(|page| fields(page, "id") == [2]),
        "{pages:?}"
    );
    server.say(r#"{"type":"ENTITY_CREATED","data":{"entityType":"customers","entity":{"id":"c1","name":"D","version":9}}}"#);
    watch.find("what was deleted to be created again", |page| {
        ids(page) == ["c1"]
    });

    // A new connection is told again what is wanted.
    server.cut();
    watch.find("to be offline", |page| page["status"] == "offline");
    assert_eq!(server.heard(), SUBSCRIBE);
    server.say(r#"{"type":"ENTITY_UPDATED","data":{"entityType":"customers","entityId":"c1","changes":{"name":"F"},"version":10}}"#);
    watch.find("what came after", |page| {
        page["status"] == "live" && fields(page, "name") == ["F"]
    });
}

/// What an application that drops its last handle says.
fn hears_the_end_of_interest(server: &dyn BasicServer) {
    let client = Client::builder(server.url())
        .dialect(Dialects::Basic)
        .start()
        .unwrap();
    let customers = client
        .collection::<Record>("customers")
        .pushes_only()
        .build()
        .unwrap();
    let list = customers.query().live();
    assert_eq!(server.heard(), SUBSCRIBE);
    drop((list, customers));
    assert_eq!(
        server.heard(),
        r#"{"type":"UNSUBSCRIBE","entityType":"customers"}"#
    );
    drop(client);
}

/// What makes no sense is skipped, and what follows counts.
fn skips_nonsense(server: &mut dyn BasicServer) {
    let watch = watch(&server.url(), "customers", &["--dialect", "basic"]);
    server.heard();
    let nonsense = [
        "this is no JSON",
        "[]",
        "null",
        r#"{"type":"ENTITY_CREATED"}"#,
        r#"{"type":"ENTITY_CREATED","data":{"entityType":"customers","entity":{"name":"no id"}}}"#,
        r#"{"type":"ENTITY_UPDATED","data":{"entityType":"customers","entityId":[],"changes":{}}}"#,
        r#"{"type":"ENTITY_UPDATED","data":{"entityType":"customers","entityId":"c1","changes":"x","version":9}}"#,
        r#"{"type":"SOMETHING_ELSE","data":{"entityType":"customers"}}"#,
        r#"{"type":"ENTITY_CREATED","data":{"entityType":"orders","entity":{"id":"o1","version":1}}}"#,
    ];
    for frame in nonsense {
        server.say(frame);
    }
    server.say(r#"{"type":"ENTITY_CREATED","data":{"entityType":"customers","entity":{"id":"c1","name":"A","version":1}}}"#);
    let pages = watch.until("what followed", |page| ids(page) == ["c1"]);
    let connected = pages.iter().skip_while(|page| page["status"] != "live");
    assert!(
        connected.clone().count() > 0 && connected.clone().all(|page| page["status"] == "live"),
        "{pages:?}"
    );
    assert!(watch.error_line().contains("makes no sense"));
}

#[test]
fn a_server_on_another_rust_stack_speaks_the_basic_dialect_to_the_client() {
    speaks_basic(&mut FastServer::start());
}

#[test]
fn a_server_on_python_websockets_speaks_the_basic_dialect_to_the_client() {
    match PythonServer::start() {
        Some(mut server) => speaks_basic(&mut server),
        None => lacking("TIDEWIRE_PYTHON, an interpreter with the package websockets,"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_last_handle_goes_a_basic_server_is_told_that_nothing_is_wanted_any_more() {
    tokio::task::block_in_place(|| {
        let fast = FastServer::start();
        hears_the_end_of_interest(&fast);
        if let Some(python) = PythonServer::start() {
            hears_the_end_of_interest(&python);
        }
    });
}

#[test]
fn a_basic_frame_that_makes_no_sense_is_skipped_and_the_rest_goes_on() {
    skips_nonsense(&mut FastServer::start());
    if let Some(mut server) = PythonServer::start() {
        skips_nonsense(&mut server);
    }
}

#[test]
fn in_the_basic_dialect_an_older_version_changes_nothing() {
    let mut server = FastServer::start();
    let watch = watch(&server.url(), "customers", &["--dialect", "basic"]);
    server.heard();
    server.say(r#"{"type":"ENTITY_CREATED","data":{"entityType":"customers","entity":{"id":"c1","name":"A","version":5}}}"#);
    server.say(r#"{"type":"ENTITY_UPDATED","data":{"entityType":"customers","entityId":"c1","changes":{"name":"old"},"version":4}}"#);
    server.say(r#"{"type":"ENTITY_UPDATED","data":{"entityType":"customers","entityId":"c1","changes":{"city":"Rom"},"version":6}}"#);
    let pages = watch.until("the newer change", |page| page["items"][0]["city"] == "Rom");
    assert!(
        pages.iter().all(|page| page["items"][0]["name"] != "old"),
        "{pages:?}"
    );
    assert_eq!(pages.last().unwrap()["items"][0]["name"], "A");
}

#[test]
fn a_flood_of_frames_that_make_no_sense_is_counted_and_not_told_one_by_one() {
    let mut server = FastServer::start();
    let watch = watch(&server.url(), "customers", &["--dialect", "basic"]);
    server.heard();
    for _ in 0..10_000 {
        server.say("this is no JSON");
    }
    server.say(r#"{"type":"ENTITY_CREATED","data":{"entityType":"customers","entity":{"id":"c1","version":1}}}"#);
    watch.find("what followed", |page| ids(page) == ["c1"]);
    assert!(watch.error_line().contains("makes no sense"));
    let mut told = 1;
    while !watch.error_line().contains("more like it") {
        told += 1;
    }
    assert!(told < 20, "{told}");
}
