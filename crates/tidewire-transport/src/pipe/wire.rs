//! One connection of a pipe: two inboxes behind one lock.
//! Holds what is on its way and how each side ended. Never holds more than its capacity, and wakes nobody under its lock.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use super::faults::Plan;
use crate::{Close, ClosedBy, Frame, Limits, Received, SendError};

/// What a frame costs beside its bytes, so that empty frames are bounded too.
const FRAME_COST_BYTES: usize = 16;

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Connector,
    Listener,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Connector => Self::Listener,
            Self::Listener => Self::Connector,
        }
    }
}

#[derive(Debug)]
pub(super) struct Wire {
    capacity_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ends: [End; 2],
    plan: Plan,
    cut: bool,
    /// Collected under the lock, woken after it.
    wakers: Vec<Waker>,
}

/// One end: what is on its way to it, and how far it is with ending.
#[derive(Debug)]
struct End {
    limits: Limits,
    inbox: VecDeque<Item>,
    inbox_bytes: usize,
    /// The close this end has sent.
    closing: Option<Close>,
    /// How it ended for this end.
    ended: Option<Close>,
    /// Both halves were dropped.
    gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug)]
enum Item {
    Frame(Frame),
    Ping,
    Pong,
    TooLarge(usize),
    Close(Close),
}

impl Wire {
    pub(super) fn new(capacity_bytes: usize, limits: [Limits; 2], plan: Plan) -> Self {
        let ends = limits.map(End::new);
        Self {
            capacity_bytes,
            state: Mutex::new(State {
                ends,
                plan,
                cut: false,
                wakers: Vec::new(),
            }),
        }
    }

    /// Refuses frames that this side may not write, before any of them is sent.
    pub(super) fn check(&self, side: Side, frames: &[Frame]) -> Result<(), SendError> {
        let limit = self.state.lock().end(side).limits.max_write_bytes;
        match frames.iter().map(Frame::len).find(|&bytes| bytes > limit) {
            Some(bytes) => Err(SendError::TooLarge { bytes, limit }),
            None => Ok(()),
        }
    }

    /// Hands over as many of `frames` as there is room for; ready when none is left.
    pub(super) fn poll_send(
        &self,
        side: Side,
        frames: &mut VecDeque<Frame>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        self.with(|state| {
            loop {
                if !state.can_send(side) {
                    return Poll::Ready(Err(SendError::Closed));
                }
                let Some(frame) = frames.front() else {
                    return Poll::Ready(Ok(()));
                };
                let peer = state.end(side.other());
                let cost = frame.len() + FRAME_COST_BYTES;
                if peer.inbox_bytes > 0 && peer.inbox_bytes + cost > self.capacity_bytes {
                    state.end(side).writer = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                if let Some(frame) = frames.pop_front() {
                    state.push_frame(side, frame);
                }
            }
        })
    }

    pub(super) fn poll_receive(&self, side: Side, cx: &mut Context<'_>) -> Poll<Received> {
        self.with(|state| {
            loop {
                if let Some(ended) = &state.end(side).ended {
                    return Poll::Ready(Received::Closed(ended.clone()));
                }
                match state.end(side).inbox.pop_front() {
                    Some(Item::Frame(frame)) => {
                        state.end(side).inbox_bytes -= frame.len() + FRAME_COST_BYTES;
                        state.wake_writer(side.other());
                        return Poll::Ready(Received::Frame(frame));
                    }
                    Some(Item::Pong) => return Poll::Ready(Received::Pong),
                    Some(Item::Ping) => state.push(side.other(), Item::Pong),
                    Some(Item::TooLarge(bytes)) => {
                        let close = Close::too_large(bytes, state.end(side).limits.max_frame_bytes);
                        state.push(side.other(), Item::Close(close.clone()));
                        state.finish(side, close);
                    }
                    Some(Item::Close(close)) => state.on_close(side, close),
                    None if state.is_broken(side) => state.on_broken(side),
                    None => {
                        state.end(side).reader = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                }
            }
        })
    }

    pub(super) fn ping(&self, side: Side) -> Result<(), SendError> {
        self.with(|state| {
            if !state.can_send(side) {
                return Err(SendError::Closed);
            }
            state.push(side.other(), Item::Ping);
            Ok(())
        })
    }

    pub(super) fn close(&self, side: Side, close: Close) {
        self.with(|state| {
            if state.can_send(side) {
                state.push(side.other(), Item::Close(close.clone()));
                state.end(side).closing = Some(close);
            }
        });
    }

    /// Both halves of `side` were dropped.
    pub(super) fn drop_side(&self, side: Side) {
        self.with(|state| {
            state.end(side).gone = true;
            state.end(side).inbox.clear();
            state.wake_all();
        });
    }

    pub(super) fn cut(&self) {
        self.with(State::cut);
    }

    /// Works under the lock, then wakes whom that concerns.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = work(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }
}

impl State {
    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Connector => &mut self.ends[0],
            Side::Listener => &mut self.ends[1],
        }
    }

    fn can_send(&mut self, side: Side) -> bool {
        let other = self.end(side.other());
        let heard = !other.gone && other.ended.is_none();
        let end = self.end(side);
        heard && end.ended.is_none() && end.closing.is_none() && !self.cut
    }

    fn is_broken(&mut self, side: Side) -> bool {
        self.cut || self.end(side.other()).gone
    }

    fn push_frame(&mut self, from: Side, frame: Frame) {
        let bytes = frame.len() as u64;
        if self.plan.frames_left == 0 || self.plan.bytes_left < bytes {
            self.cut();
            return;
        }
        self.plan.frames_left -= 1;
        self.plan.bytes_left -= bytes;
        let peer = self.end(from.other());
        if frame.len() > peer.limits.max_frame_bytes {
            self.push(from.other(), Item::TooLarge(frame.len()));
            return;
        }
        if matches!(peer.inbox.back(), Some(Item::TooLarge(_) | Item::Close(_))) {
            return;
        }
        peer.inbox_bytes += frame.len() + FRAME_COST_BYTES;
        self.push(from.other(), Item::Frame(frame));
    }

    /// Puts an item in an inbox. What costs no bytes is there once, so that it is bounded: one answer does for all pings
    /// that wait, and behind what ends the connection nothing is read.
    fn push(&mut self, to: Side, item: Item) {
        let end = self.end(to);
        let is_over = matches!(end.inbox.back(), Some(Item::TooLarge(_) | Item::Close(_)));
        let waits = match item {
            Item::Ping => end.inbox.iter().any(|other| matches!(other, Item::Ping)),
            Item::Pong => end.inbox.iter().any(|other| matches!(other, Item::Pong)),
            Item::Frame(_) | Item::TooLarge(_) | Item::Close(_) => false,
        };
        if !is_over && !waits && !end.gone {
            end.inbox.push_back(item);
        }
        self.wake_reader(to);
    }

    fn on_close(&mut self, side: Side, close: Close) {
        match self.end(side).closing.clone() {
            Some(ours) if close.code == ours.code => self.finish(side, ours),
            // Both sides closed at once: what the peer had to say wins, it may be a reason we do not know.
            Some(_) => self.finish(side, close.by(ClosedBy::Peer)),
            None => {
                self.push(side.other(), Item::Close(close.clone()));
                self.finish(side, close.by(ClosedBy::Peer));
            }
        }
    }

    fn on_broken(&mut self, side: Side) {
        let close = match self.end(side).closing.clone() {
            Some(ours) => ours,
            None => Close::lost("the connection broke without a close frame"),
        };
        self.finish(side, close);
    }

    fn finish(&mut self, side: Side, close: Close) {
        let end = self.end(side);
        end.ended = Some(close);
        end.inbox.clear();
        end.inbox_bytes = 0;
        self.wake_all();
    }

    fn cut(&mut self) {
        self.cut = true;
        for end in &mut self.ends {
            end.inbox.clear();
            end.inbox_bytes = 0;
        }
        self.wake_all();
    }

    fn wake_reader(&mut self, side: Side) {
        let reader = self.end(side).reader.take();
        self.wakers.extend(reader);
    }

    fn wake_writer(&mut self, side: Side) {
        let writer = self.end(side).writer.take();
        self.wakers.extend(writer);
    }

    fn wake_all(&mut self) {
        for side in [Side::Connector, Side::Listener] {
            self.wake_reader(side);
            self.wake_writer(side);
        }
    }
}

impl End {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            closing: None,
            ended: None,
            gone: false,
            reader: None,
            writer: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::Faults;

    fn wire() -> Wire {
        let small = Limits {
            max_frame_bytes: 10,
            ..Limits::default()
        };
        let plan = Faults::default().plan(0).expect("no faults");
        Wire::new(1_000, [small, small], plan)
    }

    fn waiting(wire: &Wire) -> usize {
        wire.state
            .lock()
            .ends
            .iter()
            .map(|end| end.inbox.len())
            .sum()
    }

    #[test]
    fn frames_over_the_limit_that_nobody_reads_grow_nothing() {
        let wire = wire();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..1_000 {
            let mut frames = VecDeque::from([Frame::from("x".repeat(11)), Frame::from("x")]);
            let sent = wire.poll_send(Side::Connector, &mut frames, &mut cx);
            assert_eq!(sent, Poll::Ready(Ok(())));
        }
        assert_eq!(waiting(&wire), 1);
        let received = wire.poll_receive(Side::Listener, &mut cx);
        let Poll::Ready(Received::Closed(close)) = received else {
            panic!("{received:?}")
        };
        assert_eq!(close.by, ClosedBy::TooLarge);
    }

    #[test]
    fn pings_and_pongs_in_turns_that_nobody_reads_grow_nothing() {
        let wire = wire();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..1_000 {
            // The listener asks, and answers what it was asked; the connector asks and reads nothing.
            assert_eq!(wire.ping(Side::Listener), Ok(()));
            assert_eq!(wire.ping(Side::Connector), Ok(()));
            assert!(wire.poll_receive(Side::Listener, &mut cx).is_pending());
        }
        assert!(waiting(&wire) <= 2, "{}", waiting(&wire));
        assert_eq!(
            wire.poll_receive(Side::Connector, &mut cx),
            Poll::Ready(Received::Pong)
        );
    }
}
