//! A client that knows WebSocket and JSON and nothing else, and a server on a port of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use tidewire_server::{Server, SqliteBackend};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::{Error, Message};

pub(crate) const SUBPROTOCOL: &str = "tidewire.v1.json";

/// Longer than anything takes here; a test that waits for this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that listens.
pub(crate) struct Listening {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Listening {
    /// Serves what is in a file.
    pub(crate) async fn on_file(path: &Path) -> Self {
        Self::of(
            Server::builder(SqliteBackend::open(path).unwrap())
                .start()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn of(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = server.router();
        let accepting = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            server,
            address,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/live", self.address)
    }

    /// Ends the server as a process would: afterwards the file is free.
    pub(crate) async fn stop(self) {
        self.accepting.abort();
        self.server.close().await;
    }
}

/// One connection.
pub(crate) struct Raw {
    socket: WebSocketStream<TcpStream>,
    /// What came and was not asked for yet is never skipped, save for pings.
    last_request: u64,
}

impl Raw {
    /// Opens a socket and says nothing.
    pub(crate) async fn open(listening: &Listening) -> Self {
        Self::open_with(listening, &[("sec-websocket-protocol", SUBPROTOCOL)])
            .await
            .unwrap()
    }

    /// Opens a socket with other headers.
    pub(crate) async fn open_with(
        listening: &Listening,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = listening.url().into_client_request()?;
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let socket = TcpSocket::new_v4().unwrap();
        // What the operating system takes in for a client that does not read must not hide that it does not.
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        let stream = socket.connect(listening.address).await.unwrap();
        let (socket, response): (_, Response<_>) =
            tokio_tungstenite::client_async(request, stream).await?;
        assert_eq!(response.headers()["sec-websocket-protocol"], SUBPROTOCOL);
        Ok(Self {
            socket,
            last_request: 0,
        })
    }

    /// Opens a socket and is let in.
    pub(crate) async fn join(listening: &Listening, name: &str, run: u64) -> (Self, Json) {
        let mut raw = Self::open(listening).await;
        raw.send(&hello(name, run)).await;
        let welcome = raw.expect("WELCOME").await;
        (raw, welcome)
    }

    pub(crate) async fn send(&mut self, message: &Json) {
        self.send_text(&message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket
            .send(Message::binary(bytes.to_vec()))
            .await
            .unwrap();
    }

    /// The next message that is no ping; those are answered.
    pub(crate) async fn receive(&mut self) -> Json {
        loop {
            let message = timeout(PATIENCE, self.socket.next())
                .await
                .expect("the server answers in time");
            let message = match message.expect("the server keeps the connection").unwrap() {
                Message::Text(text) => serde_json::from_str::<Json>(&text).unwrap(),
                other => panic!("a text frame was expected, not {other:?}"),
            };
            if message["type"] == "PING" {
                self.send(&json!({"type": "PONG", "n": message["n"]})).await;
            } else {
                return message;
            }
        }
    }

    /// The next message, which must be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Json {
        let message = self.receive().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// Everything up to a message of this type, and that message.
    pub(crate) async fn until(&mut self, kind: &str) -> (Vec<Json>, Json) {
        let mut before = Vec::new();
        loop {
            let message = self.receive().await;
            if message["type"] == kind {
                return (before, message);
            }
            before.push(message);
        }
    }

    /// The close frame, with nothing but farewells before it.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("the server closes in time")
            {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Text(text))) if text.contains("\"BYE\"") => {}
                other => panic!("a close frame was expected, not {other:?}"),
            }
        }
    }

    /// The close code, whatever comes before it.
    pub(crate) async fn until_closed(&mut self) -> u16 {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("the server closes in time")
            {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("a close frame was expected, not {other:?}"),
            }
        }
    }

    pub(crate) async fn subscribe(
        &mut self,
        entity_type: &str,
        want: &str,
        resume: Option<Json>,
    ) -> Json {
        self.last_request += 1;
        let mut message = json!({"type": "SUBSCRIBE", "id": self.last_request, "entityType": entity_type, "want": want});
        if let Some(resume) = resume {
            message["resume"] = resume;
        }
        self.send(&message).await;
        self.expect("SUBSCRIBED").await
    }

    pub(crate) fn into_inner(self) -> WebSocketStream<TcpStream> {
        self.socket
    }
}

pub(crate) fn hello(name: &str, run: u64) -> Json {
    json!({
        "type": "HELLO", "protocol": {"min": 1, "max": 1}, "features": [],
        "client": {"id": name, "incarnation": 1, "run": run, "app": "tests", "version": "1"},
        "confirmed": {}, "receive": {"max_frame": 1_048_576},
    })
}

/// A write with this number in the lane of all writes.
pub(crate) fn action(
    seq: u64,
    name: &str,
    entity_type: &str,
    id: Option<&str>,
    payload: &Json,
) -> Json {
    let mut message = json!({
        "type": "ACTION", "id": format!("018bcfe5-6800-7000-8000-{seq:012x}"), "lane": "main", "seq": seq,
        "previous": seq - 1, "name": name, "entityType": entity_type, "payload": payload, "hash": format!("{seq}"),
    });
    if let Some(id) = id {
        message["entityId"] = json!(id);
    }
    message
}
