//! One connection: what is received is read by the driver, what is sent goes through a task of its
//! own, so that a peer that does not read never keeps the driver from reading.

use std::time::Duration;

use tidewire_engine::{FrameReader, Generation};
use tidewire_protocol::Encoded;
use tidewire_transport::{Close, Connection, Frame, FrameReceiver, FrameSender, SendError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::outside::Happened;

/// Frames written with one flush at most.
const FRAMES_PER_FLUSH: usize = 128;
/// How long a close may take before the connection is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the sending task is given. Its length is bounded by the engine, which sends no more than a
/// window beyond what was written.
enum Job {
    Send(Frame),
    Ping,
    Close(Close),
}

pub(super) struct Socket {
    pub(super) generation: Generation,
    pub(super) receiver: Box<dyn FrameReceiver>,
    pub(super) reader: FrameReader,
    jobs: mpsc::UnboundedSender<Job>,
    sending: JoinHandle<()>,
    ended: bool,
    closed: bool,
}

impl Socket {
    pub(super) fn new(
        generation: Generation,
        reader: FrameReader,
        connection: Connection,
        happen: mpsc::Sender<Happened>,
    ) -> Self {
        let (jobs, waiting) = mpsc::unbounded_channel();
        let sending = tokio::spawn(send_all(generation, connection.sender, waiting, happen));
        Self {
            generation,
            receiver: connection.receiver,
            reader,
            jobs,
            sending,
            ended: false,
            closed: false,
        }
    }

    pub(super) fn send(&self, frame: Encoded) {
        let frame = match frame {
            Encoded::Text(text) => Frame::Text(text.into()),
            Encoded::Binary(bytes) => Frame::Binary(bytes.into()),
        };
        // A task that has ended says so through the receiving half.
        let _ = self.jobs.send(Job::Send(frame));
    }

    pub(super) fn ping(&self) {
        let _ = self.jobs.send(Job::Ping);
    }

    pub(super) fn close(&mut self, code: u16, reason: String) {
        let _ = self.jobs.send(Job::Close(Close::new(code, reason)));
        self.ended = true;
    }

    /// Nothing more is read from it.
    pub(super) fn end(&mut self) {
        self.ended = true;
        self.sending.abort();
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Waits until nothing of it is at work any more. May be given up at any time; once it has
    /// returned, [`is_closed`](Self::is_closed) says so, and it must not be called again.
    pub(super) async fn closed(&mut self) {
        // A task that was stopped has ended too.
        let _ = (&mut self.sending).await;
        self.closed = true;
    }

    /// Whether it was waited for until nothing of it is at work any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}

async fn send_all(
    generation: Generation,
    mut sender: Box<dyn FrameSender>,
    mut waiting: mpsc::UnboundedReceiver<Job>,
    happen: mpsc::Sender<Happened>,
) {
    let mut jobs = Vec::new();
    while waiting.recv_many(&mut jobs, FRAMES_PER_FLUSH).await > 0 {
        let mut frames = Vec::with_capacity(jobs.len());
        let (mut ping, mut close) = (false, None);
        for job in jobs.drain(..) {
            match job {
                Job::Send(frame) => frames.push(frame),
                Job::Ping => ping = true,
                Job::Close(with) => close = Some(with),
            }
        }
        let bytes = frames.iter().map(Frame::len).sum();
        if !frames.is_empty() && sender.send(frames).await.is_err() {
            return;
        }
        if ping
            && let Some(unsupported) = ping_by(&mut *sender, generation).await
            && happen.send(unsupported).await.is_err()
        {
            return;
        }
        if let Some(close) = close {
            // A peer that does not read is left after a while.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, sender.close(close)).await;
            return;
        }
        if bytes > 0
            && happen
                .send(Happened::Written(generation, bytes))
                .await
                .is_err()
        {
            return;
        }
    }
}

/// Pings, or says that there is no way to.
async fn ping_by(sender: &mut dyn FrameSender, generation: Generation) -> Option<Happened> {
    // A connection that has ended says so through the receiving half.
    let unsupported = matches!(sender.ping().await, Err(SendError::Unsupported));
    unsupported.then_some(Happened::PingUnsupported(generation))
}
