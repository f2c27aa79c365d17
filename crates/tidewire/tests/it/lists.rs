//! Reading: live lists and entities, over the pipe, in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidewire::{Change, ListDiff, Notice, Trust, field};

use crate::pipe_server::{PipeServer, entity_type, put};
use crate::waiting::{Customer, customer, customers, ids, page_where, record, until};

#[tokio::test(start_paused = true)]
async fn a_commit_on_the_server_wakes_a_watcher_and_a_write_goes_back() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let list = customers.query().sort_desc("score").limit(10).live();
    list.loaded().await.expect("it loads");

    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let _on = list.on_change(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    server.publish(vec![put("customers", &record("c1", 10))]);
    let page = page_where(&list, "with c1", |page| !page.rows().is_empty()).await;
    assert_eq!(
        page.values()
            .map(|value| (**value).clone())
            .collect::<Vec<_>>(),
        [customer("c1", 10)]
    );
    assert_eq!(page.trust(), Trust::Live);
    assert_eq!(woken.load(Ordering::SeqCst), 1);

    let edit = customers
        .edit("c1", |customer| customer.score = 11)
        .expect("it is known");
    assert_eq!(
        customers
            .get("c1")
            .expect("it fits")
            .expect("it is there")
            .score,
        11
    );
    edit.visible().await.expect("accepted and visible");
    assert_eq!(server.rows("customers"), [record("c1", 11)]);
}

#[tokio::test(start_paused = true)]
async fn a_complete_collection_answers_lists_without_a_request() {
    let server = PipeServer::start();
    server.publish(
        (0..50)
            .map(|n| put("customers", &record(&format!("c{n:02}"), n)))
            .collect(),
    );
    let client = server.client().start().expect("it starts");
    let customers = client
        .collection::<Customer>("customers")
        .complete(1_000)
        .build()
        .expect("a good name");
    let all = customers.query().live();
    all.loaded().await.expect("it loads");
    let top = customers
        .query()
        .filter(field("score").ge(40))
        .sort_desc("score")
        .limit(3)
        .live();
    let page = top.current();
    assert_eq!(ids(&page), ["c49", "c48", "c47"]);
    assert_eq!(
        (page.total_count(), page.total_is_exact(), page.trust()),
        (Some(10), true, Trust::Live)
    );
}

#[tokio::test(start_paused = true)]
async fn law_10_diffs_lead_from_page_to_page() {
    let server = PipeServer::start();
    server.publish(vec![
        put("customers", &record("c1", 1)),
        put("customers", &record("c2", 2)),
    ]);
    let client = server.client().start().expect("it starts");
    let customers = client
        .collection::<Customer>("customers")
        .complete(100)
        .build()
        .expect("a good name");
    let list = customers.query().sort_asc("score").live();
    list.loaded().await.expect("it loads");
    let mut pages = list.updates();
    let (first, diff) = pages.next_diff().await.expect("the list is held");
    assert_eq!(diff, ListDiff::Reset);
    server.publish(vec![put("customers", &record("c1", 9))]);
    let (second, diff) = pages.next_diff().await.expect("the list is held");
    assert_eq!(
        (ids(&first), ids(&second)),
        (
            vec!["c1".into(), "c2".into()],
            vec!["c2".into(), "c1".into()]
        )
    );
    let rows = |page: &tidewire::Page<Customer>| -> Vec<_> {
        page.rows()
            .iter()
            .map(|row| (row.id.clone(), row.value.clone().expect("it fits")))
            .collect()
    };
    let after = rows(&second);
    let led_to = diff.apply(&rows(&first), |id| {
        let found = after.iter().find(|row| row.0 == *id)?;
        Some(found.1.clone())
    });
    assert_eq!(led_to, Some(after), "{diff:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fetch_answers_every_caller_and_says_what_is_missing() {
    let server = PipeServer::start();
    server.publish(vec![put("customers", &record("c1", 1))]);
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    assert_eq!(
        customers.get("c1").expect("a good id"),
        None,
        "get never asks"
    );
    let (one, other) = tokio::join!(customers.fetch("c1"), customers.fetch("c1"));
    assert_eq!(one.expect("it loads"), other.expect("it loads"));
    assert_eq!(customers.fetch("nobody").await.expect("it loads"), None);
    let many = customers
        .fetch_many(&["c1", "nobody"])
        .await
        .expect("it loads");
    assert_eq!(
        many.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, false]
    );
}

#[tokio::test(start_paused = true)]
async fn a_row_that_does_not_fit_is_an_unreadable_row_and_not_a_failed_page() {
    let server = PipeServer::start();
    let odd = record("c2", 2).with("score", "many");
    server.publish(vec![
        put("customers", &record("c1", 1)),
        put("customers", &odd),
    ]);
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let page = customers.query().live().loaded().await.expect("it loads");
    assert_eq!(page.rows().len(), 2);
    assert_eq!(page.values().count(), 1);
    assert!(page.rows()[1].value.is_err());
    assert!(customers.get("c2").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_typed_value_is_made_once_per_record() {
    let server = PipeServer::start();
    server.publish(vec![put("customers", &record("c1", 1))]);
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let list = customers.query().live();
    list.loaded().await.expect("it loads");
    let first = customers.get("c1").expect("it fits").expect("it is there");
    let second = customers.get("c1").expect("it fits").expect("it is there");
    assert!(Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(
        &first,
        list.current().values().next().expect("one row")
    ));
}

#[tokio::test(start_paused = true)]
async fn coverage_a2_notices_come_after_the_view_shows_them_and_the_type_is_subscribed_once() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let (mut one, mut other) = (
        customers.changes().expect("built"),
        customers.changes().expect("built"),
    );
    until("the stream is held", || server.stats().subscriptions == 1).await;
    server.publish(vec![put("customers", &record("c1", 1))]);
    for changes in [&mut one, &mut other] {
        let Some(Change::Notice(Notice::Create { key, .. })) = changes.next().await else {
            panic!("no creation was told");
        };
        assert_eq!(key.entity_type, entity_type("customers"));
        assert!(customers.get("c1").expect("it fits").is_some());
    }
    assert_eq!(server.stats().subscriptions, 1);
}

#[tokio::test(start_paused = true)]
async fn coverage_b20_a_listener_that_lags_is_told_to_look_again() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let mut changes = customers.changes().expect("built");
    until("the stream is held", || server.stats().subscriptions == 1).await;
    let last = 1_500;
    let counter = customers.query().filter(field("score").ge(last)).live();
    for n in 0..=last {
        server.publish(vec![put("customers", &record("c1", n))]);
    }
    page_where(&counter, "with the last change", |page| {
        !page.rows().is_empty()
    })
    .await;
    assert_eq!(changes.next().await, Some(Change::Resync));
    assert_eq!(
        customers
            .get("c1")
            .expect("it fits")
            .expect("it is there")
            .score,
        last
    );
}

#[tokio::test(start_paused = true)]
async fn law_18_when_the_handles_are_dropped_everything_is_given_back() {
    let server = PipeServer::start();
    server.publish(vec![put("customers", &record("c1", 1))]);
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let list = customers.query().limit(5).live();
    list.loaded().await.expect("it loads");
    let entity = customers.entity("c1").expect("a good id");
    list.more(5);
    assert_eq!(client.held().watches, 2);
    drop((list, entity));
    let held = client.held();
    assert_eq!((held.watches, held.actions), (0, 0));
    until("the stream is given back", || {
        server.stats().subscriptions == 0
    })
    .await;
    drop((customers, client));
    until("the connection ends", || server.stats().connections == 0).await;
}

#[tokio::test(start_paused = true)]
async fn more_makes_the_window_longer() {
    let server = PipeServer::start();
    server.publish(
        (0..50)
            .map(|n| put("customers", &record(&format!("c{n:02}"), n)))
            .collect(),
    );
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let list = customers.query().sort_asc("score").limit(5).live();
    assert_eq!(list.loaded().await.expect("it loads").rows().len(), 5);
    list.more(30);
    let page = page_where(&list, "of 35 rows", |page| page.rows().len() == 35).await;
    assert_eq!(page.total_count(), Some(50));
}

#[tokio::test(start_paused = true)]
async fn coverage_a15_the_status_tells_of_a_loss_and_of_the_next_attempt() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let mut status = client.status_updates();
    let up = status.wait_for(|status| status.connection == tidewire::Connection::Connected);
    tokio::time::timeout(Duration::from_secs(5), up)
        .await
        .expect("it connects")
        .expect("it runs");
    server.network().refuse();
    server.network().cut();
    let lost = status
        .wait_for(|status| status.connection == tidewire::Connection::Disconnected)
        .await;
    let lost = lost.expect("it runs").clone();
    assert!(!lost.reason.is_empty());
    assert!(lost.next_attempt.is_some());
    server.network().admit();
    status
        .wait_for(|status| status.connection == tidewire::Connection::Connected)
        .await
        .expect("it runs");
}
