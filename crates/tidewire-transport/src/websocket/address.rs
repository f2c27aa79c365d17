//! The address in a URL, checked before anything is opened.
//! Holds host, port and path. Never holds credentials, and never shows the query.

use std::fmt;

use tokio_tungstenite::tungstenite::http::Uri;

use crate::ConnectError;

/// Where a WebSocket URL leads. Printed as host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// As in the URL, an IPv6 address in brackets.
    pub(super) authority: String,
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) scheme: Scheme,
    pub(super) path_and_query: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Plain,
    Secure,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        if url.contains('#') {
            return Err(bad(
                "leave out the part from '#' on; it is never sent to a server",
            ));
        }
        let uri: Uri = url
            .parse()
            .map_err(|error| bad(format!("{error}; use ws://host:port/path")))?;
        let scheme = uri.scheme_str().map(str::to_ascii_lowercase);
        let (scheme, default_port) = match scheme.as_deref() {
            Some("ws") => (Scheme::Plain, 80),
            Some("wss") => (Scheme::Secure, 443),
            Some("http") => return Err(bad("use ws:// instead of http://")),
            Some("https") => return Err(bad("use wss:// instead of https://")),
            Some(other) => return Err(bad(format!("use ws:// or wss:// instead of {other}://"))),
            None => return Err(bad("it has no scheme; use ws:// or wss://")),
        };
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(bad("a user name in it would not be sent; use a header"));
        }
        let host = uri.host().unwrap_or("");
        if host.is_empty() || host == "[]" {
            return Err(bad("it names no host; use ws://host:port/path"));
        }
        let port = match authority.strip_prefix(host).unwrap_or("") {
            "" => default_port,
            port => match port.trim_start_matches(':').parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(bad("the port must be a number from 1 to 65535")),
            },
        };
        let path_and_query = match uri.path_and_query().map_or("/", |path| path.as_str()) {
            path if path.starts_with('/') => path.to_owned(),
            query => format!("/{query}"),
        };
        Ok(Self {
            authority: authority.to_owned(),
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port,
            scheme,
            path_and_query,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn bad(detail: impl Into<String>) -> ConnectError {
    ConnectError::BadUrl {
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_host_port_and_path() {
        let cases = [
            ("ws://localhost", Scheme::Plain, "localhost:80", "/"),
            (
                "wss://example.com/live",
                Scheme::Secure,
                "example.com:443",
                "/live",
            ),
            (
                "WS://Example.com:8080/a/b?c=d",
                Scheme::Plain,
                "Example.com:8080",
                "/a/b?c=d",
            ),
            (
                "ws://127.0.0.1:1?x=1",
                Scheme::Plain,
                "127.0.0.1:1",
                "/?x=1",
            ),
            ("wss://[::1]:9/x", Scheme::Secure, "[::1]:9", "/x"),
        ];
        for (url, scheme, address, path) in cases {
            let parsed = Address::parse(url).unwrap();
            assert_eq!(
                (parsed.scheme, &*parsed.to_string(), &*parsed.path_and_query),
                (scheme, address, path),
                "{url}"
            );
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_says_what_would_be_right() {
        let cases = [
            ("http://localhost/live", "use ws:// instead of http://"),
            ("https://localhost/live", "use wss:// instead of https://"),
            ("ftp://localhost/", "use ws:// or wss://"),
            ("localhost:7878", "use ws://"),
            ("localhost", "use ws://"),
            ("", "use ws://"),
            ("ws://", "use ws://"),
            ("ws:///path", "use ws://"),
            ("ws://host:0/", "from 1 to 65535"),
            ("ws://host:65536/", "from 1 to 65535"),
            ("ws://host:/", "from 1 to 65535"),
            ("ws://user:secret@host/", "use a header"),
            ("ws://host/live#part", "'#'"),
            ("ws://ho st/", "use ws://"),
            ("ws://höst/", "use ws://"),
            ("ws://[::1/", "use ws://"),
        ];
        for (url, advice) in cases {
            let error = Address::parse(url).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(advice), "{url}: {text}");
            assert!(
                !text.contains("secret") && error.is_permanent(),
                "{url}: {text}"
            );
        }
    }
}
