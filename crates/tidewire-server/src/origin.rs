//! Which web pages may open a connection.
//!
//! A browser sends the page's origin with the request and cannot be made to lie about it; other programs send none.
//! This keeps a foreign page from using a visitor's network, and says nothing about who the client is.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Whether a page may open a connection, by its origin and the host that was asked.
pub type AllowsOrigin = dyn Fn(&str, Option<&str>) -> bool + Send + Sync;

/// Which pages may open a connection.
#[derive(Clone, Default)]
pub enum Origins {
    /// Pages of the host that was asked, whatever the port, pages of this machine, and programs that are no page.
    #[default]
    SameHost,
    /// Every page.
    Any,
    /// Those that a function allows. Programs that are no page are
    /// allowed without asking.
    Only(Arc<AllowsOrigin>),
}

impl Origins {
    /// Whether a request with these headers may open a connection.
    pub(crate) fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        match self {
            Self::Any => true,
            Self::Only(allows) => allows(origin, host),
            Self::SameHost => {
                let Some(page) = origin
                    .split_once("://")
                    .map(|(_, authority)| host_of(authority))
                else {
                    return false;
                };
                is_this_machine(page)
                    || host.is_some_and(|host| host_of(host).eq_ignore_ascii_case(page))
            }
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SameHost => "SameHost",
            Self::Any => "Any",
            Self::Only(_) => "Only(..)",
        })
    }
}

/// The host without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // The colons inside the brackets of an address belong to it.
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_same_host_of_this_machine_and_no_page_at_all_are_let_in() {
        let host = Some("app.example.com");
        for origin in [
            None,
            Some("https://app.example.com"),
            Some("https://APP.example.com:8443"),
            Some("http://localhost:3000"),
            Some("http://127.0.0.1:7878"),
            Some("http://[::1]:80"),
        ] {
            assert!(Origins::SameHost.allow(origin, host), "{origin:?}");
        }
        assert!(
            Origins::SameHost.allow(Some("http://[2001:db8::1]:80"), Some("[2001:db8::1]:7878"))
        );
    }

    #[test]
    fn foreign_pages_are_kept_out() {
        let host = Some("app.example.com:443");
        for origin in [
            "https://example.com",
            "https://app.example.com.evil.net",
            "https://evil.net/app.example.com",
            "https://localhost.evil.net",
            "https://127.0.0.1.evil.net",
            "https://app.example.com@evil.net",
            "https://evil.net:app.example.com",
            "null",
            "",
            "app.example.com",
        ] {
            assert!(!Origins::SameHost.allow(Some(origin), host), "{origin}");
        }
        assert!(!Origins::SameHost.allow(Some("https://app.example.com"), None));
    }

    #[test]
    fn an_application_may_decide_for_itself() {
        assert!(Origins::Any.allow(Some("https://evil.net"), None));
        let only = Origins::Only(Arc::new(|origin, host| {
            origin == "https://good.net" && host == Some("a")
        }));
        assert!(only.allow(Some("https://good.net"), Some("a")));
        assert!(!only.allow(Some("https://good.net"), Some("b")));
        assert!(!only.allow(Some("https://evil.net"), Some("a")));
        assert!(only.allow(None, Some("a")));
    }
}
