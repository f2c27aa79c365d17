//! What is known of each client: principal, incarnation, run, the last number of each lane, and the answers given.
//!
//! A client is known under its principal, so that nobody can answer for another's client by its name alone.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};
use tidewire_hub::{Answer, Greeting};
use tidewire_model::Lane;
use tidewire_protocol::{ClientInfo, Limits};

use super::error::Trouble;
use super::number::{number, stored};
use super::prepared::Prepared;
use super::text::{read_answer, write_answer};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A client that has written is remembered this long after its last contact.
const KEPT_MS: u64 = 90 * DAY_MS;

/// A client that has never written has nothing that could be done twice, and is remembered this long.
const KEPT_WITHOUT_LANES_MS: u64 = 7 * DAY_MS;

/// The most clients that are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: i64 = 1000;

/// How far a noted last contact may lie behind the real one.
const CONTACT_STEP_MS: u64 = DAY_MS / 24;

/// The answers kept per lane when the client confirms none. A client has no more actions without an answer than this,
/// so what is older was answered.
const ANSWERS_PER_LANE: u64 = Limits::DEFAULT.pending_actions as u64;

/// A client as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownClient {
    pub(super) key: i64,
    pub(super) incarnation: u64,
    pub(super) run: u64,
    contact_ms: u64,
}

/// Notes a client's connection. Its lanes stand at the numbers in the answer.
pub(super) fn greet(
    prepared: &mut Prepared<'_>,
    now_ms: u64,
    principal: &str,
    client: &ClientInfo,
    confirmed: &BTreeMap<Lane, u64>,
) -> Result<Greeting, Trouble> {
    // What a client sends again may have been done before it was forgotten: one with a past that is not here is let in
    // only once it began anew.
    let claims_past = client.may_have_sent || confirmed.values().any(|&seq| seq > 0);
    let Some(known) = find(prepared, principal, &client.id)? else {
        if claims_past {
            return Ok(Greeting::Unknown);
        }
        insert(prepared, now_ms, principal, client)?;
        return Ok(Greeting::Known(BTreeMap::new()));
    };
    if (client.incarnation, client.run) <= (known.incarnation, known.run) {
        return Ok(Greeting::Fenced);
    }
    let mut last_seq = BTreeMap::new();
    if client.incarnation == known.incarnation {
        last_seq = lanes(prepared, known.key)?;
        // What the client has stored the answer of was done here, or this file is older than the client.
        if confirmed
            .iter()
            .any(|(lane, &seq)| seq > last_seq.get(lane).copied().unwrap_or(0))
        {
            return Ok(Greeting::Unknown);
        }
        confirm(prepared, known.key, confirmed)?;
    } else if claims_past {
        return Ok(Greeting::Unknown);
    } else {
        forget_lanes(prepared, known.key)?;
    }
    prepared
        .get("UPDATE clients SET incarnation = ?2, run = ?3, contact_ms = ?4 WHERE key = ?1")?
        .execute(params![
            known.key,
            stored(client.incarnation),
            stored(client.run),
            stored(now_ms)
        ])?;
    Ok(Greeting::Known(last_seq))
}

/// A client, if it is known under this principal.
pub(super) fn find(
    prepared: &mut Prepared<'_>,
    principal: &str,
    client: &str,
) -> Result<Option<KnownClient>, Trouble> {
    let row: Option<(i64, i64, i64, i64)> = prepared
        .get("SELECT key, incarnation, run, contact_ms FROM clients WHERE client = ?1 AND principal = ?2")?
        .query_row([client, principal], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((key, incarnation, run, contact_ms)) = row else {
        return Ok(None);
    };
    let (incarnation, run, contact_ms) = (number(incarnation)?, number(run)?, number(contact_ms)?);
    Ok(Some(KnownClient {
        key,
        incarnation,
        run,
        contact_ms,
    }))
}

/// Notes that a client was heard of, where the noted time is too far behind.
pub(super) fn note_contact(
    prepared: &mut Prepared<'_>,
    now_ms: u64,
    client: &KnownClient,
) -> Result<(), Trouble> {
    if now_ms > client.contact_ms.saturating_add(CONTACT_STEP_MS) {
        prepared
            .get("UPDATE clients SET contact_ms = ?2 WHERE key = ?1")?
            .execute(params![client.key, stored(now_ms)])?;
    }
    Ok(())
}

/// Per lane, the last number used up.
pub(super) fn lanes(
    prepared: &mut Prepared<'_>,
    client_key: i64,
) -> Result<BTreeMap<Lane, u64>, Trouble> {
    let mut lanes = BTreeMap::new();
    let mut rows = prepared
        .get("SELECT lane, last_seq FROM lanes WHERE client_key = ?1")?
        .query([client_key])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let lane = Lane::new(&name).map_err(|error| Trouble::content("a lane", &error))?;
        lanes.insert(lane, number(row.get(1)?)?);
    }
    Ok(lanes)
}

/// The last number used up in one lane; nothing where the lane is new.
pub(super) fn lane(
    prepared: &mut Prepared<'_>,
    client_key: i64,
    lane: &Lane,
) -> Result<Option<u64>, Trouble> {
    let last: Option<i64> = prepared
        .get("SELECT last_seq FROM lanes WHERE client_key = ?1 AND lane = ?2")?
        .query_row(params![client_key, lane.as_str()], |row| row.get(0))
        .optional()?;
    last.map(number).transpose()
}

/// Whether the client may open one more lane.
pub(super) fn has_room_for_lane(
    prepared: &mut Prepared<'_>,
    client_key: i64,
) -> Result<bool, Trouble> {
    let lanes: i64 = prepared
        .get("SELECT count(*) FROM lanes WHERE client_key = ?1")?
        .query_row([client_key], |row| row.get(0))?;
    Ok(number(lanes)? < Limits::DEFAULT.lanes as u64)
}

/// The answer to a number, with the fingerprint of what it answered; nothing where it is gone.
pub(super) fn answer(
    prepared: &mut Prepared<'_>,
    client_key: i64,
    lane: &Lane,
    seq: u64,
) -> Result<Option<(String, Answer)>, Trouble> {
    let row: Option<(String, String)> = prepared
        .get("SELECT hash, answer FROM answers WHERE client_key = ?1 AND lane = ?2 AND seq = ?3")?
        .query_row(params![client_key, lane.as_str(), stored(seq)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    row.map(|(hash, answer)| Ok((hash, read_answer(&answer)?)))
        .transpose()
}

/// Uses a number up, with its answer.
pub(super) fn use_up(
    prepared: &mut Prepared<'_>,
    client_key: i64,
    lane: &Lane,
    seq: u64,
    hash: &str,
    answer: &Answer,
) -> Result<(), Trouble> {
    let answer = write_answer(answer)?;
    prepared
        .get("INSERT OR REPLACE INTO lanes (client_key, lane, last_seq) VALUES (?1, ?2, ?3)")?
        .execute(params![client_key, lane.as_str(), stored(seq)])?;
    prepared
        .get("INSERT OR REPLACE INTO answers (client_key, lane, seq, hash, answer) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![client_key, lane.as_str(), stored(seq), hash, answer])?;
    // Of the numbers used up, gaps and all, as many are kept as a client can have under way.
    prepared
        .get(
            "DELETE FROM answers WHERE client_key = ?1 AND lane = ?2 AND seq <= (SELECT seq FROM answers \
             WHERE client_key = ?1 AND lane = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?3)",
        )?
        .execute(params![client_key, lane.as_str(), stored(ANSWERS_PER_LANE)])?;
    Ok(())
}

fn confirm(
    prepared: &mut Prepared<'_>,
    client_key: i64,
    confirmed: &BTreeMap<Lane, u64>,
) -> Result<(), Trouble> {
    let statement =
        prepared.get("DELETE FROM answers WHERE client_key = ?1 AND lane = ?2 AND seq <= ?3")?;
    for (lane, &seq) in confirmed {
        statement.execute(params![client_key, lane.as_str(), stored(seq)])?;
    }
    Ok(())
}

fn insert(
    prepared: &mut Prepared<'_>,
    now_ms: u64,
    principal: &str,
    client: &ClientInfo,
) -> Result<(), Trouble> {
    prepared
        .get("INSERT INTO clients (client, principal, incarnation, run, contact_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![client.id, principal, stored(client.incarnation), stored(client.run), stored(now_ms)])?;
    Ok(())
}

fn forget_lanes(prepared: &mut Prepared<'_>, client_key: i64) -> Result<(), Trouble> {
    prepared
        .get("DELETE FROM lanes WHERE client_key = ?1")?
        .execute([client_key])?;
    prepared
        .get("DELETE FROM answers WHERE client_key = ?1")?
        .execute([client_key])?;
    Ok(())
}

/// Forgets some of the clients that were not heard of for long. Looks at all that have been quiet for a week, so it is
/// not for every greeting.
pub(super) fn forget_old(prepared: &mut Prepared<'_>, now_ms: u64) -> Result<(), Trouble> {
    let kept_since = now_ms.saturating_sub(KEPT_MS);
    let idle_since = now_ms.saturating_sub(KEPT_WITHOUT_LANES_MS);
    let old = prepared
        .get(
            "SELECT key FROM clients WHERE contact_ms < ?1 OR (contact_ms < ?2 AND NOT EXISTS \
             (SELECT 1 FROM lanes WHERE client_key = key)) ORDER BY contact_ms LIMIT ?3",
        )?
        .query_map(
            params![stored(kept_since), stored(idle_since), FORGOTTEN_AT_ONCE],
            |row| row.get(0),
        )?
        .collect::<Result<Vec<i64>, _>>()?;
    for key in old {
        forget_lanes(prepared, key)?;
        prepared
            .get("DELETE FROM clients WHERE key = ?1")?
            .execute([key])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
