#![doc = include_str!("../README.md")]

mod close;
mod error;
mod frame;
mod pipe;
mod request;
#[cfg(feature = "testing")]
pub mod suite;
mod transport;
#[cfg(feature = "websocket")]
mod websocket;

pub use close::{Close, ClosedBy};
pub use error::{ConnectError, SendError};
pub use frame::{Frame, Text};
pub use pipe::{
    Faults, Incoming, PipeControl, PipeListener, PipeOptions, PipeTransport, pipe, pipe_with,
};
pub use request::{ConnectRequest, Limits};
pub use transport::{Connection, FrameReceiver, FrameSender, Received, Transport};
#[cfg(feature = "websocket")]
pub use websocket::WebSocketTransport;
