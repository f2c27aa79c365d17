//! Files that cannot be opened: each with its own error, and left as it was.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tidewire_hub::{Backend, BackendError, ReadRequest, WriteRequest};
use tidewire_server::{OpenError, SqliteBackend};

use crate::support::*;

fn refused(path: &Path) -> OpenError {
    SqliteBackend::open(path).expect_err("the file must not open")
}

fn is_one_line(error: &OpenError, path: &Path) {
    let text = error.to_string();
    assert!(
        !text.contains('\n') && text.contains(path.file_name().unwrap().to_str().unwrap()),
        "{text}"
    );
}

#[test]
fn a_file_in_use_is_busy_until_it_is_let_go() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let first = SqliteBackend::open(&path).unwrap();
    let error = refused(&path);
    assert!(matches!(error, OpenError::Busy { .. }), "{error}");
    is_one_line(&error, &path);

    drop(first);
    drop(SqliteBackend::open(&path).unwrap());
}

#[cfg(unix)]
#[test]
fn two_names_of_one_file_are_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let _first = SqliteBackend::open(&path).unwrap();
    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(refused(&link), OpenError::Busy { .. }));
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    for garbage in [
        b"this is not a database, whatever its name says".repeat(100),
        vec![0; 3],
        vec![7; 9000],
    ] {
        fs::write(&path, &garbage).unwrap();
        let error = refused(&path);
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
        is_one_line(&error, &path);
        assert_eq!(fs::read(&path).unwrap(), garbage);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn a_file_with_a_torn_page_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let backend = SqliteBackend::open(&path).unwrap();
    for n in 0..50 {
        publish(
            &backend,
            vec![create(
                "c",
                &n.to_string(),
                &format!(r#"{{"text":"{}"}}"#, "x".repeat(500)),
            )],
        )
        .await
        .unwrap();
    }
    drop(backend);
    let mut bytes = fs::read(&path).unwrap();
    assert!(
        bytes.len() > 8 * 4096,
        "what was written stands in the file itself once it is closed"
    );
    for page in 3..bytes.len() / 4096 {
        bytes[page * 4096..page * 4096 + 200].fill(0xa5);
    }
    fs::write(&path, &bytes).unwrap();
    let error = refused(&path);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[tokio::test]
async fn a_file_with_a_page_twice_is_damaged_and_does_not_answer_with_fewer_rows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let backend = SqliteBackend::open(&path).unwrap();
    for n in 0..50 {
        let entity = format!(r#"{{"text":"{}"}}"#, "x".repeat(500));
        let write = create("c", &n.to_string(), &entity);
        publish(&backend, vec![write]).await.unwrap();
    }
    drop(backend);
    let bytes = fs::read(&path).unwrap();
    let holds_entities = |page: &&[u8]| {
        // A leaf of a tree without row numbers.
        page[0] == 0x0a && page.windows(100).any(|text| text == [b'x'; 100])
    };
    let leaves: Vec<usize> = (1..bytes.len() / 4096)
        .filter(|page| holds_entities(&&bytes[page * 4096..][..4096]))
        .collect();
    assert!(leaves.len() > 4, "{leaves:?}");
    for pair in leaves.windows(2) {
        let mut bytes = bytes.clone();
        bytes.copy_within(pair[0] * 4096..(pair[0] + 1) * 4096, pair[1] * 4096);
        fs::write(&path, &bytes).unwrap();
        let error = refused(&path);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    }
}

#[test]
fn a_database_of_another_program_is_foreign_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('kept')")
        .unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    let error = refused(&path);
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    is_one_line(&error, &path);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_newer_format_names_both_formats() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    drop(SqliteBackend::open(&path).unwrap());
    let later = Connection::open(&path).unwrap();
    later.pragma_update(None, "user_version", 2).unwrap();
    drop(later);
    let error = refused(&path);
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error:?}"
    );
    is_one_line(&error, &path);
}

#[test]
fn a_path_that_cannot_be_a_file_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere: PathBuf = directory.path().join("missing").join("app.db");
    for path in [nowhere.as_path(), directory.path(), Path::new("/")] {
        let error = refused(path);
        assert!(
            matches!(error, OpenError::Io { .. }),
            "{error:?} for {}",
            path.display()
        );
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_was_made_and_never_filled_is_taken_as_new() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    fs::write(&path, b"").unwrap();
    let backend = SqliteBackend::open(&path).unwrap();
    assert!(
        publish(&backend, vec![create("c", "1", "{}")])
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn an_entity_that_cannot_be_read_is_named_with_its_database_however_it_is_met() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let backend = SqliteBackend::open(&path).unwrap();
    for id in ["e1", "e2"] {
        publish(&backend, vec![create("notes", id, r#"{"n":1}"#)])
            .await
            .unwrap();
    }
    drop(backend);
    let connection = Connection::open(&path).unwrap();
    let damage = "UPDATE entities SET body = CAST(x'7b226e223aff7d' AS TEXT) WHERE id = 'e2'";
    assert_eq!(connection.execute(damage, []).unwrap(), 1);
    drop(connection);

    let backend = SqliteBackend::open(&path).unwrap();
    let names = |error: BackendError| {
        let text = error.to_string();
        let is_named = ["app.db", "the entity e2 of the type notes", "utf-8"]
            .iter()
            .all(|part| text.contains(part));
        assert!(is_named, "{text}");
    };
    let query = tidewire_model::Query::new(stream("notes")).limit(10);
    let page = backend.read(ASKER, ReadRequest::Page { query }).await;
    names(page.unwrap_err());
    let ids = ReadRequest::Ids {
        entity_type: stream("notes"),
        ids: vec![tidewire_model::EntityId::text("e2").unwrap()],
    };
    names(backend.read(ASKER, ids).await.unwrap_err());
    let mut snapshot = backend.snapshot(&stream("notes")).await.unwrap();
    names(snapshot.next(10).await.unwrap_err());
    let write = WriteRequest::Publish(vec![update("notes", "e2", r#"{"n":2}"#)]);
    names(backend.write(vec![write]).await.unwrap_err());
}
