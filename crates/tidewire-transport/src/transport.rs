//! The seam between what is said and what carries it.
//! Holds the traits and their promises. Never holds an implementation, and never knows a message.

use std::fmt;

use async_trait::async_trait;

use crate::{Close, ConnectError, ConnectRequest, Frame, SendError};

/// Something that makes connections.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Transport: Send + Sync + 'static {
    /// Makes a connection. Dropping the future gives it up.
    ///
    /// # Errors
    /// Whatever kept the connection from being made; [`ConnectError::is_permanent`] says whether to try again.
    async fn connect(&self, request: ConnectRequest) -> Result<Connection, ConnectError>;
}

/// A connection: two halves that may be used by two tasks, or by one that polls both.
///
/// Poll the receiving half always, also while the sending half waits: it is what answers the peer's pings, and a
/// peer that waits for us to read may be what we wait for. Dropping both halves breaks the connection; the peer
/// finds it lost.
pub struct Connection {
    /// The half that sends.
    pub sender: Box<dyn FrameSender>,
    /// The half that receives.
    pub receiver: Box<dyn FrameReceiver>,
    /// The subprotocol the server chose among those offered. `None`: it chose none.
    pub subprotocol: Option<String>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("subprotocol", &self.subprotocol)
            .finish_non_exhaustive()
    }
}

/// The half of a connection that sends.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait FrameSender: Send {
    /// Hands all frames over, in order, and flushes once. Waits while the peer does not read.
    ///
    /// Not cancel safe: dropping the future may leave out frames from some point on, never a part of one; those
    /// handed over already are still sent with the next call. A caller that gives up gives up the connection.
    ///
    /// # Errors
    /// [`SendError::Closed`] once the connection has ended, and [`SendError::TooLarge`], with nothing sent.
    async fn send(&mut self, frames: Vec<Frame>) -> Result<(), SendError>;

    /// Ends the connection in order: sends `close` behind everything sent before. Nothing can be sent after it.
    /// What the peer has sent still arrives, then the receiving half ends with [`ClosedBy::Us`](crate::ClosedBy::Us)
    /// once the peer has answered. Waits while the peer does not read; dropping the future is safe. Does nothing if
    /// the connection has ended.
    async fn close(&mut self, close: Close);

    /// Asks the peer for a sign of life, which comes as [`Received::Pong`]. Waits as [`send`](Self::send) does.
    ///
    /// # Errors
    /// [`SendError::Unsupported`] where [`can_ping`](Self::can_ping) is false, [`SendError::Closed`] once the
    /// connection has ended.
    async fn ping(&mut self) -> Result<(), SendError> {
        Err(SendError::Unsupported)
    }

    /// Whether [`ping`](Self::ping) is there.
    fn can_ping(&self) -> bool {
        false
    }
}

/// The half of a connection that receives.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait FrameReceiver: Send {
    /// What comes next. Answers the peer's pings on the way, also while nobody sends.
    ///
    /// Cancel safe: dropping the future loses nothing. After [`Received::Closed`] every call returns the same again.
    async fn receive(&mut self) -> Received;
}

/// What a connection brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A frame.
    Frame(Frame),
    /// The answer to a ping.
    Pong,
    /// The end: nothing comes after it.
    Closed(Close),
}
