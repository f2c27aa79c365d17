//! What clients see over a real socket.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use tidewire_server::{Fact, News, Origins, PublishError, Server, SqliteBackend};
use tokio_tungstenite::tungstenite::Error;

use crate::raw::{Listening, Raw, SUBPROTOCOL, action, hello};
use crate::support::*;

async fn listening() -> (tempfile::TempDir, Listening) {
    let directory = tempfile::tempdir().unwrap();
    let listening = Listening::on_file(&directory.path().join("app.db")).await;
    (directory, listening)
}

#[tokio::test]
async fn a_client_gets_the_snapshot_and_then_every_commit() {
    let (_directory, listening) = listening().await;
    listening
        .server
        .publish(vec![create("c", "1", r#"{"n":1}"#)])
        .await
        .unwrap();
    let (mut client, welcome) = Raw::join(&listening, "one", 1).await;
    assert_eq!(
        (&welcome["principal"], &welcome["limits"]["max_frame"]),
        (&json!("anonymous"), &json!(65536))
    );
    let subscribed = client.subscribe("c", "snapshot", None).await;
    assert_eq!(
        (&subscribed["result"], &subscribed["head"]),
        (&json!("snapshot"), &json!(1))
    );
    let part = client.expect("SNAPSHOT").await;
    assert_eq!(
        part["rows"],
        json!([{"entity": {"n": 1, "id": "1"}, "version": 1}])
    );
    let end = client.expect("SNAPSHOT_END").await;
    assert_eq!((&end["as_of"], &end["count"]), (&json!(1), &json!(1)));

    listening
        .server
        .publish(vec![update("c", "1", r#"{"n":2}"#), create("c", "2", "{}")])
        .await
        .unwrap();
    let events = client.expect("EVENTS").await;
    assert_eq!((&events["from"], &events["to"]), (&json!(1), &json!(2)));
    let kinds: Vec<_> = events["ops"]
        .as_array()
        .unwrap()
        .iter()
        .map(|op| op["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["ENTITY_UPDATED", "ENTITY_CREATED"]);
    listening
        .server
        .publish(vec![delete("c", "1")])
        .await
        .unwrap();
    let events = client.expect("EVENTS").await;
    assert_eq!(
        (&events["to"], &events["ops"][0]["type"]),
        (&json!(3), &json!("ENTITY_DELETED"))
    );
    listening.stop().await;
}

#[tokio::test]
async fn a_write_of_one_client_is_answered_and_seen_by_the_other() {
    let (_directory, listening) = listening().await;
    let (mut writer, _) = Raw::join(&listening, "writer", 1).await;
    let (mut reader, _) = Raw::join(&listening, "reader", 1).await;
    let subscribed = reader.subscribe("c", "changes", None).await;
    let as_of = json!({"c": {"epoch": subscribed["epoch"], "offset": 1}});

    writer
        .send(&action(
            1,
            "create",
            "c",
            Some("tmp_x"),
            &json!({"entity": {"name": "A"}}),
        ))
        .await;
    let ack = writer.expect("ACK").await;
    assert_eq!((&ack["result"], &ack["as_of"]), (&json!("applied"), &as_of));
    let made = ack["replaced"]["tmp_x"].as_str().unwrap();
    let events = reader.expect("EVENTS").await;
    assert_eq!(events["ops"][0]["entity"], json!({"name": "A", "id": made}));
    assert_eq!(events["actions"][0]["id"], ack["id"]);

    // The same number again has no effect, and the same answer.
    writer
        .send(&action(
            1,
            "create",
            "c",
            Some("tmp_x"),
            &json!({"entity": {"name": "A"}}),
        ))
        .await;
    let again = writer.expect("ACK").await;
    assert_eq!(
        (&again["result"], &again["replaced"]),
        (&json!("duplicate"), &ack["replaced"])
    );

    writer
        .send(&action(
            2,
            "update",
            "c",
            Some("none"),
            &json!({"changes": {"n": 1}}),
        ))
        .await;
    let reject = writer.expect("REJECT").await;
    assert_eq!(
        (&reject["class"], &reject["code"]),
        (&json!("permanent"), &json!("not_found"))
    );
    writer
        .send(&action(3, "delete", "c", Some(made), &json!({})))
        .await;
    assert_eq!(writer.expect("ACK").await["as_of"]["c"]["offset"], 2);
    let events = reader.expect("EVENTS").await;
    assert_eq!(
        (&events["from"], &events["ops"][0]["was"]["name"]),
        (&json!(1), &json!("A"))
    );
    listening.stop().await;
}

#[tokio::test]
async fn after_a_restart_on_the_same_file_a_client_resumes_and_misses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let first = Listening::on_file(&path).await;
    first
        .server
        .publish(vec![create("c", "1", "{}")])
        .await
        .unwrap();
    let (mut client, _) = Raw::join(&first, "one", 1).await;
    let before = client.subscribe("c", "snapshot", None).await;
    client.until("SNAPSHOT_END").await;
    client
        .send(&action(
            1,
            "create",
            "c",
            Some("mine"),
            &json!({"entity": {}}),
        ))
        .await;
    client.until("ACK").await;
    first.stop().await;
    assert_eq!(client.until_closed().await, 4200);

    let second = Listening::on_file(&path).await;
    second
        .server
        .publish(vec![create("c", "2", "{}")])
        .await
        .unwrap();
    let (mut client, welcome) = Raw::join(&second, "one", 2).await;
    assert_eq!(welcome["last_seq"], json!({"main": 1}));
    let place = json!({"epoch": before["epoch"], "offset": 1, "view": before["view"]});
    let after = client.subscribe("c", "snapshot", Some(place)).await;
    assert_eq!(
        (&after["result"], &after["epoch"]),
        (&json!("resumed"), &before["epoch"])
    );
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let events = client.expect("EVENTS").await;
        seen.extend(
            events["ops"]
                .as_array()
                .unwrap()
                .iter()
                .map(|op| op["entity"]["id"].clone()),
        );
    }
    assert_eq!(seen, ["mine", "2"]);
    second.stop().await;
}

#[tokio::test]
async fn a_page_is_fetched_with_its_total() {
    let (_directory, listening) = listening().await;
    let entities = (0..5)
        .map(|n| create("c", &n.to_string(), &format!(r#"{{"n":{}}}"#, n % 3)))
        .collect();
    listening.server.publish(entities).await.unwrap();
    let (mut client, _) = Raw::join(&listening, "one", 1).await;
    client.send(&json!({"type": "FETCH", "id": 9, "entityType": "c", "query": "sort n desc limit 2 offset 1"})).await;
    let message = client.receive().await;
    assert_eq!(
        (&message["type"], &message["id"]),
        (&json!("DATA"), &json!(9)),
        "{message}"
    );
    let ids: Vec<_> = message["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["entity"]["id"].clone())
        .collect();
    assert_eq!(
        (ids, &message["total_count"], &message["end"]),
        (vec![json!("1"), json!("4")], &json!(5), &json!(false))
    );
    listening.stop().await;
}

#[tokio::test]
async fn a_malformed_frame_ends_its_connection_with_a_reason_and_no_other() {
    let (_directory, listening) = listening().await;
    let (mut bystander, _) = Raw::join(&listening, "bystander", 1).await;
    bystander.subscribe("c", "changes", None).await;
    let wrong = [
        "this is not JSON",
        "[1,2,3]",
        r#"{"no":"type"}"#,
        r#"{"type":"SUBSCRIBE","id":1}"#,
        r#"{"type":"NEWS_TO_YOU","critical":true}"#,
        "",
    ];
    for (run, text) in (1..).zip(wrong) {
        let (mut client, _) = Raw::join(&listening, "wrong", run).await;
        client.send_text(text).await;
        let bye = client.expect("BYE").await;
        let (code, reason) = client.closed().await;
        assert!(
            (4000..4100).contains(&code) && bye["code"] == code && !reason.is_empty(),
            "{text}: {code} {reason}"
        );
    }
    let (mut client, _) = Raw::join(&listening, "binary", 1).await;
    client.send_bytes(&[0xff, 0x00]).await;
    client.expect("BYE").await;
    assert_eq!(client.closed().await.0, 4000);

    listening
        .server
        .publish(vec![create("c", "1", "{}")])
        .await
        .unwrap();
    bystander.expect("EVENTS").await;
    assert_eq!(
        listening.server.stats().await.hub.malformed,
        wrong.len() as u64 + 1
    );
    listening.stop().await;
}

#[tokio::test]
async fn a_frame_beyond_the_limit_is_refused_before_it_is_taken_in() {
    let (_directory, listening) = listening().await;
    let (mut client, _) = Raw::join(&listening, "large", 1).await;
    let payload = "x".repeat(70_000);
    client
        .send(&action(
            1,
            "create",
            "c",
            Some("1"),
            &json!({"entity": {"text": payload}}),
        ))
        .await;
    let (code, reason) = client.closed().await;
    assert_eq!(code, 4000, "{reason}");
    assert!(reason.contains("65536"), "{reason}");
    let facts = listening.server.stats().await;
    assert_eq!(facts.hub.commits, 0);
    listening.stop().await;
}

#[tokio::test]
async fn who_says_no_hello_in_time_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(directory.path().join("app.db")).unwrap();
    let builder =
        Server::builder(backend).settings(|settings| settings.limits.hello_within_ms = 20);
    let listening = Listening::of(builder.start().await.unwrap()).await;
    let mut silent = Raw::open(&listening).await;
    let (code, _) = silent.closed().await;
    assert_eq!(code, 4001);
    let mut hasty = Raw::open(&listening).await;
    hasty
        .send(&json!({"type": "SUBSCRIBE", "id": 1, "entityType": "c", "want": "changes"}))
        .await;
    assert_eq!(hasty.closed().await.0, 4001);
    listening.stop().await;
}

#[tokio::test]
async fn a_request_without_our_subprotocol_or_from_a_foreign_page_is_refused_in_words() {
    let (_directory, listening) = listening().await;
    let offered = ("sec-websocket-protocol", SUBPROTOCOL);
    for (headers, status, word) in [
        (vec![], 400, SUBPROTOCOL),
        (
            vec![("sec-websocket-protocol", "graphql-ws, soap")],
            400,
            SUBPROTOCOL,
        ),
        (
            vec![offered, ("origin", "https://evil.example")],
            403,
            "origin",
        ),
    ] {
        let Err(Error::Http(response)) = Raw::open_with(&listening, &headers).await else {
            panic!("{headers:?} must be refused")
        };
        let text = String::from_utf8(response.body().clone().unwrap_or_default()).unwrap();
        assert_eq!(response.status(), status, "{headers:?}");
        assert!(text.contains(word), "{headers:?}: {text}");
    }
    let same = format!("http://{}", listening.address);
    for headers in [
        vec![offered, ("origin", same.as_str())],
        vec![
            ("sec-websocket-protocol", "soap, tidewire.v1.json"),
            ("origin", "http://localhost:3000"),
        ],
    ] {
        Raw::open_with(&listening, &headers).await.unwrap();
    }
    listening.stop().await;
}

#[tokio::test]
async fn the_application_decides_who_is_who() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(directory.path().join("app.db")).unwrap();
    let server = Server::builder(backend)
        .origins(Origins::Any)
        .authenticate(
            |token: Option<String>, _client: tidewire_server::ClientInfo| async move {
                match token.as_deref() {
                    Some("secret") => Ok(tidewire_server::Principal::named("ada")),
                    Some("bug") => panic!("the application's own mistake"),
                    _ => Err(tidewire_server::Refused {
                        class: tidewire_protocol::Class::Auth,
                        code: "token".to_owned(),
                        message: "the token is not known".to_owned(),
                    }),
                }
            },
        )
        .start()
        .await
        .unwrap();
    let listening = Listening::of(server).await;
    for (token, code) in [("wrong", 4004), ("bug", 4100)] {
        let mut client = Raw::open(&listening).await;
        let mut message = hello("one", 1);
        message["token"] = json!(token);
        client.send(&message).await;
        client.expect("BYE").await;
        let closed = client.closed().await;
        assert_eq!(closed.0 / 100, code / 100, "{token}: {closed:?}");
    }
    let mut client = Raw::open(&listening).await;
    let mut message = hello("one", 1);
    message["token"] = json!("secret");
    client.send(&message).await;
    assert_eq!(client.expect("WELCOME").await["principal"], "ada");
    listening.stop().await;
}

#[tokio::test]
async fn facts_tell_who_comes_goes_and_writes() {
    let (_directory, listening) = listening().await;
    let mut facts = listening.server.facts().await;
    let (mut client, _) = Raw::join(&listening, "one", 1).await;
    client
        .send(&action(1, "create", "c", Some("1"), &json!({"entity": {}})))
        .await;
    client.expect("ACK").await;
    client
        .send(&action(2, "create", "c", Some("1"), &json!({"entity": {}})))
        .await;
    client.expect("REJECT").await;
    drop(client);
    let mut told = Vec::new();
    while told.len() < 4 {
        let Some(News::Fact(fact)) = facts.next().await else {
            panic!("nothing is missed here")
        };
        told.push(match &*fact {
            Fact::ClientCame { client, .. } => format!("came {}", client.id),
            Fact::ClientGone { .. } => "gone".to_owned(),
            Fact::ActionAccepted { name, .. } => format!("accepted {name}"),
            Fact::ActionRefused { code, .. } => format!("refused {code}"),
            other => format!("{other:?}"),
        });
    }
    assert_eq!(
        told,
        ["came one", "accepted create", "refused exists", "gone"]
    );
    let stats = listening.server.stats().await;
    assert_eq!(
        (stats.sockets, stats.hub.clients, stats.hub.commits),
        (0, 0, 1)
    );
    assert_eq!(
        (stats.hub.actions_accepted, stats.hub.actions_refused),
        (1, 1)
    );
    let server = listening.server.clone();
    listening.stop().await;
    assert_eq!(facts.next().await, None);
    assert_eq!(server.facts().await.next().await, None);
}

#[tokio::test]
async fn the_application_hears_what_became_of_its_writes() {
    let (_directory, listening) = listening().await;
    let server = &listening.server;
    let commit = server
        .publish(vec![create("c", "1", "{}")])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(commit.streams[0].to, offset(1));
    assert_eq!(
        server.publish(vec![update("c", "1", "{}")]).await.unwrap(),
        None
    );
    let refused = server
        .publish(vec![create("c", "2", "{}"), create("c", "1", "{}")])
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, PublishError::Refused(refused) if refused.code == "exists"),
        "{refused}"
    );
    let after = server.clone();
    listening.stop().await;
    assert_eq!(
        after
            .publish(vec![create("c", "3", "{}")])
            .await
            .unwrap_err(),
        PublishError::Draining
    );
    assert_eq!(after.stats().await.hub.commits, 1);
}

#[tokio::test]
async fn draining_tells_everybody_and_lets_nobody_new_in() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(directory.path().join("app.db")).unwrap();
    let builder = Server::builder(backend).settings(|settings| settings.reconnect_jitter_ms = 50);
    let listening = Listening::of(builder.start().await.unwrap()).await;
    let (mut client, _) = Raw::join(&listening, "one", 1).await;
    let server = listening.server.clone();
    let drained = tokio::spawn(async move { server.drain(Duration::from_millis(200)).await });
    assert_eq!(client.expect("DRAIN").await["in_ms"], 200);
    let mut late = Raw::open(&listening).await;
    assert_eq!(late.closed().await.0, 4200);
    assert_eq!(client.closed().await.0, 4200);
    drained.await.unwrap();
    assert_eq!(listening.server.stats().await.hub.connections, 0);
    listening.stop().await;
}

#[tokio::test]
async fn a_closed_server_lets_go_of_its_file_and_of_every_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let listening = Listening::on_file(&path).await;
    let (mut client, _) = Raw::join(&listening, "one", 1).await;
    client.subscribe("c", "snapshot", None).await;
    client.until("SNAPSHOT_END").await;
    let silent = Raw::open(&listening).await;
    let server = listening.server.clone();
    listening.stop().await;
    drop(SqliteBackend::open(&path).unwrap());
    assert_eq!(client.closed().await.0, 4200);
    // A route that was kept says so.
    let late = Listening::of(server).await;
    let Err(Error::Http(response)) =
        Raw::open_with(&late, &[("sec-websocket-protocol", SUBPROTOCOL)]).await
    else {
        panic!("a server that has stopped lets nobody in")
    };
    assert_eq!(response.status(), 503);
    let mut rest = silent.into_inner();
    while let Some(Ok(_)) = rest.next().await {}
}
