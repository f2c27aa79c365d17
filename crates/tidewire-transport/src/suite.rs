//! The suite that every transport must pass.
//! Holds one function per promise of [`Transport`] and its two halves, and
//! [`transport_suite`](crate::transport_suite) to make tests of them. Never sleeps: what must come has a deadline, and
//! only what must not come is waited for.

use std::{future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Close, ClosedBy, ConnectRequest, Connection, Frame, FrameReceiver, FrameSender, Limits,
    Received, SendError, Transport,
};

/// The one subprotocol that the other end supports.
pub const SUBPROTOCOL: &str = "suite.v1";
/// What the other end must bear in one frame, in bytes.
pub const PEER_FRAME_BYTES: usize = 4 << 20;

/// How long what must come may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long a sender must make no progress to count as held back.
const HELD_BACK: Duration = Duration::from_millis(300);
/// More than any operating system keeps for a connection whose reader is away.
const FAR_TOO_MUCH_BYTES: usize = 64 << 20;

/// What is tested: a transport, and the other end of its connections.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The transport.
    fn transport(&self) -> Arc<dyn Transport>;

    /// Where it connects to.
    fn url(&self) -> String;

    /// The other end of the next connection, which chooses [`SUBPROTOCOL`] if it is offered and else none, and bears
    /// [`PEER_FRAME_BYTES`].
    async fn accept(&self) -> Connection;
}

/// Makes one `#[tokio::test]` of every promise. The expression makes a new [`Subject`] each time and may await.
///
/// The crate that uses it needs tokio with `macros`, `rt` and `time`.
#[macro_export]
macro_rules! transport_suite {
    ($subject:expr) => {
        $crate::transport_suite! { @each $subject;
            frames_arrive_whole_and_in_order
            both_directions_flow_at_once
            a_frame_at_the_limit_arrives_and_one_above_ends_the_connection
            a_frame_that_may_not_be_written_is_refused_and_the_connection_stands
            the_peers_close_arrives_behind_its_frames
            our_close_arrives_behind_our_frames_and_is_answered
            nothing_is_sent_after_the_end
            a_peer_that_stops_reading_holds_the_sender_back
            frames_are_received_while_the_sender_is_held_back
            a_sender_that_is_held_back_hears_of_the_end
            a_connection_that_is_dropped_is_lost_for_the_other_end
            receiving_is_cancel_safe
            the_peer_chooses_among_the_offered_subprotocols
            a_peer_that_chooses_no_subprotocol_is_borne
            a_ping_is_answered
            the_peers_ping_is_answered_while_we_only_receive
        }
    };
    (@each $subject:expr; $($promise:ident)*) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::suite::$promise(&$subject).await;
            }
        )*
    };
}

/// Text, bytes, empty frames, in both directions.
pub async fn frames_arrive_whole_and_in_order(subject: &dyn Subject) {
    let (mut ours, mut theirs) = connect(subject, |request| request).await;
    let frames: Vec<Frame> = vec![
        "first".into(),
        Bytes::from_static(b"\0\xff\xfe").into(),
        "".into(),
        Bytes::new().into(),
        "zwölf Boxkämpfer 🥊".into(),
        Bytes::from(vec![7; 100_000]).into(),
        "last".into(),
    ];
    for (from, to) in [
        (&mut ours.sender, &mut theirs.receiver),
        (&mut theirs.sender, &mut ours.receiver),
    ] {
        let receive = async {
            for frame in &frames {
                assert_eq!(next(to).await, Received::Frame(frame.clone()));
            }
        };
        let (sent, ()) = tokio::join!(within(from.send(frames.clone())), receive);
        assert_eq!(sent, Ok(()));
    }
}

/// More than any buffer holds, both ways, while each end reads and writes at once.
pub async fn both_directions_flow_at_once(subject: &dyn Subject) {
    const FRAMES: u32 = 400;
    async fn send(sender: &mut dyn FrameSender) {
        for number in 0..FRAMES {
            let result = within(sender.send(vec![numbered(number, 50_000)])).await;
            assert_eq!(result, Ok(()), "frame {number}");
        }
    }
    async fn receive(receiver: &mut Box<dyn FrameReceiver>) {
        for number in 0..FRAMES {
            assert!(
                next(receiver).await == Received::Frame(numbered(number, 50_000)),
                "frame {number}"
            );
        }
    }
    let (mut ours, mut theirs) = connect(subject, |request| request).await;
    tokio::join!(
        send(&mut *ours.sender),
        receive(&mut ours.receiver),
        send(&mut *theirs.sender),
        receive(&mut theirs.receiver),
    );
}

/// The limit is what may come, not one byte more, and what is above it is never taken in.
pub async fn a_frame_at_the_limit_arrives_and_one_above_ends_the_connection(subject: &dyn Subject) {
    const LIMIT: usize = 70_000;
    for make in [text_of, bytes_of] {
        let limits = Limits {
            max_frame_bytes: LIMIT,
            ..Limits::default()
        };
        let (mut ours, mut theirs) = connect(subject, |request| request.limits(limits)).await;
        let receive = async {
            assert!(next(&mut ours.receiver).await == Received::Frame(make(LIMIT)));
            end(&mut ours.receiver).await
        };
        // Whether the peer gets rid of the second one before it hears of the end is its affair.
        let send = within(theirs.sender.send(vec![make(LIMIT), make(LIMIT + 1)]));
        let (close, _) = tokio::join!(receive, send);
        assert_eq!(
            (close.by, close.code),
            (ClosedBy::TooLarge, Some(Close::TOO_LARGE)),
            "{close:?}"
        );
        assert!(
            close.reason.contains("70001") && close.reason.contains("70000"),
            "{close:?}"
        );
    }
}

/// All frames of a call are refused together with the one that is too large.
pub async fn a_frame_that_may_not_be_written_is_refused_and_the_connection_stands(
    subject: &dyn Subject,
) {
    const LIMIT: usize = 70_000;
    let limits = Limits {
        max_write_bytes: LIMIT,
        ..Limits::default()
    };
    let (mut ours, mut theirs) = connect(subject, |request| request.limits(limits)).await;
    let refused = within(ours.sender.send(vec!["small".into(), bytes_of(LIMIT + 1)])).await;
    assert_eq!(
        refused,
        Err(SendError::TooLarge {
            bytes: LIMIT + 1,
            limit: LIMIT
        })
    );
    let receive = async {
        assert!(next(&mut theirs.receiver).await == Received::Frame(bytes_of(LIMIT)));
        assert_eq!(
            next(&mut theirs.receiver).await,
            Received::Frame("behind".into())
        );
    };
    let send = within(ours.sender.send(vec![bytes_of(LIMIT), "behind".into()]));
    let (sent, ()) = tokio::join!(send, receive);
    assert_eq!(sent, Ok(()));
}

/// Code and reason come through, frames sent before it too, and the end stays the end.
pub async fn the_peers_close_arrives_behind_its_frames(subject: &dyn Subject) {
    for (code, reason) in [
        (1000, ""),
        (1001, "shutting down"),
        (4103, "zu langsam 🐌"),
        (4000, &"x".repeat(123)),
    ] {
        let (mut ours, mut theirs) = connect(subject, |request| request).await;
        within(theirs.sender.send(vec!["before".into()]))
            .await
            .expect("an open connection takes frames");
        let close = theirs.sender.close(Close::new(code, reason));
        let (close, ()) = tokio::join!(
            async {
                assert_eq!(
                    next(&mut ours.receiver).await,
                    Received::Frame("before".into())
                );
                end(&mut ours.receiver).await
            },
            within(close),
        );
        assert_eq!(
            close,
            Close {
                code: Some(code),
                reason: reason.to_owned(),
                by: ClosedBy::Peer
            }
        );
        assert_eq!(end(&mut ours.receiver).await, close, "the end changed");
        // Whoever closed gets an answer.
        let answer = end(&mut theirs.receiver).await;
        assert_eq!(answer.code, Some(code), "{answer:?}");
    }
}

/// As the other way round; what the peer sends before it reads our close still arrives.
pub async fn our_close_arrives_behind_our_frames_and_is_answered(subject: &dyn Subject) {
    let (mut ours, mut theirs) = connect(subject, |request| request).await;
    within(theirs.sender.send(vec!["on its way".into()]))
        .await
        .expect("an open connection takes frames");
    within(ours.sender.send(vec!["before".into()]))
        .await
        .expect("an open connection takes frames");
    let close = Close::new(4200, "back soon");
    within(ours.sender.close(close.clone())).await;
    assert_eq!(
        next(&mut theirs.receiver).await,
        Received::Frame("before".into())
    );
    let seen = end(&mut theirs.receiver).await;
    assert_eq!(seen, close.clone().by(ClosedBy::Peer));
    assert_eq!(
        next(&mut ours.receiver).await,
        Received::Frame("on its way".into())
    );
    assert_eq!(end(&mut ours.receiver).await, close);
}

/// Neither behind our close nor behind the peer's.
pub async fn nothing_is_sent_after_the_end(subject: &dyn Subject) {
    let (mut ours, theirs) = connect(subject, |request| request).await;
    within(ours.sender.close(Close::new(1000, ""))).await;
    assert_eq!(
        within(ours.sender.send(vec!["late".into()])).await,
        Err(SendError::Closed)
    );
    assert_eq!(within(ours.sender.ping()).await, Err(SendError::Closed));
    within(ours.sender.close(Close::new(1001, "twice"))).await;
    drop(theirs);

    let (mut ours, mut theirs) = connect(subject, |request| request).await;
    within(theirs.sender.close(Close::new(1000, ""))).await;
    end(&mut ours.receiver).await;
    assert_eq!(
        within(ours.sender.send(vec!["late".into()])).await,
        Err(SendError::Closed)
    );
    within(ours.sender.close(Close::new(1000, ""))).await;
}

/// A sender waits instead of gathering, and goes on where it stopped when the peer reads again.
pub async fn a_peer_that_stops_reading_holds_the_sender_back(subject: &dyn Subject) {
    let (mut ours, mut theirs) = connect(subject, |request| request).await;
    let mut number = 0;
    loop {
        let mut send = pin!(ours.sender.send(vec![numbered(number, 60_000)]));
        if let Ok(result) = tokio::time::timeout(HELD_BACK, &mut send).await {
            assert_eq!(result, Ok(()));
            number += 1;
            assert!(
                (number as usize) * 60_000 < FAR_TOO_MUCH_BYTES,
                "nothing holds the sender back"
            );
            continue;
        }
        let receiver = &mut theirs.receiver;
        let receive = async {
            for number in 0..=number {
                assert!(
                    next(receiver).await == Received::Frame(numbered(number, 60_000)),
                    "frame {number}"
                );
            }
        };
        let (sent, ()) = tokio::join!(within(send), receive);
        assert_eq!(sent, Ok(()));
        return;
    }
}

/// One direction that is full does not stop the other.
pub async fn frames_are_received_while_the_sender_is_held_back(subject: &dyn Subject) {
    let (mut ours, mut theirs) = connect(subject, |request| request).await;
    let mut held_back = pin!(send_without_end(&mut *ours.sender));
    assert!(
        tokio::time::timeout(HELD_BACK, &mut held_back)
            .await
            .is_err()
    );
    for number in 0..50 {
        within(theirs.sender.send(vec![numbered(number, 1000)]))
            .await
            .expect("an open connection takes frames");
        tokio::select! {
            received = next(&mut ours.receiver) => assert!(received == Received::Frame(numbered(number, 1000))),
            _ = &mut held_back => panic!("the sender went on"),
        }
    }
}

/// Nobody waits for a peer that is gone.
pub async fn a_sender_that_is_held_back_hears_of_the_end(subject: &dyn Subject) {
    let (mut ours, theirs) = connect(subject, |request| request).await;
    let mut held_back = pin!(send_without_end(&mut *ours.sender));
    assert!(
        tokio::time::timeout(HELD_BACK, &mut held_back)
            .await
            .is_err()
    );
    drop(theirs);
    let (ended, close) = tokio::join!(within(held_back), end(&mut ours.receiver));
    assert_eq!((ended, close.by), (SendError::Closed, ClosedBy::Lost));
}

/// Without a close frame there is no code, and the end says so; whichever end goes.
pub async fn a_connection_that_is_dropped_is_lost_for_the_other_end(subject: &dyn Subject) {
    let (mut ours, theirs) = connect(subject, |request| request).await;
    drop(theirs);
    let close = end(&mut ours.receiver).await;
    assert_eq!((close.by, close.code), (ClosedBy::Lost, None));
    assert!(!close.reason.is_empty());
    let (ours, mut theirs) = connect(subject, |request| request).await;
    let Connection {
        sender, receiver, ..
    } = ours;
    drop(sender);
    drop(receiver);
    assert_eq!(end(&mut theirs.receiver).await.by, ClosedBy::Lost);
}

/// A future that is polled once and dropped has lost nothing, whatever part of a frame had come.
pub async fn receiving_is_cancel_safe(subject: &dyn Subject) {
    const FRAMES: u32 = 60;
    let (mut ours, mut theirs) = connect(subject, |request| request).await;
    let send = async {
        for number in 0..FRAMES {
            let result = within(theirs.sender.send(vec![numbered(number, 300_000)])).await;
            assert_eq!(result, Ok(()), "frame {number}");
        }
    };
    let receive = async {
        let mut dropped = 0;
        for number in 0..FRAMES {
            let received = loop {
                let polled = {
                    let mut receive = pin!(ours.receiver.receive());
                    std::future::poll_fn(|cx| Poll::Ready(receive.as_mut().poll(cx))).await
                };
                match polled {
                    Poll::Ready(received) => break received,
                    Poll::Pending => dropped += 1,
                }
                tokio::task::yield_now().await;
            };
            assert!(
                received == Received::Frame(numbered(number, 300_000)),
                "frame {number}"
            );
        }
        assert!(dropped > 0, "no future was dropped");
    };
    within(async { tokio::join!(send, receive) }).await;
}

/// The client learns what was chosen.
pub async fn the_peer_chooses_among_the_offered_subprotocols(subject: &dyn Subject) {
    let offer = |request: ConnectRequest| request.subprotocol("other").subprotocol(SUBPROTOCOL);
    let (mut ours, mut theirs) = connect(subject, offer).await;
    assert_eq!(ours.subprotocol.as_deref(), Some(SUBPROTOCOL));
    assert_flows(&mut ours, &mut theirs).await;
}

/// Nothing chosen is an answer, whether or not anything was offered.
pub async fn a_peer_that_chooses_no_subprotocol_is_borne(subject: &dyn Subject) {
    for offers in [
        vec![],
        vec!["unknown".to_owned()],
        vec!["unknown".to_owned(), "other".to_owned()],
    ] {
        let offer = |request: ConnectRequest| ConnectRequest {
            subprotocols: offers.clone(),
            ..request
        };
        let (mut ours, mut theirs) = connect(subject, offer).await;
        assert_eq!(ours.subprotocol, None);
        assert_flows(&mut ours, &mut theirs).await;
    }
}

/// Where a transport can ping, the answer comes without the program behind the peer doing anything but receive.
pub async fn a_ping_is_answered(subject: &dyn Subject) {
    let (mut ours, mut theirs) = connect(subject, |request| request).await;
    if !ours.sender.can_ping() {
        assert_eq!(
            within(ours.sender.ping()).await,
            Err(SendError::Unsupported)
        );
        return;
    }
    assert_eq!(within(ours.sender.ping()).await, Ok(()));
    tokio::select! {
        received = next(&mut ours.receiver) => assert_eq!(received, Received::Pong),
        received = theirs.receiver.receive() => panic!("a ping is no frame: {received:?}"),
    }
    assert_flows(&mut ours, &mut theirs).await;
}

/// A peer that pings and waits gets its answer though nobody on our side sends.
pub async fn the_peers_ping_is_answered_while_we_only_receive(subject: &dyn Subject) {
    let (mut ours, mut theirs) = connect(subject, |request| request).await;
    if !theirs.sender.can_ping() {
        assert_eq!(
            within(theirs.sender.ping()).await,
            Err(SendError::Unsupported)
        );
        return;
    }
    for _ in 0..3 {
        assert_eq!(within(theirs.sender.ping()).await, Ok(()));
        tokio::select! {
            received = next(&mut theirs.receiver) => assert_eq!(received, Received::Pong),
            received = ours.receiver.receive() => panic!("a ping is no frame: {received:?}"),
        }
    }
}

async fn connect(
    subject: &dyn Subject,
    ask: impl FnOnce(ConnectRequest) -> ConnectRequest,
) -> (Connection, Connection) {
    let transport = subject.transport();
    let request = ask(ConnectRequest::new(subject.url()));
    let (ours, theirs) =
        within(async { tokio::join!(transport.connect(request), subject.accept()) }).await;
    (ours.expect("somebody accepts"), theirs)
}

async fn assert_flows(ours: &mut Connection, theirs: &mut Connection) {
    for (from, to) in [
        (&mut ours.sender, &mut theirs.receiver),
        (&mut theirs.sender, &mut ours.receiver),
    ] {
        assert_eq!(within(from.send(vec!["flows".into()])).await, Ok(()));
        assert_eq!(next(to).await, Received::Frame("flows".into()));
    }
}

async fn send_without_end(sender: &mut dyn FrameSender) -> SendError {
    loop {
        if let Err(error) = sender.send(vec![bytes_of(60_000)]).await {
            return error;
        }
    }
}

async fn next(receiver: &mut Box<dyn FrameReceiver>) -> Received {
    within(receiver.receive()).await
}

/// How the connection ends; whatever comes before is passed over.
async fn end(receiver: &mut Box<dyn FrameReceiver>) -> Close {
    loop {
        if let Received::Closed(close) = next(receiver).await {
            return close;
        }
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("it took too long")
}

fn numbered(number: u32, bytes: usize) -> Frame {
    let mut content = vec![number as u8; bytes];
    content[..4].copy_from_slice(&number.to_be_bytes());
    Frame::Binary(content.into())
}

fn text_of(bytes: usize) -> Frame {
    "t".repeat(bytes).into()
}

fn bytes_of(bytes: usize) -> Frame {
    Bytes::from(vec![b'b'; bytes]).into()
}
