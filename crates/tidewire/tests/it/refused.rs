//! What the server refuses: whoever waits is told, and may try again.

use std::sync::Arc;
use std::time::Duration;

use tidewire::testing::Connection;
use tidewire::{ActionError, Client, Collection, LoadError, Patch, field};
use tidewire_cache::Trust;
use tidewire_hub::{Principal, Refused, Rights};
use tidewire_model::{EntityType, Epoch, Offset, Point};
use tidewire_protocol::{
    Class, ClientMessage, Data, Fetch, RequestError, RequestId, ServerMessage, Subscribe,
    SubscribeResult, Subscribed, Unsubscribed,
};

use crate::pipe_server::{PipeServer, put};
use crate::raw_server::{greeted, heard, narrow_pipe, say};
use crate::waiting::{Customer, customers, page_where, record};

/// Nobody may see secrets.
#[derive(Debug)]
struct NoSecrets;

impl Rights for NoSecrets {
    fn may_read(&self, _principal: &Principal, entity_type: &EntityType) -> Option<String> {
        (entity_type.as_str() != "secrets").then(|| "all".to_owned())
    }

    fn may_write(&self, _: &Principal, _: &tidewire_hub::Write) -> Result<(), Refused> {
        Ok(())
    }
}

fn started(server: &PipeServer, name: &str) -> (Client, Collection<Customer>) {
    let client = server.client().start().expect("it starts");
    let collection = client.collection::<Customer>(name).build();
    (client, collection.expect("a good name"))
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_what_may_not_be_seen_is_told() {
    let server =
        PipeServer::start_with(64 * 1024, |settings| settings.rights = Arc::new(NoSecrets));
    server.publish(vec![put("secrets", &record("s1", 1))]);
    let (client, secrets) = started(&server, "secrets");
    let forbidden = LoadError::Refused {
        code: "forbidden".into(),
    };
    assert_eq!(secrets.fetch("s1").await.err(), Some(forbidden.clone()));
    let list = secrets.query().live();
    assert_eq!(list.loaded().await.err(), Some(forbidden.clone()));
    assert_eq!(
        list.loaded().await.err(),
        Some(forbidden),
        "and who asks later"
    );
    // Others are not concerned.
    let customers = client.collection::<Customer>("customers").build();
    let customers = customers.expect("a good name");
    assert_eq!(customers.fetch("c1").await.expect("it loads"), None);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_cannot_be_sent_is_told_to_whoever_waits_for_it() {
    let server = PipeServer::start();
    let (_client, customers) = started(&server, "customers");
    let long = "x".repeat(20_000);
    let list = customers.query().filter(field("name").eq(long)).live();
    let Err(LoadError::Call(why)) = list.loaded().await else {
        panic!("it is misuse")
    };
    let page = list.current();
    assert_eq!(page.reason(), Some(&*why.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_that_is_sent_again_can_be_waited_for_again() {
    let server = PipeServer::start();
    let (client, customers) = started(&server, "customers");
    let edit = customers
        .update("c1", Patch::new().set("score", 7))
        .expect("taken");
    let refused = edit.accepted().await;
    assert!(
        matches!(refused, Err(ActionError::Refused(_))),
        "{refused:?}"
    );
    server.publish(vec![put("customers", &record("c1", 1))]);
    client.actions().retry(edit.id()).expect("it is parked");
    assert_eq!(edit.accepted().await, Ok(()));
    let again = client.actions().retry(edit.id());
    assert!(again.is_err(), "it is done");
    assert_eq!(edit.accepted().await, Ok(()));
}

fn for_now(id: RequestId) -> RequestError {
    RequestError {
        id,
        code: "internal".into(),
        class: Class::Retry,
        retry_after_ms: None,
    }
}

async fn subscribe_heard(connection: &mut Connection) -> Subscribe {
    match heard(connection).await {
        ClientMessage::Subscribe(subscribe) => subscribe,
        other => panic!("{other:?}"),
    }
}

async fn fetch_heard(connection: &mut Connection) -> Fetch {
    match heard(connection).await {
        ClientMessage::Fetch(fetch) => fetch,
        other => panic!("{other:?}"),
    }
}

/// Says that a feed is attached of which nothing has happened yet.
async fn attach(connection: &mut Connection, subscribe: Subscribe) {
    let subscribed = Subscribed {
        id: subscribe.id,
        entity_type: subscribe.entity_type,
        result: SubscribeResult::Now,
        epoch: Epoch::new("e1").expect("a good name"),
        view: "all".into(),
        offset: Offset::ZERO,
        head: Offset::ZERO,
    };
    say(connection, &ServerMessage::Subscribed(subscribed)).await;
}

/// Answers that there is nothing.
async fn answer(connection: &mut Connection, fetch: &Fetch) {
    let data = Data {
        id: fetch.id,
        as_of: Point::new(Epoch::new("e1").expect("a good name"), Offset::ZERO),
        part: 0,
        more: false,
        rows: Vec::new(),
        missing: Vec::new(),
        total_count: Some(0),
        start_key: None,
        end: true,
    };
    say(connection, &ServerMessage::Data(data)).await;
}

const WHY: Option<&str> = Some("the server cannot answer for now: internal");

#[tokio::test(start_paused = true)]
async fn a_page_says_why_the_server_does_not_answer_and_no_longer_once_it_has() {
    let (transport, mut listener) = narrow_pipe();
    let client = Client::builder("ws://pipe/live").transport(transport);
    let client = client.start().expect("it starts");
    let customers = customers(&client);
    let mut server = greeted(&mut listener, Duration::from_secs(3_600)).await;
    let list = customers.query().live();
    assert_eq!(list.current().reason(), None, "nobody has said anything");

    let refused = subscribe_heard(&mut server).await;
    say(
        &mut server,
        &ServerMessage::SubscribeError(for_now(refused.id)),
    )
    .await;
    page_where(&list, "with a reason", |page| page.reason() == WHY).await;
    let again = subscribe_heard(&mut server).await;
    attach(&mut server, again).await;
    page_where(&list, "without a reason", |page| page.reason().is_none()).await;

    let refused = fetch_heard(&mut server).await;
    say(&mut server, &ServerMessage::FetchError(for_now(refused.id))).await;
    page_where(&list, "with a reason", |page| page.reason() == WHY).await;
    let longer = customers.query().limit(7).live();
    assert_eq!(longer.current().reason(), WHY, "it is of the same request");
    let other = customers.query().filter(field("score").eq(7)).live();
    assert_eq!(other.current().reason(), None, "it is of another");
    let again = fetch_heard(&mut server).await;
    answer(&mut server, &again).await;
    let page = page_where(&list, "that is known", tidewire::Page::is_known).await;
    assert_eq!(page.reason(), None);

    let ended = |code: &str| {
        ServerMessage::Unsubscribed(Unsubscribed {
            id: None,
            entity_type: again.entity_type.clone(),
            code: code.into(),
            resubscribe: true,
        })
    };
    say(&mut server, &ended("slow")).await;
    let page = page_where(&list, "that is stale", |page| page.reason().is_some()).await;
    let Trust::Stale(why) = page.trust() else {
        panic!("{page:?}")
    };
    assert_eq!(page.reason(), Some(&*why.to_string()), "it has answered");
    let subscribe = loop {
        if let ClientMessage::Subscribe(subscribe) = heard(&mut server).await {
            break subscribe;
        }
    };
    attach(&mut server, subscribe).await;
    say(&mut server, &ended("internal")).await;
    let said = |page: &tidewire::Page<Customer>| page.reason().is_some_and(|it| it.contains(';'));
    let page = page_where(&list, "that says why it stays so", said).await;
    let both = format!("{why}; {}", WHY.expect("it is said"));
    assert_eq!(page.reason(), Some(&*both), "and why it stays so");

    // Another connection has said nothing yet.
    drop(server);
    let lost = why.to_string();
    page_where(&list, "of no connection", |page| {
        page.reason() == Some(&*lost)
    })
    .await;
    assert_eq!(other.current().reason(), None);
}

#[tokio::test(start_paused = true)]
async fn a_page_says_in_time_that_a_server_that_lives_does_not_answer() {
    let (transport, mut listener) = narrow_pipe();
    let client = Client::builder("ws://pipe/live").transport(transport);
    let client = client.start().expect("it starts");
    let list = customers(&client).query().live();
    let mut server = greeted(&mut listener, Duration::from_secs(3_600)).await;
    let subscribe = subscribe_heard(&mut server).await;
    attach(&mut server, subscribe).await;
    fetch_heard(&mut server).await;
    // Within a minute.
    let page = page_where(&list, "with a reason", |page| page.reason().is_some()).await;
    let why = "the server cannot answer for now: no_answer";
    assert_eq!(page.reason(), Some(why));
}

#[tokio::test(start_paused = true)]
async fn a_reason_that_nothing_is_known_for_goes_with_its_connection_and_who_watches_is_told() {
    let (transport, mut listener) = narrow_pipe();
    let client = Client::builder("ws://pipe/live").transport(transport);
    let client = client.start().expect("it starts");
    let list = customers(&client).query().live();
    let mut server = greeted(&mut listener, Duration::from_secs(3_600)).await;
    let refused = subscribe_heard(&mut server).await;
    say(
        &mut server,
        &ServerMessage::SubscribeError(for_now(refused.id)),
    )
    .await;
    page_where(&list, "with a reason", |page| page.reason() == WHY).await;
    let mut pages = list.updates();
    assert_eq!(pages.next().await.expect("it is held").reason(), WHY);
    drop(server);
    let page = tokio::time::timeout(Duration::from_secs(60), pages.next()).await;
    let page = page.expect("it is told").expect("it is held");
    assert_eq!(page.reason(), None);
}
