//! Peers that do not read: they hold up nobody, and nothing grows for them.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use serde_json::{Value as Json, json};
use tidewire_server::{Server, SqliteBackend};

use crate::raw::{Listening, Raw, action};
use crate::support::*;

const COMMITS: u64 = 10_000;
const AT_ONCE: usize = 256;
const ENTITIES: u64 = 100;

fn write(number: u64) -> tidewire_server::Write {
    let text = "x".repeat(600);
    put(
        "c",
        &(number % ENTITIES).to_string(),
        &format!(r#"{{"number":{number},"text":"{text}"}}"#),
    )
}

/// What a client knows from its frames.
#[derive(Default)]
struct Known {
    received: u64,
    frames: u64,
    numbers: BTreeMap<String, u64>,
}

impl Known {
    fn take(&mut self, message: &Json) {
        assert_eq!(message["type"], "EVENTS", "{message}");
        assert_eq!(message["from"], self.received, "no gap and no repeat");
        self.received = message["to"].as_u64().unwrap();
        self.frames += 1;
        for op in message["ops"].as_array().unwrap() {
            let (entity, fields) = match op["type"].as_str().unwrap() {
                "ENTITY_CREATED" => (op["entity"]["id"].as_str().unwrap(), &op["entity"]),
                "ENTITY_UPDATED" => (op["entityId"].as_str().unwrap(), &op["changes"]),
                other => panic!("{other} was not written"),
            };
            self.numbers
                .insert(entity.to_owned(), fields["number"].as_u64().unwrap());
        }
    }
}

/// What the server holds, as a new client gets it.
async fn truth(listening: &Listening) -> BTreeMap<String, u64> {
    let (mut client, _) = Raw::join(listening, "late", 1).await;
    client.subscribe("c", "snapshot", None).await;
    let (parts, _) = client.until("SNAPSHOT_END").await;
    let rows = parts
        .iter()
        .flat_map(|part| part["rows"].as_array().unwrap());
    rows.map(|row| {
        let entity = &row["entity"];
        (
            entity["id"].as_str().unwrap().to_owned(),
            entity["number"].as_u64().unwrap(),
        )
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stops_reading_holds_up_nobody_and_grows_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(directory.path().join("app.db")).unwrap();
    let mut bound = 0;
    let builder = Server::builder(backend).settings(|settings| {
        settings.log_bytes = 2 * 1024 * 1024;
        // What waits for a connection, and what is with its socket: a window, and one frame beyond it.
        bound =
            (settings.limits.outbound_bytes + settings.window_bytes + settings.chunk_bytes) as u64;
    });
    let listening = Listening::of(builder.start().await.unwrap()).await;
    let (mut stalled, _) = Raw::join(&listening, "stalled", 1).await;
    stalled.subscribe("c", "changes", None).await;
    let (mut reader, _) = Raw::join(&listening, "reader", 1).await;
    reader.subscribe("c", "changes", None).await;
    let reading = tokio::spawn(async move {
        let mut known = Known::default();
        while known.received < COMMITS {
            known.take(&reader.receive().await);
        }
        known
    });

    let server = &listening.server;
    let publish =
        |number| async move { server.publish(vec![write(number)]).await.unwrap().unwrap() };
    let mut commits = futures_util::stream::iter(0..COMMITS)
        .map(publish)
        .buffer_unordered(AT_ONCE);
    let mut done = 0u64;
    while commits.next().await.is_some() {
        done += 1;
        if done.is_multiple_of(500) {
            let stats = server.stats().await;
            assert!(
                stats.in_hand_bytes + stats.hub.waiting_bytes <= 2 * bound,
                "{stats:?}"
            );
            assert!(stats.hub.log_bytes <= 3 * 1024 * 1024, "{stats:?}");
        }
    }
    drop(commits);
    let known = reading.await.unwrap();
    assert_eq!(
        known.numbers,
        truth(&listening).await,
        "the reader has everything"
    );

    // The stalled peer wakes up: it was never lied to, and learns what to do.
    let mut known = Known::default();
    loop {
        let message = stalled.receive().await;
        if message["type"] == "UNSUBSCRIBED" {
            assert_eq!(message["resubscribe"], true, "{message}");
            break;
        }
        known.take(&message);
        if known.received == COMMITS {
            break;
        }
    }
    assert!(
        known.frames < COMMITS / 2,
        "the peer was not sent every commit: {}",
        known.frames
    );
    listening.stop().await;
}

#[tokio::test]
async fn a_peer_that_asks_and_never_reads_is_not_answered_without_end() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(directory.path().join("app.db")).unwrap();
    let mut bound = 0;
    let builder = Server::builder(backend).settings(|settings| {
        settings.limits.commands_per_second = 1_000_000;
        settings.limits.command_burst = 1_000_000;
        bound = (settings.limits.outbound_bytes
            + settings.answer_bytes
            + settings.window_bytes
            + settings.chunk_bytes) as u64;
    });
    let listening = Listening::of(builder.start().await.unwrap()).await;
    listening
        .server
        .publish((0..ENTITIES).map(write).collect())
        .await
        .unwrap();
    let (mut asker, _) = Raw::join(&listening, "asker", 1).await;
    for id in 0..2000 {
        asker
            .send(&json!({"type": "FETCH", "id": id, "entityType": "c", "query": "limit 100"}))
            .await;
    }
    let (mut other, _) = Raw::join(&listening, "other", 1).await;
    other
        .send(&action(1, "create", "d", Some("1"), &json!({"entity": {}})))
        .await;
    other.expect("ACK").await;
    let stats = listening.server.stats().await;
    assert!(
        stats.in_hand_bytes + stats.hub.waiting_bytes + stats.hub.answer_bytes <= bound,
        "{stats:?}"
    );
    listening.stop().await;
}
