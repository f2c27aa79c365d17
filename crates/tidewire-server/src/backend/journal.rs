//! The journal: the commits of each stream above its floor.
//!
//! Bounded by commits and by bytes per stream; what is too old goes in small steps, with the writes that push it out.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};
use tidewire_hub::{Commit, StreamCommit};
use tidewire_model::{EntityType, Offset};

use super::error::Trouble;
use super::number::{number, stored};
use super::options::JournalLimits;
use super::prepared::Prepared;
use super::reader::Turn;
use super::streams::{self, Stream, Streams};
use super::text::{read_actions, read_offsets, read_ops, write_actions, write_offsets, write_ops};

/// About the most bytes of changes that are read in one go. Who wants more asks again behind what came.
const BYTES_PER_READ: usize = 16 * 1024 * 1024;

/// The most commits that leave a stream's journal with one that enters it.
const PRUNED_PER_COMMIT: usize = 16;

/// Adds a commit to the journal of each of its streams, and takes out what is too old there.
pub(super) fn append(
    prepared: &mut Prepared<'_>,
    streams: &mut Streams,
    limits: JournalLimits,
    commit: &Commit,
) -> Result<(), Trouble> {
    let offsets: BTreeMap<_, _> = commit
        .streams
        .iter()
        .map(|part| (part.entity_type.clone(), part.to))
        .collect();
    let offsets = write_offsets(&offsets)?;
    let actions = write_actions(&commit.actions)?;
    for part in &commit.streams {
        let ops = write_ops(&part.ops)?;
        prepared.execute_large(
            "INSERT INTO journal (type, offset, commit_id, streams, actions, ops) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![part.entity_type.as_str(), stored(part.to.get()), commit.id, offsets, actions, ops],
        )?;
        let stream = streams.touch(prepared, &part.entity_type)?;
        stream.journal_bytes += ops.len() as u64;
        prune(prepared, &part.entity_type, stream, limits)?;
    }
    Ok(())
}

/// Commits of a stream behind `after`, at most `limit` and not too many bytes, oldest first; nothing where some of them
/// are gone.
pub(super) fn read(
    prepared: &mut Prepared<'_>,
    turn: &mut Turn<'_>,
    entity_type: &EntityType,
    after: Offset,
    limit: usize,
) -> Result<Option<Vec<Commit>>, Trouble> {
    let stream = streams::load(prepared, entity_type)?;
    if after < stream.floor || after > stream.head {
        return Ok(None);
    }
    let rows = rows_behind(prepared, turn, entity_type, after, limit)?;
    let mut commits = Vec::with_capacity(rows.len());
    for (to, id, offsets, actions, ops) in rows {
        turn.row()?;
        let to = super::number::offset(to)?;
        let own = StreamCommit {
            entity_type: entity_type.clone(),
            to,
            ops: read_ops(&ops, to)?,
        };
        let streams = match offsets {
            Some(offsets) => other_parts(prepared, &read_offsets(&offsets)?, &own)?,
            None => vec![own],
        };
        let actions = actions
            .as_deref()
            .map(read_actions)
            .transpose()?
            .unwrap_or_default();
        commits.push(Commit {
            id,
            streams,
            actions,
        });
    }
    Ok(Some(commits))
}

/// A commit's part of one stream, as it stands in the file: offset, commit, streams, actions, changes.
type JournalRow = (i64, String, Option<String>, Option<String>, String);

fn rows_behind(
    prepared: &mut Prepared<'_>,
    turn: &mut Turn<'_>,
    entity_type: &EntityType,
    after: Offset,
    limit: usize,
) -> Result<Vec<JournalRow>, Trouble> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = prepared
        .get(
            "SELECT offset, commit_id, streams, actions, ops FROM journal WHERE type = ?1 AND offset > ?2 \
             ORDER BY offset LIMIT ?3",
        )?
        .query(params![entity_type.as_str(), stored(after.get()), limit])?;
    let mut behind = Vec::new();
    let mut bytes = 0;
    while bytes < BYTES_PER_READ
        && let Some(row) = rows.next()?
    {
        turn.row()?;
        let row: JournalRow = (
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
        );
        bytes += row.4.len();
        behind.push(row);
    }
    Ok(behind)
}

/// All parts of a commit over several streams, in order of the stream. A part that has left its own journal names its
/// place and has no changes.
fn other_parts(
    prepared: &mut Prepared<'_>,
    offsets: &BTreeMap<EntityType, Offset>,
    own: &StreamCommit,
) -> Result<Vec<StreamCommit>, Trouble> {
    let mut parts = Vec::with_capacity(offsets.len());
    for (entity_type, &to) in offsets {
        if *entity_type == own.entity_type {
            parts.push(own.clone());
            continue;
        }
        let ops: Option<String> = prepared
            .get("SELECT ops FROM journal WHERE type = ?1 AND offset = ?2")?
            .query_row(params![entity_type.as_str(), stored(to.get())], |row| {
                row.get(0)
            })
            .optional()?;
        let ops = ops
            .map(|ops| read_ops(&ops, to))
            .transpose()?
            .unwrap_or_default();
        parts.push(StreamCommit {
            entity_type: entity_type.clone(),
            to,
            ops,
        });
    }
    Ok(parts)
}

/// Takes the oldest commits out until the journal is within its limits, at most a few, and never the last one.
fn prune(
    prepared: &mut Prepared<'_>,
    entity_type: &EntityType,
    stream: &mut Stream,
    limits: JournalLimits,
) -> Result<(), Trouble> {
    for _ in 0..PRUNED_PER_COMMIT {
        let commits = stream.head.get() - stream.floor.get();
        if commits <= 1 || (commits <= limits.commits && stream.journal_bytes <= limits.bytes) {
            return Ok(());
        }
        let oldest = stream.floor.next();
        let bytes: Option<i64> = prepared
            .get("DELETE FROM journal WHERE type = ?1 AND offset = ?2 RETURNING octet_length(ops)")?
            .query_row(params![entity_type.as_str(), stored(oldest.get())], |row| {
                row.get(0)
            })
            .optional()?;
        let bytes = number(bytes.unwrap_or_default())?;
        stream.journal_bytes = stream.journal_bytes.saturating_sub(bytes);
        stream.floor = oldest;
    }
    Ok(())
}
