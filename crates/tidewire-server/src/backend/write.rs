//! One item of a group inside the group's transaction: an action, or the application's own writes.
//!
//! Keeps protocol rules 10 and 11; what writes come to is worked out by the hub. Begins and ends no transaction.

use std::cmp::Ordering;

use tidewire_hub::{
    ActionOrigin, ActionOutcome, Answer, Commit, Draft, Present, Refused, Write, WriteOutcome,
    WriteRequest, work_out, work_out_action,
};
use tidewire_model::{EntityId, EntityKey, EntityType, Offset, Record};
use tidewire_protocol::{ActionEcho, ActionMessage, Class};

use super::clients;
use super::entities;
use super::error::Trouble;
use super::ids;
use super::journal;
use super::options::JournalLimits;
use super::prepared::Prepared;
use super::streams::Streams;

/// What one transaction works with.
pub(super) struct Transaction<'t, 'c> {
    pub(super) prepared: &'t mut Prepared<'c>,
    pub(super) streams: Streams,
    pub(super) limits: JournalLimits,
    pub(super) now_ms: u64,
    /// About how many bytes of entities were read and written so far, the journal included.
    pub(super) bytes: usize,
}

impl Present for Transaction<'_, '_> {
    type Error = Trouble;

    fn entity(&mut self, key: &EntityKey) -> Result<Option<(Record, Offset)>, Trouble> {
        let found = entities::load(self.prepared, &key.entity_type, &key.id)?;
        if let Some((record, _)) = &found {
            self.bytes += record.approximate_bytes();
        }
        Ok(found)
    }

    fn head(&mut self, entity_type: &EntityType) -> Result<Offset, Trouble> {
        Ok(self.streams.touch(self.prepared, entity_type)?.head)
    }

    fn new_id(&mut self, _entity_type: &EntityType) -> EntityId {
        ids::entity_id()
    }
}

impl Transaction<'_, '_> {
    /// Does one item; a refused one leaves no effect.
    pub(super) fn write(&mut self, request: WriteRequest) -> Result<WriteOutcome, Trouble> {
        match request {
            WriteRequest::Action {
                origin,
                action,
                writes,
            } => {
                let (outcome, commit) = self.act(&origin, &action, writes)?;
                Ok(WriteOutcome::Action { outcome, commit })
            }
            WriteRequest::Publish(writes) => match work_out(self, writes, None)? {
                Ok(draft) => Ok(WriteOutcome::Published(Ok(self.keep(draft, Vec::new())?))),
                Err(refusal) => Ok(WriteOutcome::Published(Err(refusal.refused))),
            },
        }
    }

    fn act(
        &mut self,
        origin: &ActionOrigin,
        action: &ActionMessage,
        writes: Result<Vec<Write>, Refused>,
    ) -> Result<(ActionOutcome, Option<Commit>), Trouble> {
        let Some(client) = clients::find(self.prepared, &origin.principal, &origin.client)? else {
            return Ok((ActionOutcome::UnknownClient, None));
        };
        match (origin.incarnation, origin.run).cmp(&(client.incarnation, client.run)) {
            Ordering::Less => return Ok((ActionOutcome::Fenced, None)),
            Ordering::Greater => return Ok((ActionOutcome::UnknownClient, None)),
            Ordering::Equal => {}
        }
        clients::note_contact(self.prepared, self.now_ms, &client)?;
        let lane = clients::lane(self.prepared, client.key, &action.lane)?;
        let last_seq = lane.unwrap_or(0);
        if action.seq <= last_seq {
            return Ok((self.answer_again(client.key, action)?, None));
        }
        if action.previous != last_seq {
            return Ok((ActionOutcome::OutOfOrder { last_seq }, None));
        }
        if lane.is_none() && !clients::has_room_for_lane(self.prepared, client.key)? {
            let message =
                "the client uses too many lanes; it must use one of those it has".to_owned();
            return Ok((
                ActionOutcome::New(refused(Class::Session, "too_many_lanes", message)),
                None,
            ));
        }
        let (answer, commit) = match writes {
            Ok(writes) => self.effect(action, writes)?,
            Err(Refused {
                class,
                code,
                message,
            }) => (refused(class, &code, message), None),
        };
        if uses_number_up(&answer) {
            clients::use_up(
                self.prepared,
                client.key,
                &action.lane,
                action.seq,
                &action.hash,
                &answer.clone().without_rows(),
            )?;
        }
        Ok((ActionOutcome::New(answer), commit))
    }

    /// The stored answer to a number that was used up before.
    fn answer_again(
        &mut self,
        client_key: i64,
        action: &ActionMessage,
    ) -> Result<ActionOutcome, Trouble> {
        Ok(
            match clients::answer(self.prepared, client_key, &action.lane, action.seq)? {
                None => ActionOutcome::Forgotten,
                Some((hash, _)) if hash != action.hash => ActionOutcome::OtherContent,
                // A file of an older version has rows.
                Some((_, answer)) => ActionOutcome::Stored(answer.without_rows()),
            },
        )
    }

    /// Does what an action writes, if it makes sense on what is there.
    fn effect(
        &mut self,
        action: &ActionMessage,
        writes: Vec<Write>,
    ) -> Result<(Answer, Option<Commit>), Trouble> {
        match work_out_action(self, writes, action.base)? {
            Err(refusal) => Ok((refusal.answer(), None)),
            Ok(draft) => {
                let answer = draft.answer();
                let echo = ActionEcho {
                    id: action.id,
                    replaced: draft.replaced.clone(),
                };
                Ok((answer, self.keep(draft, vec![echo])?))
            }
        }
    }

    /// Writes a draft and its commit; nothing where nothing changes.
    fn keep(&mut self, draft: Draft, actions: Vec<ActionEcho>) -> Result<Option<Commit>, Trouble> {
        if draft.streams.is_empty() {
            return Ok(None);
        }
        for (key, record, version) in &draft.changed {
            match record {
                Some(record) => {
                    // Once as it is from now on, and once in the journal.
                    self.bytes += 2 * record.approximate_bytes();
                    entities::put(self.prepared, key, record, *version)?;
                }
                None => entities::remove(self.prepared, key)?,
            }
        }
        let commit = Commit {
            id: ids::name(),
            streams: draft.streams,
            actions,
        };
        for part in &commit.streams {
            self.streams.touch(self.prepared, &part.entity_type)?.head = part.to;
        }
        journal::append(self.prepared, &mut self.streams, self.limits, &commit)?;
        Ok(Some(commit))
    }
}

/// Whether the same number may not be used again. What is to be tried again later comes under its old number.
fn uses_number_up(answer: &Answer) -> bool {
    match answer {
        Answer::Applied { .. } => true,
        Answer::Refused { class, .. } => matches!(class, Class::Permanent | Class::Conflict),
    }
}

fn refused(class: Class, code: &str, message: String) -> Answer {
    Answer::Refused {
        class,
        code: code.to_owned(),
        message,
        rows: Vec::new(),
    }
}
