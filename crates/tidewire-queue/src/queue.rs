//! The queue: what is still to be said, in order, and what became of it.
//!
//! Holds the state and the ways to read it; each kind of input has a file of its own beneath. Every input gives back
//! what must be stored. Nothing here sends, stores, waits or reads a clock.

mod answer;
mod connection;
mod decide;
mod rename;
mod restore;
mod send;
mod submit;

pub use connection::SyncReason;

use std::collections::BTreeMap;

use tidewire_model::{ActionId, Effect, Lane};
use tidewire_store::{Op, Txn};

use crate::action::Action;
use crate::changes::Changes;
use crate::client::ClientRecord;
use crate::error::Problem;
use crate::lane::LaneState;
use crate::outcome::{Counts, Fate, Outcome};
use crate::settings::Settings;
use crate::shelf::Shelf;
use crate::stored;

/// Ordered actions and their fate.
///
/// Every method that changes something gives back the transaction that makes the change durable. Transactions are
/// stored in the order in which they were given out. The queue is ahead of its store by those that are not stored
/// yet; a crash then leaves the state before them, and every such state is one from which the queue goes on
/// correctly, as long as an action is transmitted only after the transaction of its [`Sending`](crate::Sending) is
/// stored, and a connection is made only after that of [`bump_run`](Self::bump_run) is.
#[derive(Debug)]
pub struct Queue {
    settings: Settings,
    /// For a new name of the client, if it ever needs one.
    random: [u8; 16],
    client: ClientRecord,
    /// Whether the store has a client record, or a transaction with one was given out.
    has_client_row: bool,
    shelf: Shelf,
    lanes: BTreeMap<Lane, LaneState>,
    /// Rows that cannot be read, by key, with their size in bytes.
    unreadable: BTreeMap<Vec<u8>, (Problem, usize)>,
    /// The submission number the next action gets.
    next_number: u64,
    connection: Connection,
    pipeline: Pipeline,
    /// What was confirmed when the latest connection was counted.
    confirmed: BTreeMap<Lane, u64>,
    /// How many lanes the server takes of one client, as it said last.
    server_lanes: usize,
    /// What restoring set right; stored with the next transaction, and before anything is sent.
    repairs: Changes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    /// Nobody is there to send to.
    Away,
    /// Actions may go out.
    Ready,
    /// Somebody is there who lacks proof of our rights.
    Unauthorized,
}

/// How many actions of a lane may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pipeline {
    /// As many as the settings say: whoever is there keeps numbers, and puts them in order.
    Window,
    /// One: whoever is there does what it is given, in whatever order it gets to it.
    OneByOne,
}

impl Queue {
    /// An empty queue of a client that never was. `random` makes the client's name and must differ between any two
    /// calls of this and of [`restore`](Self::restore), on any machine.
    pub fn new(settings: Settings, random: [u8; 16]) -> Self {
        Self {
            settings,
            random,
            client: ClientRecord::fresh(random),
            has_client_row: false,
            shelf: Shelf::default(),
            lanes: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            next_number: 1,
            connection: Connection::Away,
            pipeline: Pipeline::Window,
            confirmed: BTreeMap::new(),
            server_lanes: usize::MAX,
            repairs: Changes::default(),
        }
    }

    /// The limits it keeps.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who this client is.
    pub fn client(&self) -> &ClientRecord {
        &self.client
    }

    /// Counts a connection. The transaction must be stored before the connection is made: the server takes a run it
    /// has seen before for a copied store.
    pub fn bump_run(&mut self) -> Txn {
        self.client.run = self.client.run.saturating_add(1);
        let confirmed = self
            .lanes
            .iter()
            .map(|(name, lane)| (name.clone(), lane.confirmed()));
        self.confirmed = confirmed.filter(|(_, confirmed)| *confirmed > 0).collect();
        self.store_client()
    }

    /// The server takes so many lanes of one client; one it has to take, or nothing could be said. New lanes are refused
    /// above it from here on. Those that are there stay; see [`exceeds_lanes`](Self::exceeds_lanes).
    pub fn limit_lanes(&mut self, max: usize) {
        self.server_lanes = max.max(1);
    }

    /// Whether an action would be the first of a lane that is one too many for the server: how many it takes.
    pub fn exceeds_lanes(&self, action: &Action) -> Option<usize> {
        let is_begun = |lane: &LaneState| lane.sent > 0;
        let begun = self.lanes.values().filter(|lane| is_begun(lane)).count();
        let is_new = !self.lanes.get(&action.lane).is_some_and(is_begun);
        (is_new && begun >= self.server_lanes).then_some(self.server_lanes)
    }

    /// Notes whom the queue belongs to. `None`: that was known.
    pub fn set_principal(&mut self, principal: &str) -> Option<Txn> {
        if self.client.principal.as_deref() == Some(principal) {
            return None;
        }
        self.client.principal = Some(principal.to_owned());
        Some(self.store_client())
    }

    /// An action that is in the queue.
    pub fn get(&self, id: ActionId) -> Option<&Action> {
        self.shelf.action(id)
    }

    /// Every action that is not parked, in order of submission; uncertain ones are among them.
    pub fn pending(&self) -> impl Iterator<Item = &Action> {
        self.shelf.iter().filter(|action| !action.is_parked())
    }

    /// Every parked action, in order of submission.
    pub fn parked(&self) -> impl Iterator<Item = &Action> {
        self.shelf.iter().filter(|action| action.is_parked())
    }

    /// The predicted effects of everything that is not parked, in order of submission: what lies over the base.
    pub fn effects_in_order(&self) -> impl Iterator<Item = (ActionId, &[Effect])> {
        self.pending().map(|action| (action.id, &*action.effects))
    }

    /// How many actions stand where.
    pub fn counts(&self) -> Counts {
        Counts {
            unreadable: self.unreadable.len(),
            ..self.shelf.counts()
        }
    }

    /// Per lane, the highest number up to which every answer was held at the latest [`bump_run`](Self::bump_run): what
    /// the server need not keep for this client any longer. That it is held is stored before the connection is made.
    pub fn confirmed(&self) -> BTreeMap<Lane, u64> {
        self.confirmed.clone()
    }

    /// Whether anything may have been sent under this incarnation. A server that hears so from a client it does not know
    /// has forgotten it.
    pub fn may_have_sent(&self) -> bool {
        self.lanes.values().any(|lane| lane.sent > 0)
    }

    /// The latest transaction with content of this action is stored, or the store keeps nothing. To be called once for
    /// every transaction of [`submit`](Self::submit) and [`edit`](Self::edit); the action is not offered before.
    pub fn on_durable(&mut self, id: ActionId) {
        if let Some(entry) = self
            .shelf
            .number(id)
            .and_then(|number| self.shelf.entry_mut(number))
        {
            entry.unstored = entry.unstored.saturating_sub(1);
        }
    }

    /// Whether the action is stored as it is. `false` for one that is not in the queue.
    pub fn is_durable(&self, id: ActionId) -> bool {
        self.shelf
            .number(id)
            .and_then(|number| self.shelf.entry(number))
            .is_some_and(|entry| entry.unstored == 0)
    }

    /// Stored rows that could not be read. They stay in the store, for a program that can.
    pub fn unreadable(&self) -> impl Iterator<Item = &Problem> {
        self.unreadable.values().map(|(problem, _)| problem)
    }

    /// Gives up an unreadable row, by its key. `None`: there is none.
    pub fn discard_unreadable(&mut self, key: &[u8]) -> Option<Txn> {
        self.unreadable.remove(key)?;
        Some(Txn::synced(vec![Op::remove(stored::ACTIONS, key)]))
    }

    fn store_client(&mut self) -> Txn {
        let changes = Changes {
            client: true,
            ..Changes::default()
        };
        self.store(changes)
            .unwrap_or_else(|| Txn::synced(Vec::new()))
    }

    /// One transaction of everything that changed, and of what restoring left to do.
    fn store(&mut self, mut changes: Changes) -> Option<Txn> {
        if changes.is_empty() {
            return None;
        }
        changes.absorb(std::mem::take(&mut self.repairs));
        let mut ops = Vec::new();
        for number in changes.removed {
            ops.push(Op::remove(stored::ACTIONS, stored::action_key(number)));
        }
        for number in changes.written {
            let Some(entry) = self.shelf.entry(number) else {
                continue;
            };
            let op = Op::put(
                stored::ACTIONS,
                stored::action_key(number),
                stored::action_row(&entry.action),
            );
            self.shelf.set_bytes(number, op.bytes());
            ops.push(op);
        }
        for name in changes.lanes {
            ops.push(match self.lanes.get(&name) {
                Some(lane) => Op::put(stored::LANES, name.as_str(), stored::lane_row(lane)),
                None => Op::remove(stored::LANES, name.as_str()),
            });
        }
        if changes.client || !self.has_client_row {
            self.has_client_row = true;
            ops.push(Op::put(
                stored::CLIENT,
                stored::CLIENT_KEY,
                stored::client_row(&self.client),
            ));
        }
        Some(Txn::synced(ops))
    }

    /// What one input led to: its fates in order of submission, and its transaction.
    fn outcome(&mut self, mut changes: Changes) -> Outcome {
        let mut fates = std::mem::take(&mut changes.fates);
        fates.sort_by_key(|(number, ..)| *number);
        let fates: Vec<(ActionId, Fate)> =
            fates.into_iter().map(|(_, id, fate)| (id, fate)).collect();
        Outcome {
            txn: self.store(changes),
            fates,
            ..Outcome::default()
        }
    }

    /// A submission number for what goes to the end. What cannot be read keeps its place.
    fn take_number(&mut self) -> u64 {
        while self
            .unreadable
            .contains_key(&stored::action_key(self.next_number)[..])
        {
            self.next_number += 1;
        }
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Puts an action at the end of its lane; gives its number there. It is above `used`, the action's number before:
    /// an answer names no lane, and a late one must not be taken for another.
    fn join_lane(&mut self, name: &Lane, number: u64, used: u64, changes: &mut Changes) -> u64 {
        changes.lanes.insert(name.clone());
        let lane = self
            .lanes
            .entry(name.clone())
            .or_insert_with(LaneState::new);
        lane.next = lane.next.max(used.saturating_add(1));
        lane.join(number)
    }

    /// Takes an action out of the line of its lane.
    fn leave_lane(&mut self, name: &Lane, seq: u64, number: u64) {
        if let Some(lane) = self.lanes.get_mut(name)
            && lane.line.get(&seq) == Some(&number)
        {
            lane.line.remove(&seq);
        }
    }
}
