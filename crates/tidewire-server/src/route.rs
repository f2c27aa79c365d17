//! The way in over HTTP: checks a request, agrees on a subprotocol, and makes a socket of it.

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};

use crate::server::{Server, Shared};
use crate::socket;

/// Where [`Server::router`] puts the WebSocket.
const PATH: &str = "/live";

/// Read buffer of one connection, in bytes. It is there for every connection, so it is small.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// What is gathered before it is written, in bytes.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

impl Server {
    /// A router with the WebSocket at `/live`.
    pub fn router(&self) -> Router {
        Router::new().route(PATH, self.route())
    }

    /// The WebSocket, to be put at any path of an application's router.
    pub fn route<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        let shared = self.shared().clone();
        any(
            move |headers: HeaderMap,
                  upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>| async move {
                accept(&shared, &headers, upgrade)
            },
        )
    }
}

fn accept(
    shared: &Shared,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    if !shared
        .origins
        .allow(text(headers, &header::ORIGIN), text(headers, &header::HOST))
    {
        let message =
            "this page may not open a connection here: its origin is not allowed by the server\n";
        return (StatusCode::FORBIDDEN, message).into_response();
    }
    if shared.events.is_closed() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the server has stopped\n").into_response();
    }
    let Some(subprotocol) = agreed(&shared.subprotocols, &upgrade) else {
        let known = shared.subprotocols.join(", ");
        let message = format!("offer one of these in Sec-WebSocket-Protocol: {known}\n");
        return (StatusCode::BAD_REQUEST, message).into_response();
    };
    let mut upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES + shared.write_bytes)
        .max_message_size(shared.max_frame_bytes)
        .max_frame_size(shared.max_frame_bytes);
    upgrade.set_selected_protocol(HeaderValue::from_static(subprotocol));
    let connection = shared.next_connection();
    let events = shared.events.clone();
    upgrade.on_upgrade(move |socket| socket::serve(socket, connection, events))
}

/// The first of our subprotocols that the client offers.
fn agreed(ours: &[&'static str], upgrade: &WebSocketUpgrade) -> Option<&'static str> {
    ours.iter()
        .copied()
        .find(|name| upgrade.requested_protocols().any(|offered| offered == name))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    // What is not text is no name of ours, and must not pass for "not there".
    headers.get(name).map(|value| value.to_str().unwrap_or(""))
}
