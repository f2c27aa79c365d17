//! For an application's own tests: a server and a client in one process, without sockets.
//!
//! [`pipe`] gives a [`PipeTransport`] for [`ClientBuilder::transport`](crate::ClientBuilder::transport)
//! and a [`PipeListener`] for the other side. Time is tokio's: with a paused runtime it is virtual.

pub use tidewire_transport::{
    Close, Connection, Faults, Frame, Incoming, PipeControl, PipeListener, PipeOptions,
    PipeTransport, Received, pipe, pipe_with,
};
