//! Reads on real threads, one turn at a time, so that their order is known.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;

use tidewire_hub::{ReadAnswer, ReadRequest};
use tidewire_model::{EntityId, EntityKey, EntityType, Filter, Offset, Query, Record, field};

use super::super::entities;
use super::super::file::HeldFile;
use super::super::page;
use super::*;

fn bounds(running: usize, long: usize) -> ReadBounds {
    ReadBounds {
        running,
        long,
        slice_rows: 10,
        slice_bytes: 10_000,
        // No test depends on how fast it runs.
        slice_time: Duration::MAX,
    }
}

fn readers(bounds: ReadBounds) -> Arc<Readers> {
    Arc::new(Readers::start(bounds, Connection::open_in_memory).unwrap())
}

fn asker(number: u64) -> Asker {
    Some(ConnectionId(number))
}

/// Takes the only turn until the other end is dropped.
fn hold(readers: &Arc<Readers>) -> (mpsc::Sender<()>, tokio::task::JoinHandle<()>) {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let task = spawn(readers, asker(0), move |_, _| {
        let _ = released.lock().recv();
        Ok(())
    });
    (release, task)
}

/// Puts a read into the line, behind those that are there.
fn spawn<T: Send + 'static>(
    readers: &Arc<Readers>,
    asker: Asker,
    read: impl FnMut(&mut Prepared<'_>, &mut Turn<'_>) -> Result<T, Trouble> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let readers = readers.clone();
    let mut future = Box::pin(async move { readers.run(asker, read).await.unwrap() });
    // The first poll asks; the order of tasks is nobody's promise.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = future.as_mut().poll(&mut context);
    assert!(polled.is_pending(), "somebody holds the turn");
    tokio::spawn(future)
}

#[tokio::test]
async fn a_read_that_panics_leaves_its_thread_to_the_others() {
    let readers = readers(bounds(1, 1));
    let bug = |prepared: &mut Prepared<'_>, _: &mut Turn<'_>| {
        prepared.in_one_cut(|_| -> Result<i64, Trouble> { panic!("a bug") })
    };
    // One more than there are threads.
    for _ in 0..3 {
        assert_eq!(readers.run(asker(1), bug).await, Err(BackendError::Closed));
    }
    let count = |prepared: &mut Prepared<'_>, _: &mut Turn<'_>| -> Result<i64, Trouble> {
        prepared
            .in_one_cut(|prepared| Ok(prepared.get("SELECT 7")?.query_row([], |row| row.get(0))?))
    };
    assert_eq!(readers.run(asker(1), count).await, Ok(7));
}

/// 64 long reads of four connections, and one short one of a fifth: it waits for one slice of each.
#[tokio::test]
async fn a_short_read_waits_for_one_slice_of_each_who_reads() {
    const SLICE: usize = 10;
    for long in [8, 1] {
        let readers = readers(bounds(1, long));
        let (release, held) = hold(&readers);
        let looked_at = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for number in 0..64 {
            let looked_at = looked_at.clone();
            tasks.push(spawn(&readers, asker(1 + number % 4), move |_, turn| {
                for _ in 0..100 * SLICE {
                    turn.row()?;
                    looked_at.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }));
        }
        let before = looked_at.clone();
        let light = spawn(&readers, asker(9), move |_, turn| {
            turn.row()?;
            Ok(before.load(Ordering::Relaxed))
        });
        drop(release);
        let rows = light.await.unwrap();
        assert!(rows <= 4 * SLICE, "{rows} rows went before, {long}");
        for task in tasks {
            task.await.unwrap();
        }
        held.await.unwrap();
        assert!(looked_at.load(Ordering::Relaxed) >= 64 * 100 * SLICE);
    }
}

#[tokio::test]
async fn a_read_that_nobody_waits_for_stops_in_its_middle() {
    let readers = readers(bounds(1, 1));
    let (began, begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let looked_at = Arc::new(AtomicUsize::new(0));
    let counted = looked_at.clone();
    let own = readers.clone();
    let task = tokio::spawn(async move {
        own.run(asker(1), move |_, turn| -> Result<(), Trouble> {
            loop {
                turn.row()?;
                if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                    let _ = began.send(());
                    let _ = may_go_on.lock().recv();
                }
            }
        })
        .await
    });
    tokio::task::spawn_blocking(move || begun.recv().unwrap())
        .await
        .unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    drop(go_on);
    // Others have their turn, and it has none between theirs.
    for _ in 0..10 {
        assert_eq!(readers.run(asker(2), |_, _| Ok(1)).await, Ok(1));
    }
    assert_eq!(looked_at.load(Ordering::Relaxed), 10);
}

#[test]
fn the_end_waits_for_no_read_that_goes_on_and_on() {
    let readers = Readers::start(bounds(2, 2), Connection::open_in_memory).unwrap();
    let looked_at = Arc::new(AtomicUsize::new(0));
    for number in 0..16 {
        let looked_at = looked_at.clone();
        let for_ever = move |_: &mut Prepared<'_>, turn: &mut Turn<'_>| -> Result<(), Trouble> {
            loop {
                turn.row()?;
                looked_at.fetch_add(1, Ordering::Relaxed);
            }
        };
        let (answer, _) = oneshot::channel();
        let job = Job {
            is_given_up: Arc::new(AtomicBool::new(false)),
            read: Box::new(Asked {
                read: for_ever,
                answer: Some(answer),
            }),
        };
        readers.shared.ask(asker(number), job);
    }
    while looked_at.load(Ordering::Relaxed) < 1000 {
        std::thread::yield_now();
    }
    drop(readers);
}

/// Reads a file of this many entities of one type.
fn over_entities(directory: &tempfile::TempDir, count: u64) -> (HeldFile, Arc<Readers>) {
    let file = HeldFile::hold(&directory.path().join("app.db")).unwrap();
    let connection = file.open_writing().unwrap();
    let mut prepared = Prepared::new(&connection);
    for number in 0..count {
        put(&mut prepared, number, 1);
    }
    let opened = file.clone();
    let readers = Readers::start(bounds(1, 1), move || opened.open_reading()).unwrap();
    (file, Arc::new(readers))
}

fn kind() -> EntityType {
    EntityType::new("c").unwrap()
}

fn entity_id(number: u64) -> EntityId {
    EntityId::text(&format!("e{number:04}")).unwrap()
}

fn put(prepared: &mut Prepared<'_>, number: u64, version: u64) {
    let id = entity_id(number);
    let record = Record::new().with("id", id.as_str()).with("n", 1);
    let key = EntityKey::new(kind(), id);
    entities::put(prepared, &key, &record, Offset::new(version).unwrap()).unwrap();
}

/// What has ended, in this order.
type Ended = Arc<Mutex<Vec<&'static str>>>;

fn answer_to(
    request: ReadRequest,
    readers: &Arc<Readers>,
    asker: Asker,
    (name, ended): (&'static str, &Ended),
) -> tokio::task::JoinHandle<ReadAnswer> {
    let ended = ended.clone();
    spawn(readers, asker, move |prepared, turn| {
        let answer = page::read(prepared, turn, &request);
        ended.lock().push(name);
        answer
    })
}

#[tokio::test]
async fn a_long_read_lets_others_read_in_its_middle_and_is_still_of_one_state() {
    let query = Query::new(kind()).limit(1000);
    let ids = (0..100).map(entity_id).collect();
    let entity_type = kind();
    for request in [
        ReadRequest::Page { query },
        ReadRequest::Ids { entity_type, ids },
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (file, readers) = over_entities(&directory, 100);
        let ended = Ended::default();
        let (release, _held) = hold(&readers);
        let first = answer_to(request.clone(), &readers, asker(1), ("first", &ended));
        let in_middle = ended.clone();
        // In the middle of the first read, everything changes.
        let writes = spawn(&readers, asker(2), move |_, _| {
            let connection = file.open_writing().unwrap();
            let mut prepared = Prepared::new(&connection);
            (0..100).for_each(|number| put(&mut prepared, number, 2));
            in_middle.lock().push("writes");
            Ok(())
        });
        let second = answer_to(request, &readers, asker(3), ("second", &ended));
        drop(release);
        writes.await.unwrap();
        let versions = |answer: ReadAnswer| -> Vec<u64> {
            let versions = answer.rows.iter().map(|(_, version)| version.get());
            versions.collect()
        };
        assert_eq!(versions(first.await.unwrap()), [1; 100]);
        assert_eq!(versions(second.await.unwrap()), [2; 100]);
        // There is one place for a long read. The first has it until its end, and the second begins again after it.
        assert_eq!(*ended.lock(), ["writes", "second", "first", "second"]);
    }
}

#[tokio::test]
async fn a_filter_of_many_tests_lets_others_read_in_the_middle_of_a_row() {
    let directory = tempfile::tempdir().unwrap();
    let (file, readers) = over_entities(&directory, 1);
    let connection = file.open_writing().unwrap();
    let key = EntityKey::new(kind(), entity_id(0));
    let text = "x".repeat(1000);
    let record = Record::new()
        .with("id", key.id.as_str())
        .with("text", text.as_str());
    entities::put(
        &mut Prepared::new(&connection),
        &key,
        &record,
        Offset::new(2).unwrap(),
    )
    .unwrap();
    let any = Filter::Or(
        (0..100)
            .map(|part| field("text").contains(&part.to_string()))
            .collect(),
    );
    let query = Query::new(kind()).filter(any).limit(1);
    let ended = Ended::default();
    let (release, held) = hold(&readers);
    let request = ReadRequest::Page { query };
    let many = answer_to(request, &readers, asker(1), ("many tests", &ended));
    let query = Query::new(kind()).limit(1);
    let short = answer_to(
        ReadRequest::Page { query },
        &readers,
        asker(2),
        ("short", &ended),
    );
    drop(release);
    assert_eq!(short.await.unwrap().rows.len(), 1);
    assert_eq!(many.await.unwrap().rows.len(), 0);
    held.await.unwrap();
    assert_eq!(*ended.lock(), ["short", "many tests"]);
}
