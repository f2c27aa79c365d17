//! Actions on their way out: what became of them, told in the order of their commits.

use std::collections::BTreeMap;

use tidewire_model::{EntityId, EntityType, Offset, Record, Version};
use tidewire_protocol::{
    Ack, AckResult, ActionSync, Class, Reject, ServerMessage, SyncReason, WireRow,
};

use super::Hub;
use super::actions::{Pending, STORAGE_RETRY_MS};
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
        if let Some(client) = self.client(id) {
            client.pending_actions = client.pending_actions.saturating_sub(1);
        }
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
                self.answer_action(pending, AckResult::Duplicate, answer);
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
        if let Some(client) = self.client(pending.connection) {
            client.pending_actions = client.pending_actions.saturating_sub(1);
        }
        self.send(
            pending.connection,
            &ServerMessage::Reject(Reject {
                id: pending.action,
                seq: pending.seq,
                class: Class::Retry,
                code: "storage".to_owned(),
                message: "the server's storage failed".to_owned(),
                retry_after_ms: Some(STORAGE_RETRY_MS),
                rows: Vec::new(),
            }),
        );
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
        // A row does not say of which type it is, so rows go along only where there is one.
        let only = if as_of.len() == 1 {
            as_of.keys().next().cloned()
        } else {
            None
        };
        let rows = only.map(|entity_type| self.rows_for(pending.connection, &entity_type, rows));
        let ack = Ack {
            id: pending.action,
            seq: pending.seq,
            result,
            as_of,
            rows: rows.unwrap_or_default(),
            replaced,
        };
        self.send_fitting(pending.connection, ServerMessage::Ack(ack));
    }

    fn send_reject(
        &mut self,
        pending: &Pending,
        refused: Refused,
        rows: Vec<(EntityType, Record, Offset)>,
    ) {
        let target = pending.target.as_ref().map(|(entity_type, _)| entity_type);
        let rows = target.map(|entity_type| self.rows_for(pending.connection, entity_type, rows));
        let reject = Reject {
            id: pending.action,
            seq: pending.seq,
            class: refused.class,
            code: refused.code,
            message: refused.message,
            retry_after_ms: None,
            rows: rows.unwrap_or_default(),
        };
        self.send_fitting(pending.connection, ServerMessage::Reject(reject));
    }

    /// The rows of one type that a client may see now. While a snapshot of the stream goes out
    /// there are none: they are newer than the snapshot, which would be torn by them.
    fn rows_for(
        &mut self,
        id: ConnectionId,
        entity_type: &EntityType,
        rows: Vec<(EntityType, Record, Offset)>,
    ) -> Vec<WireRow> {
        if self.view(id, entity_type).is_none() {
            return Vec::new();
        }
        let feed = self
            .client(id)
            .and_then(|client| client.feeds.get_mut(entity_type));
        if feed.is_some_and(|feed| feed.snapshot_mut().is_some()) {
            return Vec::new();
        }
        let row = |entity, version| WireRow {
            entity,
            version: Some(Version::from(version)),
        };
        let of_type = rows.into_iter().filter(|(of, _, _)| of == entity_type);
        of_type
            .map(|(_, entity, version)| row(entity, version))
            .collect()
    }

    /// Sends an answer, without its rows where they make it larger than the client takes.
    fn send_fitting(&mut self, id: ConnectionId, mut message: ServerMessage) {
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
        self.send(id, &message);
    }

    fn sync(&mut self, pending: &Pending, last_seq: u64, reason: SyncReason) {
        let message = ActionSync {
            lane: pending.lane.clone(),
            last_seq,
            reason,
        };
        self.send(pending.connection, &ServerMessage::ActionSync(message));
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
