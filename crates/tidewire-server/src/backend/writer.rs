//! The one thread that writes: takes what waits, does it in one transaction, answers.
//!
//! After a failure of storage it writes nothing more: what the medium holds then is only known by opening it anew.

use std::collections::BTreeMap;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tidewire_hub::{BackendError, Greeting, WriteOutcome, WriteRequest};
use tidewire_model::Lane;
use tidewire_protocol::ClientInfo;
use tokio::sync::{mpsc, oneshot};

use super::clients;
use super::error::{Trouble, of_file};
use super::ids;
use super::options::JournalLimits;
use super::prepared::Prepared;
use super::streams::Streams;
use super::write::Transaction;

/// How many jobs may wait; more make their callers wait.
const WAITING_JOBS: usize = 256;

/// The most jobs in one transaction.
const JOBS_PER_TRANSACTION: usize = 256;

/// Where a transaction takes on no further write, in bytes of entities read and written: greetings and the writes of
/// others wait behind it.
const BYTES_PER_TRANSACTION: usize = 2 * 1024 * 1024;

/// Clients that were not heard of for long are looked for this often.
const FORGET_EVERY_MS: u64 = 10 * 60 * 1000;

enum Request {
    Greet {
        principal: String,
        client: ClientInfo,
        confirmed: BTreeMap<Lane, u64>,
    },
    Write(Vec<WriteRequest>),
}

enum Reply {
    Greeting(Greeting),
    Outcomes(Vec<WriteOutcome>),
}

type Answer = oneshot::Sender<Result<Reply, BackendError>>;
type Job = (Request, Answer);

/// The writing thread. Dropping it lets what waits be done, and waits for that.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on its connection.
    pub(super) fn start(connection: Connection, limits: JournalLimits) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(WAITING_JOBS);
        let thread = std::thread::Builder::new()
            .name("tidewire-write".into())
            .spawn(move || {
                Loop::new(&connection, limits).run(waiting);
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Notes a client's connection.
    pub(super) async fn greet(
        &self,
        principal: String,
        client: ClientInfo,
        confirmed: BTreeMap<Lane, u64>,
    ) -> Result<Greeting, BackendError> {
        match self
            .ask(Request::Greet {
                principal,
                client,
                confirmed,
            })
            .await?
        {
            Reply::Greeting(greeting) => Ok(greeting),
            Reply::Outcomes(_) => unreachable!("a greeting is answered by a greeting"),
        }
    }

    /// Writes a group.
    pub(super) async fn write(
        &self,
        group: Vec<WriteRequest>,
    ) -> Result<Vec<WriteOutcome>, BackendError> {
        match self.ask(Request::Write(group)).await? {
            Reply::Outcomes(outcomes) => Ok(outcomes),
            Reply::Greeting(_) => unreachable!("a group is answered by its outcomes"),
        }
    }

    async fn ask(&self, request: Request) -> Result<Reply, BackendError> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(BackendError::Closed)?;
        jobs.send((request, answer))
            .await
            .map_err(|_| BackendError::Closed)?;
        answered.await.map_err(|_| BackendError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to say than that.
            let _ = thread.join();
        }
    }
}

struct Loop<'c> {
    prepared: Prepared<'c>,
    limits: JournalLimits,
    /// Why nothing is written any more.
    failed: Option<BackendError>,
    forget_at_ms: u64,
}

impl<'c> Loop<'c> {
    fn new(connection: &'c Connection, limits: JournalLimits) -> Self {
        Self {
            prepared: Prepared::new(connection),
            limits,
            failed: None,
            forget_at_ms: 0,
        }
    }

    fn run(&mut self, mut waiting: mpsc::Receiver<Job>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut jobs = vec![first];
            while jobs.len() < JOBS_PER_TRANSACTION
                && let Ok(job) = waiting.try_recv()
            {
                jobs.push(job);
            }
            // Greetings are quick, and whoever is greeted does not wait for what others write.
            let (greetings, writes): (Vec<Job>, Vec<Job>) = jobs
                .into_iter()
                .partition(|(request, _)| matches!(request, Request::Greet { .. }));
            for jobs in [greetings, writes] {
                if !jobs.is_empty() {
                    self.do_together(jobs);
                }
            }
        }
    }

    /// Nobody hears of a job before all of them are durable.
    fn do_together(&mut self, jobs: Vec<Job>) {
        let (requests, answers): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        let replies = match &self.failed {
            Some(error) => Err(error.clone()),
            None => self
                .transact(requests)
                .map_err(|trouble| self.give_up(trouble)),
        };
        // Whoever asked may have gone; what was written stays written.
        match replies {
            Ok(replies) => answers
                .into_iter()
                .zip(replies)
                .for_each(|(answer, reply)| drop(answer.send(Ok(reply)))),
            Err(error) => answers
                .into_iter()
                .for_each(|answer| drop(answer.send(Err(error.clone())))),
        }
    }

    fn transact(&mut self, requests: Vec<Request>) -> Result<Vec<Reply>, Trouble> {
        let now_ms = ids::wall_ms();
        self.run_statement("BEGIN IMMEDIATE")?;
        if now_ms >= self.forget_at_ms {
            clients::forget_old(&mut self.prepared, now_ms)?;
            self.forget_at_ms = now_ms + FORGET_EVERY_MS;
        }
        let mut transaction = Transaction {
            prepared: &mut self.prepared,
            streams: Streams::default(),
            limits: self.limits,
            now_ms,
            bytes: 0,
        };
        let replies = requests
            .into_iter()
            .map(|request| transaction.run(request))
            .collect::<Result<_, _>>()?;
        let Transaction { streams, .. } = transaction;
        streams.save(&mut self.prepared)?;
        self.run_statement("COMMIT")?;
        Ok(replies)
    }

    fn give_up(&mut self, trouble: Trouble) -> BackendError {
        let error = of_file(self.prepared.path())(trouble.into());
        tracing::error!(%error, "nothing more is written until the database is opened again");
        // What SQLite has not rolled back by itself goes now; if even that fails, it goes with the process.
        let _ = self.run_statement("ROLLBACK");
        self.failed = Some(error.clone());
        error
    }

    fn run_statement(&mut self, sql: &'static str) -> Result<(), Trouble> {
        self.prepared.get(sql)?.execute([])?;
        Ok(())
    }
}

impl Transaction<'_, '_> {
    fn run(&mut self, request: Request) -> Result<Reply, Trouble> {
        match request {
            Request::Greet {
                principal,
                client,
                confirmed,
            } => {
                let greeting =
                    clients::greet(self.prepared, self.now_ms, &principal, &client, &confirmed)?;
                Ok(Reply::Greeting(greeting))
            }
            Request::Write(group) => {
                let mut outcomes = Vec::with_capacity(group.len());
                for request in group {
                    outcomes.push(self.write(request)?);
                    if self.bytes >= BYTES_PER_TRANSACTION {
                        break;
                    }
                }
                Ok(Reply::Outcomes(outcomes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::HeldFile;
    use super::*;

    /// A greeting that comes behind a write is answered before it: the write fails, and the greeting does not with it.
    #[test]
    fn a_greeting_does_not_wait_for_the_writes_of_others() {
        let directory = tempfile::tempdir().unwrap();
        let file = HeldFile::hold(&directory.path().join("app.db")).unwrap();
        let connection = file.open_writing().unwrap();
        connection.execute_batch("DROP TABLE journal").unwrap();
        let (jobs, waiting) = mpsc::channel(2);
        let create = tidewire_hub::Write::Create {
            entity_type: tidewire_model::EntityType::new("c").unwrap(),
            id: None,
            entity: tidewire_model::Record::new(),
        };
        let (answer, written) = oneshot::channel();
        let write = Request::Write(vec![WriteRequest::Publish(vec![create])]);
        assert!(jobs.try_send((write, answer)).is_ok());
        let (answer, greeted) = oneshot::channel();
        let greet = Request::Greet {
            principal: "somebody".to_owned(),
            client: ClientInfo {
                id: "one".to_owned(),
                incarnation: 1,
                run: 1,
                may_have_sent: false,
                app: "tests".to_owned(),
                version: "1".to_owned(),
            },
            confirmed: BTreeMap::new(),
        };
        assert!(jobs.try_send((greet, answer)).is_ok());
        drop(jobs);
        let limits = super::super::SqliteOptions::new("").journal;
        Loop::new(&connection, limits).run(waiting);
        let greeted = greeted.blocking_recv().unwrap();
        assert!(matches!(greeted, Ok(Reply::Greeting(Greeting::Known(_)))));
        let written = written.blocking_recv().unwrap();
        assert!(matches!(written, Err(BackendError::Storage(_))));
    }
}
