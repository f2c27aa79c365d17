//! Names and addresses as they are typed, checked before anything is opened.

use axum::http::Uri;
use tidewire::EntityType;

use crate::failure::Failure;

/// Checks the address of a server.
///
/// # Errors
/// It is no WebSocket address; says what would be.
pub(crate) fn url(text: &str) -> Result<String, Failure> {
    let advice = "use ws://host:port/path or wss://host/path";
    let bad =
        |why: &str| Failure::misuse(format!("the URL {text:?} cannot be used: {why}; {advice}"));
    let uri: Uri = text.parse().map_err(|_| bad("it is no URL"))?;
    match uri.scheme_str() {
        Some("ws" | "wss") => {}
        Some(other) => return Err(bad(&format!("its scheme is {other}"))),
        None => return Err(bad("it has no scheme")),
    }
    match uri.host() {
        Some(host) if !host.is_empty() => Ok(text.to_owned()),
        Some(_) | None => Err(bad("it names no host")),
    }
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
    fn a_websocket_address_is_taken_as_it_was_typed() {
        for text in [
            "ws://127.0.0.1:7878/live",
            "wss://example.com/live",
            "ws://[::1]:1/",
            "ws://a",
        ] {
            assert_eq!(url(text).unwrap(), text);
        }
    }

    #[test]
    fn any_other_address_is_misuse_and_the_line_says_what_would_be_right() {
        for text in [
            "http://a/live",
            "localhost:7878",
            "7878",
            "",
            "ws://",
            "ftp://a",
            "ws:///live",
            "a b",
        ] {
            let Err(Failure::Misuse(line)) = url(text) else {
                panic!("{text:?} was taken");
            };
            assert!(line.contains("ws://host:port/path"), "{line}");
        }
    }
}
