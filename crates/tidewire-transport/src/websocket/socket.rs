//! An open WebSocket in two halves.
//! Holds the stream behind a lock that is taken for one poll at a time. Never polls the stream again once it has
//! ended or failed, and starts no task: the receiving half, polled always, writes the answers to the peer's pings.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Sink, Stream};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::{CapacityError, ProtocolError},
        protocol::{
            CloseFrame,
            frame::{
                Frame as WireFrame,
                coding::{Data, OpCode},
            },
        },
    },
};

use super::outlet::Outlet;
use crate::{
    Close, ClosedBy, Connection, Frame, FrameReceiver, FrameSender, Limits, Received, SendError,
    Text,
};

/// How many control frames are taken in one poll, so that a peer that floods with them starves nobody.
const MAX_CONTROL_PER_POLL: usize = 32;

/// A connection over an open WebSocket.
pub(super) fn connection<S>(
    stream: WebSocketStream<Outlet<S>>,
    limits: Limits,
    subprotocol: Option<String>,
) -> Connection
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let state = State {
        stream: Some(stream),
        closing: None,
        ended: None,
        writer: None,
    };
    let socket = Arc::new(Mutex::new(state));
    let sender = Box::new(SocketSender {
        socket: socket.clone(),
        limits,
    });
    let receiver = Box::new(SocketReceiver { socket });
    Connection {
        sender,
        receiver,
        subprotocol,
    }
}

struct SocketSender<S> {
    socket: Arc<Mutex<State<S>>>,
    limits: Limits,
}

struct SocketReceiver<S> {
    socket: Arc<Mutex<State<S>>>,
}

struct State<S> {
    /// Gone once the connection has ended, so that the peer sees it end too.
    stream: Option<WebSocketStream<Outlet<S>>>,
    /// The close this side has sent.
    closing: Option<Close>,
    ended: Option<Close>,
    /// Who waits to write; the stream itself wakes it, but not when it is taken away.
    writer: Option<Waker>,
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> FrameSender for SocketSender<S> {
    async fn send(&mut self, frames: Vec<Frame>) -> Result<(), SendError> {
        let limit = self.limits.max_write_bytes;
        if let Some(bytes) = frames.iter().map(Frame::len).find(|&bytes| bytes > limit) {
            return Err(SendError::TooLarge { bytes, limit });
        }
        let mut messages = frames.into_iter().map(message).collect();
        poll_fn(|cx| self.socket.lock().poll_send(&mut messages, cx)).await
    }

    async fn close(&mut self, close: Close) {
        let close = close.into_sendable();
        poll_fn(|cx| self.socket.lock().poll_close(&close, cx)).await;
    }

    async fn ping(&mut self) -> Result<(), SendError> {
        let mut messages = VecDeque::from([Message::Ping(Bytes::new())]);
        poll_fn(|cx| self.socket.lock().poll_send(&mut messages, cx)).await
    }

    fn can_ping(&self) -> bool {
        true
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> FrameReceiver for SocketReceiver<S> {
    async fn receive(&mut self) -> Received {
        poll_fn(|cx| {
            let mut state = self.socket.lock();
            let received = state.poll_receive(cx);
            let writer = if state.ended.is_some() {
                state.writer.take()
            } else {
                None
            };
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            received
        })
        .await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> State<S> {
    /// Feeds all messages, then flushes once.
    fn poll_send(
        &mut self,
        messages: &mut VecDeque<Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        if self.closing.is_some() {
            return Poll::Ready(Err(SendError::Closed));
        }
        let written = self.poll_write(messages, cx);
        if written.is_pending() {
            self.writer = Some(cx.waker().clone());
        }
        // What the peer had to say before a write failed, a close code above all, is still there to be read:
        // only the receiving half ends the connection.
        written.map_err(|_| SendError::Closed)
    }

    fn poll_write(
        &mut self,
        messages: &mut VecDeque<Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let written = self.poll_feed(messages, cx);
        let is_broken = |stream: &WebSocketStream<Outlet<S>>| stream.get_ref().is_broken();
        match (&self.stream, written) {
            (Some(stream), Poll::Pending) if is_broken(stream) => {
                Poll::Ready(Err(Error::AlreadyClosed))
            }
            (_, written) => written,
        }
    }

    fn poll_feed(
        &mut self,
        messages: &mut VecDeque<Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(Error::AlreadyClosed));
        };
        let mut stream = Pin::new(stream);
        while let Some(message) = messages.pop_front() {
            match stream.as_mut().poll_ready(cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => {
                    messages.push_front(message);
                    return Poll::Pending;
                }
            }
            match stream.as_mut().start_send(message) {
                // Answers to pings have filled the buffer.
                Err(Error::WriteBufferFull(message)) => {
                    messages.push_front(*message);
                    ready!(stream.as_mut().poll_flush(cx))?;
                }
                result => result?,
            }
        }
        stream.poll_flush(cx)
    }

    /// Queues the close frame behind all else, once, and flushes.
    fn poll_close(&mut self, close: &Close, cx: &mut Context<'_>) -> Poll<()> {
        let flushed = self.poll_write(&mut VecDeque::new(), cx);
        if flushed.is_pending() {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        match &mut self.stream {
            Some(stream) if self.closing.is_none() => {
                self.closing = Some(close.clone());
                // A failure shows when the receiving half reads on.
                let _ = Pin::new(stream).start_send(close_message(close));
                self.poll_close(close, cx)
            }
            _ => Poll::Ready(()),
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        for _ in 0..MAX_CONTROL_PER_POLL {
            if let Some(ended) = &self.ended {
                return Poll::Ready(Received::Closed(ended.clone()));
            }
            let Some(stream) = &mut self.stream else {
                break;
            };
            match ready!(Pin::new(stream).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => {
                    return Poll::Ready(Received::Frame(Frame::Text(Text::from_wire(text))));
                }
                Some(Ok(Message::Binary(bytes))) => {
                    return Poll::Ready(Received::Frame(Frame::Binary(bytes)));
                }
                Some(Ok(Message::Pong(_))) => return Poll::Ready(Received::Pong),
                // The answer is queued; the next poll of the stream writes it, with this task's waker.
                Some(Ok(Message::Ping(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(frame))) => self.on_close(frame, cx),
                Some(Err(error)) => self.on_error(&error),
                None => self.on_error(&Error::ConnectionClosed),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn on_close(&mut self, frame: Option<CloseFrame>, cx: &mut Context<'_>) {
        let code = frame.as_ref().map(|frame| u16::from(frame.code));
        let reason = frame.map_or_else(String::new, |frame| frame.reason.as_str().to_owned());
        let ended = match &self.closing {
            Some(ours) if code.is_none() || code == ours.code => ours.clone(),
            // Both sides closed at once: what the peer had to say wins, it may be a reason we do not know.
            _ => Close {
                code,
                reason,
                by: ClosedBy::Peer,
            },
        };
        if let Some(stream) = &mut self.stream {
            // Writes the answer as far as the socket takes it; a peer that does not read gets none.
            let _ = Pin::new(stream).poll_next(cx);
        }
        self.end(ended);
    }

    fn on_error(&mut self, error: &Error) {
        let ended = closed_by(error);
        if let (Some(stream), Some(_)) = (&mut self.stream, ended.code) {
            // Tells the peer why, if the socket takes it.
            let _ = Pin::new(stream).start_send(close_message(&ended));
        }
        match &self.closing {
            Some(ours) if ended.by == ClosedBy::Lost => self.end(ours.clone()),
            _ => self.end(ended),
        }
    }

    fn end(&mut self, close: Close) {
        self.ended = Some(close);
        self.stream = None;
    }
}

/// What a failure of the stream means.
fn closed_by(error: &Error) -> Close {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            Close::too_large(*size, *max_size)
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::ConnectionClosed => {
            Close::lost("the connection broke without a close frame")
        }
        Error::Utf8(_) => {
            Close::new(Close::NOT_UTF8, "text that is not UTF-8").by(ClosedBy::Malformed)
        }
        Error::Protocol(problem) => {
            Close::new(Close::PROTOCOL, problem.to_string()).by(ClosedBy::Malformed)
        }
        other => Close::lost(other.to_string()),
    }
}

fn message(frame: Frame) -> Message {
    let (bytes, data) = match frame {
        Frame::Text(text) => (text.into_bytes(), Data::Text),
        Frame::Binary(bytes) => (bytes, Data::Binary),
    };
    // A raw frame, because text that is known to be UTF-8 need not be checked again.
    Message::Frame(WireFrame::message(bytes, OpCode::Data(data), true))
}

fn close_message(close: &Close) -> Message {
    Message::Close(close.code.map(|code| CloseFrame {
        code: code.into(),
        reason: close.reason.as_str().into(),
    }))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor};

    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// A peer that said this and takes nothing any more.
    struct Gone(Cursor<Vec<u8>>);

    impl AsyncRead for Gone {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Gone {
        fn poll_write(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            _bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn said(bytes: &[u8]) -> Connection {
        let stream = Outlet::new(Gone(Cursor::new(bytes.to_vec())));
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        connection(stream, Limits::default(), None)
    }

    const PING: [u8; 2] = [0x89, 0];
    const CLOSE_4103: [u8; 4] = [0x88, 2, 0x10, 0x07];

    #[tokio::test]
    async fn a_close_code_behind_a_ping_that_cannot_be_answered_is_heard() {
        for pings in [1, 3] {
            let mut bytes = PING.repeat(pings);
            bytes.extend(CLOSE_4103);
            let mut connection = said(&bytes).await;
            let Received::Closed(close) = connection.receiver.receive().await else {
                panic!("not closed")
            };
            assert_eq!((close.code, close.by), (Some(4103), ClosedBy::Peer));
        }
    }

    #[tokio::test]
    async fn a_peer_that_is_gone_without_a_word_is_lost_and_takes_nothing() {
        let mut connection = said(&PING).await;
        let sent = connection.sender.send(vec![Frame::from("x")]).await;
        assert_eq!(sent, Err(SendError::Closed));
        let Received::Closed(close) = connection.receiver.receive().await else {
            panic!("not closed")
        };
        assert_eq!((close.code, close.by), (None, ClosedBy::Lost));
    }
}
