//! Following what changes: nobody misses anything, and nobody is told what is not theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::Mutex;
use tidewire::{Change, ListDiff, Notice, OnChange, field};

use crate::pipe_server::{PipeServer, entity_type, put};
use crate::waiting::{Customer, customers, ids, page_where, record, until};

#[tokio::test(start_paused = true)]
async fn a_listener_hears_only_of_its_own_type() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let of = |name| {
        client
            .collection::<Customer>(name)
            .build()
            .expect("a good name")
    };
    let (customers, orders) = (of("customers"), of("orders"));
    let mut changes = customers.changes().expect("built");
    let mut others = orders.changes().expect("built");
    until("both streams are held", || {
        server.stats().subscriptions == 2
    })
    .await;
    for n in 0..3 {
        let row = record("c1", n);
        server.publish(vec![put("orders", &row), put("customers", &row)]);
    }
    let list = customers.query().live();
    page_where(&list, "with the last", |page| {
        page.values().any(|value| value.score == 2)
    })
    .await;
    for (changes, name) in [(&mut changes, "customers"), (&mut others, "orders")] {
        let mut told = 0;
        let mut context = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(change) = changes.poll_next_unpin(&mut context) {
            let (Change::Notice(Notice::Create { key, .. })
            | Change::Notice(Notice::Update { key, .. })) = change.expect("it is held")
            else {
                panic!("neither created nor updated")
            };
            assert_eq!(key.entity_type, entity_type(name));
            told += 1;
        }
        assert!(told > 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entitys_updates_miss_nothing_that_happens_between_two_looks() {
    let server = PipeServer::start();
    server.publish(vec![put("customers", &record("c1", 1))]);
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let entity = customers.entity("c1").expect("a good id");
    entity.loaded().await.expect("it loads");
    let mut readings = entity.updates();
    readings.next().await.expect("the first");
    // It changes while nobody waits.
    customers
        .edit("c1", |customer| customer.score = 2)
        .expect("taken")
        .visible()
        .await
        .expect("accepted");
    let next = tokio::time::timeout(Duration::from_secs(5), readings.next()).await;
    let reading = next.expect("it is told").expect("it is held");
    let score = |reading: tidewire::EntityReading<Customer>| {
        let value = reading.value.expect("it is there");
        value.expect("it fits").score
    };
    assert_eq!(score(reading), 2);
    // As a stream, too.
    server.publish(vec![put("customers", &record("c1", 3))]);
    let third =
        readings.filter_map(|reading| std::future::ready((score(reading) == 3).then_some(())));
    std::pin::pin!(third).next().await.expect("it is held");
}

#[tokio::test(start_paused = true)]
async fn diffs_are_a_stream() {
    let server = PipeServer::start();
    server.publish(vec![put("customers", &record("c1", 1))]);
    let client = server.client().start().expect("it starts");
    let customers = client
        .collection::<Customer>("customers")
        .complete(100)
        .build()
        .expect("a good name");
    let list = customers.query().sort_asc("score").live();
    list.loaded().await.expect("it loads");
    let mut diffs = list.diffs();
    let (_, first) = StreamExt::next(&mut diffs).await.expect("it is held");
    assert_eq!(first, ListDiff::Reset);
    server.publish(vec![put("customers", &record("c2", 2))]);
    let (page, second) = diffs.next().await.expect("it is held");
    assert_eq!(ids(&page), ["c1", "c2"]);
    assert!(
        matches!(&second, ListDiff::Steps(steps) if steps.len() == 1),
        "{second:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_listener_dropped_by_another_in_the_same_round_is_not_called() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let list = customers.query().live();
    list.loaded().await.expect("it loads");
    let second: Arc<Mutex<Option<OnChange>>> = Arc::default();
    let held = Arc::clone(&second);
    let _first = list.on_change(move || drop(held.lock().take()));
    let called = Arc::new(AtomicBool::new(false));
    let call = Arc::clone(&called);
    *second.lock() = Some(list.on_change(move || call.store(true, Ordering::SeqCst)));
    server.publish(vec![put("customers", &record("c1", 1))]);
    page_where(&list, "with c1", |page| !page.rows().is_empty()).await;
    assert!(second.lock().is_none(), "the first was called");
    assert!(!called.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_ask_for_more() {
    let server = PipeServer::start();
    let rows = (0..500).map(|n| put("customers", &record(&format!("c{n:03}"), n)));
    server.publish(rows.collect());
    let client = server.client().start().expect("it starts");
    let customers = client
        .collection::<Customer>("customers")
        .complete(1_000)
        .build()
        .expect("a good name");
    let list = customers
        .query()
        .filter(field("score").ge(0))
        .limit(1)
        .live();
    list.loaded().await.expect("it loads");
    let (deep, deepest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, depth, most) = (list.clone(), Arc::clone(&deep), Arc::clone(&deepest));
    let _on = list.on_change(move || {
        most.fetch_max(depth.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        if inside.current().rows().len() < 400 {
            inside.more(1);
        }
        depth.fetch_sub(1, Ordering::SeqCst);
    });
    list.more(1);
    page_where(&list, "of 400 rows", |page| page.rows().len() == 400).await;
    assert_eq!(
        deepest.load(Ordering::SeqCst),
        1,
        "it was called from within"
    );
}

#[tokio::test(start_paused = true)]
async fn coverage_b7_one_listener_that_goes_leaves_the_others_theirs() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let mut stays = customers.changes().expect("built");
    let goes = customers.changes().expect("built");
    until("the stream is held", || server.stats().subscriptions == 1).await;
    drop(goes);
    for _ in 0..60 {
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(server.stats().subscriptions, 1, "still wanted by the other");
    server.publish(vec![put("customers", &record("c1", 1))]);
    let told = stays.next().await.expect("it is held");
    assert!(
        matches!(told, Change::Notice(Notice::Create { .. })),
        "{told:?}"
    );
    drop(stays);
    until("nobody wants it", || server.stats().subscriptions == 0).await;
}
