//! The server: a hub over the plainest truth, and the backend's work, which takes its time. A
//! restart forgets everything but the truth.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidewire_hub::{
    Hub, Input, Output, Principal, ReadAnswer, ReadRequest, Ticket, Truth, Write, WriteOutcome,
    WriteRequest,
};
use tidewire_model::{ActionId, EntityType, Epoch, Offset, Record, Tick};

use crate::broken::Broken;
use crate::history::History;
use crate::options::ServerOptions;
use crate::plant::Plant;

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    options: ServerOptions,
    plant: Option<Plant>,
    pub(crate) hub: Option<Hub>,
    pub(crate) truth: Truth,
    /// An older truth, for a backend that answers with what was.
    old: Truth,
    /// Counts its starts; work of an earlier one is dropped.
    pub(crate) run: u64,
    pub(crate) wake_at: Option<Tick>,
    questions: BTreeMap<u64, Output>,
    answers: BTreeMap<u64, Input>,
    snapshots: BTreeMap<Ticket, VecDeque<(Record, Offset)>>,
    dropped: BTreeSet<Ticket>,
    count: u64,
    reads: u64,
    actions: u64,
}

impl Server {
    pub(crate) fn new(options: ServerOptions, plant: Option<Plant>) -> Self {
        let epoch = Epoch::new("first").expect("a plain word is an epoch");
        let truth = Truth::new(epoch).with_journal_commits(options.journal_commits);
        Self {
            hub: Some(Hub::new(options.hub.clone(), truth.opened())),
            options,
            plant,
            old: truth.clone(),
            truth,
            run: 1,
            wake_at: None,
            questions: BTreeMap::new(),
            answers: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            dropped: BTreeSet::new(),
            count: 0,
            reads: 0,
            actions: 0,
        }
    }

    /// Stops: everything but the truth is gone. The write that was under way, if there was one.
    pub(crate) fn stop(&mut self) -> Option<u64> {
        self.run += 1;
        self.hub = None;
        self.wake_at = None;
        let is_write = |(_, question): &(&u64, &Output)| matches!(question, Output::Write { .. });
        let write = self
            .questions
            .iter()
            .find(is_write)
            .map(|(number, _)| *number);
        self.questions.retain(|number, _| Some(*number) == write);
        write
    }

    /// Begins again.
    pub(crate) fn start(&mut self) {
        self.run += 1;
        self.questions.clear();
        self.answers.clear();
        self.snapshots.clear();
        self.dropped.clear();
        let mut settings = self.options.hub.clone();
        settings.seed = settings.seed.wrapping_add(self.run);
        self.hub = Some(Hub::new(settings, self.truth.opened()));
    }

    /// Notes a question to the backend; gives its number.
    pub(crate) fn ask(&mut self, question: Output) -> u64 {
        self.count += 1;
        self.questions.insert(self.count, question);
        self.count
    }

    pub(crate) fn take_answer(&mut self, number: u64) -> Option<Input> {
        self.answers.remove(&number)
    }

    /// Whether nothing is being asked and no snapshot is held.
    pub(crate) fn is_idle(&self) -> bool {
        self.questions.is_empty() && self.answers.is_empty() && self.snapshots.is_empty()
    }

    pub(crate) fn drop_snapshot(&mut self, ticket: Ticket) {
        self.dropped.insert(ticket);
        self.snapshots.remove(&ticket);
    }

    /// The backend does what it was asked. The actions that were done by it.
    pub(crate) fn execute(
        &mut self,
        number: u64,
        history: &mut History,
    ) -> Result<Vec<ActionId>, Broken> {
        let Some(question) = self.questions.remove(&number) else {
            return Ok(Vec::new());
        };
        let mut done = Vec::new();
        let answer = match question {
            Output::Authenticate {
                connection, token, ..
            } => {
                let name = token.unwrap_or_else(|| "nobody".to_owned());
                Input::Authenticated {
                    connection,
                    result: Ok(Principal::named(&name)),
                }
            }
            Output::Greet {
                connection,
                principal,
                client,
                confirmed,
            } => {
                let greeting = self.truth.greet(&principal, &client, &confirmed);
                Input::Greeted {
                    connection,
                    result: Ok(greeting),
                }
            }
            Output::Write { group } => {
                let outcomes = self.write(group, history, &mut done)?;
                Input::Written {
                    result: Ok(outcomes),
                }
            }
            Output::Read { ticket, request } => Input::ReadDone {
                ticket,
                result: Ok(self.read(&request)?),
            },
            Output::OpenSnapshot {
                ticket,
                entity_type,
            } => self.open_snapshot(ticket, &entity_type),
            Output::NextSnapshot { ticket, limit } => match self.next_rows(ticket, limit) {
                Some(rows) => Input::SnapshotRows { ticket, rows },
                None => return Ok(done),
            },
            Output::ReadJournal {
                ticket,
                entity_type,
                after,
                limit,
            } => {
                let result = Ok(self.truth.journal(&entity_type, after, limit));
                Input::JournalRead { ticket, result }
            }
            other => {
                return Err(Broken::world(format!(
                    "{other:?} is no question to a backend"
                )));
            }
        };
        self.answers.insert(number, answer);
        Ok(done)
    }

    fn open_snapshot(&mut self, ticket: Ticket, entity_type: &EntityType) -> Input {
        let (as_of, rows) = self.truth.snapshot(entity_type);
        if !self.dropped.remove(&ticket) {
            self.snapshots.insert(ticket, rows.into());
        }
        Input::SnapshotOpened { ticket, as_of }
    }

    /// Further rows of a snapshot; nothing where it was dropped.
    fn next_rows(&mut self, ticket: Ticket, limit: usize) -> Option<Vec<(Record, Offset)>> {
        let rows = self.snapshots.get_mut(&ticket)?;
        let rows: Vec<_> = rows.drain(..limit.min(rows.len())).collect();
        if rows.is_empty() {
            self.snapshots.remove(&ticket);
        }
        Some(rows)
    }

    fn write(
        &mut self,
        group: Vec<WriteRequest>,
        history: &mut History,
        done: &mut Vec<ActionId>,
    ) -> Result<Vec<WriteOutcome>, Broken> {
        let mut outcomes = Vec::new();
        // As where they come to much, some groups are done in part.
        let most = if self.count.is_multiple_of(3) {
            2
        } else {
            usize::MAX
        };
        for request in group.into_iter().take(most) {
            if self.count.is_multiple_of(7) {
                self.old = self.truth.clone();
            }
            let result = self.truth.write(vec![request.clone()]);
            for outcome in &result {
                history.note(&self.truth, &request, outcome)?;
            }
            if let WriteRequest::Action { origin, .. } = &request {
                done.push(origin.action);
                self.actions += 1;
                if self.plant == Some(Plant::DoneTwice) && self.actions.is_multiple_of(5) {
                    self.write_again(request, history)?;
                }
            }
            outcomes.extend(result);
        }
        Ok(outcomes)
    }

    fn write_again(
        &mut self,
        mut request: WriteRequest,
        history: &mut History,
    ) -> Result<(), Broken> {
        if let WriteRequest::Action { action, .. } = &mut request {
            action.previous = action.seq;
            action.seq += 1;
        }
        for outcome in self.truth.write(vec![request.clone()]) {
            history.note(&self.truth, &request, &outcome)?;
        }
        Ok(())
    }

    fn read(&mut self, request: &ReadRequest) -> Result<ReadAnswer, Broken> {
        self.reads += 1;
        let answer = if self.plant == Some(Plant::OldRows) && self.reads.is_multiple_of(5) {
            let newest = self.truth.read(request).map(|answer| answer.as_of);
            self.old.read(request).and_then(|answer| {
                Ok(ReadAnswer {
                    as_of: newest?,
                    ..answer
                })
            })
        } else {
            self.truth.read(request)
        };
        answer.map_err(|error| Broken::world(format!("the truth cannot be read: {error}")))
    }

    /// How many subscriptions the hub holds.
    pub(crate) fn subscriptions(&self) -> u64 {
        self.hub.as_ref().map_or(0, |hub| hub.stats().subscriptions)
    }
}

/// The entity that a write of the application is about; for traces.
pub(crate) fn brief(writes: &[Write]) -> String {
    let words = writes.iter().map(|write| match write {
        Write::Create {
            entity_type, id, ..
        } => format!("create {entity_type}/{}", shown(id.as_ref())),
        Write::Update {
            entity_type, id, ..
        } => format!("update {entity_type}/{id}"),
        Write::Delete { entity_type, id } => format!("delete {entity_type}/{id}"),
        Write::Put {
            entity_type, id, ..
        } => format!("put {entity_type}/{id}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn shown(id: Option<&tidewire_model::EntityId>) -> &str {
    id.map_or("?", tidewire_model::EntityId::as_str)
}
