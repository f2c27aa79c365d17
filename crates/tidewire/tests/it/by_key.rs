//! What is held, by string keys: over the pipe with a server that makes points, and without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tidewire::testing::{PipeListener, pipe};
use tidewire::{
    CallError, Client, Collection, CommandError, Dialects, EntityType, Failure, Fetch, FetchWhat,
    Fetched, LoadError, Origin, Patch, Record, Regex, StaleReason, Trust, WireRow,
};
use tokio::sync::Semaphore;

use crate::pipe_server::{PipeServer, put};
use crate::waiting::{Customer, customer, customers, page_where, record, until};

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a good pattern")
}

/// A server with `c1` to `c5`, each with its number as score.
fn served() -> PipeServer {
    serving(5)
}

fn serving(count: i64) -> PipeServer {
    let server = PipeServer::start();
    let rows = (1..=count).map(|n| put("customers", &record(&format!("c{n}"), n)));
    server.publish(rows.collect());
    server
}

#[tokio::test(start_paused = true)]
async fn coverage_a10_entities_and_lists_are_read_looked_for_marked_and_forgotten_by_string_keys() {
    let server = served();
    let client = server.client().start().expect("it starts");
    let _customers = customers(&client);
    let cache = client.cache();
    let (detail, list) = (
        "customers:detail-c2",
        "customers:list-sort score desc limit 2",
    );
    assert_eq!(cache.get::<Customer>(detail).expect("a good key"), None);
    assert!(!cache.has(list).expect("a good key"));

    let one = cache.fetch::<Customer>(detail).await.expect("it loads");
    assert_eq!(one, Some(customer("c2", 2)));
    assert_eq!(
        cache
            .fetch::<Customer>("customers:detail-c9")
            .await
            .expect("it loads"),
        None
    );
    let watched = cache.watch(list).expect("a good key");
    let top: Option<Vec<Customer>> = cache.fetch(list).await.expect("it loads");
    assert_eq!(top, Some(vec![customer("c5", 5), customer("c4", 4)]));
    assert_eq!(watched.current().expect("it fits").value, top);
    assert!(cache.has(detail).expect("a good key") && cache.has(list).expect("a good key"));

    let expected = ["c1", "c2", "c3", "c4", "c5"].map(|id| format!("customers:detail-{id}"));
    let details = cache.keys(&pattern("^customers:detail-"));
    assert!(
        details.len() >= 3 && details.iter().all(|key| expected.contains(key)),
        "{details:?}"
    );
    assert_eq!(
        cache.keys(&pattern("^customers:list-")),
        ["customers:list-sort score desc"]
    );
    assert_eq!(cache.keys(&pattern("^orders:")), [""; 0]);

    let _held = cache.watch(detail).expect("a good key");
    cache.fetch::<Customer>(detail).await.expect("it loads");
    let before = server.stats().frames_in;
    cache.invalidate(detail).expect("a good key");
    until("asked for again", || server.stats().frames_in > before).await;
    until("live again", || {
        let reading = cache.read::<Customer>(detail).expect("it fits");
        assert!(reading.value.is_some(), "a mark is no removal");
        reading.trust == Trust::Live
    })
    .await;
    cache
        .invalidate_matching(&pattern("^customers:list-"))
        .expect("open");
    until("live again", || {
        let reading = watched.current::<Vec<Customer>>().expect("it fits");
        assert_eq!(reading.value, top);
        reading.trust == Trust::Live
    })
    .await;

    assert!(cache.stats().entities >= 3);
    cache.clear().expect("open");
    assert_eq!(cache.read::<Customer>(detail).expect("it fits").value, None);
    assert_eq!(
        watched.current::<Vec<Customer>>().expect("it fits").value,
        None
    );
    until("what is watched is back", || {
        watched.current::<Vec<Customer>>().expect("it fits").value == top
            && cache.has(detail).expect("a good key")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn coverage_a10_where_the_server_makes_points_only_actions_write_and_the_error_says_so() {
    let server = served();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let cache = client.cache();
    let refused = [
        cache.set("customers:detail-c1", &customer("c1", 9)),
        cache.update("customers:detail-c1", Patch::new().set("score", 9)),
        customers.set(&customer("c1", 9)),
    ];
    for refused in refused {
        let Err(CallError::Refused(CommandError::OwnedByServer(error))) = refused else {
            panic!("{refused:?}");
        };
        assert!(
            error.to_string().contains("write with an action"),
            "{error}"
        );
    }
    assert_eq!(cache.set("customers:list-", &[1]), Err(CallError::ListKey));
    assert!(matches!(cache.has(":detail-"), Err(CallError::Key(_))));
    let unknown = cache.set("orders:detail-1", &customer("1", 9));
    assert!(matches!(
        unknown,
        Err(CallError::Refused(CommandError::UnknownCollection(_)))
    ));
}

#[tokio::test(start_paused = true)]
async fn coverage_a10_many_who_fetch_the_same_entity_or_page_share_one_request() {
    let server = serving(40);
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    // The stream is there, so that nothing but the requests is sent.
    let _changes = customers.changes().expect("it is defined");
    let list = customers.query().sort_asc("name").limit(1).live();
    list.loaded().await.expect("it loads");
    for key in ["customers:detail-c39", "customers:list-sort score limit 3"] {
        let before = server.stats().frames_in;
        let cache = client.cache();
        let mut fetches = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let cache = cache.clone();
            fetches.spawn(async move { cache.fetch::<tidewire_model::Value>(key).await });
        }
        while let Some(fetched) = fetches.join_next().await {
            assert!(fetched.expect("no panic").expect("it loads").is_some());
        }
        assert_eq!(server.stats().frames_in - before, 1, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn own_writes_stay_when_a_collection_is_cleared_and_the_rest_comes_back() {
    let server = served();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let list = customers.query().sort_desc("score").limit(3).live();
    list.loaded().await.expect("it loads");
    client
        .cache()
        .set("customers:note", &"kept here")
        .expect("open");
    server.network().cut();
    server.network().refuse();
    until("offline", || {
        client.status().connection != tidewire::Connection::Connected
    })
    .await;
    let edit = customers
        .update("c5", Patch::new().set("score", 50))
        .expect("taken");
    let made = customers.create(&customer("c7", 70)).expect("taken");
    customers.clear().expect("open");
    assert!(!customers.has("c4").expect("a good id"));
    assert!(
        customers.has("c7").expect("a good id"),
        "an own write stays"
    );
    assert!(!client.cache().has("customers:note").expect("a good key"));
    server.network().admit();
    edit.accepted().await.expect("accepted");
    made.accepted().await.expect("accepted");
    page_where(&list, "as the server has it", |page| {
        let scores: Vec<i64> = page.values().map(|value| value.score).collect();
        scores == [70, 50, 4] && page.trust() == Trust::Live
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn why_tells_where_a_reading_comes_from() {
    let server = served();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    customers.fetch("c1").await.expect("it loads");
    let edit = customers
        .update("c1", Patch::new().set("score", 7))
        .expect("taken");
    let why = customers
        .why("c1")
        .expect("a good id")
        .expect("it may be shown");
    assert_eq!(why.actions, [edit.id()]);
    assert_eq!(
        why.confirmed.as_ref().map(|held| held.origin),
        Some(Origin::Answer)
    );
    let text = why.to_string();
    let told = [
        "customers:detail-c1 is there",
        "Held is a record from an answer",
        &format!("Pending actions on top, in order: {}", edit.id()),
    ];
    for part in told {
        assert!(text.contains(part), "{text}");
    }
}

/// A backend that answers when it is let, with the score it is told.
#[derive(Clone)]
struct Slow {
    score: Arc<Mutex<i64>>,
    asked: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

#[async_trait]
impl Fetch for Slow {
    async fn fetch(&self, _entity_type: &EntityType, _what: FetchWhat) -> Result<Fetched, Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let score = *self.score.lock();
        self.gate.acquire().await.expect("it stays open").forget();
        Ok(Fetched {
            rows: vec![WireRow {
                entity: record("c1", score),
                version: None,
            }],
            missing: Vec::new(),
            total_count: Some(1),
            end: true,
        })
    }
}

async fn listen(mut listener: PipeListener) {
    let mut held = Vec::new();
    while let Some(connection) = listener.accept().await {
        held.push(connection);
    }
}

fn start_basic(backend: &Slow) -> (Client, Collection<Customer>) {
    let (transport, listener) = pipe();
    tokio::spawn(listen(listener));
    let client = Client::builder("ws://pipe/live")
        .dialect(Dialects::Basic)
        .transport(transport)
        .fetch(backend.clone())
        .start()
        .expect("it starts");
    let customers = client
        .collection("customers")
        .client_points()
        .build()
        .expect("a good name");
    (client, customers)
}

fn slow() -> Slow {
    Slow {
        score: Arc::new(Mutex::new(1)),
        asked: Arc::default(),
        gate: Arc::new(Semaphore::new(0)),
    }
}

#[tokio::test(start_paused = true)]
async fn coverage_a10_what_is_set_is_in_the_view_when_the_call_returns() {
    let backend = slow();
    let (client, customers) = start_basic(&backend);
    let cache = client.cache();
    let key = "customers:detail-c1";
    cache
        .set(key, &customer("c1", 5))
        .expect("the client makes the points");
    assert_eq!(cache.get(key).expect("it fits"), Some(customer("c1", 5)));
    cache
        .update(key, Patch::new().set("score", 6))
        .expect("the client makes the points");
    assert_eq!(
        customers.get("c1").expect("it fits").expect("there").score,
        6
    );
    customers
        .set(&customer("c2", 2))
        .expect("the client makes the points");
    assert!(customers.has("c2").expect("a good id"));
    let nameless =
        Record::from_serialize(&serde_json::json!({"name": "x", "score": 3})).expect("an object");
    cache
        .set("customers:detail-c3", &nameless)
        .expect("its id is in the key");
    assert_eq!(
        customers
            .get("c3")
            .expect("it fits")
            .expect("there")
            .id
            .as_deref(),
        Some("c3")
    );
    let other = cache.set(key, &customer("c2", 5));
    assert!(
        matches!(
            other,
            Err(CallError::Refused(CommandError::IdChanged { .. }))
        ),
        "{other:?}"
    );
    cache
        .update("customers:detail-c9", Patch::new().set("score", 6))
        .expect("taken");
    assert!(
        !customers.has("c9").expect("a good id"),
        "an update never creates"
    );
    let why = customers.why("c2").expect("a good id").expect("shown");
    assert_eq!(why.confirmed.map(|held| held.origin), Some(Origin::Set));
}

#[tokio::test(start_paused = true)]
async fn law_6_a_fetch_that_began_before_something_was_set_does_not_overwrite_it() {
    let backend = slow();
    let (client, customers) = start_basic(&backend);
    let watched = customers.entity("c1").expect("a good id");
    until("asked for", || backend.asked.load(Ordering::SeqCst) == 1).await;
    client
        .cache()
        .set("customers:detail-c1", &customer("c1", 5))
        .expect("taken");
    backend.gate.add_permits(1);
    let later = tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>()).await;
    assert!(later.is_err());
    let score = || {
        watched
            .current()
            .value
            .expect("there")
            .expect("it fits")
            .score
    };
    assert_eq!(score(), 5);
    *backend.score.lock() = 9;
    backend.gate.add_permits(100);
    customers.invalidate("c1").expect("a good id");
    until("what is asked for afterwards counts", || score() == 9).await;
}

#[tokio::test(start_paused = true)]
async fn coverage_a10_plain_values_are_kept_for_their_time_and_watched() {
    let server = served();
    let client = server.client().start().expect("it starts");
    let cache = client.cache();
    let key = "dashboard:metrics";
    let mut watched = cache.watch(key).expect("a good key");
    assert_eq!(
        watched.current::<Vec<i64>>().expect("it fits").trust,
        Trust::Unknown
    );
    cache
        .set_for(key, &[1, 2], Duration::from_secs(5))
        .expect("open");
    assert_eq!(cache.get(key).expect("it fits"), Some([1, 2]));
    assert!(watched.changed().await);
    assert_eq!(cache.keys(&pattern("^dashboard:")), [key]);
    assert!(cache.get::<String>(key).is_err(), "it does not fit");
    tokio::time::timeout(Duration::from_secs(60), watched.changed())
        .await
        .expect("its end is told");
    assert_eq!(watched.current::<Vec<i64>>().expect("it fits").value, None);
    cache.set(key, &"x").expect("open");
    cache
        .invalidate_matching(&pattern("metrics$"))
        .expect("open");
    let reading = cache.read::<String>(key).expect("it fits");
    assert_eq!(reading.value.as_deref(), Some("x"));
    assert_eq!(reading.trust, Trust::Stale(StaleReason::Marked));
    assert_eq!(
        cache.set_for("customers:detail-c1", &1, Duration::ZERO),
        Err(CallError::NotAValueKey)
    );
    assert_eq!(cache.update(key, Patch::new()), Err(CallError::ValueKey));
    drop(watched);
    assert_eq!(client.held().watches, 0);
}

#[tokio::test(start_paused = true)]
async fn coverage_a10_many_who_fetch_the_same_value_share_one_load_and_its_failure() {
    let server = served();
    let client = server.client().start().expect("it starts");
    let cache = client.cache();
    let loads = Arc::new(AtomicUsize::new(0));
    let fetch_all = |result: Result<i64, String>| {
        let mut fetches = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (cache, loads, result) = (cache.clone(), Arc::clone(&loads), result.clone());
            fetches.spawn(async move {
                let load = || async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>())
                        .await
                        .ok();
                    result
                };
                cache.fetch_with("dashboard:total", None, load).await
            });
        }
        fetches.join_all()
    };
    for outcome in fetch_all(Err("no such report".into())).await {
        assert_eq!(outcome, Err(LoadError::Source("no such report".into())));
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    for outcome in fetch_all(Ok(7)).await {
        assert_eq!(outcome, Ok(7));
    }
    assert_eq!(loads.load(Ordering::SeqCst), 2);
    assert_eq!(fetch_all(Ok(8)).await, vec![Ok(7); 10], "it is held");
    cache.invalidate("dashboard:total").expect("a good key");
    assert_eq!(fetch_all(Ok(8)).await, vec![Ok(8); 10], "it was marked");
    assert_eq!(loads.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn law_6_a_load_that_began_before_a_value_was_set_or_cleared_does_not_overwrite_that() {
    let server = served();
    let client = server.client().start().expect("it starts");
    let cache = client.cache();
    let key = "dashboard:total";
    let gate = Arc::new(Semaphore::new(0));
    let load = |number: i64| {
        let (cache, gate) = (cache.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            let load = || async move {
                gate.acquire().await.expect("it stays open").forget();
                Ok::<i64, String>(number)
            };
            cache.fetch_with(key, None, load).await
        })
    };
    let early = load(1);
    tokio::task::yield_now().await;
    cache.set(key, &2).expect("open");
    gate.add_permits(1);
    assert_eq!(
        early.await.expect("no panic"),
        Ok(1),
        "whoever waits gets what came"
    );
    assert_eq!(cache.get(key).expect("it fits"), Some(2));
    cache.invalidate(key).expect("a good key");
    let early = load(3);
    tokio::task::yield_now().await;
    cache.clear().expect("open");
    let late = load(4);
    tokio::task::yield_now().await;
    gate.add_permits(2);
    assert_eq!(
        (
            early.await.expect("no panic"),
            late.await.expect("no panic")
        ),
        (Ok(3), Ok(4))
    );
    assert_eq!(cache.get(key).expect("it fits"), Some(4));
}

#[tokio::test(start_paused = true)]
async fn where_the_one_who_loads_a_value_is_dropped_the_next_one_loads() {
    let server = served();
    let client = server.client().start().expect("it starts");
    let cache = client.cache();
    let (first, second) = (cache.clone(), cache.clone());
    let first = tokio::spawn(async move {
        let never = || std::future::pending::<Result<i64, String>>();
        first.fetch_with("total", None, never).await
    });
    tokio::task::yield_now().await;
    let second = tokio::spawn(async move {
        second
            .fetch_with("total", None, || async { Ok::<i64, String>(2) })
            .await
    });
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    first.abort();
    assert_eq!(second.await.expect("no panic"), Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_expired_is_not_shown_and_its_watchers_are_told() {
    let server = served();
    let client = server.client().start().expect("it starts");
    let customers = client
        .collection::<Customer>("customers")
        .expire_after(Duration::from_secs(30))
        .build()
        .expect("a good name");
    let list = customers.query().sort_desc("score").limit(2).live();
    list.loaded().await.expect("it loads");
    tokio::time::timeout(Duration::from_secs(90), std::future::pending::<()>())
        .await
        .ok();
    assert_eq!(
        list.current().rows().len(),
        2,
        "a live stream vouches for it"
    );
    server.network().cut();
    server.network().refuse();
    page_where(&list, "that says it is lost", |page| {
        page.trust() == Trust::Stale(StaleReason::Disconnected)
    })
    .await;
    let gone = page_where(&list, "that expired", |page| {
        page.trust() == Trust::Stale(StaleReason::Expired)
    })
    .await;
    assert!(gone.rows().is_empty() && !gone.is_known());
    assert!(gone.reason().is_some());
    assert_eq!(customers.get("c5").expect("it fits"), None);
    server.network().admit();
    page_where(&list, "that is live again", |page| {
        page.rows().len() == 2 && page.trust() == Trust::Live
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn after_the_end_what_is_held_can_be_read_and_nothing_can_be_set() {
    let server = served();
    let client = server.client().start().expect("it starts");
    let cache = client.cache();
    cache.set("total", &3).expect("open");
    client
        .close(Duration::from_secs(5))
        .await
        .expect("it closes");
    assert_eq!(cache.get("total").expect("it fits"), Some(3));
    assert_eq!(cache.set("total", &4), Err(CallError::Closed));
    assert_eq!(cache.clear(), Err(CallError::Closed));
    let loaded = cache
        .fetch_with("other", None, || async { Ok::<i64, String>(2) })
        .await;
    assert_eq!(loaded, Err(LoadError::Closed));
}
