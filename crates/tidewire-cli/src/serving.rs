//! HTTP on a port, with deadlines and bounds, until it is asked to end.
//!
//! A connection that has become a WebSocket is the server's own, and is not counted here any more.
//! Knows no paths and reads no request.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// How long the head of a request may take, and how long a connection may be idle before the next.
const HEAD_MAX: Duration = Duration::from_secs(5);
/// How long the rest of a request may take, until the answer begins.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// Connections that are no WebSocket at once; further ones wait to be taken.
const PLAIN_MAX: usize = 256;
/// How long requests under way may take once the end has come.
const GRACE_MAX: Duration = Duration::from_secs(1);
/// How long nothing is taken when the system has no room for a connection.
const PAUSE: Duration = Duration::from_millis(250);

/// Answers requests until `end` resolves, and then only what is under way, for a short while.
pub(crate) async fn serve(listener: TcpListener, router: Router, end: impl Future<Output = ()>) {
    let router = router.layer(middleware::from_fn(in_time));
    let slots = Arc::new(Semaphore::new(PLAIN_MAX));
    let (tell, ending) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut end = pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            _ = connections.join_next(), if !connections.is_empty() => {}
            (stream, slot) = take(&listener, &slots) => {
                connections.spawn(connection(stream, router.clone(), ending.clone(), slot));
            }
        }
    }
    drop(listener);
    tell.send_replace(true);
    while connections.join_next().await.is_some() {}
}

/// The next connection, as soon as there is room for it.
async fn take(listener: &TcpListener, slots: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let slot = Arc::clone(slots).acquire_owned().await;
    let slot = slot.expect("nobody closes it");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, slot),
            // The one who asked has gone again.
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn connection(
    stream: TcpStream,
    router: Router,
    mut ending: watch::Receiver<bool>,
    _slot: OwnedSemaphorePermit,
) {
    // What is sent is small and wanted at once.
    let _ = stream.set_nodelay(true);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut serving = pin!(serving);
    tokio::select! {
        // Whoever asked may leave at any time.
        _ = &mut serving => return,
        _ = ending.wait_for(|ending| *ending) => serving.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(GRACE_MAX, serving).await;
}

/// An answer that does not begin in time, such as to a request that never ends, is given up.
async fn in_time(request: Request, next: Next) -> Result<Response, Infallible> {
    let answer = tokio::time::timeout(ANSWER_MAX, next.run(request)).await;
    Ok(answer.unwrap_or_else(|_| {
        (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response()
    }))
}
