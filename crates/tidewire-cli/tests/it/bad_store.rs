//! Stores that cannot be used: somebody else has them, they are damaged, they are something else.

use std::path::PathBuf;

use tempfile::TempDir;
use tidewire::SqliteStore;

use crate::support::program::run;

const URL: &str = "ws://127.0.0.1:1/live";

/// A store with one write in it.
fn store() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let ended = run(&[
        "act",
        URL,
        "delete",
        "customers",
        "a",
        "--offline",
        "--store",
        path.to_str().unwrap(),
    ]);
    ended.success();
    (folder, path)
}

#[test]
fn a_store_that_is_in_use_is_a_failure_that_says_so() {
    let (_folder, path) = store();
    let held = SqliteStore::open(&path).unwrap();
    let path = path.to_str().unwrap();
    for arguments in [
        vec!["queue", "--store", path, "ls"],
        vec!["queue", "--store", path, "sync", URL],
        vec!["queue", "--store", path, "discard", "1"],
        vec!["act", URL, "delete", "customers", "a", "--store", path],
    ] {
        let ended = run(&arguments);
        assert!(
            ended.failure(1).contains("in use by another process"),
            "{ended:?}"
        );
    }
    drop(held);
    assert_eq!(run(&["queue", "--store", path, "ls"]).success().len(), 1);
}

#[test]
fn a_damaged_store_is_set_aside_and_the_line_says_where() {
    let (folder, path) = store();
    let mut content = std::fs::read(&path).unwrap();
    let start = content.len() / 2;
    content[start..].fill(0x5a);
    content[16..100].fill(0x5a);
    std::fs::write(&path, &content).unwrap();

    let ended = run(&["queue", "--store", path.to_str().unwrap(), "ls"]);
    let line = ended.failure(1);
    assert!(
        line.contains("damaged") && line.contains("moved to"),
        "{line}"
    );
    assert!(!path.exists());
    let aside: Vec<PathBuf> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let kept = aside
        .iter()
        .find(|path| line.contains(path.to_str().unwrap()));
    assert_eq!(
        std::fs::read(kept.expect("the line names the file")).unwrap(),
        content,
        "nothing of it is lost"
    );

    // Only the next, deliberate start makes an empty one.
    let ended = run(&[
        "act",
        URL,
        "delete",
        "customers",
        "a",
        "--offline",
        "--store",
        path.to_str().unwrap(),
    ]);
    ended.success();
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("database");
    let serve = crate::support::program::Program::start(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--db",
        database.to_str().unwrap(),
    ]);
    serve.line();
    serve.kill();
    let before = std::fs::read(&database).unwrap();
    let ended = run(&[
        "act",
        URL,
        "delete",
        "customers",
        "a",
        "--offline",
        "--store",
        database.to_str().unwrap(),
    ]);
    assert!(ended.failure(1).contains("another program"), "{ended:?}");
    assert_eq!(std::fs::read(&database).unwrap(), before);
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_looking_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mistyped");
    for arguments in [
        vec!["queue", "ls", "--store", path.to_str().unwrap()],
        vec!["queue", "sync", URL, "--store", path.to_str().unwrap()],
    ] {
        let ended = run(&arguments);
        assert!(ended.failure(1).contains("no store"), "{ended:?}");
    }
    assert!(!path.exists());
    let nowhere = folder.path().join("no/such/folder");
    let ended = run(&[
        "act",
        URL,
        "delete",
        "t",
        "a",
        "--offline",
        "--store",
        nowhere.to_str().unwrap(),
    ]);
    assert!(ended.failure(1).contains("create it first"), "{ended:?}");
}
