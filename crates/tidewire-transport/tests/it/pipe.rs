//! The pipe against the suite, and its faults.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tidewire_transport::{
    Close, ClosedBy, ConnectError, ConnectRequest, Connection, Faults, Frame, Limits, PipeListener,
    PipeOptions, PipeTransport, Received, SendError, Transport, pipe, pipe_with,
    suite::{PEER_FRAME_BYTES, SUBPROTOCOL, Subject},
};
use tokio::sync::Mutex;

struct Pipe {
    transport: PipeTransport,
    listener: Mutex<PipeListener>,
}

impl Pipe {
    fn new() -> Self {
        let listener_limits = Limits {
            max_frame_bytes: PEER_FRAME_BYTES,
            ..Limits::default()
        };
        let (transport, listener) = pipe_with(PipeOptions {
            listener_limits,
            ..PipeOptions::default()
        });
        Self {
            transport,
            listener: Mutex::new(listener.supporting([SUBPROTOCOL])),
        }
    }
}

#[async_trait]
impl Subject for Pipe {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.transport.clone())
    }

    fn url(&self) -> String {
        "pipe:".to_owned()
    }

    async fn accept(&self) -> Connection {
        self.listener.lock().await.accept().await.unwrap()
    }
}

tidewire_transport::transport_suite!(Pipe::new());

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .unwrap()
}

async fn connect(
    transport: &PipeTransport,
    listener: &mut PipeListener,
) -> (Connection, Connection) {
    let (ours, theirs) = tokio::join!(
        transport.connect(ConnectRequest::new("pipe:")),
        listener.accept()
    );
    (ours.unwrap(), theirs.unwrap())
}

/// Sends one-byte frames until the connection breaks; how many were taken.
async fn frames_until_cut(connection: &mut Connection) -> u32 {
    for taken in 0..10_000 {
        if within(connection.sender.send(vec!["x".into()])).await == Err(SendError::Closed) {
            return taken;
        }
    }
    panic!("never cut");
}

#[tokio::test]
async fn a_cut_loses_what_is_on_its_way_for_both_ends() {
    let (transport, mut listener) = pipe();
    let (mut ours, mut theirs) = connect(&transport, &mut listener).await;
    within(ours.sender.send(vec!["lost".into()])).await.unwrap();
    within(theirs.sender.send(vec!["lost".into()]))
        .await
        .unwrap();
    transport.control().cut();
    for end in [&mut ours, &mut theirs] {
        let Received::Closed(close) = within(end.receiver.receive()).await else {
            panic!("a frame survived")
        };
        assert_eq!(close.by, ClosedBy::Lost);
        assert_eq!(
            within(end.sender.send(vec!["late".into()])).await,
            Err(SendError::Closed)
        );
    }
    let (mut ours, mut theirs) = connect(&transport, &mut listener).await;
    within(ours.sender.send(vec!["anew".into()])).await.unwrap();
    assert_eq!(
        within(theirs.receiver.receive()).await,
        Received::Frame("anew".into())
    );
}

#[tokio::test]
async fn a_refusing_pipe_makes_no_connection_until_it_admits_again() {
    let (transport, mut listener) = pipe();
    transport.control().refuse();
    let error = within(transport.connect(ConnectRequest::new("pipe:")))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Unreachable { .. }) && !error.is_permanent(),
        "{error:?}"
    );
    transport.control().admit();
    connect(&transport, &mut listener).await;
}

#[tokio::test]
async fn without_a_listener_nobody_is_reached() {
    let (transport, listener) = pipe();
    drop(listener);
    let error = within(transport.connect(ConnectRequest::new("pipe:")))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("nobody listens"), "{error}");
    let (transport, mut listener) = pipe();
    let drop_next = async { drop(listener.incoming().await) };
    let (made, ()) = tokio::join!(transport.connect(ConnectRequest::new("pipe:")), drop_next);
    assert!(
        matches!(made, Err(ConnectError::Unreachable { .. })),
        "{made:?}"
    );
    drop(transport);
    assert!(within(listener.accept()).await.is_none());
}

#[tokio::test]
async fn a_listener_sees_what_is_asked_for_and_may_say_no() {
    let (transport, mut listener) = pipe();
    let request = ConnectRequest::new("pipe:x")
        .header("authorization", "secret")
        .subprotocol("a");
    let judge = async {
        let incoming = listener.incoming().await.unwrap();
        assert_eq!(
            incoming.request().headers,
            [("authorization".to_owned(), "secret".to_owned())]
        );
        assert!(!format!("{incoming:?}").contains("secret"));
        incoming.reject(401, "who are you");
        let _theirs = listener
            .incoming()
            .await
            .unwrap()
            .accept(Some("not offered"));
    };
    let ask = async {
        let rejected = transport.connect(request.clone()).await.unwrap_err();
        let text = rejected.to_string();
        assert!(text.contains("status 401: who are you"), "{text}");
        let chosen = transport.connect(request.clone()).await.unwrap_err();
        assert_eq!(
            chosen,
            ConnectError::Subprotocol {
                chosen: "not offered".to_owned()
            }
        );
    };
    within(async { tokio::join!(judge, ask) }).await;
}

#[tokio::test]
async fn faults_of_one_seed_repeat_and_of_another_differ() {
    async fn run(seed: u64) -> Vec<Option<u32>> {
        let faults = Faults {
            seed,
            refuse_percent: 30,
            cut_after_frames: Some(1..=50),
            cut_after_bytes: Some(10..=40),
        };
        let (transport, mut listener) = pipe_with(PipeOptions {
            faults,
            ..PipeOptions::default()
        });
        let mut fates = Vec::new();
        for _ in 0..30 {
            let request = ConnectRequest::new("pipe:");
            let mut connect = std::pin::pin!(transport.connect(request));
            // A connection that is refused never reaches the listener.
            fates.push(tokio::select! {
                biased;
                refused = &mut connect => { assert!(refused.is_err()); None },
                theirs = listener.accept() => {
                    let _ours = connect.await.unwrap();
                    Some(frames_until_cut(&mut theirs.unwrap()).await)
                },
            });
        }
        fates
    }
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
    let refused = first.iter().filter(|fate| fate.is_none()).count();
    assert!((2..20).contains(&refused), "{first:?}");
    assert!(
        first
            .iter()
            .flatten()
            .all(|&frames| (1..=40).contains(&frames)),
        "{first:?}"
    );
}

#[tokio::test]
async fn a_cut_falls_after_the_frame_and_after_the_byte_it_is_set_to() {
    for (frames, bytes, expected) in [
        (Some(3..=3), None, 3),
        (None, Some(5..=5), 5),
        (Some(9..=9), Some(2..=2), 2),
    ] {
        let faults = Faults {
            cut_after_frames: frames,
            cut_after_bytes: bytes,
            ..Faults::default()
        };
        let (transport, mut listener) = pipe_with(PipeOptions {
            faults,
            ..PipeOptions::default()
        });
        let (mut ours, mut theirs) = connect(&transport, &mut listener).await;
        for _ in 0..expected {
            within(ours.sender.send(vec!["x".into()])).await.unwrap();
            assert_eq!(
                within(theirs.receiver.receive()).await,
                Received::Frame("x".into())
            );
        }
        assert_eq!(frames_until_cut(&mut ours).await, 0);
        let Received::Closed(close) = within(theirs.receiver.receive()).await else {
            panic!("a frame survived")
        };
        assert_eq!(close.by, ClosedBy::Lost);
    }
}

#[tokio::test]
async fn what_is_on_its_way_is_bounded_also_for_empty_frames() {
    let (transport, mut listener) = pipe();
    let (mut ours, mut theirs) = connect(&transport, &mut listener).await;
    let mut taken = 0_u32;
    let flood = async {
        loop {
            ours.sender.send(vec![Frame::from("")]).await.unwrap();
            taken += 1;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(100), flood)
            .await
            .is_err()
    );
    assert!(taken < 10_000, "{taken} empty frames are on their way");
    let mut received = 0;
    while received < taken {
        if within(theirs.receiver.receive()).await == Received::Frame("".into()) {
            received += 1;
        }
    }
}

#[tokio::test]
async fn pings_nobody_reads_are_one_ping() {
    let (transport, mut listener) = pipe();
    let (mut ours, mut theirs) = connect(&transport, &mut listener).await;
    for _ in 0..1000 {
        ours.sender.ping().await.unwrap();
    }
    within(ours.sender.send(vec!["behind".into()]))
        .await
        .unwrap();
    assert_eq!(
        within(theirs.receiver.receive()).await,
        Received::Frame("behind".into())
    );
    within(theirs.sender.send(vec!["back".into()]))
        .await
        .unwrap();
    assert_eq!(within(ours.receiver.receive()).await, Received::Pong);
    assert_eq!(
        within(ours.receiver.receive()).await,
        Received::Frame("back".into())
    );
}

#[tokio::test]
async fn both_ends_that_close_at_once_learn_what_the_other_said() {
    let (transport, mut listener) = pipe();
    let (mut ours, mut theirs) = connect(&transport, &mut listener).await;
    ours.sender.close(Close::new(1000, "done")).await;
    theirs.sender.close(Close::new(4003, "go away")).await;
    let Received::Closed(close) = within(ours.receiver.receive()).await else {
        panic!("no end")
    };
    assert_eq!((close.by, close.code), (ClosedBy::Peer, Some(4003)));
    let Received::Closed(close) = within(theirs.receiver.receive()).await else {
        panic!("no end")
    };
    assert_eq!((close.by, close.code), (ClosedBy::Peer, Some(1000)));
}
