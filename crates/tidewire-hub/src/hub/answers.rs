//! Actions on their way out: what became of them, told in the order of their commits.

use std::collections::BTreeMap;

use tidewire_model::{EntityId, EntityType, Offset, Point, Record, Version};
use tidewire_protocol::{
    Ack, AckResult, ActionSync, AnswerRow, Class, Reject, ServerMessage, SyncReason, WireRow,
};

use super::Hub;
use super::actions::{Pending, STORAGE_RETRY_MS};
use crate::connection::feed::Feed;
use crate::{ActionOutcome, Answer, Commit, ConnectionId, Fact, Refused};

impl Hub {
    /// Tells a client what became of its action. Its commit is in the streams already, so that
    /// its events go first.
    pub(super) fn on_action_outcome(
        &mut self,
        pending: &Pending,
        outcome: ActionOutcome,
        commit: Option<&Commit>,
    ) {
        let id = pending.connection;
        if matches!(outcome, ActionOutcome::New(_)) {
            if let Some(client) = self.client(id) {
                let last = client.lanes.entry(pending.lane.clone()).or_insert(0);
                *last = pending.seq.max(*last);
            }
            self.note_for_snapshots(id, &pending.lane, pending.seq, commit);
        }
        match outcome {
            ActionOutcome::New(answer) => {
                self.notify_of(pending, &answer);
                self.answer_action(pending, AckResult::Applied, answer);
            }
            ActionOutcome::Stored(answer) => {
                self.answer_action(pending, AckResult::Duplicate, answer.without_rows());
            }
            ActionOutcome::OtherContent => {
                self.counts.actions_refused += 1;
                let message = "this number was used up by an action with other content".to_owned();
                let refused = Refused {
                    class: Class::Permanent,
                    code: "key_reused".to_owned(),
                    message,
                };
                self.send_reject(pending, refused, Vec::new());
            }
            ActionOutcome::Forgotten => {
                let last_seq = self.last_seq(pending).max(pending.seq);
                self.sync(pending, last_seq, SyncReason::Order);
            }
            ActionOutcome::OutOfOrder { last_seq } => {
                self.sync(pending, last_seq, SyncReason::Order);
            }
            ActionOutcome::Fenced => {
                let last_seq = self.last_seq(pending);
                self.sync(pending, last_seq, SyncReason::Fenced);
            }
            ActionOutcome::UnknownClient => self.sync(pending, 0, SyncReason::Unknown),
        }
    }

    /// Tells a client that its action was not written, and may come again.
    pub(super) fn on_action_failed(&mut self, pending: &Pending) {
        let reject = ServerMessage::Reject(Reject {
            id: pending.action,
            seq: pending.seq,
            class: Class::Retry,
            code: "storage".to_owned(),
            message: "the server's storage failed".to_owned(),
            retry_after_ms: Some(STORAGE_RETRY_MS),
            rows: Vec::new(),
        });
        self.send_answer(pending.connection, reject, Vec::new());
    }

    fn answer_action(&mut self, pending: &Pending, result: AckResult, answer: Answer) {
        match answer {
            Answer::Applied {
                as_of,
                rows,
                replaced,
            } => {
                self.counts.actions_accepted += 1;
                self.send_ack(pending, result, as_of, rows, replaced);
            }
            Answer::Refused {
                class,
                code,
                message,
                rows,
            } => {
                self.counts.actions_refused += 1;
                self.send_reject(
                    pending,
                    Refused {
                        class,
                        code,
                        message,
                    },
                    rows,
                );
            }
        }
    }

    fn send_ack(
        &mut self,
        pending: &Pending,
        result: AckResult,
        as_of: BTreeMap<EntityType, Offset>,
        rows: Vec<(EntityType, Record, Offset)>,
        replaced: BTreeMap<EntityId, EntityId>,
    ) {
        let rows = self.rows_for(pending, rows);
        let speaks_of = as_of.clone().into_iter().collect();
        // Offsets go on from epoch to epoch, so those of a stored answer are right in this one.
        let as_of = as_of
            .into_iter()
            .map(|(name, offset)| (name, Point::new(self.epoch.clone(), offset)))
            .collect();
        let ack = Ack {
            id: pending.action,
            seq: pending.seq,
            result,
            as_of,
            rows,
            replaced,
        };
        self.send_fitting(pending.connection, ServerMessage::Ack(ack), speaks_of);
    }

    fn send_reject(
        &mut self,
        pending: &Pending,
        refused: Refused,
        rows: Vec<(EntityType, Record, Offset)>,
    ) {
        let speaks_of = rows
            .iter()
            .map(|(entity_type, _, version)| (entity_type.clone(), *version))
            .collect();
        let rows = self.rows_for(pending, rows);
        let reject = Reject {
            id: pending.action,
            seq: pending.seq,
            class: refused.class,
            code: refused.code,
            message: refused.message,
            retry_after_ms: None,
            rows,
        };
        self.send_fitting(pending.connection, ServerMessage::Reject(reject), speaks_of);
    }

    /// The rows that a client may see now. Each says its type, unless the action has named it.
    fn rows_for(
        &mut self,
        pending: &Pending,
        rows: Vec<(EntityType, Record, Offset)>,
    ) -> Vec<AnswerRow> {
        let id = pending.connection;
        let named = pending.target.as_ref().map(|(entity_type, _)| entity_type);
        let mut shown: BTreeMap<EntityType, bool> = BTreeMap::new();
        for (entity_type, _, _) in &rows {
            if !shown.contains_key(entity_type) {
                let shows =
                    self.view(id, entity_type).is_some() && self.takes_rows(id, entity_type);
                shown.insert(entity_type.clone(), shows);
            }
        }
        let row = |(entity_type, entity, version)| AnswerRow {
            entity_type: (named != Some(&entity_type)).then_some(entity_type),
            row: WireRow {
                entity,
                version: Some(Version::from(version)),
            },
        };
        rows.into_iter()
            .filter(|(entity_type, _, _)| shown.get(entity_type) == Some(&true))
            .map(row)
            .collect()
    }

    /// Whether rows of a stream may go out now: not while it begins, since what it begins with may
    /// be older than they are.
    fn takes_rows(&mut self, id: ConnectionId, entity_type: &EntityType) -> bool {
        let feed = self
            .client(id)
            .and_then(|client| client.feeds.get(entity_type));
        feed.is_none_or(Feed::takes_rows)
    }

    /// Sends an answer, without its rows where they make it larger than the client takes.
    fn send_fitting(
        &mut self,
        id: ConnectionId,
        mut message: ServerMessage,
        speaks_of: Vec<(EntityType, Offset)>,
    ) {
        let most = self
            .client(id)
            .map_or(usize::MAX, |client| client.max_frame_bytes);
        if self
            .encode(id, &message)
            .is_some_and(|frame| frame.len() > most)
        {
            match &mut message {
                ServerMessage::Ack(ack) => ack.rows.clear(),
                ServerMessage::Reject(reject) => reject.rows.clear(),
                _ => {}
            }
        }
        self.send_answer(id, message, speaks_of);
    }

    fn sync(&mut self, pending: &Pending, last_seq: u64, reason: SyncReason) {
        let message = ActionSync {
            lane: pending.lane.clone(),
            last_seq,
            reason,
        };
        let message = ServerMessage::ActionSync(message);
        self.send_answer(pending.connection, message, Vec::new());
    }

    fn last_seq(&mut self, pending: &Pending) -> u64 {
        let client = self.client(pending.connection);
        client
            .and_then(|client| client.lanes.get(&pending.lane).copied())
            .unwrap_or(0)
    }

    fn notify_of(&mut self, pending: &Pending, answer: &Answer) {
        let Pending {
            principal,
            action,
            name,
            target,
            ..
        } = pending.clone();
        let fact = match answer {
            Answer::Applied { .. } => Fact::ActionAccepted {
                principal,
                action,
                name,
                target,
            },
            Answer::Refused { code, message, .. } => {
                let (code, message) = (code.clone(), message.clone());
                Fact::ActionRefused {
                    principal,
                    action,
                    name,
                    target,
                    code,
                    message,
                }
            }
        };
        self.outputs.push_back(crate::Output::Notify(fact));
    }
}
