//! Messages that change knowledge, in order of arrival, handed to the cache as what they mean.

use tidewire_cache::{Attached, Commit, Echo, Intake};
use tidewire_model::{ActionId, EntityId, EntityType, Offset, Point, Row, Version};
use tidewire_protocol::{
    Ack, AnswerRow, Points, Reject, ServerMessage, Snapshot, SnapshotEnd, SubscribeResult,
    Subscribed, WireRow, changes,
};

use super::Engine;
use crate::assembly::{Part, Ready};

impl Engine {
    pub(super) fn on_ready(&mut self, ready: Ready) {
        match ready {
            Ready::Commit { parts, owed } => {
                for (entity_type, offset) in owed {
                    self.take(Intake::Owed {
                        entity_type,
                        offset,
                    });
                }
                self.on_commit(parts);
            }
            Ready::Message(message) => match *message {
                ServerMessage::Subscribed(subscribed) => self.on_attached(subscribed),
                ServerMessage::Snapshot(part) => self.on_snapshot(part),
                ServerMessage::SnapshotEnd(end) => self.on_snapshot_end(end),
                ServerMessage::Data(data) => self.on_data(data),
                ServerMessage::FetchError(error) => self.on_fetch_error(&error),
                ServerMessage::Ack(ack) => self.on_ack(ack),
                ServerMessage::Reject(reject) => self.on_reject(&reject),
                ServerMessage::ActionSync(sync) => self.on_action_sync(&sync),
                other => debug_assert!(false, "{other:?} does not wait for its turn"),
            },
        }
    }

    fn on_commit(&mut self, parts: Vec<Part>) {
        let mut commits = Vec::with_capacity(parts.len());
        for part in parts {
            match self.commit(part) {
                Ok(commit) => commits.push(commit),
                Err(fault) => return self.broken_peer(&fault),
            }
        }
        match <[Commit; 1]>::try_from(commits) {
            Ok([commit]) => self.take(Intake::Commit(commit)),
            Err(commits) => self.take(Intake::CommitGroup(commits)),
        }
    }

    fn commit(&mut self, part: Part) -> Result<Commit, String> {
        let Part {
            entity_type,
            from,
            to,
            ops,
            actions,
        } = part;
        let naming = self.naming(&entity_type);
        let ops = changes(ops, &entity_type, &naming, Points::Server(to));
        if let Some((_, fault)) = ops.bad.first() {
            return Err(fault.to_string());
        }
        for echo in &actions {
            self.on_echo(echo.id, &echo.replaced);
        }
        let echoes = actions
            .into_iter()
            .map(|echo| Echo {
                action: echo.id,
                replaced: echo.replaced,
            })
            .collect();
        Ok(Commit {
            entity_type,
            from,
            to,
            changes: ops.changes,
            stale_all: ops.stale_all.is_some(),
            echoes,
        })
    }

    fn on_attached(&mut self, subscribed: Subscribed) {
        let result = match subscribed.result {
            SubscribeResult::Resumed => Attached::Resumed,
            SubscribeResult::Snapshot => Attached::Snapshot,
            SubscribeResult::Now => Attached::Now,
        };
        if result != Attached::Snapshot {
            self.answered(subscribed.entity_type.clone(), None);
        }
        self.take(Intake::Subscribed {
            entity_type: subscribed.entity_type,
            result,
            epoch: subscribed.epoch,
            view: subscribed.view,
            offset: subscribed.offset,
            head: subscribed.head,
        });
        self.batch.hurry();
    }

    fn on_snapshot(&mut self, part: Snapshot) {
        let Snapshot {
            entity_type,
            as_of,
            rows,
            ..
        } = part;
        match self.rows(&entity_type, rows) {
            Ok(rows) => self.take(Intake::SnapshotRows {
                entity_type,
                as_of,
                rows,
            }),
            Err(fault) => self.broken_peer(&fault),
        }
    }

    fn on_snapshot_end(&mut self, end: SnapshotEnd) {
        let SnapshotEnd {
            entity_type,
            as_of,
            actions,
            head,
            ..
        } = end;
        if let Some(offset) = head {
            self.take(Intake::Owed {
                entity_type: entity_type.clone(),
                offset,
            });
        }
        let contained: Vec<ActionId> = self
            .queue
            .pending()
            .filter(|action| {
                actions
                    .get(&action.lane)
                    .is_some_and(|last| action.seq <= *last)
            })
            .map(|action| action.id)
            .chain(self.answers.accepted_up_to(&actions))
            .collect();
        self.snapshots.remove(&entity_type);
        self.answered(entity_type.clone(), None);
        self.take(Intake::SnapshotEnd {
            entity_type,
            as_of,
            actions: contained,
        });
        self.batch.hurry();
    }

    /// The rows of a message, by the collection's naming.
    ///
    /// # Errors
    /// A row carries no usable id.
    pub(super) fn rows(
        &self,
        entity_type: &EntityType,
        rows: Vec<WireRow>,
    ) -> Result<Vec<Row>, String> {
        let naming = self.naming(entity_type);
        rows.into_iter()
            .map(|row| row.into_row(&naming).map_err(|fault| fault.to_string()))
            .collect()
    }

    fn on_ack(&mut self, ack: Ack) {
        let Some(action) = self.queue.get(ack.id) else {
            return;
        };
        let home = written_type(action.entity_type.as_ref(), ack.as_of.keys());
        match self.answer_rows(home.as_ref(), ack.rows) {
            Ok(rows) => self.on_accepted(ack.seq, ack.id, ack.as_of, rows, ack.replaced),
            Err(fault) => self.broken_peer(&fault),
        }
    }

    fn on_reject(&mut self, reject: &Reject) {
        let action = self.queue.get(reject.id);
        let home = action.and_then(|action| action.entity_type.clone());
        match self.answer_rows(home.as_ref(), reject.rows.clone()) {
            Ok(rows) => self.take_rows_at_their_versions(rows),
            Err(fault) => return self.broken_peer(&fault),
        }
        self.on_refused(reject);
    }

    /// The rows of an answer to an action; `home` is the type of those that name none. Rows of types
    /// that this application does not know are left out.
    ///
    /// # Errors
    /// A row carries no usable id.
    fn answer_rows(
        &self,
        home: Option<&EntityType>,
        rows: Vec<AnswerRow>,
    ) -> Result<Vec<(EntityType, Row)>, String> {
        let mut read = Vec::with_capacity(rows.len());
        for AnswerRow { entity_type, row } in rows {
            let Some(entity_type) = entity_type.or_else(|| home.cloned()) else {
                continue;
            };
            if !self.collections.contains_key(&entity_type) {
                continue;
            }
            let naming = self.naming(&entity_type);
            let row = row.into_row(&naming).map_err(|fault| fault.to_string())?;
            read.push((entity_type, row));
        }
        Ok(read)
    }

    /// Rows that came without a point: each speaks for the commit that changed it last.
    fn take_rows_at_their_versions(&mut self, rows: Vec<(EntityType, Row)>) {
        for (entity_type, row) in rows {
            let version = row.version.map(Version::get);
            let (Some(received), Some(offset)) = (
                self.cache.received(&entity_type),
                version.and_then(Offset::new),
            ) else {
                continue;
            };
            self.take(Intake::Rows {
                entity_type,
                as_of: Point::new(received.epoch, offset),
                rows: vec![row],
                missing: Vec::<EntityId>::new(),
            });
        }
    }
}

/// The entity type of an answer's rows that name none.
fn written_type<'a>(
    named: Option<&EntityType>,
    mut streams: impl Iterator<Item = &'a EntityType>,
) -> Option<EntityType> {
    if let Some(named) = named {
        return Some(named.clone());
    }
    let only = streams.next()?;
    if streams.next().is_some() {
        None
    } else {
        Some(only.clone())
    }
}
