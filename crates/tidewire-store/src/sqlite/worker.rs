//! The thread that owns the file.
//! Holds the connection and the error it stopped with. Never writes again after a failed write: what a disk holds
//! after a failed sync is only known by reading it anew.

use std::{path::PathBuf, sync::Arc};

use rusqlite::{Connection, TransactionBehavior, params};

use super::{
    line::{Job, Line},
    open::{Lock, LogOnClose, Opened, set_log_on_close, store_error},
    reply::Reply,
};
use crate::{Commit, Op, Row, StoreError, Table, Txn};

pub(super) struct Worker {
    connection: Connection,
    path: PathBuf,
    line: Arc<Line>,
    sync: Commit,
    failed: Option<StoreError>,
    /// Given back after the connection is closed.
    _lock: Lock,
}

impl Worker {
    pub(super) fn new(opened: Opened, line: Arc<Line>) -> Self {
        let Opened {
            connection,
            path,
            lock,
        } = opened;
        Self {
            connection,
            path,
            line,
            sync: Commit::Synced,
            failed: None,
            _lock: lock,
        }
    }

    /// Works until the line is closed and empty, then closes the file.
    pub(super) fn run(mut self) {
        let _guard = Abandon(self.line.clone());
        while let Some(jobs) = self.line.take() {
            let mut groups = Vec::new();
            for job in jobs {
                match job {
                    Job::Commit(group, reply) => groups.push((group, reply)),
                    Job::Load(reply) => {
                        self.commit(std::mem::take(&mut groups));
                        reply.send(self.load());
                    }
                }
            }
            self.commit(groups);
        }
    }

    /// All groups as one transaction: they all waited, and one sync serves them all.
    fn commit(&mut self, groups: Vec<(Vec<Txn>, Reply<()>)>) {
        if groups.is_empty() {
            return;
        }
        let result = match &self.failed {
            Some(error) => Err(error.clone()),
            None => self
                .write(groups.iter().flat_map(|(group, _)| group))
                .map_err(|error| self.fail(&error)),
        };
        for (_, reply) in groups {
            reply.send(result.clone());
        }
    }

    fn write<'a>(&mut self, txns: impl Iterator<Item = &'a Txn> + Clone) -> rusqlite::Result<()> {
        let synced = txns.clone().any(|txn| txn.commit == Commit::Synced);
        self.set_sync(if synced {
            Commit::Synced
        } else {
            Commit::Ordered
        })?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut put = transaction
                .prepare("INSERT OR REPLACE INTO rows (tbl, key, value) VALUES (?1, ?2, ?3)")?;
            let mut remove = transaction.prepare("DELETE FROM rows WHERE tbl = ?1 AND key = ?2")?;
            let mut remove_range = transaction
                .prepare("DELETE FROM rows WHERE tbl = ?1 AND key >= ?2 AND key < ?3")?;
            let mut remove_from =
                transaction.prepare("DELETE FROM rows WHERE tbl = ?1 AND key >= ?2")?;
            for op in txns.flat_map(|txn| &txn.ops) {
                match op {
                    Op::Put { table, key, value } => {
                        put.execute(params![table.as_str(), key, value])?
                    }
                    Op::Remove { table, key } => remove.execute(params![table.as_str(), key])?,
                    Op::RemovePrefix { table, prefix } => match end_of_prefix(prefix) {
                        Some(end) => remove_range.execute(params![table.as_str(), prefix, end])?,
                        None => remove_from.execute(params![table.as_str(), prefix])?,
                    },
                };
            }
        }
        transaction.commit()
    }

    /// In the write-ahead log `FULL` syncs with each commit, `NORMAL` leaves that to a later one. The log is one
    /// sequence, so what comes first is never lost without what comes after.
    fn set_sync(&mut self, sync: Commit) -> rusqlite::Result<()> {
        if self.sync != sync {
            let level = match sync {
                Commit::Synced => "FULL",
                Commit::Ordered => "NORMAL",
            };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.sync = sync;
        }
        Ok(())
    }

    fn load(&mut self) -> Result<Vec<Row>, StoreError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => self.read().map_err(|error| self.fail(&error)),
        }
    }

    fn read(&self) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self
            .connection
            .prepare("SELECT tbl, key, value FROM rows ORDER BY tbl, key")?;
        let mut found = statement.query([])?;
        let mut rows: Vec<Row> = Vec::new();
        while let Some(row) = found.next()? {
            let name = row.get_ref(0)?.as_str()?;
            let table = match rows.last() {
                Some(last) if last.table.as_str() == name => last.table.clone(),
                _ => Table::from(Arc::<str>::from(name)),
            };
            rows.push(Row {
                table,
                key: row.get(1)?,
                value: row.get(2)?,
            });
        }
        Ok(rows)
    }

    /// Stops for good. The log is left as it is for the next open to read; closing must not sync it again.
    fn fail(&mut self, error: &rusqlite::Error) -> StoreError {
        let error = store_error(&self.path, error);
        // Should this be refused, closing syncs once more; everybody has been told by then.
        let _ = set_log_on_close(&self.connection, LogOnClose::Kept);
        self.failed = Some(error.clone());
        error
    }
}

/// Leaves nobody waiting should the worker panic.
struct Abandon(Arc<Line>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// The first key behind all that start with `prefix`; `None` if there is none.
fn end_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
