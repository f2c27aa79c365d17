//! A relay between a client and a server, which knows where WebSocket frames end, keeps what the server
//! said, and may do harm.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// What a relay does on one connection.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Hands everything on.
    Fair,
    /// After the first frame from the server that contains this text, adds this text frame.
    Adds {
        after: &'static str,
        frame: &'static str,
    },
    /// Hands on nothing more from the server after the first frame that contains this text.
    Mute { after: &'static str },
}

/// A relay on a port of its own.
pub(crate) struct Relay {
    port: u16,
    said: Said,
}

/// What the server said in text frames, by connection.
type Said = Arc<Mutex<Vec<(usize, Value)>>>;

impl Relay {
    /// Relays to `server`; `manner` says what is done on each connection, counted from 0.
    pub(crate) fn start(server: &str, manner: impl Fn(usize) -> Manner + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server: SocketAddr = server.parse().unwrap();
        let said = Said::default();
        let keep = Arc::clone(&said);
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else {
                    continue;
                };
                join(client, server, manner(number), (number, Arc::clone(&keep)));
            }
        });
        Self { port, said }
    }

    /// What the server has said so far on each connection on which it said anything, in order.
    pub(crate) fn said(&self) -> Vec<Vec<Value>> {
        let mut connections = BTreeMap::<usize, Vec<Value>>::new();
        for (number, message) in &*self.said.lock().unwrap() {
            connections
                .entry(*number)
                .or_default()
                .push(message.clone());
        }
        connections.into_values().collect()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/live", self.port)
    }
}

fn join(client: TcpStream, server: TcpStream, manner: Manner, keep: (usize, Said)) {
    let (client, server) = (Arc::new(client), Arc::new(server));
    let (from, to) = (Arc::clone(&client), Arc::clone(&server));
    thread::spawn(move || {
        // The end of either side is the end of both.
        let _ = std::io::copy(&mut &*from, &mut &*to);
        let _ = to.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = answers(&server, &client, &manner, &keep);
        let _ = client.shutdown(Shutdown::Both);
    });
}

/// Hands on what the server says: the HTTP answer first, then frame by frame.
fn answers(
    mut server: &TcpStream,
    mut client: &TcpStream,
    manner: &Manner,
    (number, said): &(usize, Said),
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(byte(server)?);
    }
    client.write_all(&head)?;
    let mut is_muted = false;
    let mut is_done = false;
    loop {
        let frame = frame(&mut server)?;
        // Kept before it is handed on, so that whoever sees its effect finds it here.
        if let Some(message) = text_of(&frame) {
            said.lock().unwrap().push((*number, message));
        }
        if !is_muted {
            client.write_all(&frame)?;
        }
        let has = |text: &str| {
            frame
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        match manner {
            Manner::Adds { after, frame } if !is_done && has(after) => {
                is_done = true;
                client.write_all(&text_frame(frame))?;
            }
            Manner::Mute { after } if has(after) => is_muted = true,
            Manner::Fair | Manner::Adds { .. } | Manner::Mute { .. } => {}
        }
    }
}

/// One frame of the server, header included. A server does not mask.
fn frame(server: &mut &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut frame = vec![byte(server)?, byte(server)?];
    let more = match frame[1] & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    for _ in 0..more {
        frame.push(byte(server)?);
    }
    let length = match more {
        0 => u64::from(frame[1] & 0x7f),
        _ => frame[2..]
            .iter()
            .fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    server.read_exact(&mut payload)?;
    frame.extend(payload);
    Ok(frame)
}

/// The JSON of a text frame.
fn text_of(frame: &[u8]) -> Option<Value> {
    let head = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let is_text = frame[0] & 0x0f == 1;
    is_text.then(|| serde_json::from_slice(&frame[head..]).unwrap())
}

fn byte(mut from: &TcpStream) -> std::io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    assert!(length < 126, "a short text");
    [&[0x81, length], text.as_bytes()].concat()
}
