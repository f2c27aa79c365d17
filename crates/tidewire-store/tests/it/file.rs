//! The SQLite store against the suite, and against files that are held, damaged, foreign or cannot be there.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use tempfile::TempDir;
use tidewire_store::{
    Durability, Op, Row, SqliteStore, Store, StoreError, Table, Txn,
    suite::{Subject, wait},
};

const TABLE: Table = Table::new("t");

struct File(TempDir);

impl Subject for File {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(self.0.path().join("store.db")).unwrap())
    }
}

tidewire_store::store_suite!(File(tempfile::tempdir().unwrap()));

fn put(store: &SqliteStore, key: &str) {
    wait(store.commit(vec![Txn::synced(vec![Op::put(TABLE, key, "x")])])).unwrap();
}

/// A store with many rows in a closed file, all of it in the main file.
fn filled(folder: &Path) -> PathBuf {
    let path = folder.join("store.db");
    let store = SqliteStore::open(&path).unwrap();
    let ops = (0..500_u32)
        .map(|n| Op::put(TABLE, n.to_be_bytes(), vec![7; 100]))
        .collect();
    wait(store.commit(vec![Txn::synced(ops)])).unwrap();
    drop(store);
    assert!(!path.with_extension("db-wal").exists());
    path
}

/// Opens a damaged file, expects it set aside byte by byte, and an empty store only at the second open.
fn assert_set_aside(path: &Path) -> PathBuf {
    let before = fs::read(path).ok();
    let length = before.as_ref().map(Vec::len);
    let error = SqliteStore::open(path)
        .err()
        .unwrap_or_else(|| panic!("opened a damaged file of {length:?} bytes"));
    let text = error.to_string();
    let StoreError::Damaged {
        set_aside: Some(aside),
        path: named,
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(
        named,
        fs::canonicalize(path.parent().unwrap())
            .unwrap()
            .join(path.file_name().unwrap())
    );
    assert!(
        text.contains("damaged") && text.contains(aside.to_str().unwrap()),
        "{text}"
    );
    assert_eq!(fs::read(&aside).ok(), before);
    assert!(!path.exists());
    let empty = SqliteStore::open(path).unwrap();
    assert_eq!(empty.load(), Ok(vec![]));
    aside
}

#[test]
fn a_file_claims_to_survive_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        SqliteStore::open(folder.path().join("s.db"))
            .unwrap()
            .durability(),
        Durability::Crash
    );
}

#[test]
fn commits_are_awaited_under_tokio_from_many_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("s.db")).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        // Far more at once than the line holds.
        let tasks: Vec<_> = (0..500_u32)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    let ops = vec![Op::put(TABLE, number.to_be_bytes(), "x")];
                    store.commit(vec![Txn::ordered(ops)]).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(store.load().unwrap().len(), 500);
}

#[test]
fn groups_are_taken_in_the_order_of_their_first_poll_also_beyond_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("s.db")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        // Each group is large enough for a few to fill the line; the last to enter must win.
        let set = |number: u8| {
            store.commit(vec![Txn::ordered(vec![Op::put(
                TABLE,
                "k",
                vec![number; 3 << 20],
            )])])
        };
        let mut waiting = Vec::new();
        for number in 0..30 {
            let mut commit = set(number);
            let first =
                std::future::poll_fn(|cx| std::task::Poll::Ready(commit.as_mut().poll(cx))).await;
            assert!(first.is_pending() || first.is_ready());
            if first.is_pending() {
                waiting.push(commit);
            }
        }
        // Whoever gives up waiting lets the next one pass.
        drop(waiting.remove(waiting.len() - 2));
        for commit in waiting {
            commit.await.unwrap();
        }
    });
    assert!(store.load().unwrap()[0].value[0] == 29);
}

#[test]
fn a_dropped_store_has_finished_what_it_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let store = SqliteStore::open(&path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        for number in 0..20_u8 {
            let mut commit = store.commit(vec![Txn::synced(vec![Op::put(TABLE, [number], "x")])]);
            let polled =
                std::future::poll_fn(|cx| std::task::Poll::Ready(commit.as_mut().poll(cx))).await;
            drop((polled, commit));
        }
    });
    drop(store);
    assert_eq!(SqliteStore::open(&path).unwrap().load().unwrap().len(), 20);
}

#[test]
fn a_second_open_in_the_same_process_is_told_who_must_act() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let store = SqliteStore::open(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("in use by another process; close that one first"),
        "{error}"
    );
    put(&store, "still works");
    drop(store);
    assert_eq!(SqliteStore::open(&path).unwrap().load().unwrap().len(), 1);
}

#[test]
fn of_many_that_make_the_same_store_at_once_one_gets_it() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let opened: Vec<_> = std::thread::scope(|scope| {
            let openers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| SqliteStore::open(&path)))
                .collect();
            openers
                .into_iter()
                .map(|opener| opener.join().unwrap())
                .collect()
        });
        let holders = opened.iter().filter(|opened| opened.is_ok()).count();
        assert_eq!(holders, 1, "{opened:?}");
        for error in opened.iter().filter_map(|opened| opened.as_ref().err()) {
            assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
        }
        drop(opened);
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["s.db", "s.db.lock"], "something was left behind");
    }
}

/// The other process of the next test: holds the store until its input ends.
#[test]
fn child_that_holds_the_store() {
    let Some(path) = env::var_os("TIDEWIRE_TEST_HOLD") else {
        return;
    };
    let store = SqliteStore::open(path).unwrap();
    put(&store, "child");
    println!("\nheld");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn an_open_while_another_process_holds_the_store_is_busy_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "file::child_that_holds_the_store", "--nocapture"])
        .env("TIDEWIRE_TEST_HOLD", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap() == "held"),
        "the child ended without holding the store"
    );
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let rows = SqliteStore::open(&path).unwrap().load().unwrap();
    assert_eq!(
        rows,
        [Row {
            table: TABLE,
            key: b"child".to_vec(),
            value: b"x".to_vec()
        }]
    );
}

/// Everything in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for text in [
        b"dear diary".to_vec(),
        vec![0xA5; 10_000],
        b"SQLite format 3\0".to_vec(),
    ] {
        fs::write(&path, &text).unwrap();
        let error = SqliteStore::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
        let line = error.to_string();
        for words in ["was left as it is", "another program", "damaged"] {
            assert!(line.contains(words), "it can be either: {line}");
        }
        assert_eq!(fs::read(&path).unwrap(), text);
        assert_eq!(names(folder.path()), ["notes.txt"], "nothing is made");
    }
}

#[test]
fn an_empty_file_that_never_was_a_store_becomes_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    fs::write(&path, "").unwrap();
    let refused = SqliteStore::open_existing(&path).unwrap_err();
    assert!(matches!(refused, StoreError::Io(_)), "{refused:?}");
    assert_eq!(names(folder.path()), ["new.db"], "looking makes nothing");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let store = SqliteStore::open(&path).unwrap();
    put(&store, "kept");
    drop(store);
    assert_eq!(names(folder.path()), ["new.db", "new.db.lock"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let rights = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(rights & 0o777, 0o600, "whom it was kept for");
    }
    assert_eq!(SqliteStore::open(&path).unwrap().load().unwrap().len(), 1);
}

#[test]
fn who_only_looks_moves_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let whole = SqliteStore::open_existing(&path).unwrap();
    assert_eq!(whole.load().unwrap().len(), 500);
    drop(whole);
    let mut bytes = fs::read(&path).unwrap();
    bytes[16..100].fill(0x5A);
    for damage in [bytes, vec![0xA5; 10_000], Vec::new()] {
        fs::write(&path, &damage).unwrap();
        for _ in 0..2 {
            let error = SqliteStore::open_existing(&path).unwrap_err();
            assert!(
                matches!(
                    error,
                    StoreError::Damaged {
                        set_aside: None,
                        ..
                    }
                ),
                "{error:?}"
            );
        }
        assert_eq!(fs::read(&path).unwrap(), damage);
        assert_eq!(names(folder.path()), ["store.db", "store.db.lock"]);
    }
    let nowhere = folder.path().join("mistyped.db");
    let error = SqliteStore::open_existing(&nowhere).unwrap_err();
    assert!(matches!(error, StoreError::Io(_)), "{error:?}");
    assert_eq!(names(folder.path()), ["store.db", "store.db.lock"]);
}

/// A lock is removed only where no store had one: it is what a damaged store is known by.
#[cfg(unix)]
#[test]
fn a_file_that_is_refused_keeps_no_lock_it_did_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let lock = folder.path().join("store.db.lock");
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    drop(newer);
    assert!(SqliteStore::open(&path).is_err());
    assert!(lock.exists());
    fs::remove_file(&lock).unwrap();
    assert!(SqliteStore::open(&path).is_err());
    assert!(!lock.exists());

    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xFF);
    // The number of the format is right again.
    bytes[63] = 1;
    fs::write(&path, &bytes).unwrap();
    assert!(SqliteStore::open_existing(&path).is_err());
    assert!(path.exists() && !lock.exists());
    assert!(SqliteStore::open(&path).is_err());
    assert!(!path.exists() && !lock.exists());
    assert!(folder.path().join("store.db.damaged-1").exists());
}

#[test]
fn another_programs_damaged_database_is_left_alone_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES (zeroblob(20000))")
        .unwrap();
    drop(other);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..4096].fill(0xFF);
    fs::write(&path, &bytes).unwrap();
    fs::write(folder.path().join("other.db-wal"), "theirs").unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
    assert_eq!(names(folder.path()), ["other.db", "other.db-wal"]);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_live_store_is_never_set_aside_whatever_its_file_looks_like() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let store = SqliteStore::open(&path).unwrap();
    for damage in ["garbage", ""] {
        fs::write(&path, damage).unwrap();
        let error = SqliteStore::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damage);
    }
    fs::remove_file(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    assert!(!path.exists(), "a second store was made beside a live one");
    drop(store);
    assert!(
        names(folder.path())
            .iter()
            .all(|name| !name.contains("damaged"))
    );
}

#[test]
fn of_many_that_find_the_same_damage_one_sets_it_aside() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let path = filled(folder.path());
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..5000]).unwrap();
        let start = std::sync::Barrier::new(4);
        let opened: Vec<_> = std::thread::scope(|scope| {
            let openers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        SqliteStore::open(&path)
                    })
                })
                .collect();
            openers
                .into_iter()
                .map(|opener| opener.join().unwrap())
                .collect()
        });
        let is_damaged = |opened: &&Result<SqliteStore, StoreError>| {
            matches!(
                opened,
                Err(StoreError::Damaged {
                    set_aside: Some(_),
                    ..
                })
            )
        };
        assert_eq!(opened.iter().filter(is_damaged).count(), 1, "{opened:?}");
        for other in opened.iter().filter(|opened| !is_damaged(opened)) {
            assert!(
                matches!(other, Ok(_) | Err(StoreError::Busy { .. })),
                "{opened:?}"
            );
        }
        drop(opened);
        let aside = folder.path().join("store.db.damaged-1");
        assert_eq!(fs::read(aside).unwrap(), bytes[..5000]);
        assert!(!folder.path().join("store.db.damaged-2").exists());
    }
}

#[test]
fn a_store_overwritten_with_garbage_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    fs::write(&path, vec![0xA5; 10_000]).unwrap();
    assert_set_aside(&path);
}

#[test]
fn a_file_with_a_broken_header_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[..16].fill(0);
    fs::write(&path, bytes).unwrap();
    assert_set_aside(&path);
}

#[test]
fn a_file_cut_short_anywhere_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let whole = fs::read(&path).unwrap();
    for length in [
        0,
        1,
        15,
        16,
        99,
        512,
        4096,
        5000,
        whole.len() / 2,
        whole.len() - 4096,
        whole.len() - 1,
    ] {
        fs::write(&path, &whole[..length]).unwrap();
        let aside = assert_set_aside(&path);
        assert_eq!(fs::metadata(aside).unwrap().len(), length as u64);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_with_a_broken_page_inside_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xFF);
    fs::write(&path, bytes).unwrap();
    assert_set_aside(&path);
}

#[test]
fn a_file_whose_rows_are_out_of_order_is_set_aside_and_no_row_is_missed_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let row = [&b"t"[..], &300_u32.to_be_bytes(), &[7; 8]].concat();
    let at = bytes.windows(row.len()).position(|bytes| bytes == row);
    // Another place in the table: whoever looks it up finds nothing, where a scan still does.
    bytes[at.unwrap() + 4] ^= 0x40;
    fs::write(&path, &bytes).unwrap();
    assert_set_aside(&path);
}

#[test]
fn the_log_of_a_damaged_file_is_set_aside_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let store = SqliteStore::open(&path).unwrap();
    put(&store, "in the log");
    // As a crash would leave them.
    let crashed = folder.path().join("crashed.db");
    let mut bytes = fs::read(&path).unwrap();
    let log = fs::read(folder.path().join("store.db-wal")).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xFF);
    fs::write(&crashed, bytes).unwrap();
    fs::write(folder.path().join("crashed.db-wal"), &log).unwrap();
    let mut kept = assert_set_aside(&crashed).into_os_string();
    kept.push("-wal");
    assert_eq!(fs::read(kept).unwrap(), log);
}

#[test]
fn a_log_without_its_file_is_set_aside_and_not_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let log = folder.path().join("store.db-wal");
    let store = SqliteStore::open(&path).unwrap();
    put(&store, "in the log");
    let bytes = fs::read(&log).unwrap();
    drop(store);
    fs::remove_file(&path).unwrap();
    fs::write(&log, &bytes).unwrap();
    let aside = assert_set_aside(&path);
    let mut kept = aside.into_os_string();
    kept.push("-wal");
    assert_eq!(fs::read(kept).unwrap(), bytes);
}

#[test]
fn each_damaged_file_gets_a_name_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    for number in 1..=3 {
        fs::write(&path, format!("garbage {number}")).unwrap();
        let aside = assert_set_aside(&path);
        assert_eq!(
            aside.file_name().unwrap().to_str(),
            Some(&*format!("store.db.damaged-{number}"))
        );
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE notes (text)")
        .unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("give the store a path of its own"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_of_a_newer_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    drop(newer);
    let before = fs::read(&path).unwrap();
    assert_eq!(
        SqliteStore::open(&path).unwrap_err(),
        StoreError::Newer { found: 7, known: 1 }
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_path_that_cannot_be_a_file_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let text = |path: &Path| match SqliteStore::open(path).unwrap_err() {
        StoreError::Io(text) => text,
        other => panic!("{other:?}"),
    };
    let is_folder = text(folder.path());
    assert!(
        is_folder.contains("is a folder; give the path of a file"),
        "{is_folder}"
    );
    let no_parent = text(&folder.path().join("missing/store.db"));
    assert!(
        no_parent.contains("missing") && no_parent.contains("create it first"),
        "{no_parent}"
    );
    fs::write(folder.path().join("plain"), "x").unwrap();
    let under_file = text(&folder.path().join("plain/store.db"));
    assert!(under_file.contains("plain"), "{under_file}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_says_what_to_do() {
    // The kernel lets nobody write there, root included.
    let Err(StoreError::Io(text)) = SqliteStore::open("/proc/tidewire-store.db") else {
        panic!("opened in /proc")
    };
    assert!(
        text.contains("/proc/tidewire-store.db")
            && text.contains("check that its folder may be written to"),
        "{text}"
    );
}

#[test]
fn names_special_to_sqlite_are_ordinary_names() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        ":memory:",
        "file:x?mode=memory",
        "näme with ' and \"",
        ".hidden",
    ] {
        let path = folder.path().join(name);
        put(&SqliteStore::open(&path).unwrap(), "kept");
        assert!(path.is_file(), "{name}");
        assert_eq!(
            SqliteStore::open(&path).unwrap().load().unwrap().len(),
            1,
            "{name}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_leads_to_the_same_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("real.db");
    let link = folder.path().join("link.db");
    put(&SqliteStore::open(&path).unwrap(), "kept");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let store = SqliteStore::open(&link).unwrap();
    assert_eq!(store.load().unwrap().len(), 1);
    assert!(matches!(
        SqliteStore::open(&path),
        Err(StoreError::Busy { .. })
    ));
}
