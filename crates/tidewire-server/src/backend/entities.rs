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
    let found = prepared
        .get("SELECT version, body, id FROM entities WHERE type = ?1 AND id = ?2")?
        .query_row(params![entity_type.as_str(), id.as_str()], |row| {
            Ok(read(entity_type, row))
        })
        .optional()?;
    found.transpose()
}

/// An entity and its version from its row: version, body and id. What cannot be read is named.
pub(super) fn read(
    entity_type: &EntityType,
    row: &rusqlite::Row<'_>,
) -> Result<(Record, Offset), Trouble> {
    let read = || -> Result<(Record, Offset), Trouble> {
        let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        Ok((read_record(body)?, offset(row.get(0)?)?))
    };
    read().map_err(|trouble| {
        let id = row.get_ref(2).ok();
        let id = id.as_ref().and_then(|id| id.as_bytes().ok());
        Trouble::Entity {
            entity_type: entity_type.clone(),
            id: String::from_utf8_lossy(id.unwrap_or_default()).into_owned(),
            detail: trouble.to_string(),
        }
    })
}

/// How many bytes the body of a row has that [`read`] reads.
pub(super) fn body_bytes(row: &rusqlite::Row<'_>) -> usize {
    let body = row.get_ref(1).ok();
    body.and_then(|body| body.as_bytes().ok())
        .map_or(0, <[u8]>::len)
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
