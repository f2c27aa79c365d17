//! The truth in memory: a backend for tests and simulations, slow and obvious.
//!
//! One owner, no locks, nothing durable. A shell that needs a [`Backend`](crate::Backend) puts it behind a lock of its
//! own.

mod clients;
pub(crate) mod page;

use std::collections::BTreeMap;

use tidewire_model::{EntityId, EntityKey, EntityType, Epoch, Lane, Offset, Record};
use tidewire_protocol::{ActionEcho, ActionMessage, ClientInfo};

use crate::{
    ActionOrigin, ActionOutcome, BackendError, Commit, Draft, Greeting, Opened, Present,
    ReadAnswer, ReadRequest, Refused, Write, WriteOutcome, WriteRequest, work_out, work_out_action,
};

use clients::{Clients, Standing};

/// How many commits a stream's journal keeps, unless it is told otherwise.
const JOURNAL_COMMITS: usize = 10_000;

/// Entities, journal and answers to actions, in memory.
#[derive(Clone, Debug)]
pub struct Truth {
    epoch: Epoch,
    held: Held,
    journal: BTreeMap<EntityType, Vec<Commit>>,
    journal_commits: usize,
    clients: Clients,
    commits: u64,
}

/// The entities, and what makes ids for new ones.
#[derive(Clone, Debug, Default)]
struct Held {
    entities: BTreeMap<EntityKey, (Record, Offset)>,
    heads: BTreeMap<EntityType, Offset>,
    ids: u64,
}

impl Present for Held {
    type Error = std::convert::Infallible;

    fn entity(&mut self, key: &EntityKey) -> Result<Option<(Record, Offset)>, Self::Error> {
        Ok(self.entities.get(key).cloned())
    }

    fn head(&mut self, entity_type: &EntityType) -> Result<Offset, Self::Error> {
        Ok(self.heads.get(entity_type).copied().unwrap_or_default())
    }

    fn new_id(&mut self, entity_type: &EntityType) -> EntityId {
        loop {
            self.ids += 1;
            let id = EntityId::text(&format!("made-{}", self.ids)).expect("it is short and plain");
            if !self
                .entities
                .contains_key(&EntityKey::new(entity_type.clone(), id.clone()))
            {
                return id;
            }
        }
    }
}

impl Truth {
    /// Nothing, in an epoch.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            held: Held::default(),
            journal: BTreeMap::new(),
            journal_commits: JOURNAL_COMMITS,
            clients: Clients::default(),
            commits: 0,
        }
    }

    /// The same with a journal of another length, in commits per stream.
    #[must_use]
    pub fn with_journal_commits(mut self, commits: usize) -> Self {
        self.journal_commits = commits;
        self
    }

    /// As [`Backend::open`](crate::Backend::open).
    #[must_use]
    pub fn opened(&self) -> Opened {
        Opened {
            epoch: self.epoch.clone(),
            heads: self.held.heads.clone(),
        }
    }

    /// As [`Backend::greet`](crate::Backend::greet).
    pub fn greet(
        &mut self,
        principal: &str,
        client: &ClientInfo,
        confirmed: &BTreeMap<Lane, u64>,
    ) -> Greeting {
        self.clients.greet(principal, client, confirmed)
    }

    /// As [`Backend::write`](crate::Backend::write).
    pub fn write(&mut self, group: Vec<WriteRequest>) -> Vec<WriteOutcome> {
        group
            .into_iter()
            .map(|request| self.write_one(request))
            .collect()
    }

    /// As [`Backend::read`](crate::Backend::read).
    ///
    /// # Errors
    /// The query is opaque.
    pub fn read(&self, request: &ReadRequest) -> Result<ReadAnswer, BackendError> {
        match request {
            ReadRequest::Ids { entity_type, ids } => Ok(self.read_ids(entity_type, ids)),
            ReadRequest::Page { query } => {
                let rows = self.rows(query.entity_type());
                page::read(query, rows, self.head(query.entity_type()))
            }
        }
    }

    /// As [`Backend::snapshot`](crate::Backend::snapshot): the point, and all rows in order of the
    /// id.
    #[must_use]
    pub fn snapshot(&self, entity_type: &EntityType) -> (Offset, Vec<(Record, Offset)>) {
        (self.head(entity_type), self.rows(entity_type))
    }

    /// As [`Backend::journal`](crate::Backend::journal).
    #[must_use]
    pub fn journal(
        &self,
        entity_type: &EntityType,
        after: Offset,
        limit: usize,
    ) -> Option<Vec<Commit>> {
        let commits = self.journal.get(entity_type).map_or(&[][..], Vec::as_slice);
        let missing = self.head(entity_type).get().saturating_sub(after.get());
        let begin = commits.len().checked_sub(usize::try_from(missing).ok()?)?;
        Some(commits[begin..].iter().take(limit).cloned().collect())
    }

    /// The head of a stream.
    #[must_use]
    pub fn head(&self, entity_type: &EntityType) -> Offset {
        self.held
            .heads
            .get(entity_type)
            .copied()
            .unwrap_or_default()
    }

    /// The entities of a type with the version of each, in order of the id.
    #[must_use]
    pub fn rows(&self, entity_type: &EntityType) -> Vec<(Record, Offset)> {
        let of_type = self
            .held
            .entities
            .iter()
            .filter(|(key, _)| key.entity_type == *entity_type);
        of_type.map(|(_, row)| row.clone()).collect()
    }

    /// Begins a new epoch with the same entities, as after data was lost: offsets count on, the
    /// journal and all clients are forgotten.
    pub fn begin_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.journal.clear();
        self.clients = Clients::default();
    }

    fn read_ids(&self, entity_type: &EntityType, ids: &[EntityId]) -> ReadAnswer {
        let mut answer = ReadAnswer {
            as_of: self.head(entity_type),
            rows: Vec::new(),
            missing: Vec::new(),
            total_count: None,
            start_key: None,
            end: true,
        };
        for id in ids {
            match self
                .held
                .entities
                .get(&EntityKey::new(entity_type.clone(), id.clone()))
            {
                Some(row) => answer.rows.push(row.clone()),
                None => answer.missing.push(id.clone()),
            }
        }
        answer
    }

    fn write_one(&mut self, request: WriteRequest) -> WriteOutcome {
        match request {
            WriteRequest::Publish(writes) => {
                let Ok(worked) = work_out(&mut self.held, writes, None);
                let result = worked.map_err(|refused| refused.refused);
                WriteOutcome::Published(result.map(|draft| self.keep(&draft, Vec::new())))
            }
            WriteRequest::Action {
                origin,
                action,
                writes,
            } => self.write_action(&origin, &action, writes),
        }
    }

    fn write_action(
        &mut self,
        origin: &ActionOrigin,
        action: &ActionMessage,
        writes: Result<Vec<Write>, Refused>,
    ) -> WriteOutcome {
        if let Standing::Not(outcome) = self.clients.standing(origin, action) {
            return WriteOutcome::Action {
                outcome,
                commit: None,
            };
        }
        let worked = match writes {
            Ok(writes) => {
                let Ok(worked) = work_out_action(&mut self.held, writes, action.base);
                worked
            }
            Err(refused) => Err(crate::DraftRefused {
                refused,
                rows: Vec::new(),
            }),
        };
        let (answer, commit) = match worked {
            Ok(draft) => {
                let echo = ActionEcho {
                    id: action.id,
                    replaced: draft.replaced.clone(),
                };
                (draft.answer(), self.keep(&draft, vec![echo]))
            }
            Err(refused) => (refused.answer(), None),
        };
        let stored = answer.clone().without_rows();
        self.clients.use_up(origin, action, stored);
        WriteOutcome::Action {
            outcome: ActionOutcome::New(answer),
            commit,
        }
    }

    /// Takes over what writes come to; the commit, where anything changes.
    fn keep(&mut self, draft: &Draft, actions: Vec<ActionEcho>) -> Option<Commit> {
        if draft.streams.is_empty() {
            return None;
        }
        self.commits += 1;
        for (key, image, version) in &draft.changed {
            match image {
                Some(image) => self
                    .held
                    .entities
                    .insert(key.clone(), (image.clone(), *version)),
                None => self.held.entities.remove(key),
            };
        }
        let id = format!("{}-{}", self.epoch, self.commits);
        let commit = Commit {
            id,
            streams: draft.streams.clone(),
            actions,
        };
        for part in &draft.streams {
            self.held.heads.insert(part.entity_type.clone(), part.to);
            let journal = self.journal.entry(part.entity_type.clone()).or_default();
            journal.push(commit.clone());
            let surplus = journal.len().saturating_sub(self.journal_commits);
            journal.drain(..surplus);
        }
        Some(commit)
    }
}
