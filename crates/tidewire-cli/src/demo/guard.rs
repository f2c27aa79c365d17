//! Which requests the page's part of the demo answers at all.
//!
//! The demo listens on a port of the user's machine, which any page in the user's browser can send
//! requests to. What is answered here is asked by the demo's own page: under a host name that no
//! foreign page can take over, from the same origin, and with a content type that a browser does
//! not send unasked to foreign hosts.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::hosts::Hosts;

/// The hosts the demo's page is asked under.
#[derive(Clone)]
pub(super) struct Guard {
    hosts: Hosts,
}

impl Guard {
    pub(super) fn new(hosts: Hosts) -> Self {
        Self { hosts }
    }

    fn fault(&self, method: &Method, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
        let host = text(headers, &header::HOST).unwrap_or_default();
        if !self.hosts.contain(host) {
            return Some((
                StatusCode::FORBIDDEN,
                "ask for this page by an IP address or as localhost\n",
            ));
        }
        if let Some(origin) = text(headers, &header::ORIGIN)
            && !self.hosts.is_own_page(origin, host)
        {
            return Some((
                StatusCode::FORBIDDEN,
                "only the demo's own page may ask this\n",
            ));
        }
        // A browser says where a request comes from; one without an origin, such as that for the stream of
        // events, would be answered to any page, which could keep the few places for tabs.
        let site = text(headers, &HeaderName::from_static("sec-fetch-site"));
        if !matches!(site, None | Some("same-origin" | "none")) && !is_visit(method, headers) {
            return Some((
                StatusCode::FORBIDDEN,
                "only the demo's own page may ask this\n",
            ));
        }
        if *method == Method::POST {
            let kind = text(headers, &header::CONTENT_TYPE)
                .and_then(|kind| kind.split(';').next())
                .map(str::trim);
            if kind != Some("application/json") {
                return Some((
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "send application/json\n",
                ));
            }
        }
        None
    }
}

/// Whether somebody follows a link to the page, which may stand anywhere.
fn is_visit(method: &Method, headers: &HeaderMap) -> bool {
    let mode = text(headers, &HeaderName::from_static("sec-fetch-mode"));
    let goal = text(headers, &HeaderName::from_static("sec-fetch-dest"));
    *method == Method::GET && mode == Some("navigate") && goal == Some("document")
}

/// Answers what is not to be answered otherwise.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.fault(request.method(), request.headers()) {
        Some(fault) => fault.into_response(),
        None => next.run(request).await,
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    // What is not text is no name of ours, and must not pass for "not there".
    headers.get(name).map(|value| value.to_str().unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &Method, headers: &[(HeaderName, &str)]) -> Option<u16> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        Guard::new(Hosts::new("box.local:7878"))
            .fault(method, &headers)
            .map(|(status, _)| status.as_u16())
    }

    #[test]
    fn the_own_page_is_answered() {
        for host in [
            "127.0.0.1:7878",
            "localhost:7878",
            "[::1]:7878",
            "192.168.1.5:7878",
            "box.local:7878",
        ] {
            assert_eq!(
                status(&Method::GET, &[(header::HOST, host)]),
                None,
                "{host}"
            );
            let origin = format!("http://{host}");
            let headers = [
                (header::HOST, host),
                (header::ORIGIN, &origin),
                (header::CONTENT_TYPE, "application/json; charset=utf-8"),
            ];
            assert_eq!(status(&Method::POST, &headers), None, "{host}");
        }
    }

    #[test]
    fn a_foreign_page_is_not() {
        let host = (header::HOST, "127.0.0.1:7878");
        for origin in [
            "http://evil.net",
            "http://127.0.0.1:9999",
            "http://127.0.0.1:7878.evil.net",
            "null",
            "",
        ] {
            let json = (header::CONTENT_TYPE, "application/json");
            assert_eq!(
                status(
                    &Method::POST,
                    &[host.clone(), (header::ORIGIN, origin), json]
                ),
                Some(403),
                "{origin}"
            );
        }
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        ] {
            assert_eq!(
                status(&Method::POST, &[host.clone(), (header::CONTENT_TYPE, kind)]),
                Some(415),
                "{kind}"
            );
        }
        assert_eq!(status(&Method::POST, &[host]), Some(415));
    }

    #[test]
    fn a_foreign_page_may_link_here_and_asks_for_nothing_else() {
        let ask = |site, mode, goal| {
            let fetched = |name| HeaderName::from_static(name);
            let headers = [
                (header::HOST, "127.0.0.1:7878"),
                (fetched("sec-fetch-site"), site),
                (fetched("sec-fetch-mode"), mode),
                (fetched("sec-fetch-dest"), goal),
            ];
            status(&Method::GET, &headers)
        };
        for site in ["cross-site", "same-site"] {
            assert_eq!(ask(site, "navigate", "document"), None);
            assert_eq!(ask(site, "navigate", "iframe"), Some(403));
            assert_eq!(ask(site, "no-cors", "empty"), Some(403));
            assert_eq!(ask(site, "cors", "empty"), Some(403));
        }
        assert_eq!(ask("same-origin", "cors", "empty"), None);
        assert_eq!(ask("none", "navigate", "document"), None);
    }

    #[test]
    fn a_name_that_can_be_made_to_resolve_here_is_not_ours() {
        for host in [
            "evil.net:7878",
            "localhost.evil.net",
            "127.0.0.1.evil.net",
            "",
        ] {
            assert_eq!(
                status(&Method::GET, &[(header::HOST, host)]),
                Some(403),
                "{host}"
            );
        }
        assert_eq!(status(&Method::GET, &[]), Some(403));
    }
}
