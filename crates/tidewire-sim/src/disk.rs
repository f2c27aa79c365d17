//! A client's store in memory: what a crash leaves, and the one transaction that is under way.
//! Never decides when something is stored.

use std::collections::BTreeMap;

use tidewire_engine::StoreTicket;
use tidewire_store::{Op, Row, Table, Txn};

/// What a client has stored.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    under_way: Option<(StoreTicket, Vec<Txn>)>,
    /// Done, and its client does not know it yet.
    unanswered: Option<StoreTicket>,
    kept: u64,
}

/// What a crash did to the transaction under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtCrash {
    /// There was none.
    Nothing,
    /// It was done, and nobody heard of it.
    Kept,
    /// It was not done.
    Lost,
}

impl Disk {
    /// Takes a transaction on; gives it back where another is under way.
    pub(crate) fn begin(
        &mut self,
        ticket: StoreTicket,
        group: Vec<Txn>,
    ) -> Result<(), StoreTicket> {
        if self.under_way.is_some() || self.unanswered.is_some() {
            return Err(ticket);
        }
        self.under_way = Some((ticket, group));
        Ok(())
    }

    /// Does the transaction under way.
    pub(crate) fn keep(&mut self) {
        let Some((ticket, group)) = self.under_way.take() else {
            return;
        };
        self.kept += 1;
        self.unanswered = Some(ticket);
        for op in group.into_iter().flat_map(|txn| txn.ops) {
            self.apply(op);
        }
    }

    /// Forgets the transaction under way and counts it as done.
    pub(crate) fn pretend(&mut self) {
        self.kept += 1;
        self.unanswered = self.under_way.take().map(|(ticket, _)| ticket);
    }

    /// The transaction that was done and not told of.
    pub(crate) fn take_answer(&mut self) -> Option<StoreTicket> {
        self.unanswered.take()
    }

    /// The client crashes.
    pub(crate) fn crash(&mut self) -> AtCrash {
        if self.unanswered.take().is_some() {
            return AtCrash::Kept;
        }
        if self.under_way.take().is_some() {
            AtCrash::Lost
        } else {
            AtCrash::Nothing
        }
    }

    /// How many transactions were done.
    pub(crate) fn count(&self) -> u64 {
        self.kept
    }

    /// Everything that is stored.
    pub(crate) fn load(&self) -> Vec<Row> {
        let rows = self.rows.iter().map(|((table, key), value)| Row {
            table: table.clone(),
            key: key.clone(),
            value: value.clone(),
        });
        rows.collect()
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Put { table, key, value } => {
                self.rows.insert((table, key), value);
            }
            Op::Remove { table, key } => {
                self.rows.remove(&(table, key));
            }
            Op::RemovePrefix { table, prefix } => {
                self.rows
                    .retain(|(other, key), _| *other != table || !key.starts_with(&prefix));
            }
        }
    }
}
