//! Over real sockets and real files: the server of `tidewire-server` on a free port.

use std::path::Path;
use std::time::Duration;

use tidewire::{Client, Connection, SqliteStore, StartError};
use tidewire_server::{Server, SqliteBackend};

use crate::pipe_server::put;
use crate::waiting::{customer, customers, page_where, record};

struct Running {
    server: Server,
    url: String,
    task: tokio::task::JoinHandle<()>,
}

async fn serve(file: &Path) -> Running {
    let backend = SqliteBackend::open(file).expect("a new file");
    let settings = |settings: &mut tidewire_hub::Settings| settings.reconnect_jitter_ms = 0;
    let server = Server::builder(backend)
        .settings(settings)
        .start()
        .await
        .expect("it starts");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let url = format!("ws://{}/live", listener.local_addr().expect("bound"));
    let router = server.router();
    let task = tokio::spawn(async move {
        axum::serve(listener, router).await.expect("it serves");
    });
    Running { server, url, task }
}

#[tokio::test]
async fn a_write_of_one_client_is_seen_by_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = serve(&folder.path().join("server.db")).await;
    let (one, other) = (
        Client::builder(&running.url).start(),
        Client::builder(&running.url).start(),
    );
    let (one, other) = (one.expect("it starts"), other.expect("it starts"));
    let reading = customers(&one);
    let writing = customers(&other);
    let list = reading.query().sort_desc("score").live();
    list.loaded().await.expect("it loads");
    writing
        .create(&customer("c1", 5))
        .expect("taken")
        .accepted()
        .await
        .expect("accepted");
    page_where(&list, "with c1", |page| page.rows().len() == 1).await;
    running
        .server
        .publish(vec![put("customers", &record("c2", 9))])
        .await
        .expect("published");
    let page = page_where(&list, "with both", |page| page.rows().len() == 2).await;
    assert_eq!(crate::waiting::ids(&page), ["c2", "c1"]);
    running.task.abort();
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    let work = tokio::time::timeout(Duration::from_secs(60), work);
    work.await.expect("in time")
}

/// A network that answers everything with its login page, for as many connections as are told.
async fn login_page(listener: &tokio::net::TcpListener, times: usize) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<h1>Login</h1>";
    for _ in 0..times {
        let (mut stream, _) = listener.accept().await.expect("the client connects");
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(page).await;
    }
}

#[tokio::test]
async fn a_network_that_shows_a_login_page_first_is_tried_until_the_server_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let backend = SqliteBackend::open(folder.path().join("server.db")).expect("a new file");
    let server = Server::builder(backend).start().await.expect("it starts");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let url = format!("ws://{}/live", listener.local_addr().expect("bound"));
    let client = Client::builder(&url).start().expect("it starts");
    let mut status = client.status_updates();
    within(login_page(&listener, 2)).await;
    let told = status.wait_for(|status| status.reason.contains("sign in to the network"));
    within(told).await.expect("the client lives");
    let router = server.router();
    let task = tokio::spawn(async move {
        axum::serve(listener, router).await.expect("it serves");
    });
    let up = status.wait_for(|status| status.connection == Connection::Connected);
    within(up).await.expect("the client lives");
    task.abort();
}

#[tokio::test]
async fn law_12_a_durable_action_survives_the_client_and_is_sent_by_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = serve(&folder.path().join("server.db")).await;
    let store = folder.path().join("app.db");
    {
        let store = SqliteStore::open(&store).expect("a new file");
        let client = Client::builder(&running.url)
            .store(store)
            .offline()
            .start()
            .expect("it starts");
        let customers = customers(&client);
        let made = customers.create(&customer("c1", 5)).expect("taken");
        made.durable().await.expect("stored");
        drop((made, customers));
        client.close(Duration::from_secs(5)).await.expect("in time");
    }
    let store = SqliteStore::open(&store).expect("the client has given it back");
    let client = Client::builder(&running.url)
        .store(store)
        .start()
        .expect("it starts");
    let customers = customers(&client);
    let list = customers.query().live();
    let page = page_where(&list, "with c1 confirmed", |page| {
        page.rows().len() == 1 && page.pending_count() == 0
    })
    .await;
    assert_eq!(page.values().next().map(|value| value.score), Some(5));
    running.task.abort();
}

#[tokio::test]
async fn a_second_client_on_a_store_gets_a_clear_busy() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let _first = SqliteStore::open(&path).expect("a new file");
    let second = SqliteStore::open(&path);
    assert!(
        matches!(second, Err(tidewire::StoreError::Busy { .. })),
        "{second:?}"
    );
}

#[tokio::test]
async fn a_wrong_address_is_refused_at_once_with_a_word() {
    for url in [
        "http://localhost:1/live",
        "localhost:1",
        "",
        "ws://",
        "ws:///live",
        "ws://localhost:99999",
    ] {
        let error = Client::builder(url).start().expect_err("it is no address");
        assert!(matches!(error, StartError::BadUrl(_)));
        assert!(error.to_string().contains("ws://"), "{error}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_a_status_and_not_an_error() {
    let client = Client::builder("ws://127.0.0.1:1/live")
        .start()
        .expect("it starts");
    let mut status = client.status_updates();
    let down = status.wait_for(|status| {
        status.connection == Connection::Disconnected && !status.reason.is_empty()
    });
    let down = tokio::time::timeout(Duration::from_secs(10), down)
        .await
        .expect("soon")
        .expect("it runs");
    assert!(down.next_attempt.is_some());
}

#[test]
fn without_a_runtime_the_start_says_so() {
    let error = Client::builder("ws://127.0.0.1:1/live")
        .start()
        .expect_err("there is no runtime");
    assert_eq!(error, StartError::NoRuntime);
}

#[tokio::test]
async fn a_store_of_somebody_else_is_refused_when_the_client_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = serve(&folder.path().join("server.db")).await;
    let path = folder.path().join("app.db");
    let builder = |url: &str| {
        let store = SqliteStore::open(&path).expect("it is free");
        Client::builder(url).store(store)
    };
    let client = builder(&running.url).start().expect("it starts");
    let mut status = client.status_updates();
    let up = status.wait_for(|status| status.connection == Connection::Connected);
    tokio::time::timeout(Duration::from_secs(10), up)
        .await
        .expect("soon")
        .expect("it runs");
    client.close(Duration::from_secs(5)).await.expect("in time");

    let error = builder(&running.url).identity("user-2").start();
    let error = error.expect_err("it is another's");
    assert!(
        matches!(&error, StartError::OtherIdentity { identity, .. } if identity == "user-2"),
        "{error:?}"
    );
    let StartError::OtherIdentity { store, .. } = error else {
        panic!("it is the store of another")
    };
    let again = builder(&running.url).identity(store).start();
    again.expect("it is the same user");
    running.task.abort();
}
