//! The tables, their format number, and the epoch.
//!
//! Creates and checks; never changes a file of another format.

use rusqlite::{Connection, OptionalExtension};
use tidewire_model::Epoch;

use super::error::Trouble;

/// Stands in the header of every file of this backend: "tdws".
pub(super) const APPLICATION_ID: i32 = 0x7464_7773;

/// The format that this program writes, and the newest it reads.
pub(super) const FORMAT: u32 = 1;

/// `body` and the texts of the journal are JSON; the id stands in the body too, as text or integer, as it came.
/// Entities are kept in order of type and id, which is the order of snapshots. A stream's journal holds every commit
/// above its floor. A deleted entity leaves no row: versions are offsets, and an offset never comes again, so the
/// version of an entity that is made anew is higher than all it had before.
const TABLES: &str = "
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE streams (
    type TEXT NOT NULL PRIMARY KEY,
    head INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    journal_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE entities (
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE journal (
    type TEXT NOT NULL,
    offset INTEGER NOT NULL,
    commit_id TEXT NOT NULL,
    streams TEXT,
    actions TEXT,
    ops TEXT NOT NULL,
    PRIMARY KEY (type, offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE clients (
    key INTEGER PRIMARY KEY,
    client TEXT NOT NULL,
    principal TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    run INTEGER NOT NULL,
    contact_ms INTEGER NOT NULL,
    UNIQUE (client, principal)
) STRICT;
CREATE INDEX clients_by_contact ON clients (contact_ms);
CREATE TABLE lanes (
    client_key INTEGER NOT NULL,
    lane TEXT NOT NULL,
    last_seq INTEGER NOT NULL,
    PRIMARY KEY (client_key, lane)
) STRICT, WITHOUT ROWID;
CREATE TABLE answers (
    client_key INTEGER NOT NULL,
    lane TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (client_key, lane, seq)
) STRICT, WITHOUT ROWID;
";

/// Makes the tables and the first epoch, all or nothing.
pub(super) fn create(connection: &Connection) -> Result<(), Trouble> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    write_epoch(connection)?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}

/// Begins a new epoch: no offset of the old one can be resumed from, so the journals begin anew.
pub(super) fn begin_epoch(connection: &Connection) -> Result<(), Trouble> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    write_epoch(connection)?;
    connection.execute_batch(
        "DELETE FROM journal; UPDATE streams SET floor = head, journal_bytes = 0; COMMIT",
    )?;
    Ok(())
}

/// The epoch the file is in.
pub(super) fn epoch(connection: &Connection) -> Result<Epoch, Trouble> {
    let text: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE name = 'epoch'", [], |row| {
            row.get(0)
        })
        .optional()?;
    let text = text.ok_or_else(|| Trouble::content("the epoch", &"it is missing"))?;
    Epoch::new(&text).map_err(|error| Trouble::content("the epoch", &error))
}

fn write_epoch(connection: &Connection) -> Result<(), Trouble> {
    let mut random = [0; 8];
    super::ids::fill(&mut random);
    let epoch = format!("{:016x}", u64::from_be_bytes(random));
    connection.execute(
        "INSERT OR REPLACE INTO meta (name, value) VALUES ('epoch', ?1)",
        [epoch],
    )?;
    Ok(())
}
