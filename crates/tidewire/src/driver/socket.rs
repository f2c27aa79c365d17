//! One connection: what is received is read by the driver, what is sent goes through a task of its
//! own, so that a peer that does not read never keeps the driver from reading.
//!
//! Nothing here waits for the peer without an end: what waits to be sent is bounded, and a close
//! that the peer does not take is given up after a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidewire_engine::{FrameReader, Generation};
use tidewire_protocol::Encoded;
use tidewire_transport::{
    Close, Connection, Frame, FrameReceiver, FrameSender, Received, SendError,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::unharmed::unharmed_future;

/// Frames written with one flush at most.
const FRAMES_PER_FLUSH: usize = 128;
/// How long a close may take before the connection is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Frames that may wait for a peer that does not read. The engine sends no more than a window beyond
/// what was written, which is far below; only answers it owes at once, such as to pings, can get here.
const UNSENT_MAX_FRAMES: usize = 8_192;
/// Bytes that may wait beside one more frame, for the same reason.
const UNSENT_MAX_BYTES: usize = 4 << 20;

/// What was given to connections of this client and is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    frames: AtomicUsize,
    bytes: AtomicUsize,
}

impl Unsent {
    pub(crate) fn frames(&self) -> usize {
        self.frames.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// The part of [`Unsent`] that one frame is; taken off when it is written or given up.
struct Load {
    unsent: Arc<Unsent>,
    bytes: usize,
}

impl Load {
    fn new(unsent: &Arc<Unsent>, bytes: usize) -> Self {
        unsent.frames.fetch_add(1, Ordering::Relaxed);
        unsent.bytes.fetch_add(bytes, Ordering::Relaxed);
        Self {
            unsent: Arc::clone(unsent),
            bytes,
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.unsent.frames.fetch_sub(1, Ordering::Relaxed);
        self.unsent.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a connection has to tell.
pub(super) enum News {
    Received(Received),
    /// This many bytes of frames are out.
    Written(usize),
    /// The transport has no pings of its own.
    CannotPing,
    /// Nothing can be sent any more: why.
    Failed(String),
    /// The close asked for is done, or was given up.
    Over,
}

impl News {
    fn received(received: Result<Received, String>) -> Self {
        match received {
            Ok(received) => Self::Received(received),
            Err(panic) => Self::Failed(format!("the transport broke while receiving: {panic}")),
        }
    }
}

/// What the sending task is given.
enum Job {
    Frame(Frame, Load),
    Ping,
}

/// What the sending task has told so far.
#[derive(Clone, Copy, Default)]
struct Told {
    /// Bytes of frames that are out.
    written: usize,
    cannot_ping: bool,
}

pub(super) struct Socket {
    pub(super) generation: Generation,
    pub(super) reader: FrameReader,
    receiver: Box<dyn FrameReceiver>,
    jobs: Option<mpsc::Sender<Job>>,
    unsent: Arc<Unsent>,
    closing: watch::Sender<Option<Close>>,
    tells: watch::Receiver<Told>,
    told: Told,
    sending: JoinHandle<Result<(), String>>,
}

impl Socket {
    pub(super) fn new(
        generation: Generation,
        reader: FrameReader,
        connection: Connection,
        unsent: Arc<Unsent>,
    ) -> Self {
        let (jobs, waiting) = mpsc::channel(UNSENT_MAX_FRAMES);
        let (closing, asked) = watch::channel(None);
        let (tell, tells) = watch::channel(Told::default());
        Self {
            generation,
            reader,
            receiver: connection.receiver,
            jobs: Some(jobs),
            unsent,
            closing,
            tells,
            told: Told::default(),
            sending: tokio::spawn(send_all(connection.sender, waiting, tell, asked)),
        }
    }

    /// Gives a frame to be sent.
    ///
    /// # Errors
    /// Too much waits already: the peer does not read.
    pub(super) fn send(&self, frame: Encoded) -> Result<(), String> {
        let Some(jobs) = &self.jobs else {
            return Ok(());
        };
        let frame = match frame {
            Encoded::Text(text) => Frame::Text(text.into()),
            Encoded::Binary(bytes) => Frame::Binary(bytes.into()),
        };
        if self.unsent.bytes() <= UNSENT_MAX_BYTES {
            let load = Load::new(&self.unsent, frame.len());
            match jobs.try_send(Job::Frame(frame, load)) {
                // A task that has ended says so by itself.
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(_)) => {}
            }
        }
        Err(format!(
            "the server does not read: {} frames of {} bytes wait for it",
            self.unsent.frames(),
            self.unsent.bytes()
        ))
    }

    /// Asks the peer for a sign of life, by the transport's own means. Where too much waits already,
    /// it is not asked: what is asked then would wait as well.
    pub(super) fn ping(&self) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.try_send(Job::Ping);
        }
    }

    /// Sends what waits, then the close, as long as the peer takes it; nothing more is read.
    pub(super) fn close(&mut self, code: u16, reason: String) {
        self.closing.send_replace(Some(Close::new(code, reason)));
        self.jobs = None;
    }

    pub(super) fn is_closing(&self) -> bool {
        self.jobs.is_none()
    }

    /// What comes next. May be given up at any time; after [`News::Failed`] or [`News::Over`] the
    /// connection is to be dropped.
    pub(super) async fn next(&mut self, wants_frames: bool) -> News {
        let closing = self.is_closing();
        tokio::select! {
            received = unharmed_future(self.receiver.receive()), if wants_frames && !closing => {
                News::received(received)
            }
            Ok(()) = self.tells.changed(), if !closing => {
                let before = self.told;
                self.told = *self.tells.borrow_and_update();
                if self.told.cannot_ping && !before.cannot_ping {
                    // What else it told comes with the next word.
                    self.told.written = before.written;
                    self.tells.mark_changed();
                    News::CannotPing
                } else {
                    News::Written(self.told.written - before.written)
                }
            }
            sent = &mut self.sending => match sent {
                Ok(Ok(())) => News::Over,
                Ok(Err(reason)) => News::Failed(reason),
                Err(_) => News::Failed("the transport broke while sending".into()),
            },
        }
    }

    /// What has been received already, if anything.
    pub(super) async fn ready(&mut self) -> Option<News> {
        if self.is_closing() {
            return None;
        }
        // Dropping the receiving future loses nothing, so looking once is allowed.
        tokio::select! {
            biased;
            received = unharmed_future(self.receiver.receive()) => Some(News::received(received)),
            () = std::future::ready(()) => None,
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A close that is under way comes to its end by itself, soon.
        if !self.is_closing() {
            self.sending.abort();
        }
    }
}

/// Writes whatever waits until a close is asked for, and closes.
async fn send_all(
    mut sender: Box<dyn FrameSender>,
    waiting: mpsc::Receiver<Job>,
    tell: watch::Sender<Told>,
    mut asked: watch::Receiver<Option<Close>>,
) -> Result<(), String> {
    let close = asked.clone();
    let work = async {
        write_all(&mut *sender, waiting, tell).await?;
        let close = close.borrow().clone();
        if let Some(close) = close {
            sender.close(close).await;
        }
        Ok(())
    };
    let patience = async {
        if asked.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(CLOSE_TIMEOUT).await;
    };
    let done: Result<(), SendError> = tokio::select! {
        done = work => done,
        // A peer that does not read is left after a while.
        () = patience => return Ok(()),
    };
    let Err(error) = done else { return Ok(()) };
    if error == SendError::Closed {
        // The receiving half says how it ended; only where it does not, this is told.
        tokio::time::sleep(CLOSE_TIMEOUT).await;
    }
    Err(format!("nothing can be sent: {error}"))
}

async fn write_all(
    sender: &mut dyn FrameSender,
    mut waiting: mpsc::Receiver<Job>,
    tell: watch::Sender<Told>,
) -> Result<(), SendError> {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, FRAMES_PER_FLUSH).await > 0 {
        let (mut frames, mut loads, mut ping) = (Vec::new(), Vec::new(), false);
        for job in batch.drain(..) {
            match job {
                Job::Frame(frame, load) => {
                    frames.push(frame);
                    loads.push(load);
                }
                Job::Ping => ping = true,
            }
        }
        let bytes: usize = loads.iter().map(|load| load.bytes).sum();
        if !frames.is_empty() {
            sender.send(frames).await?;
            drop(loads);
            tell.send_modify(|told| told.written += bytes);
        }
        if ping {
            match sender.ping().await {
                Err(SendError::Unsupported) => tell.send_modify(|told| told.cannot_ping = true),
                done => done?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
