//! A store whose power can be cut and whose disk can fail, for tests and simulations.
//! Holds what is synced apart from what is only in line. Never decides by itself what goes wrong.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;

use crate::{
    Commit, Durability, Row, Store, StoreError, Txn,
    memory::{Tables, hold},
};

/// A store in memory that claims to be durable and is, until a test cuts its power: then what was not synced is
/// lost from some point on. Clones share one content.
#[derive(Clone, Debug, Default)]
pub struct PowerCutStore {
    state: Arc<Mutex<State>>,
}

/// What became of a commit that was reported as failed. Both happen: a disk that fails at the last moment may have
/// stored what it could not confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedCommit {
    /// Nothing of it is there after opening again.
    Lost,
    /// All of it is there after opening again.
    Kept,
}

#[derive(Debug, Default)]
struct State {
    synced: Tables,
    in_line: VecDeque<Vec<Txn>>,
    to_fail: Option<(StoreError, FailedCommit)>,
    failed: Option<StoreError>,
}

impl PowerCutStore {
    /// An empty store with its power on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many groups a power cut could lose.
    #[must_use]
    pub fn in_line(&self) -> usize {
        hold(&self.state).in_line.len()
    }

    /// Cuts the power and turns it on again: of the groups in line the first `kept` survive. Also what opening
    /// again does, so the store works after it.
    pub fn cut(&self, kept: usize) {
        let mut state = hold(&self.state);
        state.in_line.truncate(kept);
        state.sync();
        state.failed = None;
        state.to_fail = None;
    }

    /// Lets the next commit fail with `error`, and every later one until [`cut`](Self::cut).
    pub fn fail_next(&self, error: StoreError, outcome: FailedCommit) {
        hold(&self.state).to_fail = Some((error, outcome));
    }
}

impl State {
    fn sync(&mut self) {
        for txn in self.in_line.drain(..).flatten() {
            self.synced.apply(txn);
        }
    }

    fn put(&mut self, group: Vec<Txn>) {
        let is_synced = group.iter().any(|txn| txn.commit == Commit::Synced);
        self.in_line.push_back(group);
        if is_synced {
            self.sync();
        }
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl Store for PowerCutStore {
    fn durability(&self) -> Durability {
        Durability::Crash
    }

    fn load(&self) -> Result<Vec<Row>, StoreError> {
        let state = hold(&self.state);
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        let mut seen = state.synced.clone();
        state
            .in_line
            .iter()
            .flatten()
            .for_each(|txn| seen.apply(txn.clone()));
        Ok(seen.rows())
    }

    async fn commit(&self, group: Vec<Txn>) -> Result<(), StoreError> {
        let mut state = hold(&self.state);
        if let Some((error, outcome)) = state.to_fail.take() {
            if outcome == FailedCommit::Kept {
                state.put(group);
            }
            state.failed = Some(error);
        } else if state.failed.is_none() {
            state.put(group);
        }
        state.failed.clone().map_or(Ok(()), Err)
    }
}
