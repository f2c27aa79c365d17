//! Stores that cannot be used: somebody else has them, they are damaged, they are something else.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidewire::SqliteStore;

use crate::support::program::{Ended, Program, run};

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

/// Damages a store, and gives what is left of it.
fn damage(path: &Path) -> Vec<u8> {
    let mut content = std::fs::read(path).unwrap();
    let start = content.len() / 2;
    content[start..].fill(0x5a);
    content[16..100].fill(0x5a);
    std::fs::write(path, &content).unwrap();
    content
}

/// Overwrites the format of the schema in the header of an SQLite file, and gives what is there then.
fn damage_format(path: &Path) -> Vec<u8> {
    let mut content = std::fs::read(path).unwrap();
    for byte in &mut content[44..52] {
        *byte ^= 0xff;
    }
    std::fs::write(path, &content).unwrap();
    content
}

fn act_offline(path: &Path) -> Ended {
    let store = path.to_str().unwrap();
    let write = ["act", URL, "delete", "customers", "a", "--offline"];
    run(&[&write[..], &["--store", store]].concat())
}

#[test]
fn whoever_looks_at_a_damaged_store_is_told_and_moves_nothing() {
    let (folder, path) = store();
    let content = damage(&path);
    let store = path.to_str().unwrap();
    for words in [
        &["ls"][..],
        &["ls", "--json"],
        &["retry", "1"],
        &["discard", "1"],
        &["sync", URL],
    ] {
        let ended = run(&[&["queue", "--store", store], words].concat());
        let line = ended.failure(1);
        assert!(
            line.contains("damaged") && line.contains("put a copy back"),
            "{line}"
        );
    }
    assert_eq!(std::fs::read(&path).unwrap(), content);
    let beside = std::fs::read_dir(folder.path()).unwrap();
    let names = beside.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.contains("damaged")));
}

#[test]
fn a_damaged_store_is_set_aside_and_the_line_says_where() {
    let (folder, path) = store();
    let content = damage(&path);
    let ended = act_offline(&path);
    let line = ended.failure(1);
    assert!(
        line.contains("damaged") && line.contains("moved to") && line.contains("not sent"),
        "{line}"
    );
    assert!(!path.exists());
    // There is nothing to look at, and it is said why.
    let store = path.to_str().unwrap();
    let ended = run(&["queue", "--store", store, "ls"]);
    assert!(ended.failure(1).contains("store.damaged-1"), "{ended:?}");
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

    // Only the next, deliberate start makes an empty one, and it and all later ones say what is missing.
    for ended in [
        act_offline(&path),
        run(&["queue", "--store", store, "ls"]),
        run(&["queue", "--store", store, "discard", "1"]),
    ] {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.err.len(), 1, "{ended:?}");
        assert!(ended.err[0].contains("store.damaged-1"), "{ended:?}");
    }
    std::fs::remove_file(folder.path().join("store.damaged-1")).unwrap();
    run(&["queue", "--store", store, "ls"]).success();
}

#[test]
fn a_file_whose_header_names_no_format_of_sqlite_is_damaged_and_nothing_of_it_is_lost() {
    let (folder, path) = store();
    let content = damage_format(&path);
    let store = path.to_str().unwrap();
    let ended = run(&["queue", "--store", store, "ls"]);
    let line = ended.failure(1);
    assert!(
        line.contains("damaged") && line.contains("put a copy back"),
        "{line}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), content);
    let ended = act_offline(&path);
    assert!(ended.failure(1).contains("moved to"), "{ended:?}");
    let aside = folder.path().join("store.damaged-1");
    assert_eq!(std::fs::read(aside).unwrap(), content);
}

#[cfg(unix)]
#[test]
fn a_database_that_is_damaged_is_left_as_it_is_and_the_line_says_what_follows_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("database");
    let serve = Program::start(&serving(&database));
    serve.line();
    // At a good end everything is in the file and nothing in the log.
    serve.terminate();
    assert_eq!(serve.ended().code, Some(0));
    let content = damage_format(&database);
    let ended = run(&serving(&database));
    let line = ended.failure(1);
    for part in ["is damaged", "put a copy back", "--restored"] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(std::fs::read(&database).unwrap(), content);
}

#[test]
fn an_empty_file_is_a_place_for_a_store_and_for_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty");
    std::fs::write(&path, "").unwrap();
    for words in [
        &["ls"][..],
        &["sync", URL],
        &["retry", "1"],
        &["discard", "1"],
    ] {
        let ended = run(&[&["queue", "--store", path.to_str().unwrap()], words].concat());
        let line = ended.failure(1);
        assert!(
            line.contains("is an empty file") && line.contains("tidewire act --store"),
            "{line}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    act_offline(&path).success();
    let ended = run(&["queue", "--store", path.to_str().unwrap(), "ls"]);
    assert_eq!(ended.success().len(), 1);

    let database = folder.path().join("database");
    std::fs::write(&database, "").unwrap();
    let serve = Program::start(&serving(&database));
    assert!(serve.line().contains("listening"));
}

fn serving(database: &Path) -> [&str; 5] {
    let database = database.to_str().unwrap();
    ["serve", "--listen", "127.0.0.1:0", "--db", database]
}

#[test]
fn a_file_that_is_refused_gets_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "no database ".repeat(100)).unwrap();
    let line = run(&serving(&text)).failure(1).to_owned();
    assert!(
        line.contains("no database") && line.contains("another path"),
        "{line}"
    );
    let line = act_offline(&text).failure(1).to_owned();
    assert!(
        line.contains("another program") && line.contains("damaged"),
        "{line}"
    );
    let listed = run(&["queue", "--store", text.to_str().unwrap(), "ls"]);
    let line = listed.failure(1);
    assert!(
        line.contains("not known as a store") && line.contains("path of its own"),
        "{line}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_store_of_a_newer_version_is_named_and_left_as_it_is() {
    let (_folder, path) = store();
    // Where the header of an SQLite file has the version of what is in it.
    let mut content = std::fs::read(&path).unwrap();
    content[60..64].copy_from_slice(&9_u32.to_be_bytes());
    std::fs::write(&path, &content).unwrap();
    let store = path.to_str().unwrap();
    for ended in [run(&["queue", "--store", store, "ls"]), act_offline(&path)] {
        let line = ended.failure(1);
        for part in [
            store,
            "newer version",
            "format 9",
            "left as it is",
            "update",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
    assert_eq!(std::fs::read(&path).unwrap(), content);
}

#[test]
fn a_place_where_no_database_can_be_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no/such/folder");
    for (place, advice) in [
        (folder.path(), "name a file"),
        (&nowhere, "create it first"),
        (Path::new("/dev/null"), "name a file"),
    ] {
        let mut words = serving(place);
        for command in ["serve", "demo"] {
            words[0] = command;
            let ended = run(&words);
            assert!(ended.failure(1).contains(advice), "{ended:?}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(!folder.path().with_extension("lock").exists());
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("database");
    let serve = Program::start(&[
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

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_named_and_nothing_is_made_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("gone"), &link).unwrap();
    let store = link.to_str().unwrap();
    for ended in [run(&["queue", "--store", store, "ls"]), act_offline(&link)] {
        let line = ended.failure(1);
        assert!(
            line.contains("is a link to") && line.contains("gone"),
            "{line}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
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
