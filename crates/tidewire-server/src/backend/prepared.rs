//! One connection with the statements it has prepared so far.
//!
//! The statements are a closed set of constants, so the map cannot grow beyond them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{Connection, Statement};

/// A connection and its prepared statements. Lives in the one thread that uses the connection.
pub(super) struct Prepared<'c> {
    connection: &'c Connection,
    statements: HashMap<&'static str, Statement<'c>>,
}

impl<'c> Prepared<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            statements: HashMap::new(),
        }
    }

    /// The statement for `sql`, prepared at its first use.
    pub(super) fn get(&mut self, sql: &'static str) -> rusqlite::Result<&mut Statement<'c>> {
        match self.statements.entry(sql) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(self.connection.prepare(sql)?)),
        }
    }

    /// Runs `work` in one read transaction: everything it reads is one consistent cut, while writes go on.
    pub(super) fn in_one_cut<T, E: From<rusqlite::Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        // A read that panicked may have left its transaction open.
        if !self.connection.is_autocommit() {
            self.get("ROLLBACK")?.execute([])?;
        }
        self.get("BEGIN DEFERRED")?.execute([])?;
        let result = work(self);
        // A read transaction has nothing to lose, so both ends are the same.
        let ended = self
            .get("COMMIT")
            .and_then(|statement| statement.execute([]));
        let value = result?;
        ended?;
        Ok(value)
    }
}
