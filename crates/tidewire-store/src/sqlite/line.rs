//! The line in which work waits for the worker.
//! Holds a bounded number of jobs and, beyond that, the turns of those who wait to enter. Never blocks a caller that
//! can await, and never lets one overtake another.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use parking_lot::{Condvar, Mutex};

use super::reply::Reply;
use crate::{Row, StoreError, Txn};

/// The most jobs that wait for the worker.
const MAX_JOBS: usize = 64;
/// The most bytes that wait for the worker; a single larger job enters alone.
const MAX_BYTES: usize = 16 << 20;

/// What the worker is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    Commit(Vec<Txn>, Reply<()>),
    Load(Reply<Vec<Row>>),
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Commit(group, _) => group.iter().map(Txn::bytes).sum(),
            Self::Load(_) => 0,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// Who waits to enter, in order of arrival.
    turns: BTreeMap<u64, Waker>,
    next_turn: u64,
    closed: bool,
}

impl State {
    fn has_room(&self, bytes: usize) -> bool {
        self.jobs.is_empty() || (self.jobs.len() < MAX_JOBS && self.bytes + bytes <= MAX_BYTES)
    }

    fn is_next(&self, turn: Option<u64>) -> bool {
        self.turns
            .keys()
            .next()
            .is_none_or(|&first| Some(first) == turn)
    }

    fn next_waker(&self) -> Option<Waker> {
        self.turns.values().next().cloned()
    }

    fn put(&mut self, job: Job) {
        self.bytes += job.bytes();
        self.jobs.push_back(job);
    }
}

impl Line {
    /// Enters with a job once there is room and nobody is before it. Dropped before that, nothing is done.
    pub(super) fn enter(&self, job: Job) -> Enter<'_> {
        Enter {
            line: self,
            bytes: job.bytes(),
            job: Some(job),
            turn: None,
        }
    }

    /// Enters at once, past the bound; only for what is asked for once.
    pub(super) fn push(&self, job: Job) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        state.put(job);
        self.work.notify_one();
        Ok(())
    }

    /// Takes all that waits; blocks until there is something. `None` once closed and empty.
    pub(super) fn take(&self) -> Option<VecDeque<Job>> {
        let mut state = self.state.lock();
        while state.jobs.is_empty() {
            if state.closed {
                return None;
            }
            self.work.wait(&mut state);
        }
        let jobs = std::mem::take(&mut state.jobs);
        state.bytes = 0;
        let waker = state.next_waker();
        drop(state);
        wake(waker);
        Some(jobs)
    }

    /// Nobody enters any more; what has entered is still done.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let turns = std::mem::take(&mut state.turns);
        self.work.notify_one();
        drop(state);
        turns.into_values().for_each(Waker::wake);
    }

    /// Closes, and drops what has entered: the worker is gone.
    pub(super) fn abandon(&self) {
        self.close();
        let jobs = std::mem::take(&mut self.state.lock().jobs);
        drop(jobs);
    }
}

/// The way into the line.
#[derive(Debug)]
pub(super) struct Enter<'a> {
    line: &'a Line,
    bytes: usize,
    job: Option<Job>,
    turn: Option<u64>,
}

impl Future for Enter<'_> {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let line = self.line;
        let mut state = line.state.lock();
        if state.closed {
            return Poll::Ready(Err(StoreError::Closed));
        }
        if !state.is_next(self.turn) || !state.has_room(self.bytes) {
            let turn = *self.turn.get_or_insert_with(|| {
                state.next_turn += 1;
                state.next_turn
            });
            state.turns.insert(turn, cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(turn) = self.turn.take() {
            state.turns.remove(&turn);
        }
        if let Some(job) = self.job.take() {
            state.put(job);
        }
        line.work.notify_one();
        let waker = state.next_waker();
        drop(state);
        // There may be room for the next one too.
        wake(waker);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Enter<'_> {
    fn drop(&mut self) {
        if let Some(turn) = self.turn {
            let mut state = self.line.state.lock();
            state.turns.remove(&turn);
            let waker = state.next_waker();
            drop(state);
            // It may have been this one's turn.
            wake(waker);
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
