//! The address of a server, looked at when a client is started.
//!
//! Says what is wrong with it; never shows what may be secret, which are a user's name and the query.

/// Whether an address can be used.
///
/// # Errors
/// What is wrong with it, in words for people.
pub(crate) fn check(url: &str) -> Result<(), String> {
    fault(url).map_or(Ok(()), |fault| Err(format!("{:?}: {fault}", shown(url))))
}

fn fault(url: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Some("it names no scheme");
    };
    if !["ws", "wss"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return Some("it is no WebSocket address");
    }
    if url.contains('#') {
        return Some("leave out the part from '#' on, which is never sent to a server");
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("it holds a character that must be written as %XX, or as xn-- in a host");
    }
    let authority = authority(rest);
    if authority.contains('@') {
        return Some("a user's name in it would not be sent; use token()");
    }
    // An IPv6 address stands in brackets.
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) => (host, port),
            None => return Some("the bracket of its host is not closed"),
        },
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Some("it names no host");
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => return None,
        None => "",
        Some(port) => port,
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if digits => None,
        _ => Some("its port must be a number from 1 to 65535"),
    }
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or("")
}

/// The address without what may be secret.
fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or("");
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match authority(rest).rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_can_be_used_is_taken() {
        for url in [
            "ws://localhost",
            "wss://example.com/live",
            "WS://Example.com:8080/a/b?c=d",
            "ws://127.0.0.1:1?x=1",
            "wss://[::1]:9/x",
            "ws://[::1]",
            "ws://offline.invalid/",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_says_why_and_tells_no_secret() {
        for (url, why) in [
            ("", "scheme"),
            ("localhost:7878", "scheme"),
            ("http://localhost/live", "WebSocket"),
            ("ws://", "host"),
            ("ws:///path", "host"),
            ("ws://:80/path", "host"),
            ("ws://[]/", "host"),
            ("ws://[::1/", "bracket"),
            ("ws://[::1]9/", "port"),
            ("ws://host:99999", "port"),
            ("ws://host:0/", "port"),
            ("ws://host:/", "port"),
            ("ws://host:+8/", "port"),
            ("ws://host:8o/", "port"),
            ("ws://ho st/", "%XX"),
            ("ws://höst/", "xn--"),
            ("ws://user:secret@host/", "token()"),
            ("ws://host/live#part", "'#'"),
            ("http://host/live?token=secret", "WebSocket"),
        ] {
            let error = check(url).expect_err(url);
            assert!(error.contains(why), "{url}: {error}");
            assert!(!error.contains("secret"), "{url}: {error}");
        }
    }
}
