//! The two halves of one side of a pipe's connection.
//! Holds the way to the wire. Never holds frames of its own.

use std::{collections::VecDeque, future::poll_fn, sync::Arc};

use async_trait::async_trait;

use super::wire::{Side, Wire};
use crate::{Close, Connection, Frame, FrameReceiver, FrameSender, Received, SendError};

/// The connection of `side`. Dropping both of its halves tells the wire.
pub(super) fn connection(wire: &Arc<Wire>, side: Side, subprotocol: Option<String>) -> Connection {
    let end = Arc::new(End {
        wire: wire.clone(),
        side,
    });
    let sender = Box::new(PipeSender(end.clone()));
    let receiver = Box::new(PipeReceiver(end));
    Connection {
        sender,
        receiver,
        subprotocol,
    }
}

struct End {
    wire: Arc<Wire>,
    side: Side,
}

impl Drop for End {
    fn drop(&mut self) {
        self.wire.drop_side(self.side);
    }
}

struct PipeSender(Arc<End>);

struct PipeReceiver(Arc<End>);

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl FrameSender for PipeSender {
    async fn send(&mut self, frames: Vec<Frame>) -> Result<(), SendError> {
        let End { wire, side } = &*self.0;
        wire.check(*side, &frames)?;
        let mut frames = VecDeque::from(frames);
        poll_fn(|cx| wire.poll_send(*side, &mut frames, cx)).await
    }

    async fn close(&mut self, close: Close) {
        self.0.wire.close(self.0.side, close.into_sendable());
    }

    async fn ping(&mut self) -> Result<(), SendError> {
        self.0.wire.ping(self.0.side)
    }

    fn can_ping(&self) -> bool {
        true
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl FrameReceiver for PipeReceiver {
    async fn receive(&mut self) -> Received {
        let End { wire, side } = &*self.0;
        poll_fn(|cx| wire.poll_receive(*side, cx)).await
    }
}
