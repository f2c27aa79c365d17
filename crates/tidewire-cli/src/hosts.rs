//! Under which names this machine is asked, and which web pages may ask.
//!
//! A server on a user's machine can be reached by every page in the user's browser. A page of a
//! foreign name can have that name resolve to this machine while it is open, and is then of the same
//! origin as the server it asks. So a page is answered only under a name that resolves here for
//! everybody: an IP address, localhost, or the host the program was told to listen on.

use std::net::IpAddr;
use std::sync::Arc;

use tidewire_server::Origins;

/// The names this machine may be asked under.
#[derive(Clone)]
pub(crate) struct Hosts {
    listen: Arc<str>,
}

impl Hosts {
    /// Those of a program that listens at this address.
    pub(crate) fn new(listen: &str) -> Self {
        Self {
            listen: name_of(listen).into(),
        }
    }

    /// Whether a host, with or without a port, is such a name.
    pub(crate) fn contain(&self, host: &str) -> bool {
        let name = name_of(host);
        name.eq_ignore_ascii_case("localhost")
            || name.eq_ignore_ascii_case(&self.listen)
            || address(name).is_some()
    }

    /// Pages of the host that was asked, whatever the port, and of this machine, asked under such a
    /// name.
    pub(crate) fn origins(&self) -> Origins {
        let hosts = self.clone();
        Origins::Only(Arc::new(move |origin, host| {
            let page = origin
                .split_once("://")
                .map(|(_, authority)| name_of(authority));
            let (Some(page), Some(host)) = (page, host) else {
                return false;
            };
            let is_here = page.eq_ignore_ascii_case("localhost")
                || address(page).is_some_and(|address| address.is_loopback());
            hosts.contain(host) && (is_here || page.eq_ignore_ascii_case(name_of(host)))
        }))
    }

    /// Only the page that the program itself serves, asked under such a name.
    pub(crate) fn own_page(&self) -> Origins {
        let hosts = self.clone();
        Origins::Only(Arc::new(move |origin, host| {
            host.is_some_and(|host| hosts.is_own_page(origin, host))
        }))
    }

    /// Whether a page of this origin is the one that the program serves under this host.
    pub(crate) fn is_own_page(&self, origin: &str, host: &str) -> bool {
        let asked = origin.split_once("://").map(|(_, authority)| authority);
        self.contain(host) && asked == Some(host)
    }
}

/// The host without its port.
fn name_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // The colons inside the brackets of an address belong to it.
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

fn address(name: &str) -> Option<IpAddr> {
    let inside = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    inside.unwrap_or(name).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(origins: &Origins, origin: &str, host: &str) -> bool {
        let Origins::Only(allows) = origins else {
            panic!("they are chosen");
        };
        allows(origin, Some(host))
    }

    #[test]
    fn a_page_of_the_host_that_was_asked_and_of_this_machine_may_ask() {
        let origins = Hosts::new("box.local:7979").origins();
        for (origin, host) in [
            ("http://box.local", "box.local:7979"),
            ("http://192.168.1.5:8080", "192.168.1.5:7979"),
            ("http://[2001:db8::1]:80", "[2001:db8::1]:7979"),
            ("http://localhost:5173", "127.0.0.1:7979"),
            ("http://[::1]:5173", "localhost:7979"),
        ] {
            assert!(allows(&origins, origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn a_page_of_a_name_that_can_be_made_to_resolve_here_may_not() {
        let hosts = Hosts::new("127.0.0.1:7979");
        for origins in [hosts.origins(), hosts.own_page()] {
            for (origin, host) in [
                ("http://evil.net", "evil.net"),
                ("http://evil.net:7979", "evil.net:7979"),
                ("http://evil.net", "127.0.0.1:7979"),
                ("http://localhost.evil.net", "localhost.evil.net"),
                ("http://127.0.0.1.evil.net", "127.0.0.1.evil.net"),
                ("null", "127.0.0.1:7979"),
                ("", ""),
            ] {
                assert!(!allows(&origins, origin, host), "{origin} {host}");
            }
        }
        assert!(!allows(
            &hosts.own_page(),
            "http://127.0.0.1:1",
            "127.0.0.1:7979"
        ));
        assert!(allows(
            &hosts.own_page(),
            "http://127.0.0.1:7979",
            "127.0.0.1:7979"
        ));
    }
}
