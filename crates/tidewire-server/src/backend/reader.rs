//! The threads that read. Those who ask take turns, and a read that takes long passes its turn on, again and again.
//!
//! Decides nothing about whose turn it is, which is the line's affair, and nothing about what is read.

mod line;
mod turn;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use rusqlite::Connection;
use tidewire_hub::{BackendError, ConnectionId};
use tokio::sync::oneshot;

use super::error::Trouble;
use super::prepared::Prepared;

use line::{Line, Next, Passed, Place, Wanted};

pub(super) use turn::Turn;

/// Who asks; nobody, where the backend itself wants to know.
pub(super) type Asker = Option<ConnectionId>;

/// How reads share the threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadBounds {
    /// The most reads that run at once.
    pub(super) running: usize,
    /// The most reads that are longer than a slice and under way, waiting for their next turn or not. Each keeps a
    /// thread, a read transaction, and the rows it has found so far.
    pub(super) long: usize,
    /// The most rows that are looked at before others have their turn.
    pub(super) slice_rows: usize,
    /// About the most bytes of the rows that a filter looks at before others have their turn. What many tests look at
    /// counts as often.
    pub(super) slice_bytes: usize,
    /// The most time that passes before others have their turn, as far as a single row takes no longer to be read and
    /// a single test no longer to be made.
    pub(super) slice_time: Duration,
}

impl ReadBounds {
    /// What suits most machines, with so many reads at once.
    pub(super) fn with_running(running: usize) -> Self {
        Self {
            running,
            long: 8,
            slice_rows: 4096,
            slice_bytes: 16 * 1024 * 1024,
            slice_time: Duration::from_millis(5),
        }
    }
}

type Opener = Box<dyn Fn() -> rusqlite::Result<Connection> + Send + Sync>;

/// The reading threads. Dropping them gives up what is being read and what waits.
#[derive(Debug)]
pub(super) struct Readers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    bounds: ReadBounds,
    /// Each thread has a connection of its own, opened when it has its first read.
    open: Opener,
    state: Mutex<State>,
    /// One for each thread.
    wakes: Vec<Condvar>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

struct State {
    line: Line<Job>,
    /// Threads with nothing to do, the one that had something last on top: its memory is still warm.
    idle: Vec<Worker>,
    /// What each thread is to do next.
    orders: Vec<Option<Order>>,
    is_stopping: bool,
}

/// A thread, by its place.
type Worker = usize;

enum Order {
    Begin(Begun),
    GoOn,
}

/// A read that has its first turn, or its first one with a place.
struct Begun {
    asker: Asker,
    place: Place,
    job: Job,
}

/// How a thread's last read ended.
enum Finished {
    /// There was none.
    Nothing,
    Read {
        asker: Asker,
        place: Place,
    },
    /// It takes longer than a slice, and there was no place for it.
    Again {
        asker: Asker,
        job: Job,
    },
}

/// What is to be read, and whether somebody still wants it.
struct Job {
    is_given_up: Arc<AtomicBool>,
    read: Box<dyn Read>,
}

impl Wanted for Job {
    fn is_wanted(&self) -> bool {
        !self.is_given_up.load(Ordering::Relaxed)
    }
}

/// A read and who hears of it.
trait Read: Send {
    /// Reads and answers; does not answer where it has to begin again.
    fn run(&mut self, prepared: &mut Prepared<'_>, turn: &mut Turn<'_>);

    /// Answers that it cannot be read.
    fn fail(&mut self, trouble: Trouble);
}

struct Asked<T, R> {
    read: R,
    answer: Option<oneshot::Sender<Result<T, Trouble>>>,
}

impl<T, R> Read for Asked<T, R>
where
    T: Send,
    R: FnMut(&mut Prepared<'_>, &mut Turn<'_>) -> Result<T, Trouble> + Send,
{
    fn run(&mut self, prepared: &mut Prepared<'_>, turn: &mut Turn<'_>) {
        let result = (self.read)(prepared, turn);
        if !turn.begins_again()
            && let Some(answer) = self.answer.take()
        {
            // Whoever asked may have gone meanwhile.
            let _ = answer.send(result);
        }
    }

    fn fail(&mut self, trouble: Trouble) {
        if let Some(answer) = self.answer.take() {
            let _ = answer.send(Err(trouble));
        }
    }
}

/// One who waits for a read. When it goes, so does the read.
struct Waiting<'r> {
    shared: &'r Shared,
    asker: Asker,
    is_given_up: Arc<AtomicBool>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        self.shared.state.lock().line.forget_unwanted(self.asker);
    }
}

impl Readers {
    /// Starts the threads: as many as may run, and as many as may wait in the middle of a read.
    pub(super) fn start(
        bounds: ReadBounds,
        open: impl Fn() -> rusqlite::Result<Connection> + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let bounds = ReadBounds {
            running: bounds.running.max(1),
            // Without any, a long read would begin again for ever.
            long: bounds.long.max(1),
            ..bounds
        };
        let workers = bounds.running + bounds.long;
        let shared = Arc::new(Shared {
            bounds,
            open: Box::new(open),
            state: Mutex::new(State {
                line: Line::new(bounds.running, bounds.long),
                idle: Vec::with_capacity(workers),
                orders: (0..workers).map(|_| None).collect(),
                is_stopping: false,
            }),
            wakes: (0..workers).map(|_| Condvar::new()).collect(),
        });
        let mut readers = Self {
            shared,
            threads: Vec::with_capacity(workers),
        };
        // All are idle before the first may be asked for.
        readers.shared.state.lock().idle.extend(0..workers);
        for worker in 0..workers {
            let shared = readers.shared.clone();
            let thread = std::thread::Builder::new()
                .name("tidewire-read".into())
                .spawn(move || shared.work(worker))?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Reads on one of the threads. Begins again, from the start, where there is no place for a read that takes long;
    /// given up when the future is dropped.
    ///
    /// Nothing bounds here how many wait: each has its caller, who waits as well.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        asker: Asker,
        read: impl FnMut(&mut Prepared<'_>, &mut Turn<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, BackendError> {
        let (answer, answered) = oneshot::channel();
        let is_given_up = Arc::new(AtomicBool::new(false));
        let _waiting = Waiting {
            shared: &self.shared,
            asker,
            is_given_up: is_given_up.clone(),
        };
        let answer = Some(answer);
        self.shared.ask(
            asker,
            Job {
                is_given_up,
                read: Box::new(Asked { read, answer }),
            },
        );
        Ok(answered.await.map_err(|_| BackendError::Closed)??)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        {
            let mut state = self.shared.state.lock();
            state.is_stopping = true;
            state.line.clear();
        }
        for wake in &self.shared.wakes {
            wake.notify_one();
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing more to say than that.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn ask(&self, asker: Asker, job: Job) {
        let mut state = self.state.lock();
        if !state.is_stopping {
            state.line.ask(asker, job);
            self.hand_out(&mut state);
        }
    }

    /// Gives free turns to those in line.
    fn hand_out(&self, state: &mut State) {
        while let Some(next) = state.line.next() {
            let (worker, order) = match next {
                Next::GoOn(worker) => (worker, Order::GoOn),
                Next::Begin { asker, place, job } => {
                    let worker = state
                        .idle
                        .pop()
                        .expect("there is a thread for each read that runs or waits in its middle");
                    (worker, Order::Begin(Begun { asker, place, job }))
                }
            };
            state.orders[worker] = Some(order);
            self.wakes[worker].notify_one();
        }
    }

    /// One thread, until the end.
    fn work(&self, worker: Worker) {
        let mut finished = Finished::Nothing;
        while let Some(mut begun) = self.next(worker, finished) {
            match (self.open)() {
                Ok(connection) => return self.work_with(worker, &connection, begun),
                Err(error) => begun.job.read.fail(error.into()),
            }
            finished = Finished::Read {
                asker: begun.asker,
                place: begun.place,
            };
        }
    }

    fn work_with(&self, worker: Worker, connection: &Connection, first: Begun) {
        let mut prepared = Prepared::new(connection);
        let mut finished = self.read(worker, &mut prepared, first);
        while let Some(begun) = self.next(worker, finished) {
            finished = self.read(worker, &mut prepared, begun);
        }
    }

    fn read(&self, worker: Worker, prepared: &mut Prepared<'_>, begun: Begun) -> Finished {
        let Begun {
            asker,
            place,
            mut job,
        } = begun;
        let mut turn = Turn::new(self, worker, asker, place, job.is_given_up.clone());
        // The one who asked hears that nothing came of it; the others still have this thread.
        if catch_unwind(AssertUnwindSafe(|| job.read.run(prepared, &mut turn))).is_err() {
            tracing::error!("a read panicked");
        } else if turn.begins_again() {
            return Finished::Again { asker, job };
        }
        let place = turn.into_place();
        Finished::Read { asker, place }
    }

    /// Says how the last read ended, and waits for the next one; nothing at the end.
    fn next(&self, worker: Worker, finished: Finished) -> Option<Begun> {
        let mut state = self.state.lock();
        match finished {
            // It is among the idle ones already.
            Finished::Nothing => {}
            Finished::Read { asker, place } => {
                state.line.end(asker, place);
                state.idle.push(worker);
            }
            Finished::Again { asker, job } => {
                state.line.begin_again(asker, job);
                state.idle.push(worker);
            }
        }
        self.hand_out(&mut state);
        match self.wait(worker, &mut state) {
            Some(Order::Begin(begun)) => Some(begun),
            Some(Order::GoOn) => unreachable!("it is not in the middle of a read"),
            None => None,
        }
    }

    /// Waits for what a thread is to do; nothing at the end.
    fn wait(&self, worker: Worker, state: &mut MutexGuard<'_, State>) -> Option<Order> {
        loop {
            if state.is_stopping {
                return None;
            }
            if let Some(order) = state.orders[worker].take() {
                return Some(order);
            }
            self.wakes[worker].wait(state);
        }
    }

    /// Lets others have their turn, and waits for the next one.
    fn pass(&self, worker: Worker, asker: Asker, place: &mut Place) -> Passed {
        let mut state = self.state.lock();
        if state.is_stopping {
            return Passed::Over;
        }
        let passed = state.line.pass(asker, place, worker);
        if matches!(passed, Passed::Waits) {
            self.hand_out(&mut state);
            if self.wait(worker, &mut state).is_none() {
                return Passed::Over;
            }
        }
        passed
    }
}

#[cfg(test)]
mod tests;
