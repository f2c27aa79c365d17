//! WebSocket against the suite on real sockets, and against peers that do what a decent one would not.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tidewire_transport::{
    Close, ClosedBy, ConnectError, ConnectRequest, Connection, Limits, Received, SendError,
    Transport, WebSocketTransport,
    suite::{SUBPROTOCOL, Subject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::peer;

struct Sockets(TcpListener);

impl Sockets {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }
}

#[async_trait]
impl Subject for Sockets {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(WebSocketTransport::new())
    }

    fn url(&self) -> String {
        format!("ws://{}/live", self.0.local_addr().unwrap())
    }

    async fn accept(&self) -> Connection {
        let (stream, _) = self.0.accept().await.unwrap();
        peer::connection(peer::accept(stream, SUBPROTOCOL).await)
    }
}

tidewire_transport::transport_suite!(Sockets::new().await);

async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(10), future).await.unwrap()
}

/// Reads the request of a client, up to the empty line.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(request).unwrap()
}

fn accept_of(request: &str) -> String {
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    derive_accept_key(key.as_bytes())
}

/// Connects to a server that answers with `answer`, in which `{accept}` stands for the right key.
async fn connect_to(
    answer: &str,
    request: ConnectRequest,
) -> (Result<Connection, ConnectError>, TcpStream, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/live", listener.local_addr().unwrap());
    let transport = WebSocketTransport::new();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = read_request(&mut stream).await;
        let answer = answer.replace("{accept}", &accept_of(&asked));
        stream.write_all(answer.as_bytes()).await.unwrap();
        // An answer that does not end is ended by the end of the stream.
        if !answer.contains("\r\n\r\n") {
            stream.shutdown().await.unwrap();
        }
        (stream, asked)
    };
    let connect = transport.connect(ConnectRequest { url, ..request });
    let (made, (stream, asked)) = within(async { tokio::join!(connect, serve) }).await;
    (made, stream, asked)
}

const YES: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n\
                   Sec-WebSocket-Accept: {accept}\r\n\r\n";

/// An open connection to a peer that is no more than a socket.
async fn raw() -> (Connection, TcpStream) {
    let (made, stream, _) = connect_to(YES, ConnectRequest::new("")).await;
    (made.unwrap(), stream)
}

async fn end(connection: &mut Connection) -> Close {
    match within(connection.receiver.receive()).await {
        Received::Closed(close) => close,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_request_carries_path_offers_and_headers() {
    let request = ConnectRequest::new("")
        .subprotocol("tidewire.v1.json")
        .subprotocol("tidewire.v1.cbor")
        .header("Authorization", "Bearer x")
        .header("X-Two", "2");
    let (made, _stream, asked) = connect_to(YES, request).await;
    assert_eq!(made.unwrap().subprotocol, None);
    assert!(
        asked.starts_with("GET /live HTTP/1.1\r\nHost: 127.0.0.1:"),
        "{asked}"
    );
    for line in [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: tidewire.v1.json, tidewire.v1.cbor",
        "Authorization: Bearer x",
        "X-Two: 2",
    ] {
        assert!(
            asked.lines().any(|asked| asked == line),
            "{line} is missing in {asked}"
        );
    }
}

#[tokio::test]
async fn a_server_that_says_no_is_quoted() {
    let answer = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\nfull\x07 now";
    let (made, ..) = connect_to(answer, ConnectRequest::new("")).await;
    let error = made.unwrap_err();
    let expected = ConnectError::Rejected {
        status: 503,
        retry_after_ms: Some(7000),
        detail: "full now".to_owned(),
    };
    assert_eq!(error, expected);
    assert!(!error.is_permanent());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

/// Whether an answer is asked for again, and what whoever reads of it is told to do.
enum Meant {
    Again(&'static str),
    Final(&'static str),
}

#[tokio::test]
async fn each_status_says_whether_to_try_again_and_who_must_do_what() {
    use Meant::{Again, Final};
    let sign_in = "sign in to the network";
    let path = "a tidewire server is at /live";
    let later = "takes no connection at present";
    let cases = [
        // The login page of a network, in the server's stead.
        (200, Again(sign_in)),
        (204, Again("check host and path of the URL")),
        (301, Again("it points to http://login.example/")),
        (302, Again(sign_in)),
        (303, Again(sign_in)),
        (307, Again(sign_in)),
        (308, Again("else give the new address")),
        (400, Final("refused the connection with status 400")),
        (401, Final("give what it wants")),
        (403, Final("ask who runs the server")),
        (404, Final(path)),
        (405, Final(path)),
        (407, Again("sign in to it")),
        (408, Again(later)),
        (410, Final(path)),
        (425, Again(later)),
        (426, Final("its proxy pass on the header Upgrade")),
        (429, Again(later)),
        (500, Again(later)),
        (502, Again(later)),
        (503, Again(later)),
        (504, Again(later)),
        (511, Again("sign in to it")),
    ];
    for (status, meant) in cases {
        let answer = format!(
            "HTTP/1.1 {status} Some\r\nRetry-After: 9\r\nLocation: http://login.example/?token=x\r\n\r\n"
        );
        let (made, ..) = connect_to(&answer, ConnectRequest::new("")).await;
        let error = made.unwrap_err();
        let (is_final, words) = match meant {
            Again(words) => (false, words),
            Final(words) => (true, words),
        };
        let text = error.to_string();
        assert_eq!(error.is_permanent(), is_final, "{status}: {text}");
        assert!(text.contains(words), "{status}: {text}");
        assert!(text.contains(&status.to_string()), "{status}: {text}");
        assert!(!text.contains("token"), "{status}: {text}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
    }
}

#[tokio::test]
async fn a_refusal_in_an_older_http_is_a_refusal() {
    let answer = "HTTP/1.0 503 Service Unavailable\r\nRetry-After: 2\r\n\r\ndown";
    let (made, ..) = connect_to(answer, ConnectRequest::new("")).await;
    let Err(ConnectError::Rejected {
        status,
        retry_after_ms,
        ..
    }) = made
    else {
        panic!("{made:?}")
    };
    assert_eq!((status, retry_after_ms), (503, Some(2_000)));
}

#[tokio::test]
async fn a_header_that_stands_twice_is_read_whole() {
    let answer = YES.replace(
        "Connection: keep-alive, upgrade",
        "Connection: keep-alive\r\nConnection: x, Upgrade",
    );
    assert_ne!(answer, YES);
    let (made, ..) = connect_to(&answer, ConnectRequest::new("")).await;
    assert!(made.is_ok(), "{made:?}");
}

#[tokio::test]
async fn the_query_of_a_url_is_never_shown() {
    let url = "ws://127.0.0.1:1/live?token=secret";
    let request = ConnectRequest::new(url);
    let shown = format!("{request:?}");
    assert!(
        shown.contains("/live") && !shown.contains("secret"),
        "{shown}"
    );
    let (pipe, listener) = tidewire_transport::pipe();
    drop(listener);
    for error in [
        pipe.connect(request.clone()).await.unwrap_err(),
        WebSocketTransport::new()
            .connect(request)
            .await
            .unwrap_err(),
    ] {
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    let answer = "HTTP/1.1 302 Found\r\nLocation: https://x.example/login?back=secret\r\n\r\n";
    let (made, ..) = connect_to(answer, ConnectRequest::new("")).await;
    let error = made.unwrap_err().to_string();
    assert!(
        error.contains("/login") && !error.contains("secret"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_does_not_speak_websocket_is_told_apart() {
    let right_key = "Sec-WebSocket-Accept: {accept}\r\n";
    let cases = [
        ("220 mail.example.com ready\r\n\r\n".to_owned(), "not HTTP"),
        ("\x15\x03\x03\0\x02\x02\x28".to_owned(), "use wss://"),
        ("HTTP/1.1 101 Sw".to_owned(), "not HTTP"),
        (
            format!("HTTP/1.1 101 S\r\n{right_key}\r\n"),
            "does not upgrade",
        ),
        (
            format!("HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n{right_key}\r\n"),
            "does not upgrade",
        ),
        (
            YES.replace("{accept}", "c29tZXRoaW5nIGVsc2U="),
            "another request",
        ),
        (
            YES.replace(
                "\r\n\r\n",
                "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            ),
            "extension",
        ),
        (YES.replace("HTTP/1.1", "HTTP/1.0"), "is HTTP/1.0"),
        (
            format!("HTTP/1.1 101 S\r\nX: {}", "x".repeat(40_000)),
            "too long",
        ),
    ];
    for (answer, expected) in cases {
        let (made, ..) = connect_to(&answer, ConnectRequest::new("")).await;
        let error = made.unwrap_err();
        assert!(
            matches!(error, ConnectError::NotWebSocket { .. }),
            "{answer}: {error:?}"
        );
        let text = error.to_string();
        assert!(
            text.contains(expected) && text.contains("check host, port and path"),
            "{answer}: {text}"
        );
    }
    let (made, ..) = connect_to("", ConnectRequest::new("")).await;
    assert!(
        matches!(made, Err(ConnectError::Unreachable { .. })),
        "{made:?}"
    );
}

#[tokio::test]
async fn a_subprotocol_that_was_not_offered_is_an_error() {
    let answer = YES.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: graphql-ws\r\n\r\n");
    for request in [
        ConnectRequest::new(""),
        ConnectRequest::new("").subprotocol("graphql"),
    ] {
        let (made, ..) = connect_to(&answer, request).await;
        let error = made.unwrap_err();
        assert_eq!(
            error,
            ConnectError::Subprotocol {
                chosen: "graphql-ws".to_owned()
            }
        );
        assert!(error.is_permanent());
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_is_opened() {
    // Nobody listens there: reaching it would be another error.
    let url = "ws://127.0.0.1:1/";
    let cases = [
        ConnectRequest::new(url).header("bad name", "x"),
        ConnectRequest::new(url).header("Host", "elsewhere"),
        ConnectRequest::new(url).header("sec-websocket-key", "x"),
        ConnectRequest::new(url).header("x", "secret\r\nX-Injected: 1"),
        ConnectRequest::new(url).subprotocol("a, b"),
        ConnectRequest::new(url).subprotocol(""),
    ];
    for request in cases {
        let error = within(WebSocketTransport::new().connect(request.clone()))
            .await
            .unwrap_err();
        assert!(
            matches!(error, ConnectError::BadRequest { .. }) && error.is_permanent(),
            "{request:?}: {error:?}"
        );
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let error =
        within(WebSocketTransport::new().connect(ConnectRequest::new("http://127.0.0.1:1/")))
            .await
            .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the URL cannot be used: use ws:// instead of http://"
    );
}

#[tokio::test]
async fn a_host_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for url in [
        format!("ws://{address}/"),
        "ws://name.invalid:80/".to_owned(),
    ] {
        let error = within(WebSocketTransport::new().connect(ConnectRequest::new(url.clone())))
            .await
            .unwrap_err();
        assert!(
            matches!(error, ConnectError::Unreachable { .. }) && !error.is_permanent(),
            "{url}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let transport = WebSocketTransport::new().connect_timeout_ms(100);
    let error =
        within(transport.connect(ConnectRequest::new(format!("ws://{address}/?token=secret"))))
            .await
            .unwrap_err();
    assert_eq!(
        error,
        ConnectError::Timeout {
            address: address.to_string(),
            after_ms: 100
        }
    );
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn frames_that_come_with_the_answer_are_not_lost() {
    let (made, mut stream, _) =
        connect_to(&format!("{YES}\u{1}\u{3}abc"), ConnectRequest::new("")).await;
    // The first half of a text in two parts came with the answer.
    stream.write_all(b"\x80\x03def").await.unwrap();
    let received = within(made.unwrap().receiver.receive()).await;
    assert_eq!(received, Received::Frame("abcdef".into()));
}

#[tokio::test]
async fn a_peer_that_breaks_the_rules_is_told_and_the_connection_ends() {
    let cases: [(&[u8], u16); 7] = [
        (b"\x81\x02\xc3\x28", 1007),  // text that is not UTF-8
        (b"\xc1\x01a", 1002),         // a reserved bit
        (b"\x83\x00", 1002),          // an unknown kind of frame
        (b"\x81\x81\0\0\0\0a", 1002), // masked, which only clients do
        (b"\x80\x01a", 1002),         // a continuation of nothing
        (b"\x09\x00", 1002),          // a ping in parts
        (b"\x88\x01\x03", 1002),      // a close with half a code
    ];
    for (bytes, code) in cases {
        let (mut connection, mut stream) = raw().await;
        stream.write_all(bytes).await.unwrap();
        let close = end(&mut connection).await;
        assert_eq!(
            (close.by, close.code),
            (ClosedBy::Malformed, Some(code)),
            "{bytes:?}: {close:?}"
        );
        assert!(!close.reason.is_empty());
        assert_eq!(end(&mut connection).await, close);
        assert_eq!(
            within(connection.sender.send(vec!["late".into()])).await,
            Err(SendError::Closed)
        );
        // The peer gets a close frame with the code and then the end of the stream, though we still hold both halves.
        let mut told = Vec::new();
        within(stream.read_to_end(&mut told)).await.unwrap();
        assert_eq!(told[0], 0x88);
        let unmasked = [told[6] ^ told[2], told[7] ^ told[3]];
        assert_eq!(u16::from_be_bytes(unmasked), code, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_frame_that_announces_more_than_the_limit_ends_the_connection_before_it_comes() {
    let limits = Limits {
        max_frame_bytes: 1000,
        ..Limits::default()
    };
    // Announced whole, and gathered from parts that are each small enough.
    let huge = b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec();
    let mut parts = Vec::new();
    for first_byte in [0x02, 0x00, 0x00] {
        parts.extend([first_byte, 0x7e, 0x01, 0x90]);
        parts.extend([0; 400]);
    }
    for bytes in [huge, parts] {
        let (made, mut stream, _) = connect_to(YES, ConnectRequest::new("").limits(limits)).await;
        stream.write_all(&bytes).await.unwrap();
        let close = end(&mut made.unwrap()).await;
        assert_eq!(close.by, ClosedBy::TooLarge, "{close:?}");
    }
}

#[tokio::test]
async fn a_close_without_a_code_is_the_peers() {
    let (mut connection, mut stream) = raw().await;
    stream.write_all(b"\x88\x00").await.unwrap();
    assert_eq!(
        end(&mut connection).await,
        Close {
            code: None,
            reason: String::new(),
            by: ClosedBy::Peer
        }
    );
}

#[tokio::test]
async fn our_close_is_ours_also_when_the_peer_just_goes() {
    let (mut connection, stream) = raw().await;
    within(connection.sender.close(Close::new(1001, "bye"))).await;
    drop(stream);
    assert_eq!(end(&mut connection).await, Close::new(1001, "bye"));
}

#[tokio::test]
async fn a_close_that_crosses_ours_is_heard() {
    let (mut connection, mut stream) = raw().await;
    within(connection.sender.close(Close::new(1000, "done"))).await;
    stream.write_all(b"\x88\x04\x0f\xa3no").await.unwrap();
    let expected = Close {
        code: Some(4003),
        reason: "no".to_owned(),
        by: ClosedBy::Peer,
    };
    assert_eq!(end(&mut connection).await, expected);
}

#[tokio::test]
async fn what_the_peer_said_before_it_went_is_heard_though_writing_fails_first() {
    let (mut connection, mut stream) = raw().await;
    stream
        .write_all(b"\x81\x02hi\x88\x04\x10\x07so")
        .await
        .unwrap();
    drop(stream);
    // Until the system has noticed that nobody is there, writing succeeds.
    let failed = async {
        while connection
            .sender
            .send(vec!["x".repeat(100_000).into()])
            .await
            .is_ok()
        {}
    };
    within(failed).await;
    assert_eq!(
        within(connection.receiver.receive()).await,
        Received::Frame("hi".into())
    );
    let expected = Close {
        code: Some(4103),
        reason: "so".to_owned(),
        by: ClosedBy::Peer,
    };
    assert_eq!(end(&mut connection).await, expected);
}

#[tokio::test]
async fn a_peer_that_floods_with_pings_and_reads_nothing_grows_nothing_and_stops_nobody() {
    const PINGS: u32 = 200_000;
    let (mut connection, mut stream) = raw().await;
    let (_, mut write) = stream.split();
    let flood = async {
        let pings = b"\x89\x7d"
            .iter()
            .copied()
            .chain([b'p'; 125])
            .collect::<Vec<u8>>()
            .repeat(1000);
        // Far more than the sockets take in both directions, so that answers cannot all be kept.
        for _ in 0..PINGS / 1000 {
            write.write_all(&pings).await.unwrap();
        }
        write.write_all(b"\x81\x04done").await.unwrap();
    };
    let (received, ()) = within(async { tokio::join!(connection.receiver.receive(), flood) }).await;
    assert_eq!(received, Received::Frame("done".into()));
    // The connection works on: once the peer reads, what we send arrives behind the answers.
    // It is as long as an answer, so that it finds no room before the peer reads.
    let after = "a".repeat(125);
    let send = connection.sender.send(vec![after.as_str().into()]);
    let drain = async {
        // All of these are short: two bytes of head, four of mask, the rest.
        let mut buffered = tokio::io::BufReader::new(&mut stream);
        let mut answers = 0;
        loop {
            let kind = buffered.read_u8().await.unwrap();
            let length = usize::from(buffered.read_u8().await.unwrap() & 0x7f);
            let mut rest = vec![0; 4 + length];
            buffered.read_exact(&mut rest).await.unwrap();
            let content: Vec<u8> = (0..length).map(|at| rest[4 + at] ^ rest[at % 4]).collect();
            match kind {
                0x8a => {
                    assert!(content.iter().all(|&byte| byte == b'p'));
                    answers += 1;
                }
                0x81 => {
                    assert!((1..PINGS).contains(&answers), "{answers} answers were kept");
                    return content;
                }
                other => panic!("a frame of kind {other:#x}"),
            }
        }
    };
    let (sent, text) = within(async { tokio::join!(send, drain) }).await;
    assert_eq!((sent, text), (Ok(()), after.into_bytes()));
}

#[tokio::test]
async fn a_sender_that_is_held_back_is_woken_by_an_end_that_only_the_receiver_saw() {
    let (mut connection, mut stream) = raw().await;
    let mut send = pin!(
        connection
            .sender
            .send(vec![Bytes::from(vec![0; 1 << 20]).into(); 50])
    );
    assert!(
        timeout(Duration::from_millis(300), &mut send)
            .await
            .is_err()
    );
    stream.write_all(b"\xc1\x01a").await.unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut receive = pin!(connection.receiver.receive());
    let received = within(poll_fn(|cx| {
        // In this order: the sender has had its turn, and nothing but the end can wake it.
        assert!(
            send.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        woken.0.store(false, Ordering::Relaxed);
        receive.as_mut().poll(cx)
    }))
    .await;
    assert!(matches!(received, Received::Closed(_)), "{received:?}");
    assert!(woken.0.load(Ordering::Relaxed), "the sender sleeps on");
    assert_eq!(within(send).await, Err(SendError::Closed));
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
