//! The other end of a WebSocket: a plain tokio-tungstenite server that shares no code with the transport.

use async_trait::async_trait;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tidewire_transport::{
    Close, ClosedBy, Connection, Frame, FrameReceiver, FrameSender, Received, SendError,
    suite::PEER_FRAME_BYTES,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        protocol::{CloseFrame, WebSocketConfig},
    },
};

/// Shakes hands, choosing `subprotocol` if it is offered.
#[expect(
    clippy::result_large_err,
    reason = "the shape of tungstenite's callback"
)]
pub(crate) async fn accept<S>(stream: S, subprotocol: &'static str) -> WebSocketStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let choose = move |request: &Request, mut response: Response| {
        let offered = request
            .headers()
            .get("sec-websocket-protocol")
            .and_then(|value| value.to_str().ok());
        if offered.is_some_and(|offered| offered.split(',').any(|name| name.trim() == subprotocol))
        {
            response
                .headers_mut()
                .insert("sec-websocket-protocol", subprotocol.parse().unwrap());
        }
        Ok(response)
    };
    let config = WebSocketConfig::default()
        .max_frame_size(Some(PEER_FRAME_BYTES))
        .write_buffer_size(0);
    accept_hdr_async_with_config(stream, choose, Some(config))
        .await
        .unwrap()
}

/// The connection as this end sees it.
pub(crate) fn connection<S>(stream: WebSocketStream<S>) -> Connection
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sink, stream) = stream.split();
    Connection {
        sender: Box::new(PeerSender(sink)),
        receiver: Box::new(PeerReceiver {
            stream,
            ended: None,
        }),
        subprotocol: None,
    }
}

struct PeerSender<S>(SplitSink<WebSocketStream<S>, Message>);

struct PeerReceiver<S> {
    stream: SplitStream<WebSocketStream<S>>,
    ended: Option<Close>,
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send> FrameSender for PeerSender<S> {
    async fn send(&mut self, frames: Vec<Frame>) -> Result<(), SendError> {
        for frame in frames {
            let message = match frame {
                Frame::Text(text) => Message::text(text.as_str()),
                Frame::Binary(bytes) => Message::Binary(bytes),
            };
            self.0.feed(message).await.map_err(|_| SendError::Closed)?;
        }
        self.0.flush().await.map_err(|_| SendError::Closed)
    }

    async fn close(&mut self, close: Close) {
        let frame = close.code.map(|code| CloseFrame {
            code: code.into(),
            reason: close.reason.as_str().into(),
        });
        let _ = self.0.send(Message::Close(frame)).await;
    }

    async fn ping(&mut self) -> Result<(), SendError> {
        self.0
            .send(Message::Ping("are you there".into()))
            .await
            .map_err(|_| SendError::Closed)
    }

    fn can_ping(&self) -> bool {
        true
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send> FrameReceiver for PeerReceiver<S> {
    async fn receive(&mut self) -> Received {
        loop {
            if let Some(ended) = &self.ended {
                return Received::Closed(ended.clone());
            }
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Received::Frame(text.as_str().into()),
                Some(Ok(Message::Binary(bytes))) => return Received::Frame(bytes.into()),
                Some(Ok(Message::Pong(payload))) => {
                    assert_eq!(payload, "are you there");
                    return Received::Pong;
                }
                Some(Ok(Message::Close(frame))) => {
                    // Lets the answer out; a server then closes the connection itself.
                    let _ = self.stream.next().await;
                    self.ended = Some(Close {
                        code: frame.as_ref().map(|frame| frame.code.into()),
                        reason: frame.map_or_else(String::new, |frame| frame.reason.to_string()),
                        by: ClosedBy::Peer,
                    });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => self.ended = Some(Close::lost(error.to_string())),
                None => self.ended = Some(Close::lost("the end")),
            }
        }
    }
}
