//! The opening handshake of RFC 6455, section 4, on the client's side.
//! Holds the request and the checks of the answer. Unlike tungstenite's own it bears a server that chooses none of
//! the offered subprotocols. Never reads more than a bounded answer.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::{
    handshake::{
        client::{Response, generate_key},
        derive_accept_key,
        machine::TryParse,
    },
    http::{HeaderName, HeaderValue, StatusCode},
};

use super::address::Address;
use crate::{ConnectError, ConnectRequest, request::without_query};

/// The longest head of an answer, in bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// What is shown of the body of a refusal, in characters.
const MAX_DETAIL_CHARS: usize = 200;

/// What is asked of the server.
pub(super) struct Asked {
    request: String,
    key: String,
    subprotocols: Vec<String>,
}

/// What came of it.
pub(super) struct Answered<S> {
    pub(super) stream: S,
    /// Bytes of the first frames that came with the answer.
    pub(super) read_ahead: Vec<u8>,
    pub(super) subprotocol: Option<String>,
}

impl Asked {
    pub(super) fn new(address: &Address, request: &ConnectRequest) -> Result<Self, ConnectError> {
        let key = generate_key();
        let mut head = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
            address.path_and_query, address.authority
        );
        for name in &request.subprotocols {
            // A subprotocol is a token, as a header's name is.
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(bad(format!("{name:?} cannot be the name of a subprotocol")));
            }
        }
        if !request.subprotocols.is_empty() {
            head.push_str(&format!(
                "Sec-WebSocket-Protocol: {}\r\n",
                request.subprotocols.join(", ")
            ));
        }
        for (name, value) in &request.headers {
            check_header(name, value)?;
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Ok(Self {
            request: head,
            key,
            subprotocols: request.subprotocols.clone(),
        })
    }
}

fn check_header(name: &str, value: &str) -> Result<(), ConnectError> {
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(bad(format!("{name:?} cannot be the name of a header")));
    };
    let is_ours = matches!(
        parsed.as_str(),
        "host" | "connection" | "upgrade" | "content-length" | "transfer-encoding"
    );
    if is_ours || parsed.as_str().starts_with("sec-websocket-") {
        return Err(bad(format!(
            "the header {name} belongs to the handshake; leave it out"
        )));
    }
    if HeaderValue::from_str(value).is_err() {
        return Err(bad(format!(
            "the value of the header {name} has characters that cannot be sent"
        )));
    }
    Ok(())
}

/// Asks, and reads the answer.
pub(super) async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    address: &Address,
    asked: Asked,
) -> Result<Answered<S>, ConnectError> {
    let lost = |detail: String| ConnectError::Unreachable {
        address: address.to_string(),
        detail,
    };
    stream
        .write_all(asked.request.as_bytes())
        .await
        .map_err(|error| lost(error.to_string()))?;
    stream
        .flush()
        .await
        .map_err(|error| lost(error.to_string()))?;
    let mut read = Vec::with_capacity(1024);
    let mut searched = 0;
    let head_bytes = loop {
        if let Some(at) = find_end_of_head(&read[searched..]) {
            break searched + at;
        }
        searched = read.len().saturating_sub(3);
        if read.len() > MAX_HEAD_BYTES {
            return Err(not_websocket(address, "the answer is too long"));
        }
        match stream.read_buf(&mut read).await {
            Ok(0) if read.is_empty() => {
                return Err(lost(
                    "it closed the connection instead of answering".to_owned(),
                ));
            }
            Ok(0) => return Err(not_websocket(address, explain_garbage(&read))),
            Ok(_) => {}
            Err(error) => return Err(lost(error.to_string())),
        }
    };
    let read_ahead = read.split_off(head_bytes);
    let version = Version::of(&mut read);
    let answer = match Response::try_parse(&read) {
        Ok(Some((_, answer))) => answer,
        _ => return Err(not_websocket(address, explain_garbage(&read))),
    };
    if version == Version::Old && answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(not_websocket(
            address,
            "the answer is HTTP/1.0, which cannot be upgraded; look at what stands between",
        ));
    }
    let subprotocol = check(&answer, &read_ahead, address, &asked)?;
    Ok(Answered {
        stream,
        read_ahead,
        subprotocol,
    })
}

/// Checks the answer; the chosen subprotocol if it is a yes.
fn check(
    answer: &Response,
    body: &[u8],
    address: &Address,
    asked: &Asked,
) -> Result<Option<String>, ConnectError> {
    let all = |name: &str| {
        let values = answer.headers().get_all(name).into_iter();
        values.filter_map(|value| value.to_str().ok())
    };
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(ConnectError::Rejected {
            status: answer.status().as_u16(),
            retry_after_ms: header("retry-after").and_then(retry_after_ms),
            detail: match header("location") {
                Some(location) => format!(
                    "it points to {}, which is not followed",
                    without_query(location)
                ),
                None => explain_refusal(answer.status(), body),
            },
        });
    }
    let has_token = |name, token: &str| {
        all(name)
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    if !has_token("upgrade", "websocket") || !has_token("connection", "upgrade") {
        return Err(not_websocket(
            address,
            "the answer does not upgrade the connection",
        ));
    }
    if header("sec-websocket-accept") != Some(&derive_accept_key(asked.key.as_bytes())) {
        return Err(not_websocket(
            address,
            "the answer belongs to another request",
        ));
    }
    if all("sec-websocket-extensions").any(|value| !value.trim().is_empty()) {
        return Err(not_websocket(
            address,
            "the answer uses an extension that was not offered",
        ));
    }
    match header("sec-websocket-protocol") {
        Some(chosen) if !asked.subprotocols.iter().any(|offered| offered == chosen) => {
            Err(ConnectError::Subprotocol {
                chosen: chosen.to_owned(),
            })
        }
        chosen => Ok(chosen.map(str::to_owned)),
    }
}

/// The version of HTTP that an answer is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// 1.0: a refusal from a proxy, as a rule.
    Old,
    Any,
}

impl Version {
    /// The version of an answer, which is then read as one of 1.1: a refusal means the same in both.
    fn of(head: &mut [u8]) -> Self {
        match head.strip_prefix(b"HTTP/1.0 ") {
            Some(_) => {
                head[b"HTTP/1.".len()] = b'1';
                Self::Old
            }
            None => Self::Any,
        }
    }
}

fn find_end_of_head(read: &[u8]) -> Option<usize> {
    read.windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
}

/// Seconds only; the other form of the header is a date, and this side knows no date.
fn retry_after_ms(value: &str) -> Option<u64> {
    value.trim().parse::<u64>().ok()?.checked_mul(1000)
}

fn explain_refusal(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let shown: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_DETAIL_CHARS)
        .collect();
    if shown.is_empty() {
        status
            .canonical_reason()
            .unwrap_or("no reason given")
            .to_owned()
    } else {
        shown
    }
}

fn explain_garbage(read: &[u8]) -> &'static str {
    match read.first() {
        // The content types of TLS: an alert or a handshake.
        Some(0x15 | 0x16) => "the answer is TLS; use wss://",
        _ => "the answer is not HTTP",
    }
}

fn not_websocket(address: &Address, detail: &str) -> ConnectError {
    ConnectError::NotWebSocket {
        address: address.to_string(),
        detail: detail.to_owned(),
    }
}

fn bad(detail: String) -> ConnectError {
    ConnectError::BadRequest { detail }
}
