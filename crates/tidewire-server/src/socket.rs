//! One socket: its frames to the pump, the pump's frames to it, and its end.
//!
//! Reading goes on whatever the state of writing. What the peer does not take stays with the hub, which hands out no
//! more than a window; what was written is given back to it as credit.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tidewire_hub::{ConnectionId, Frame, Input};
use tidewire_protocol::Encoded;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::event::Event;

/// How many frames may wait for a socket. The hub's window in bytes is used up long before, save for very small ones.
const WAITING_FRAMES: usize = 4096;

/// How long a closing socket may take for what was handed out, and then for the peer's answer.
const CLOSING: Duration = Duration::from_secs(2);

/// How long a socket stays open after a close frame whose answer cannot be read.
const LINGERING: Duration = Duration::from_millis(500);

type Sink = SplitSink<WebSocket, Message>;
type Stream = SplitStream<WebSocket>;

/// Why a socket is closed, as the close frame says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloseReason {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// The pump's end of a socket. Dropping it closes the socket.
#[derive(Debug)]
pub(crate) struct SocketHandle {
    frames: mpsc::Sender<Frame>,
    close: oneshot::Sender<CloseReason>,
    in_hand: Arc<AtomicU64>,
}

impl SocketHandle {
    /// Hands a frame over. On an error the socket is gone, or has not done its part for thousands of frames.
    pub(crate) fn send(&self, frame: Frame) -> Result<(), mpsc::error::TrySendError<Frame>> {
        let bytes = frame.len() as u64;
        self.in_hand.fetch_add(bytes, Ordering::Relaxed);
        self.frames.try_send(frame).inspect_err(|_| {
            self.in_hand.fetch_sub(bytes, Ordering::Relaxed);
        })
    }

    /// Closes the socket, after what was handed over as long as the peer takes it.
    pub(crate) fn close(self, reason: CloseReason) {
        // A socket that is gone needs no reason.
        let _ = self.close.send(reason);
    }

    /// The bytes handed over and not yet written.
    pub(crate) fn in_hand(&self) -> u64 {
        self.in_hand.load(Ordering::Relaxed)
    }
}

/// Serves a socket until its end.
pub(crate) async fn serve(
    socket: WebSocket,
    connection: ConnectionId,
    events: mpsc::Sender<Event>,
) {
    let subprotocol = socket
        .protocol()
        .and_then(|name| name.to_str().ok())
        .map(str::to_owned);
    let (frames, waiting) = mpsc::channel(WAITING_FRAMES);
    let (close, closing) = oneshot::channel();
    let in_hand = Arc::new(AtomicU64::new(0));
    let handle = SocketHandle {
        frames,
        close,
        in_hand: in_hand.clone(),
    };
    if events
        .send(Event::Opened {
            connection,
            subprotocol,
            socket: handle,
        })
        .await
        .is_err()
    {
        return;
    }
    let (sink, stream) = socket.split();
    let reader = Reader {
        stream,
        is_broken: false,
        connection,
        events: events.clone(),
    };
    let writer = Writer {
        sink,
        waiting,
        connection,
        events: events.clone(),
        in_hand,
    };
    run(reader, writer, closing).await;
    // The pump may have ended first; then nobody needs to know.
    let _ = events
        .send(Event::Input(Input::Closed { connection }))
        .await;
}

async fn run(mut reader: Reader, writer: Writer, mut closing: oneshot::Receiver<CloseReason>) {
    let mut writing = pin!(writer.write());
    let reason = tokio::select! {
        end = reader.read() => match end {
            // The peer is gone, or asked to go: it wants nothing more.
            ReadEnd::Gone => return,
            ReadEnd::Unreadable(reason) => {
                // The pump lets go of the socket when it hears of this, and then the writer comes to its end.
                let _ = reader.events.send(Event::Input(Input::Closed { connection: reader.connection })).await;
                Some(CloseReason { code: tidewire_protocol::close::BAD_FRAME, reason })
            }
        },
        reason = &mut closing => reason.ok(),
        // It ends by itself only when the socket breaks, or when the pump has let go of it.
        sink = &mut writing => match sink {
            None => return,
            Some(sink) => return close(sink, reader, closing.await.ok()).await,
        },
    };
    // A peer that takes nothing gets no time beyond this.
    if let Ok(Some(sink)) = timeout(CLOSING, writing).await {
        close(sink, reader, reason).await;
    }
}

/// Says why, and waits a little for the peer to have read it.
async fn close(mut sink: Sink, mut reader: Reader, reason: Option<CloseReason>) {
    let reason = reason.unwrap_or_else(|| CloseReason {
        code: tidewire_protocol::close::SHUTDOWN,
        reason: "the server has stopped".to_owned(),
    });
    let frame = CloseFrame {
        code: reason.code,
        reason: reason.reason.into(),
    };
    if let Ok(Ok(())) = timeout(CLOSING, sink.send(Message::Close(Some(frame)))).await
        && let Ok(Drained::Broken) = timeout(CLOSING, reader.drain()).await
    {
        // What the peer still sends cannot be read any more, and closing now would take the reason back from it.
        sleep(LINGERING).await;
    }
}

/// Why reading ended.
enum ReadEnd {
    /// The peer closed.
    Gone,
    /// What came is not WebSocket, is too large, or the connection broke. If it stands, the peer is told.
    Unreadable(String),
}

/// How taking the rest ended.
enum Drained {
    Closed,
    Broken,
}

struct Reader {
    stream: Stream,
    /// After an error the library reads nothing more.
    is_broken: bool,
    connection: ConnectionId,
    events: mpsc::Sender<Event>,
}

impl Reader {
    async fn read(&mut self) -> ReadEnd {
        loop {
            let payload = match self.stream.next().await {
                Some(Ok(Message::Text(text))) => Encoded::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => Encoded::Binary(bytes.into()),
                // The WebSocket library answers pings by itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(_))) => {
                    // The library answers it while it reads on. A peer that does not take the answer is left.
                    let _ = timeout(CLOSING, self.drain()).await;
                    return ReadEnd::Gone;
                }
                None => return ReadEnd::Gone,
                Some(Err(error)) => {
                    self.is_broken = true;
                    return ReadEnd::Unreadable(shortened(error.to_string()));
                }
            };
            let input = Input::Frame {
                connection: self.connection,
                payload,
            };
            if self.events.send(Event::Input(input)).await.is_err() {
                return ReadEnd::Gone;
            }
        }
    }

    /// Takes what the peer still sends, until it closes.
    async fn drain(&mut self) -> Drained {
        if self.is_broken {
            return Drained::Broken;
        }
        while let Some(Ok(_)) = self.stream.next().await {}
        Drained::Closed
    }
}

struct Writer {
    sink: Sink,
    waiting: mpsc::Receiver<Frame>,
    connection: ConnectionId,
    events: mpsc::Sender<Event>,
    in_hand: Arc<AtomicU64>,
}

impl Writer {
    /// Writes what is handed over, all that waits in one go, until the pump lets go of the socket. Gives the sink
    /// back as long as it works.
    async fn write(mut self) -> Option<Sink> {
        while let Some(first) = self.waiting.recv().await {
            let mut bytes = first.len();
            self.sink.feed(message(first)).await.ok()?;
            while let Ok(frame) = self.waiting.try_recv() {
                bytes += frame.len();
                self.sink.feed(message(frame)).await.ok()?;
            }
            self.sink.flush().await.ok()?;
            self.in_hand.fetch_sub(bytes as u64, Ordering::Relaxed);
            let credit = Input::Writable {
                connection: self.connection,
                bytes,
            };
            self.events.send(Event::Input(credit)).await.ok()?;
        }
        Some(self.sink)
    }
}

/// The frame as the WebSocket library takes it. The bytes are shared, not copied.
fn message(frame: Frame) -> Message {
    let is_text = frame.as_text().is_some();
    let bytes = Bytes::from_owner(frame);
    if is_text {
        match Utf8Bytes::try_from(bytes.clone()) {
            Ok(text) => return Message::Text(text),
            Err(error) => tracing::error!(%error, "a text frame was not text"),
        }
    }
    Message::Binary(bytes)
}

/// The text, cut to what a close frame holds.
fn shortened(mut text: String) -> String {
    const CLOSE_REASON_BYTES: usize = 123;
    text.truncate(text.floor_char_boundary(CLOSE_REASON_BYTES));
    text
}
