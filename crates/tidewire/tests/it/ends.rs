//! How a client comes to its end, well or badly, and who is told.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use tidewire::testing::{Connection, PipeTransport, Received};
use tidewire::{
    ActionError, CallError, Client, CloseError, Connection as Standing, Dialects, EntityType,
    Failure, Fetch, FetchWhat, Fetched, LoadError, MemoryStore, Patch, SqliteStore, Store,
    StoreError, Transport, Trust,
};
use tidewire_store::{Durability, Row, Txn};
use tidewire_transport::{ConnectError, ConnectRequest, FrameReceiver};
use tokio::sync::Semaphore;

use crate::pipe_server::{PipeServer, put};
use crate::waiting::{Customer, customer, customers, record, until};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn after_the_close_every_call_is_refused_and_whoever_waits_is_told() {
    let server = PipeServer::start();
    server.publish(vec![put("customers", &record("c1", 1))]);
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let list = customers.query().live();
    list.loaded().await.expect("it loads");
    let entity = customers.entity("c1").expect("a good id");
    client.set_online(false);
    until("it is offline", || server.stats().connections == 0).await;
    let edit = customers
        .update("c1", Patch::new().set("score", 2))
        .expect("taken");
    let other = customers.query().limit(7).live();
    let (mut pages, mut readings) = (list.updates(), entity.updates());
    let mut changes = customers.changes().expect("built");
    let waiting = tokio::spawn({
        let edit = edit.clone();
        async move {
            let pages = async { while pages.next().await.is_some() {} };
            let readings = async { while readings.next().await.is_some() {} };
            let changes = async { while changes.next().await.is_some() {} };
            tokio::join!(
                pages,
                readings,
                changes,
                async { assert_eq!(edit.accepted().await, Err(ActionError::Closed)) },
                async { assert_eq!(other.loaded().await.unwrap_err(), LoadError::Closed) },
            )
        }
    });
    tokio::task::yield_now().await;
    client.clone().close(SOON).await.expect("in time");
    tokio::time::timeout(SOON, waiting)
        .await
        .expect("everybody is told")
        .expect("nobody panicked");

    let refused = customers.update("c1", Patch::new().set("score", 3));
    assert_eq!(refused.unwrap_err(), CallError::Closed);
    assert_eq!(edit.cancel(), Err(CallError::Closed));
    assert_eq!(client.actions().retry(edit.id()), Err(CallError::Closed));
    assert_eq!(
        customers.fetch("c9").await.unwrap_err(),
        LoadError::Closed,
        "nothing is loaded any more"
    );
    let shown = customers.get("c1").expect("it fits");
    assert_eq!(shown.expect("what is known can be read").score, 2);
    assert_eq!(client.status().connection, Standing::Stopped);
    // Those made only now find the end at once.
    let late = customers.query().limit(3).live();
    let mut pages = late.updates();
    assert!(pages.next().await.is_some(), "what is known");
    assert!(pages.next().await.is_none());
    client.close(SOON).await.expect("it is closed already");
}

/// A store that stores only as often as it is allowed to.
#[derive(Clone)]
struct Gated(MemoryStore, Arc<Semaphore>);

#[async_trait]
impl Store for Gated {
    fn durability(&self) -> Durability {
        Durability::Crash
    }

    fn load(&self) -> Result<Vec<Row>, StoreError> {
        self.0.load()
    }

    async fn commit(&self, group: Vec<Txn>) -> Result<(), StoreError> {
        self.1.acquire().await.expect("it stays open").forget();
        self.0.commit(group).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_stored_or_refused_while_the_client_closes_and_never_lost() {
    let gate = Arc::new(Semaphore::new(0));
    let store = Gated(MemoryStore::new(), Arc::clone(&gate));
    let started = |store: &Gated| {
        let client = Client::builder("ws://pipe/live")
            .transport(tidewire::testing::pipe().0)
            .store(store.clone())
            .offline();
        client.start().expect("it starts")
    };
    let client = started(&store);
    let customers = customers(&client);
    customers.create(&customer("c1", 1)).expect("taken");
    let late = client.clone().close(Duration::from_secs(1)).await;
    assert_eq!(late, Err(CloseError::Deadline));
    let refused = customers.create(&customer("c2", 2)).unwrap_err();
    assert_eq!(refused, CallError::Closed);
    assert_eq!(
        customers.get("c2").expect("a good id"),
        None,
        "it is not shown either"
    );
    gate.add_permits(100);
    client.close(SOON).await.expect("it is stored");
    let again = started(&store);
    assert_eq!(again.actions().pending().len(), 1);
}

/// A backend that never answers.
struct Hung(Arc<AtomicBool>);

#[async_trait]
impl Fetch for Hung {
    async fn fetch(&self, _: &EntityType, _: FetchWhat) -> Result<Fetched, Failure> {
        self.0.store(true, Ordering::SeqCst);
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_is_given_back_when_close_returns_though_a_fetch_hangs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    for _ in 0..20 {
        let store = SqliteStore::open(&path).expect("the client before has given it back");
        let (transport, mut listener) = tidewire::testing::pipe();
        let asked = Arc::new(AtomicBool::new(false));
        let client = Client::builder("ws://pipe/live")
            .transport(transport)
            .store(store)
            .dialect(Dialects::Basic)
            .fetch(Hung(Arc::clone(&asked)))
            .start()
            .expect("it starts");
        let customers = client
            .collection::<Customer>("customers")
            .client_points()
            .build()
            .expect("a good name");
        let _entity = customers.entity("c1").expect("a good id");
        let incoming = listener.incoming().await.expect("the client connects");
        let _connection = incoming.accept(None);
        until("the backend is asked", || asked.load(Ordering::SeqCst)).await;
        client.close(SOON).await.expect("in time");
    }
}

/// A waker as nobody should write one.
struct Fuse;

impl Wake for Fuse {
    fn wake(self: Arc<Self>) {
        panic!("a waker's own fault");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_driver_stops_the_client_with_a_status_that_says_why() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let list = customers.query().limit(5).live();
    list.loaded().await.expect("it loads");
    let (looked, saw) = (Arc::new(AtomicBool::new(false)), list.clone());
    let look = Arc::clone(&looked);
    let _on = list.on_change(move || {
        saw.more(1);
        let stale = matches!(saw.current().trust(), Trust::Stale(_));
        look.fetch_or(stale, Ordering::SeqCst);
    });
    let mut pages = list.updates();
    pages.next().await.expect("the first page");
    {
        let waker = Waker::from(Arc::new(Fuse));
        let next = pin!(pages.next());
        let poll = next.poll(&mut Context::from_waker(&waker));
        assert!(matches!(poll, Poll::Pending));
        let edit = customers.create(&customer("c1", 1)).expect("taken");
        let Err(ActionError::Stopped(reason)) = edit.accepted().await else {
            panic!("the driver went on")
        };
        assert!(reason.contains("a waker's own fault"), "{reason}");
    }
    let status = client.status();
    assert_eq!(status.connection, Standing::Stopped);
    assert!(status.reason.contains("a waker's own fault"), "{status:?}");
    let trust = list.current().trust();
    assert!(matches!(trust, Trust::Stale(_)), "{trust}");
    assert!(looked.load(Ordering::SeqCst), "who listens is told");
    assert!(matches!(
        customers.query().limit(3).live().loaded().await,
        Err(LoadError::Stopped(_))
    ));
    assert!(matches!(
        customers.create(&customer("c2", 2)),
        Err(CallError::Stopped(_))
    ));
    let closed = client.close(SOON).await;
    assert!(matches!(closed, Err(CloseError::Stopped(_))), "{closed:?}");
}

#[test]
fn when_the_runtime_goes_nobody_waits_for_ever() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let (transport, _listener) = tidewire::testing::pipe();
    let first = runtime();
    let (client, customers, edit) = first.block_on(async {
        let client = Client::builder("ws://pipe/live")
            .transport(transport)
            .start()
            .expect("it starts");
        let customers = customers(&client);
        let edit = customers.create(&customer("c1", 1)).expect("taken");
        (client, customers, edit)
    });
    drop(first);
    runtime().block_on(async {
        assert!(matches!(
            edit.accepted().await,
            Err(ActionError::Stopped(_))
        ));
        assert!(matches!(
            customers.create(&customer("c2", 2)),
            Err(CallError::Stopped(_))
        ));
        let closed = client.close(SOON).await;
        assert!(matches!(closed, Err(CloseError::Stopped(_))), "{closed:?}");
    });
}

/// A transport whose first connection panics when something is received.
struct Broken(PipeTransport, AtomicBool);

struct BrokenReceiver;

#[async_trait]
impl FrameReceiver for BrokenReceiver {
    async fn receive(&mut self) -> Received {
        panic!("a transport's own fault")
    }
}

#[async_trait]
impl Transport for Broken {
    async fn connect(&self, request: ConnectRequest) -> Result<Connection, ConnectError> {
        let mut connection = self.0.connect(request).await?;
        if !self.1.swap(true, Ordering::SeqCst) {
            connection.receiver = Box::new(BrokenReceiver);
        }
        Ok(connection)
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_costs_the_connection_and_not_the_client() {
    let server = PipeServer::start();
    let client = Client::builder("ws://pipe/live")
        .transport(Broken(server.transport(), AtomicBool::new(false)))
        .start()
        .expect("it starts");
    let mut status = client.status_updates();
    let told = status.wait_for(|status| status.reason.contains("a transport's own fault"));
    tokio::time::timeout(SOON, told)
        .await
        .expect("soon")
        .expect("it runs");
    let up = status.wait_for(|status| status.connection == Standing::Connected);
    tokio::time::timeout(SOON, up)
        .await
        .expect("soon")
        .expect("it runs");
}

#[tokio::test(start_paused = true)]
async fn an_action_on_its_way_keeps_the_client_going() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let made = customers.create(&customer("c1", 1)).expect("taken");
    drop((customers, client));
    made.accepted().await.expect("the client goes on");
    assert_eq!(server.rows("customers"), [record("c1", 1)]);
    drop(made);
    until("the connection ends", || server.stats().connections == 0).await;
}

#[tokio::test(start_paused = true)]
async fn an_action_that_nobody_holds_leaves_nothing_behind() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    for n in 0..100 {
        let made = customers.create(&customer(&format!("c{n}"), n));
        made.expect("taken").visible().await.expect("accepted");
    }
    assert_eq!(client.held().actions, 0);
}

/// A store whose disk is full from the start.
struct Full;

#[async_trait]
impl Store for Full {
    fn durability(&self) -> Durability {
        Durability::Crash
    }

    fn load(&self) -> Result<Vec<Row>, StoreError> {
        Ok(Vec::new())
    }

    async fn commit(&self, _: Vec<Txn>) -> Result<(), StoreError> {
        Err(StoreError::Io("the disk is full".into()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_store_failed_can_still_be_closed_and_says_so() {
    let client = Client::builder("ws://pipe/live")
        .transport(tidewire::testing::pipe().0)
        .store(Full)
        .offline()
        .start()
        .expect("it starts");
    let customers = customers(&client);
    let made = customers.create(&customer("c1", 1)).expect("taken");
    let Err(ActionError::NotDurable(reason)) = made.durable().await else {
        panic!("it was stored")
    };
    assert!(reason.contains("the disk is full"), "{reason}");
    let refused = made.cancel().expect_err("it could not be stored either");
    assert!(
        refused.to_string().contains("the disk is full"),
        "{refused}"
    );
    let Err(CloseError::NotStored(reason)) = client.close(SOON).await else {
        panic!("not all was stored")
    };
    assert!(reason.contains("the disk is full"), "{reason}");
}
