//! Why there is no connection, in words for whoever typed the command.
//!
//! The client tells it for any application; what can be done about it differs from command to command.
//! Decides nothing, and hides nothing it does not know.

use crate::arguments::Dialect;

/// How a client says that a server has answered and does not speak v1.
const NOT_V1: &str = "the server does not speak tidewire.v1.json";
/// What a server of v1 answers to a client that does not offer it.
const ONLY_V1: [&str; 2] = ["Sec-WebSocket-Protocol", "tidewire.v1.json"];

/// What ends a command that writes, which it does in v1 and in nothing else.
pub(crate) fn of_writing(reason: &str) -> String {
    if reason.starts_with(NOT_V1) {
        return format!("{NOT_V1}, and writes are sent in nothing else; check the address");
    }
    reason.to_owned()
}

/// What keeps `watch` from its server.
pub(crate) fn of_watching(reason: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::V1 if reason.starts_with(NOT_V1) => {
            format!("{NOT_V1}; check the address, or add --dialect basic if it pushes plain JSON")
        }
        Dialect::Basic if ONLY_V1.iter().all(|part| reason.contains(part)) => {
            "the server speaks tidewire.v1.json; leave --dialect basic out".to_owned()
        }
        Dialect::V1 | Dialect::Basic => reason.to_owned(),
    }
}
