//! Who is closed when there are as many connections as there may be.

use std::net::SocketAddr;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves this many connections, which may be silent for longer than any test runs.
async fn serving(plain: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let head = Duration::from_secs(3600);
    let router = Router::new().route("/", get(|| async { "here" }));
    let end = std::future::pending::<()>();
    tokio::spawn(serve_within(Bounds { plain, head }, listener, router, end));
    address
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Asks for something, and whether it was answered.
async fn is_answered(stream: &mut TcpStream) -> bool {
    let request = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";
    let mut said = Vec::new();
    if stream.write_all(request).await.is_err() {
        return false;
    }
    while !said.ends_with(b"here") {
        let mut part = [0; 1024];
        let read = timeout(PATIENCE, stream.read(&mut part)).await;
        match read.expect("it is answered or closed in time") {
            Ok(bytes @ 1..) => said.extend_from_slice(&part[..bytes]),
            Ok(0) | Err(_) => return false,
        }
    }
    true
}

#[tokio::test]
async fn those_who_ask_for_nothing_keep_nobody_waiting() {
    let address = serving(4).await;
    let mut silent = Vec::new();
    for number in 0..40 {
        let mut stream = connect(address).await;
        if number % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
        }
        silent.push(stream);
    }
    assert!(is_answered(&mut connect(address).await).await);
    // The oldest made room, and no more of them than was needed.
    assert!(!is_answered(&mut silent[1]).await);
    assert!(is_answered(&mut silent[39]).await);
}

#[tokio::test]
async fn one_that_was_answered_stays_while_others_ask_for_nothing() {
    let address = serving(2).await;
    let mut first = connect(address).await;
    assert!(is_answered(&mut first).await);
    let mut silent = connect(address).await;
    let mut second = connect(address).await;
    assert!(is_answered(&mut second).await);
    assert!(is_answered(&mut first).await);
    assert!(!is_answered(&mut silent).await);
    // Where all were answered, the oldest goes.
    let mut third = connect(address).await;
    assert!(is_answered(&mut third).await);
    assert!(is_answered(&mut second).await);
    assert!(!is_answered(&mut first).await);
}
