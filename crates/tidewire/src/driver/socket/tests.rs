//! What waits for a peer that takes nothing, and what is left of it.

use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use tidewire_engine::{Engine, Settings};
use tidewire_model::{Now, Tick, WallTime};

use super::*;

/// Takes nothing, and says when it is dropped.
struct Stuck(Arc<AtomicBool>);

#[async_trait]
impl FrameSender for Stuck {
    async fn send(&mut self, _: Vec<Frame>) -> Result<(), SendError> {
        std::future::pending().await
    }

    async fn close(&mut self, _: Close) {
        std::future::pending::<()>().await;
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Silent;

#[async_trait]
impl FrameReceiver for Silent {
    async fn receive(&mut self) -> Received {
        std::future::pending().await
    }
}

fn stuck() -> (Socket, Arc<Unsent>, Arc<AtomicBool>) {
    let now = Now {
        tick: Tick::from_micros(0),
        wall: WallTime::from_unix_millis(0),
    };
    let engine = Engine::new(now, Settings::default(), Vec::new());
    let gone = Arc::new(AtomicBool::new(false));
    let connection = Connection {
        sender: Box::new(Stuck(Arc::clone(&gone))),
        receiver: Box::new(Silent),
        subprotocol: None,
    };
    let unsent = Arc::<Unsent>::default();
    let reader = engine.frame_reader();
    let socket = Socket::new(Generation(1), reader, connection, Arc::clone(&unsent));
    (socket, unsent, gone)
}

/// Sends frames of this size until they are refused.
async fn fill(socket: &Socket, bytes: usize) -> String {
    for _ in 0..100_000 {
        if let Err(reason) = socket.send(Encoded::Text("x".repeat(bytes))) {
            return reason;
        }
        tokio::task::yield_now().await;
    }
    panic!("it takes frames without end")
}

#[tokio::test(start_paused = true)]
async fn frames_beyond_the_bound_are_refused_with_a_word() {
    let (socket, unsent, _) = stuck();
    let reason = fill(&socket, 20).await;
    assert!(reason.contains("does not read"), "{reason}");
    assert!(unsent.frames() <= UNSENT_MAX_FRAMES + FRAMES_PER_FLUSH);
}

#[tokio::test(start_paused = true)]
async fn bytes_beyond_the_bound_are_refused_too() {
    let (socket, unsent, _) = stuck();
    let bytes = 1 << 20;
    fill(&socket, bytes).await;
    assert!(unsent.bytes() <= UNSENT_MAX_BYTES + bytes);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_socket_leaves_neither_task_nor_frames() {
    let (socket, unsent, gone) = stuck();
    fill(&socket, 20).await;
    drop(socket);
    tokio::task::yield_now().await;
    assert!(gone.load(Ordering::SeqCst));
    assert_eq!((unsent.frames(), unsent.bytes()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_not_taken_is_given_up_after_a_while() {
    let (mut socket, unsent, gone) = stuck();
    fill(&socket, 20).await;
    socket.close(1000, "enough".into());
    let over = tokio::time::timeout(2 * CLOSE_TIMEOUT, socket.next(true)).await;
    assert!(matches!(over, Ok(News::Over)));
    assert!(gone.load(Ordering::SeqCst));
    assert_eq!((unsent.frames(), unsent.bytes()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_socket_dropped_while_it_closes_ends_after_a_while_by_itself() {
    let (mut socket, _, gone) = stuck();
    socket.send(Encoded::Text("x".into())).expect("room");
    socket.close(1000, "enough".into());
    drop(socket);
    tokio::task::yield_now().await;
    assert!(!gone.load(Ordering::SeqCst), "it may still be taken");
    tokio::time::advance(2 * CLOSE_TIMEOUT).await;
    tokio::task::yield_now().await;
    assert!(gone.load(Ordering::SeqCst));
}
