//! As much of HTTP as the demo's page and a browser's driver need.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::DEADLINE;

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }
}

/// Sends a request as it is given, and reads the answer.
pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut stream = BufReader::new(send(address, method, path, headers, body));
    let head = head(&mut stream);
    let said = |name: &str| {
        let line = head
            .lines()
            .find(|line| line.to_lowercase().starts_with(name))?;
        line.split_once(':')
            .map(|(_, value)| value.trim().to_owned())
    };
    let mut body = Vec::new();
    match said("content-length:") {
        // Not every server closes the connection when asked to.
        Some(length) => {
            body.resize(length.parse().unwrap(), 0);
            stream.read_exact(&mut body).unwrap();
        }
        None => assert!(
            said("transfer-encoding:").is_none() && stream.read_to_end(&mut body).is_ok(),
            "{head}"
        ),
    }
    Answer {
        status: status(&head),
        head,
        body: String::from_utf8(body).unwrap(),
    }
}

pub(crate) fn get(address: &str, path: &str) -> Answer {
    request(address, "GET", path, &[], "")
}

/// Asks the demo for something, as its page would.
pub(crate) fn post(address: &str, path: &str, body: &Value) -> Answer {
    let origin = format!("http://{address}");
    let headers = [
        ("Content-Type", "application/json"),
        ("Origin", origin.as_str()),
    ];
    request(address, "POST", path, &headers, &body.to_string())
}

/// Asks for a WebSocket as a browser does for a page of this origin; gives the status of the answer.
pub(crate) fn upgrade_status(address: &str, host: &str, origin: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!(
        "GET /live HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: tidewire.v1.json\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    status(&head(&mut BufReader::new(stream)))
}

/// A stream of server-sent events.
pub(crate) struct Events {
    events: Receiver<(String, Value)>,
    stream: TcpStream,
}

impl Events {
    /// Opens it; the answer's status, where it is none of events.
    pub(crate) fn open(address: &str) -> Result<Self, u16> {
        let stream = send(
            address,
            "GET",
            "/events",
            &[("Accept", "text/event-stream")],
            "",
        );
        let mut answer = BufReader::new(stream.try_clone().unwrap());
        let status = status(&head(&mut answer));
        if status != 200 {
            return Err(status);
        }
        let (sender, events) = channel();
        std::thread::spawn(move || {
            let mut kind = String::new();
            for line in answer.lines().map_while(Result::ok) {
                // The lines between are lengths of chunks, and empty.
                if let Some(name) = line.strip_prefix("event: ") {
                    name.clone_into(&mut kind);
                } else if let Some(data) = line.strip_prefix("data: ") {
                    let event = (kind.clone(), serde_json::from_str(data).unwrap());
                    if sender.send(event).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Self { events, stream })
    }

    pub(crate) fn next(&self) -> (String, Value) {
        self.events.recv_timeout(DEADLINE).expect("a further event")
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head += &format!("Host: {address}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream
        .write_all(format!("{head}\r\n{body}").as_bytes())
        .unwrap();
    stream
}

/// Reads an answer up to its body.
fn head(answer: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = answer.read_line(&mut head).unwrap();
        assert!(read > 0, "the answer ends early: {head:?}");
    }
    head
}

fn status(head: &str) -> u16 {
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{head:?}"))
}
