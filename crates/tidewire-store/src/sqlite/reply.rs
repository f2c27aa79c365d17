//! One answer from the worker to one caller, awaited under any executor or waited for without one.
//! Holds a slot for the answer. Never loses a caller: a reply that is dropped unsent says `Closed`.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::{Condvar, Mutex};

use crate::StoreError;

/// The two ends of one answer.
pub(super) fn channel<T>() -> (Reply<T>, Answer<T>) {
    let slot = Arc::new(Slot {
        state: Mutex::new(State {
            result: None,
            waker: None,
        }),
        ready: Condvar::new(),
    });
    (Reply(slot.clone()), Answer(slot))
}

#[derive(Debug)]
pub(super) struct Reply<T>(Arc<Slot<T>>);

#[derive(Debug)]
pub(super) struct Answer<T>(Arc<Slot<T>>);

#[derive(Debug)]
struct Slot<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
}

#[derive(Debug)]
struct State<T> {
    result: Option<Result<T, StoreError>>,
    waker: Option<Waker>,
}

impl<T> Reply<T> {
    pub(super) fn send(self, result: Result<T, StoreError>) {
        self.0.fill(result);
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.0.fill(Err(StoreError::Closed));
    }
}

impl<T> Slot<T> {
    /// The first result stays.
    fn fill(&self, result: Result<T, StoreError>) {
        let mut state = self.state.lock();
        if state.result.is_some() {
            return;
        }
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        self.ready.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Answer<T> {
    /// Blocks until the answer is there.
    pub(super) fn wait(self) -> Result<T, StoreError> {
        let mut state = self.0.state.lock();
        loop {
            if let Some(result) = state.result.take() {
                return result;
            }
            self.0.ready.wait(&mut state);
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, StoreError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state.lock();
        match state.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
