//! One connection with the statements it has prepared so far.
//!
//! The statements are a closed set of constants, so the map cannot grow beyond them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use rusqlite::{Connection, Params, Statement};

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

    /// The file of the connection.
    pub(super) fn path(&self) -> &Path {
        Path::new(self.connection.path().unwrap_or_default())
    }

    /// The statement for `sql`, prepared at its first use.
    pub(super) fn get(&mut self, sql: &'static str) -> rusqlite::Result<&mut Statement<'c>> {
        match self.statements.entry(sql) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(self.connection.prepare(sql)?)),
        }
    }

    /// Executes a statement with values that may be large, and lets go of them. A statement keeps what was bound to it
    /// until something else is, which may be long after.
    pub(super) fn execute_large(
        &mut self,
        sql: &'static str,
        values: impl Params,
    ) -> rusqlite::Result<usize> {
        let statement = self.get(sql)?;
        let changed = statement.execute(values);
        statement.clear_bindings();
        changed
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

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_keeps_no_large_value() {
        const INSERT: &str = "INSERT INTO large (body) VALUES (?1)";
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE large (body TEXT)")
            .unwrap();
        let mut prepared = Prepared::new(&connection);
        let mut bytes_after = |body: String| {
            assert_eq!(prepared.execute_large(INSERT, [body]), Ok(1));
            let statement = prepared.get(INSERT).unwrap();
            statement.get_status(StatementStatus::MemUsed)
        };
        let small = bytes_after(String::new());
        let large = bytes_after("x".repeat(1024 * 1024));
        assert!(large <= small + 1024, "{large} after {small}");
    }
}
