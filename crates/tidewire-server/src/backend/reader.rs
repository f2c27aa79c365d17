//! The threads that read, each with a connection of its own. What more is asked than they can do waits in line.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tidewire_hub::BackendError;
use tokio::sync::{mpsc, oneshot};

use super::error::Trouble;
use super::prepared::Prepared;

/// How many reads may wait; more make their callers wait.
const WAITING_READS: usize = 64;

type Read = Box<dyn FnOnce(&mut Prepared<'_>) + Send>;

/// The reading threads. Dropping them lets what waits be read, and waits for that.
#[derive(Debug)]
pub(super) struct Readers {
    reads: Option<mpsc::Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts one thread for each connection.
    pub(super) fn start(connections: Vec<Connection>) -> std::io::Result<Self> {
        let (reads, waiting) = mpsc::channel(WAITING_READS);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::with_capacity(connections.len());
        for connection in connections {
            let waiting = waiting.clone();
            let thread = std::thread::Builder::new()
                .name("tidewire-read".into())
                .spawn(move || {
                    let mut prepared = Prepared::new(&connection);
                    while let Some(read) = next(&waiting) {
                        // The one who asked hears that nothing came of it; the others still have this thread.
                        if catch_unwind(AssertUnwindSafe(|| read(&mut prepared))).is_err() {
                            tracing::error!("a read panicked");
                        }
                    }
                })?;
            threads.push(thread);
        }
        Ok(Self {
            reads: Some(reads),
            threads,
        })
    }

    /// Reads on one of the threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Prepared<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, BackendError> {
        let (answer, answered) = oneshot::channel();
        let read: Read = Box::new(move |prepared| {
            if !answer.is_closed() {
                // Whoever asked may have gone meanwhile.
                let _ = answer.send(read(prepared));
            }
        });
        let reads = self.reads.as_ref().ok_or(BackendError::Closed)?;
        reads.send(read).await.map_err(|_| BackendError::Closed)?;
        Ok(answered.await.map_err(|_| BackendError::Closed)??)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.reads = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing more to say than that.
            let _ = thread.join();
        }
    }
}

/// Only one thread waits at the line; the others wait for their turn at it.
fn next(waiting: &Mutex<mpsc::Receiver<Read>>) -> Option<Read> {
    waiting.lock().blocking_recv()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_that_panics_leaves_its_thread_to_the_others() {
        let readers = Readers::start(vec![Connection::open_in_memory().unwrap()]).unwrap();
        let bug = |prepared: &mut Prepared<'_>| {
            prepared.in_one_cut(|_| -> Result<i64, Trouble> { panic!("a bug") })
        };
        assert_eq!(readers.run(bug).await, Err(BackendError::Closed));
        let count = |prepared: &mut Prepared<'_>| -> Result<i64, Trouble> {
            prepared.in_one_cut(|prepared| {
                Ok(prepared.get("SELECT 7")?.query_row([], |row| row.get(0))?)
            })
        };
        assert_eq!(readers.run(count).await, Ok(7));
    }
}
