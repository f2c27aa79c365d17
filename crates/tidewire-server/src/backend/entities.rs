//! Rows of the entities table: one by key, written and removed.

use rusqlite::{OptionalExtension, params};
use tidewire_model::{EntityId, EntityKey, EntityType, Offset, Record};

use super::error::Trouble;
use super::number::{offset, stored};
use super::prepared::Prepared;
use super::text::{read_record, write_record};

/// One entity, if it is there.
pub(super) fn load(
    prepared: &mut Prepared<'_>,
    entity_type: &EntityType,
    id: &EntityId,
) -> Result<Option<(Record, Offset)>, Trouble> {
    let row = prepared
        .get("SELECT version, body FROM entities WHERE type = ?1 AND id = ?2")?
        .query_row(params![entity_type.as_str(), id.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    row.map(|(version, body): (i64, String)| read(version, &body))
        .transpose()
}

/// An entity and its version from its row.
pub(super) fn read(version: i64, body: &str) -> Result<(Record, Offset), Trouble> {
    Ok((read_record(body)?, offset(version)?))
}

/// Writes an entity, whether it was there or not.
pub(super) fn put(
    prepared: &mut Prepared<'_>,
    key: &EntityKey,
    record: &Record,
    version: Offset,
) -> Result<(), Trouble> {
    let body = write_record(record)?;
    prepared.execute_large(
        "INSERT OR REPLACE INTO entities (type, id, version, body) VALUES (?1, ?2, ?3, ?4)",
        params![
            key.entity_type.as_str(),
            key.id.as_str(),
            stored(version.get()),
            body
        ],
    )?;
    Ok(())
}

/// Removes an entity.
pub(super) fn remove(prepared: &mut Prepared<'_>, key: &EntityKey) -> Result<(), Trouble> {
    prepared
        .get("DELETE FROM entities WHERE type = ?1 AND id = ?2")?
        .execute([key.entity_type.as_str(), key.id.as_str()])?;
    Ok(())
}
