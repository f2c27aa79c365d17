//! The streams that one transaction touches: head, floor and size of the journal of each.
//!
//! Loaded at first touch, written once at the end of the transaction.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::{OptionalExtension, params};
use tidewire_model::{EntityType, Offset};

use super::error::Trouble;
use super::number::{number, offset, stored};
use super::prepared::Prepared;

/// What is known of a stream beside its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stream {
    /// The offset of the last commit.
    pub(super) head: Offset,
    /// The journal holds every commit above this.
    pub(super) floor: Offset,
    /// The size of the journal's changes, in bytes.
    pub(super) journal_bytes: u64,
}

/// The streams that a transaction touches.
#[derive(Debug, Default)]
pub(super) struct Streams(BTreeMap<EntityType, Stream>);

impl Streams {
    /// A stream, to be changed.
    pub(super) fn touch(
        &mut self,
        prepared: &mut Prepared<'_>,
        entity_type: &EntityType,
    ) -> Result<&mut Stream, Trouble> {
        match self.0.entry(entity_type.clone()) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(load(prepared, entity_type)?)),
        }
    }

    /// Writes all that was touched.
    pub(super) fn save(self, prepared: &mut Prepared<'_>) -> Result<(), Trouble> {
        let statement =
            prepared.get("INSERT OR REPLACE INTO streams (type, head, floor, journal_bytes) VALUES (?1, ?2, ?3, ?4)")?;
        // A stream without a commit is one that was only looked at.
        for (entity_type, stream) in self
            .0
            .into_iter()
            .filter(|(_, stream)| stream.head > Offset::ZERO)
        {
            statement.execute(params![
                entity_type.as_str(),
                stored(stream.head.get()),
                stored(stream.floor.get()),
                stored(stream.journal_bytes),
            ])?;
        }
        Ok(())
    }
}

/// A stream as it stands in the file; one that never had a commit has none.
pub(super) fn load(
    prepared: &mut Prepared<'_>,
    entity_type: &EntityType,
) -> Result<Stream, Trouble> {
    let row: Option<(i64, i64, i64)> = prepared
        .get("SELECT head, floor, journal_bytes FROM streams WHERE type = ?1")?
        .query_row([entity_type.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((head, floor, journal_bytes)) = row else {
        return Ok(Stream::default());
    };
    Ok(Stream {
        head: offset(head)?,
        floor: offset(floor)?,
        journal_bytes: number(journal_bytes)?,
    })
}

/// The head of every stream.
pub(super) fn heads(prepared: &mut Prepared<'_>) -> Result<BTreeMap<EntityType, Offset>, Trouble> {
    let mut heads = BTreeMap::new();
    let mut rows = prepared.get("SELECT type, head FROM streams")?.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let entity_type =
            EntityType::new(&name).map_err(|error| Trouble::content("a stream", &error))?;
        heads.insert(entity_type, offset(row.get(1)?)?);
    }
    Ok(heads)
}
