//! Why there is no connection or no answer, in words for whoever typed the command.
//!
//! The client tells it for any application; what can be done about it differs from command to command.
//! Decides nothing, and hides nothing it does not know.
//!
//! A reason is told from another by its text: the status of a client has no kinds of reasons, since all that
//! an application does about one is to show it. Where a text changes, its reason is still told, only the advice
//! lacks; the tests with real servers then fail.

use crate::arguments::Dialect;

/// How a client says that a server has answered and does not speak v1.
const NOT_V1: &str = "the server does not speak tidewire.v1.json";
/// What a server of v1 answers to a client that does not offer it.
const ONLY_V1: [&str; 2] = ["Sec-WebSocket-Protocol", "tidewire.v1.json"];

/// How a server says that it cannot read or write what it keeps.
const STORAGE: &str = "the server's storage failed";
/// What is to be done about that.
const STORAGE_ADVICE: &str = "nothing is wrong with the address: whoever runs the server frees space or repairs its database, then starts it again";
/// How a client begins to say that nobody is there.
const NOBODY: [&str; 2] = ["cannot reach ", "no connection to "];
/// How it says what was wrong with whoever is, and what to do.
const ADVISED: [&str; 3] = [
    "no secure connection to ",
    "check host, port and path",
    "sign in to ",
];

/// What was heard last where nothing came.
pub(crate) fn of_waiting(reason: &str) -> String {
    if reason.contains(STORAGE) {
        return format!("{reason}; {STORAGE_ADVICE}");
    }
    reason.to_owned()
}

/// What ends a command that has tried to connect and could not.
pub(crate) fn of_failing(reason: &str) -> String {
    if reason.contains(STORAGE) {
        of_waiting(reason)
    } else if NOBODY.iter().any(|start| reason.starts_with(start)) {
        format!("{reason}; start the server, or check the URL")
    } else if ADVISED.iter().any(|part| reason.contains(part)) {
        reason.to_owned()
    } else {
        format!("{reason}; the server was reached: try again later, or look at what it says itself")
    }
}

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
        Dialect::V1 | Dialect::Basic => of_waiting(reason),
    }
}
