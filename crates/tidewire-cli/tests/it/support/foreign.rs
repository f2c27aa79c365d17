//! WebSocket peers that are built on another implementation than the program.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fastwebsockets::{Frame, OpCode, Payload, WebSocket, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::DEADLINE;

/// A server of the basic dialect: it says what the test says, and tells what it hears.
pub(crate) trait BasicServer {
    fn url(&self) -> String;
    /// The next text frame of a client.
    fn heard(&self) -> String;
    /// Sends a text frame to the client that connected last.
    fn say(&mut self, frame: &str);
    /// Ends that client's connection without a word.
    fn cut(&mut self);
}

/// One made with `fastwebsockets`, which takes one client after the other.
pub(crate) struct FastServer {
    port: u16,
    heard: Receiver<String>,
    say: Say,
    _runtime: Runtime,
}

/// Where frames for the client that connected last are put; gone with its connection.
type Say = Arc<Mutex<Option<UnboundedSender<String>>>>;

impl FastServer {
    pub(crate) fn start() -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, heard) = channel();
        let say = Say::default();
        runtime.spawn(accept(listener, tell, Arc::clone(&say)));
        Self {
            port,
            heard,
            say,
            _runtime: runtime,
        }
    }
}

async fn accept(listener: TcpListener, tell: Sender<String>, say: Say) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tell, say) = (tell.clone(), Arc::clone(&say));
        let answer = move |mut request: Request<Incoming>| {
            let (tell, say) = (tell.clone(), Arc::clone(&say));
            async move {
                let (response, upgraded) = upgrade::upgrade(&mut request)?;
                tokio::spawn(async move {
                    let socket = upgraded.await.unwrap();
                    let (sender, told) = unbounded_channel();
                    *say.lock().unwrap() = Some(sender);
                    talk(socket, told, move |frame| tell.send(frame).is_ok()).await;
                });
                Ok::<Response<Empty<Bytes>>, WebSocketError>(response)
            }
        };
        let served =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        // The client may leave at any time.
        tokio::spawn(served.with_upgrades());
    }
}

impl BasicServer for FastServer {
    fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/live", self.port)
    }

    fn heard(&self) -> String {
        self.heard
            .recv_timeout(DEADLINE)
            .expect("a frame from the client")
    }

    fn say(&mut self, frame: &str) {
        let say = self.say.lock().unwrap();
        say.as_ref().unwrap().send(frame.to_owned()).unwrap();
    }

    fn cut(&mut self) {
        *self.say.lock().unwrap() = None;
    }
}

/// Carries text frames both ways until either side ends.
async fn talk(
    mut socket: WebSocket<TokioIo<Upgraded>>,
    mut told: UnboundedReceiver<String>,
    hear: impl Fn(String) -> bool,
) {
    loop {
        tokio::select! {
            frame = socket.read_frame() => {
                let Ok(frame) = frame else { return };
                let text = String::from_utf8_lossy(&frame.payload).into_owned();
                let goes_on = match frame.opcode {
                    OpCode::Text => hear(text),
                    OpCode::Close => false,
                    _ => true,
                };
                if !goes_on {
                    return;
                }
            }
            text = told.recv() => {
                let Some(text) = text else { return };
                let frame = Frame::text(Payload::Owned(text.into_bytes()));
                if socket.write_frame(frame).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Says one text frame to a tidewire server and gives the code it closes the connection with.
pub(crate) fn close_code_after(address: &str, text: &str) -> u16 {
    let runtime = runtime();
    let said = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let request = Request::builder()
            .uri("/live")
            .header(HOST, address)
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "upgrade")
            .header(
                "Sec-WebSocket-Key",
                fastwebsockets::handshake::generate_key(),
            )
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Protocol", "tidewire.v1.json")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let shaken =
            fastwebsockets::handshake::client(&TokioExecutor::new(), request, stream).await;
        let (mut socket, _) = shaken.unwrap();
        socket.set_auto_close(false);
        socket
            .write_frame(Frame::text(Payload::Borrowed(text.as_bytes())))
            .await
            .unwrap();
        loop {
            let frame = socket.read_frame().await.unwrap();
            if frame.opcode == OpCode::Close {
                return u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
            }
        }
    };
    runtime
        .block_on(async { tokio::time::timeout(DEADLINE, said).await })
        .expect("the server closes the connection")
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}
