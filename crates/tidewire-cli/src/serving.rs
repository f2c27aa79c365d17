//! HTTP on a port, with deadlines and bounds, until it is asked to end.
//!
//! Nobody waits to be taken: where there are as many connections as there may be, the one that has asked for nothing for
//! longest makes room. A connection that has become a WebSocket is the server's own, and is not counted here any more.
//! Knows no paths and reads no request.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// How long the head of a request may take, and how long a connection may be idle before the next.
const HEAD_MAX: Duration = Duration::from_secs(5);
/// How long the rest of a request may take, until the answer begins.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// Connections that are no WebSocket at once; for a further one another is closed.
const PLAIN_MAX: usize = 256;
/// How long requests under way may take once the end has come.
const GRACE_MAX: Duration = Duration::from_secs(1);
/// How long nothing is taken when the system has no room for a connection.
const PAUSE: Duration = Duration::from_millis(250);

/// What connections that are no WebSocket may cost.
#[derive(Clone, Copy)]
struct Bounds {
    /// How many there are at once.
    plain: usize,
    /// How long the head of a request may take.
    head: Duration,
}

/// Answers requests until `end` resolves, and then only what is under way, for a short while.
pub(crate) async fn serve(listener: TcpListener, router: Router, end: impl Future<Output = ()>) {
    let bounds = Bounds {
        plain: PLAIN_MAX,
        head: HEAD_MAX,
    };
    serve_within(bounds, listener, router, end).await;
}

async fn serve_within(
    bounds: Bounds,
    listener: TcpListener,
    router: Router,
    end: impl Future<Output = ()>,
) {
    let router = router.layer(middleware::from_fn(in_time));
    let mut plain = Plain {
        most: bounds.plain,
        connections: VecDeque::new(),
    };
    let (tell, ending) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut end = pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            _ = connections.join_next(), if !connections.is_empty() => {}
            stream = take(&listener) => {
                plain.make_room();
                let is_answered = Arc::new(AtomicBool::new(false));
                let serving = connection(bounds, stream, router.clone(), ending.clone(), is_answered.clone());
                let task = connections.spawn(serving);
                plain.connections.push_back(PlainConnection { task, is_answered });
            }
        }
    }
    drop(listener);
    tell.send_replace(true);
    while connections.join_next().await.is_some() {}
}

/// The connections that are no WebSocket, the oldest first.
struct Plain {
    most: usize,
    connections: VecDeque<PlainConnection>,
}

struct PlainConnection {
    task: AbortHandle,
    /// Whether it has ever asked for something that was answered.
    is_answered: Arc<AtomicBool>,
}

impl Plain {
    /// Makes room for one more. Whoever wants something says so at once and is answered at once, so the oldest that has
    /// no answer yet, be it silent or sending a request that never ends, is the one to close.
    fn make_room(&mut self) {
        if self.connections.len() < self.most {
            return;
        }
        self.connections
            .retain(|connection| !connection.task.is_finished());
        if self.connections.len() < self.most {
            return;
        }
        let has_no_answer =
            |connection: &PlainConnection| !connection.is_answered.load(Ordering::Relaxed);
        let oldest = self.connections.iter().position(has_no_answer);
        if let Some(connection) = self.connections.remove(oldest.unwrap_or(0)) {
            connection.task.abort();
        }
    }
}

/// The next connection.
async fn take(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
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
    bounds: Bounds,
    stream: TcpStream,
    router: Router,
    mut ending: watch::Receiver<bool>,
    is_answered: Arc<AtomicBool>,
) {
    // What is sent is small and wanted at once.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        let answer = router.call(request);
        let is_answered = is_answered.clone();
        async move {
            let answer = answer.await;
            is_answered.store(true, Ordering::Relaxed);
            answer
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .serve_connection(TokioIo::new(stream), service)
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

#[cfg(test)]
mod tests;
