//! Names and addresses as they are typed, checked before anything is opened.

use tidewire::EntityType;
use tidewire_transport::{ConnectError, ConnectRequest, Transport, WebSocketTransport};

use crate::failure::Failure;

/// Checks the address of a server, as the transport does when it connects.
///
/// # Errors
/// It is no WebSocket address; says what would be.
pub(crate) async fn url(text: &str) -> Result<String, Failure> {
    // A header that belongs to the handshake is refused once the address was found good and before
    // anything is opened.
    let request = ConnectRequest::new(text).header("Host", "");
    match WebSocketTransport::new().connect(request).await {
        Err(error @ ConnectError::BadUrl { .. }) => Err(Failure::misuse(format!(
            "{:?}: {error}; a server's is like ws://host:port/path or wss://host/path",
            without_secrets(text)
        ))),
        Ok(_) | Err(_) => Ok(text.to_owned()),
    }
}

/// An address as it may be shown: without a user, a password and what stands behind the path, any of which may be secret.
pub(crate) fn without_secrets(text: &str) -> String {
    let path_end = text.find(['?', '#']).unwrap_or(text.len());
    let (shown, behind) = text.split_at(path_end);
    let host_at = shown.find("://").map_or(0, |scheme| scheme + 3);
    let (scheme, rest) = shown.split_at(host_at);
    let authority = rest.find('/').unwrap_or(rest.len());
    let host = rest[..authority].rfind('@').map_or(0, |at| at + 1);
    let user = if host > 0 { "…@" } else { "" };
    let more = if behind.is_empty() { "" } else { "?…" };
    format!("{scheme}{user}{}{more}", &rest[host..])
}

/// Checks the name of an entity type.
///
/// # Errors
/// The name cannot be used; says why.
pub(crate) fn entity_type(text: &str) -> Result<EntityType, Failure> {
    EntityType::new(text).map_err(|error| {
        Failure::misuse(format!("the entity type {text:?} cannot be used: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        for (text, shown) in [
            ("ws://a:1/live", "ws://a:1/live"),
            ("ws://ada:p4ss@a/live?token=SECRET", "ws://…@a/live?…"),
            ("ws://a@b:c@d", "ws://…@d"),
            ("ws://a/x@y#z", "ws://a/x@y?…"),
            ("ada:p4ss@a", "…@a"),
            ("ß?é", "ß?…"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[tokio::test]
    async fn a_websocket_address_is_taken_as_it_was_typed() {
        for text in [
            "ws://127.0.0.1:7878/live",
            "wss://example.com/live",
            "ws://[::1]:1/",
            "ws://a",
        ] {
            assert_eq!(url(text).await.unwrap(), text);
        }
    }

    #[tokio::test]
    async fn any_other_address_is_misuse_and_the_line_says_what_would_be_right() {
        for text in [
            "http://a/live",
            "localhost:7878",
            "7878",
            "",
            "ws://",
            "ftp://a",
            "ws:///live",
            "a b",
            "ws://a:0/",
            "ws://a:70000/",
            "ws://user@a/",
            "ws://a/live#x",
        ] {
            let Err(Failure::Misuse(line)) = url(text).await else {
                panic!("{text:?} was taken");
            };
            assert!(line.contains("ws://host:port/path"), "{line}");
        }
    }
}
