//! What is kept in the file, and for how long.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use tidewire_hub::{
    ActionOutcome, Answer, Backend, BackendError, Greeting, Write, WriteOutcome, WriteRequest,
};
use tidewire_model::{EntityId, Lane};
use tidewire_server::{SqliteBackend, SqliteOptions};

use crate::support::*;

fn file() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    (directory, path)
}

#[tokio::test]
async fn epoch_offsets_rows_and_journal_survive_a_restart() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    let first = publish(&backend, vec![create("c", "1", r#"{"n":1}"#)])
        .await
        .unwrap()
        .unwrap();
    let second = publish(&backend, vec![update("c", "1", r#"{"n":2}"#)])
        .await
        .unwrap()
        .unwrap();
    let before = backend.open().await.unwrap();
    let rows_before = rows(&backend, "c").await;
    drop(backend);

    let backend = SqliteBackend::open(&path).unwrap();
    assert_eq!(backend.open().await.unwrap(), before);
    assert_eq!(before.heads, BTreeMap::from([(stream("c"), offset(2))]));
    assert_eq!(rows(&backend, "c").await, rows_before);
    let third = publish(&backend, vec![delete("c", "1")])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(third.streams[0].to, offset(3));
    let journal = backend
        .journal(ASKER, &stream("c"), offset(0), 10)
        .await
        .unwrap();
    assert_eq!(journal, Some(vec![first, second, third]));
}

#[tokio::test]
async fn a_restored_copy_begins_a_new_epoch_that_nobody_resumes_into() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    publish(&backend, vec![create("c", "1", "{}")])
        .await
        .unwrap();
    publish(&backend, vec![create("c", "2", "{}")])
        .await
        .unwrap();
    let before = backend.open().await.unwrap();
    drop(backend);

    let backend = SqliteBackend::open_restored(&path).unwrap();
    let after = backend.open().await.unwrap();
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.heads, before.heads);
    assert_eq!(
        backend
            .journal(ASKER, &stream("c"), offset(1), 10)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        backend
            .journal(ASKER, &stream("c"), offset(2), 10)
            .await
            .unwrap(),
        Some(Vec::new())
    );
    assert_eq!(rows(&backend, "c").await.len(), 2);
    drop(backend);
    assert_eq!(
        SqliteBackend::open(&path).unwrap().open().await.unwrap(),
        after
    );
}

#[tokio::test]
async fn a_commit_over_two_streams_is_whole_in_the_journal_of_each() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    publish(&backend, vec![create("a", "0", "{}")])
        .await
        .unwrap();
    let writes = vec![create("b", "1", "{}"), create("a", "1", r#"{"b":"1"}"#)];
    let commit = publish(&backend, writes).await.unwrap().unwrap();
    let places: Vec<_> = commit
        .streams
        .iter()
        .map(|part| (part.entity_type.as_str(), part.to.get()))
        .collect();
    assert_eq!(places, [("a", 2), ("b", 1)]);
    assert_eq!(
        backend
            .journal(ASKER, &stream("a"), offset(1), 10)
            .await
            .unwrap(),
        Some(vec![commit.clone()])
    );
    assert_eq!(
        backend
            .journal(ASKER, &stream("b"), offset(0), 10)
            .await
            .unwrap(),
        Some(vec![commit])
    );
}

#[tokio::test]
async fn the_journal_is_bounded_by_commits_and_says_from_where_it_is_complete() {
    let (_directory, path) = file();
    let backend = SqliteOptions::new(&path).journal_commits(3).open().unwrap();
    for n in 0..10 {
        publish(&backend, vec![put("c", "1", &format!(r#"{{"n":{n}}}"#))])
            .await
            .unwrap();
    }
    assert_eq!(
        backend
            .journal(ASKER, &stream("c"), offset(6), 10)
            .await
            .unwrap(),
        None
    );
    let kept = backend
        .journal(ASKER, &stream("c"), offset(7), 10)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        kept.iter()
            .map(|commit| commit.streams[0].to.get())
            .collect::<Vec<_>>(),
        [8, 9, 10]
    );
    assert_eq!(
        backend
            .journal(ASKER, &stream("c"), offset(7), 2)
            .await
            .unwrap()
            .unwrap(),
        kept[..2]
    );
    drop(backend);

    // A smaller limit takes effect with the next commits, the floor stands after a restart.
    let backend = SqliteOptions::new(&path).journal_commits(1).open().unwrap();
    assert_eq!(
        backend
            .journal(ASKER, &stream("c"), offset(6), 10)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        backend
            .journal(ASKER, &stream("c"), offset(7), 10)
            .await
            .unwrap()
            .unwrap(),
        kept
    );
    publish(&backend, vec![delete("c", "1")]).await.unwrap();
    assert_eq!(
        backend
            .journal(ASKER, &stream("c"), offset(9), 10)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        backend
            .journal(ASKER, &stream("c"), offset(10), 10)
            .await
            .unwrap()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn the_journal_is_bounded_by_bytes() {
    let (_directory, path) = file();
    let backend = SqliteOptions::new(&path)
        .journal_bytes(10_000)
        .open()
        .unwrap();
    let text = "x".repeat(1000);
    for n in 0..30 {
        publish(
            &backend,
            vec![create(
                "c",
                &n.to_string(),
                &format!(r#"{{"text":"{text}"}}"#),
            )],
        )
        .await
        .unwrap();
    }
    let mut kept = 0;
    for after in 0..30 {
        if let Some(commits) = backend
            .journal(ASKER, &stream("c"), offset(after), 100)
            .await
            .unwrap()
        {
            kept = commits.len();
            break;
        }
    }
    assert!(
        (5..=10).contains(&kept),
        "{kept} commits of more than 1 000 bytes are kept in 10 000 bytes"
    );
}

#[tokio::test]
async fn a_version_rises_across_deletion_and_creation() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    let mut versions = Vec::new();
    for _ in 0..3 {
        publish(&backend, vec![create("c", "1", "{}")])
            .await
            .unwrap()
            .unwrap();
        versions.push(rows(&backend, "c").await["1"].1);
        publish(&backend, vec![delete("c", "1")])
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(versions, [offset(1), offset(3), offset(5)]);
}

#[tokio::test]
async fn ids_and_numbers_come_back_as_they_were_given() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    let fields = r#"{"a":9007199254740993,"b":18446744073709551615,"c":0.1,"d":1.0,"e":5e-324,"f":1.7976931348623157e308,
        "g":-9223372036854775808,"h":0.30000000000000004,"i":2.2250738585072011e-308,"j":123456789.12345678}"#;
    let entity = Write::Create {
        entity_type: stream("n"),
        id: Some(EntityId::integer(7)),
        entity: record(fields),
    };
    publish(&backend, vec![entity]).await.unwrap().unwrap();
    drop(backend);
    let backend = SqliteBackend::open(&path).unwrap();
    let mut snapshot = backend.snapshot(&stream("n")).await.unwrap();
    let (entity, _) = snapshot.next(10).await.unwrap().pop().unwrap();
    assert_eq!(entity, record(fields).with("id", 7));
    assert!(entity.entity_id("id").unwrap().is_integer());
    let commits = backend
        .journal(ASKER, &stream("n"), offset(0), 10)
        .await
        .unwrap()
        .unwrap();
    let tidewire_protocol::Op::Created {
        entity: journalled, ..
    } = &commits[0].streams[0].ops[0]
    else {
        panic!("a creation is journalled as one")
    };
    assert_eq!(*journalled, entity);
}

#[tokio::test]
async fn an_entity_without_an_id_gets_one_that_sorts_after_earlier_ones() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    let create = || Write::Create {
        entity_type: stream("c"),
        id: None,
        entity: record(r#"{"name":"x"}"#),
    };
    for _ in 0..3 {
        publish(&backend, vec![create()]).await.unwrap().unwrap();
        // The clock of the names has steps of a millisecond.
        let began = std::time::SystemTime::now();
        while began.elapsed().unwrap_or_default().as_millis() < 2 {
            std::hint::spin_loop();
        }
    }
    let by_id = rows(&backend, "c").await;
    let versions: Vec<_> = by_id.values().map(|(_, version)| version.get()).collect();
    assert_eq!(versions, [1, 2, 3]);
    assert!(
        by_id
            .iter()
            .all(|(id, (entity, _))| id.len() == 36 && entity["id"] == **id)
    );
}

#[tokio::test]
async fn a_snapshot_is_one_cut_while_writes_go_on() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    for n in 0..20 {
        publish(
            &backend,
            vec![create("c", &format!("{n:02}"), r#"{"n":0}"#)],
        )
        .await
        .unwrap();
    }
    let mut snapshot = backend.snapshot(&stream("c")).await.unwrap();
    assert_eq!(snapshot.as_of(), offset(20));
    let mut seen = snapshot.next(5).await.unwrap();
    for n in 0..20 {
        publish(
            &backend,
            vec![update("c", &format!("{n:02}"), r#"{"n":1}"#)],
        )
        .await
        .unwrap();
    }
    publish(&backend, vec![delete("c", "19"), create("c", "99", "{}")])
        .await
        .unwrap();
    loop {
        let part = snapshot.next(5).await.unwrap();
        if part.is_empty() {
            break;
        }
        seen.extend(part);
    }
    assert_eq!(snapshot.as_of(), offset(20));
    assert_eq!(seen.len(), 20);
    for (place, (entity, version)) in seen.iter().enumerate() {
        assert_eq!(
            json(entity),
            serde_json::json!({"id": format!("{place:02}"), "n": 0})
        );
        assert_eq!(version.get(), place as u64 + 1);
    }
}

#[tokio::test]
async fn answers_are_kept_until_confirmed_and_numbers_for_good() {
    let (_directory, path) = file();
    let client = TestClient::new("phone");
    let none = BTreeMap::new();
    let backend = SqliteBackend::open(&path).unwrap();
    assert_eq!(
        backend
            .greet("anonymous", &client.info, &none)
            .await
            .unwrap(),
        Greeting::Known(BTreeMap::new())
    );
    let mut answers = Vec::new();
    for seq in 1..=3 {
        let (outcome, _) = act(
            &backend,
            client.action(seq, vec![create("c", &seq.to_string(), "{}")]),
        )
        .await;
        let ActionOutcome::New(answer) = outcome else {
            panic!("{outcome:?} for a new action")
        };
        answers.push(answer);
    }
    drop(backend);

    let backend = SqliteBackend::open(&path).unwrap();
    let again = client.in_run(2);
    let confirmed = BTreeMap::from([(Lane::main(), 2)]);
    let known = Greeting::Known(BTreeMap::from([(Lane::main(), 3)]));
    assert_eq!(
        backend
            .greet("anonymous", &again.info, &confirmed)
            .await
            .unwrap(),
        known
    );
    let (third, commit) = act(&backend, again.action(3, Vec::new())).await;
    assert_eq!(
        (third, commit),
        (
            ActionOutcome::Stored(answers[2].clone().without_rows()),
            None
        )
    );
    let (second, _) = act(&backend, again.action(2, Vec::new())).await;
    assert_eq!(second, ActionOutcome::Forgotten);
    assert_eq!(rows(&backend, "c").await.len(), 3);
}

#[tokio::test]
async fn a_refused_item_leaves_no_effect_and_the_rest_of_its_group_is_done() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    let client = TestClient::new("phone");
    backend
        .greet("anonymous", &client.info, &BTreeMap::new())
        .await
        .unwrap();
    publish(&backend, vec![create("c", "taken", "{}")])
        .await
        .unwrap();
    let group = vec![
        client.action(1, vec![create("c", "1", "{}")]),
        client.action(2, vec![create("c", "2", "{}"), create("c", "taken", "{}")]),
        WriteRequest::Publish(vec![create("c", "3", "{}"), update("c", "none", "{}")]),
        client.action(3, vec![update("c", "1", r#"{"n":3}"#)]),
    ];
    let outcomes = backend.write(group).await.unwrap();
    let [first, second, third, fourth] = &outcomes[..] else {
        panic!("one outcome for each item")
    };
    let is_applied = |outcome: &WriteOutcome| {
        matches!(
            outcome,
            WriteOutcome::Action {
                outcome: ActionOutcome::New(Answer::Applied { .. }),
                ..
            }
        )
    };
    assert!(is_applied(first) && is_applied(fourth), "{outcomes:?}");
    let WriteOutcome::Action {
        outcome:
            ActionOutcome::New(Answer::Refused {
                code,
                rows: conflict,
                ..
            }),
        commit: None,
    } = second
    else {
        panic!("{second:?} for a creation of what exists")
    };
    assert_eq!((code.as_str(), conflict.len()), ("exists", 1));
    assert!(
        matches!(third, WriteOutcome::Published(Err(refused)) if refused.code == "not_found"),
        "{third:?}"
    );
    assert_eq!(
        rows(&backend, "c").await.into_keys().collect::<Vec<_>>(),
        ["1", "taken"]
    );
    let numbers = BTreeMap::from([(Lane::main(), 3)]);
    assert_eq!(used_up(&backend, &client).await, numbers);
}

#[tokio::test]
async fn another_principal_cannot_speak_for_a_client_by_its_name() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    let owner = TestClient::new("phone");
    backend
        .greet("anonymous", &owner.info, &BTreeMap::new())
        .await
        .unwrap();
    act(&backend, owner.action(1, vec![create("c", "1", "{}")])).await;
    let mut thief = owner.in_run(9);
    thief.principal = "thief".to_owned();
    let greeting = backend
        .greet("thief", &thief.info, &BTreeMap::new())
        .await
        .unwrap();
    let nothing = Greeting::Known(BTreeMap::new());
    assert_eq!(greeting, nothing, "the name is another client here");
    let (outcome, _) = act(&backend, owner.action(2, vec![create("c", "2", "{}")])).await;
    assert!(
        matches!(outcome, ActionOutcome::New(Answer::Applied { .. })),
        "the owner is not fenced: {outcome:?}"
    );
}

#[tokio::test]
async fn a_client_opens_only_so_many_lanes() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    let client = TestClient::new("phone");
    backend
        .greet("anonymous", &client.info, &BTreeMap::new())
        .await
        .unwrap();
    let limit = tidewire_protocol::Limits::DEFAULT.lanes;
    let in_lane = |number: usize| {
        let mut request = client.action(1, Vec::new());
        if let WriteRequest::Action { action, .. } = &mut request {
            action.lane = Lane::new(&format!("lane-{number}")).unwrap();
        }
        request
    };
    let outcomes = backend
        .write((0..=limit).map(in_lane).collect())
        .await
        .unwrap();
    let refused = |outcome: &WriteOutcome| {
        matches!(
            outcome,
            WriteOutcome::Action {
                outcome: ActionOutcome::New(Answer::Refused { .. }),
                ..
            }
        )
    };
    assert_eq!(outcomes.iter().position(refused), Some(limit));
    assert_eq!(used_up(&backend, &client).await.len(), limit);
}

#[tokio::test]
async fn after_a_failure_of_storage_nothing_more_is_written_until_it_is_opened_again() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    publish(&backend, vec![create("c", "1", "{}")])
        .await
        .unwrap();
    let meddler = rusqlite::Connection::open(&path).unwrap();
    meddler
        .execute_batch("ALTER TABLE journal RENAME TO hidden")
        .unwrap();
    let write = || WriteRequest::Publish(vec![create("c", "2", "{}")]);
    let failed = backend.write(vec![write()]).await;
    assert!(
        matches!(&failed, Err(BackendError::Storage(text)) if text.contains("journal")),
        "{failed:?}"
    );
    meddler
        .execute_batch("ALTER TABLE hidden RENAME TO journal")
        .unwrap();
    assert_eq!(backend.write(vec![write()]).await, failed);
    let client = TestClient::new("phone");
    assert!(
        backend
            .greet("anonymous", &client.info, &BTreeMap::new())
            .await
            .is_err()
    );
    assert_eq!(
        rows(&backend, "c").await.len(),
        1,
        "nothing of the failed group is there, and reads go on"
    );
    drop(backend);

    let backend = SqliteBackend::open(&path).unwrap();
    backend.write(vec![write()]).await.unwrap();
    assert_eq!(rows(&backend, "c").await.len(), 2);
}

#[tokio::test]
async fn dropping_the_backend_waits_for_what_was_handed_in() {
    let (_directory, path) = file();
    let backend = std::sync::Arc::new(SqliteBackend::open(&path).unwrap());
    for n in 0..50 {
        let backend = backend.clone();
        let write = WriteRequest::Publish(vec![create("c", &n.to_string(), "{}")]);
        // Polled once, so that it is handed in, and given up then.
        let asked = async move { backend.write(vec![write]).await.map(|_| ()) };
        assert!(asked.now_or_never().is_none_or(|done| done.is_ok()));
    }
    drop(backend);
    assert_eq!(
        rows(&SqliteBackend::open(&path).unwrap(), "c").await.len(),
        50
    );
}

/// Per lane, the last number that a client has used up, as its next run is told.
async fn used_up(backend: &SqliteBackend, client: &TestClient) -> BTreeMap<Lane, u64> {
    let again = client.in_run(client.info.run + 1);
    let greeting = backend
        .greet(&client.principal, &again.info, &BTreeMap::new())
        .await
        .unwrap();
    let Greeting::Known(numbers) = greeting else {
        panic!("{greeting:?} for a client that has written")
    };
    numbers
}

#[tokio::test]
async fn a_group_ends_where_it_comes_to_much() {
    let (_directory, path) = file();
    let backend = SqliteBackend::open(&path).unwrap();
    // Small to ask for, large to write.
    let text = "x".repeat(200_000);
    let large = format!(r#"{{"text":"{text}"}}"#);
    for n in 0..8 {
        publish(&backend, vec![create("large", &n.to_string(), &large)])
            .await
            .unwrap();
    }
    let touch_all = |n: u64| -> WriteRequest {
        let fields = format!(r#"{{"n":{n}}}"#);
        let writes = (0..8).map(|id| update("large", &id.to_string(), &fields));
        WriteRequest::Publish(writes.collect())
    };
    let outcomes = backend.write((0..20).map(touch_all).collect()).await;
    assert_eq!(outcomes.unwrap().len(), 1, "what comes to much goes alone");
    let small = |n: u64| WriteRequest::Publish(vec![create("small", &n.to_string(), "{}")]);
    let mut group: Vec<_> = (0..200).map(small).collect();
    let outcomes = backend.write(group.clone()).await;
    assert_eq!(outcomes.unwrap().len(), 200);
    // Whoever reads much and writes nothing costs others as much.
    let refused = |n: u64| {
        let WriteRequest::Publish(mut writes) = touch_all(n) else {
            panic!()
        };
        writes.push(update("large", "nobody", "{}"));
        WriteRequest::Publish(writes)
    };
    group = (0..20).map(refused).collect();
    let outcomes = backend.write(group).await.unwrap();
    assert!(outcomes.len() < 5, "{}", outcomes.len());
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, WriteOutcome::Published(Err(_)))),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_closed_backend_leaves_all_of_it_in_one_file() {
    let (_directory, path) = file();
    let log = path.with_file_name("app.db-wal");
    for n in 0..20 {
        let options = SqliteOptions::new(&path).reading_threads(8);
        let backend = std::sync::Arc::new(options.open().unwrap());
        publish(&*backend, vec![put("c", &n.to_string(), "{}")])
            .await
            .unwrap();
        // Every reading thread has its connection.
        let mut reads = Vec::new();
        for asker in 0..64 {
            let backend = backend.clone();
            reads.push(tokio::spawn(async move {
                let query = tidewire_model::Query::new(stream("c")).limit(10);
                let asker = tidewire_hub::ConnectionId(asker);
                backend
                    .read(asker, tidewire_hub::ReadRequest::Page { query })
                    .await
            }));
        }
        for read in reads {
            assert!(read.await.unwrap().is_ok());
        }
        assert!(log.exists());
        drop(std::sync::Arc::into_inner(backend).unwrap());
        assert!(!log.exists(), "{n}");
    }
}
