//! A server that is played by the test: it greets, and then does only what the test does.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewire::testing::{
    Connection, Frame, PipeListener, PipeOptions, PipeTransport, Received, pipe_with,
};
use tidewire_model::Lane;
use tidewire_protocol::{
    AnnouncedLimits, ClientMessage, Dialect, Encoded, Payload, Ping, ServerMessage, V1Json, Want,
    Welcome,
};

/// A pipe that takes little, so that a peer that does not read is felt at once.
pub fn narrow_pipe() -> (PipeTransport, PipeListener) {
    pipe_with(PipeOptions {
        capacity_bytes: 256,
        ..PipeOptions::default()
    })
}

/// The next connection, greeted. The peer counts as dead when nothing comes for `silence`.
pub async fn greeted(listener: &mut PipeListener, silence: Duration) -> Connection {
    let incoming = listener.incoming().await.expect("the client connects");
    let mut connection = incoming.accept(Some("tidewire.v1.json"));
    let hello = connection.receiver.receive().await;
    assert!(matches!(hello, Received::Frame(_)), "{hello:?}");
    say(&mut connection, &welcome(silence)).await;
    connection
}

pub async fn say(connection: &mut Connection, message: &ServerMessage) {
    let frame = V1Json::DEFAULT
        .encode_server(message, Want::Changes)
        .expect("v1 has words for it");
    let Encoded::Text(text) = frame else {
        panic!("v1 is text")
    };
    connection
        .sender
        .send(vec![text.into()])
        .await
        .expect("the connection stands");
}

/// The next message of the client that is not only a sign of life.
pub async fn heard(connection: &mut Connection) -> ClientMessage {
    loop {
        let Received::Frame(Frame::Text(text)) = connection.receiver.receive().await else {
            panic!("the connection ended")
        };
        let message = V1Json::DEFAULT.decode_client(Payload::Text(text.as_str()));
        match message.expect("a good frame") {
            ClientMessage::Pong(_) => {}
            message => return message,
        }
    }
}

pub fn ping(n: u64) -> ServerMessage {
    ServerMessage::Ping(Ping {
        n,
        heads: BTreeMap::new(),
    })
}

fn welcome(silence: Duration) -> ServerMessage {
    ServerMessage::Welcome(Welcome {
        protocol: 1,
        features: Vec::new(),
        principal: "anonymous".into(),
        session: "s1".into(),
        node: "n1".into(),
        heartbeat_ms: u64::try_from(silence.as_millis()).expect("a short time"),
        grace_ms: 0,
        limits: AnnouncedLimits {
            max_frame_bytes: 1 << 20,
            max_depth: 64,
            max_id_bytes: 256,
            max_subscriptions: 100,
            max_lanes: 8,
            max_pending_actions: 1_000,
            commands_per_second: 1_000,
            command_burst: 1_000,
        },
        last_seq: Some(BTreeMap::<Lane, u64>::new()),
        token_expires_ms: None,
        reconnect_jitter_ms: 0,
    })
}
