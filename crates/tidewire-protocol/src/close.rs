//! Close codes and what each asks of the client.
//!
//! The range decides, so that a client obeys a code that is younger than itself. Nothing here closes anything.

/// The frame was not a message of the dialect.
pub const BAD_FRAME: u16 = 4000;
/// The first message was not `HELLO`, or it did not come in time.
pub const HELLO_REQUIRED: u16 = 4001;
/// No common protocol version, or a critical message the peer does not know.
pub const UNSUPPORTED: u16 = 4002;
/// The principal may not do this, or is not the one the connection began with.
pub const FORBIDDEN: u16 = 4003;
/// The token was refused.
pub const BAD_TOKEN: u16 = 4004;
/// The tenant is switched off.
pub const TENANT_DISABLED: u16 = 4005;
/// A message was well formed but not allowed where it stood.
pub const PROTOCOL_VIOLATION: u16 = 4006;
/// Too many bad messages on one connection.
pub const TOO_MANY_ERRORS: u16 = 4007;

/// The server failed.
pub const INTERNAL: u16 = 4100;
/// The server has too much to do.
pub const OVERLOADED: u16 = 4101;
/// The client sent commands too fast.
pub const RATE: u16 = 4102;
/// The client does not read as fast as the server has to write.
pub const SLOW_CONSUMER: u16 = 4103;
/// The client was silent for longer than a heartbeat and the grace.
pub const SILENT: u16 = 4104;
/// Too many connections of this principal or tenant.
pub const CONNECTION_LIMIT: u16 = 4105;

/// The server shuts down; another takes over.
pub const SHUTDOWN: u16 = 4200;
/// The server hands the connection to another node.
pub const REBALANCE: u16 = 4201;
/// The token ran out; a new one first, then at once.
pub const TOKEN_EXPIRED: u16 = 4202;
/// The server lost track of what the client holds.
pub const RESYNC: u16 = 4203;
/// The same client connected again.
pub const TAKEN_OVER: u16 = 4204;

/// What a closed connection asks of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseClass {
    /// Do not come back by yourself: the same again would be refused again.
    Stop,
    /// Come back after a backoff.
    BackOff,
    /// Come back at once, spread by the jitter the server named.
    Reconnect,
}

/// The class of a close code; `None` is a connection that was lost without one.
///
/// The ranges are those of protocol rule 12. Of the codes WebSocket itself defines, `1001` (going away) and `1012`
/// (restart) are a reconnect; every other one is a back off, as is a code of no known range.
#[must_use]
pub const fn close_class(code: Option<u16>) -> CloseClass {
    match code {
        Some(4000..=4099) => CloseClass::Stop,
        Some(1001 | 1012 | 4200..=4299) => CloseClass::Reconnect,
        _ => CloseClass::BackOff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that shuts down with a code of the stop range would switch off every client at each release.
    #[test]
    fn a_server_that_shuts_down_gets_its_clients_back() {
        for code in [
            SHUTDOWN,
            REBALANCE,
            RESYNC,
            TOKEN_EXPIRED,
            TAKEN_OVER,
            1001,
            1012,
        ] {
            assert_eq!(close_class(Some(code)), CloseClass::Reconnect, "{code}");
        }
    }

    #[test]
    fn a_mistake_of_the_client_is_not_repeated() {
        let codes = [
            BAD_FRAME,
            HELLO_REQUIRED,
            UNSUPPORTED,
            FORBIDDEN,
            BAD_TOKEN,
            TENANT_DISABLED,
            PROTOCOL_VIOLATION,
            TOO_MANY_ERRORS,
        ];
        for code in codes {
            assert_eq!(close_class(Some(code)), CloseClass::Stop, "{code}");
        }
    }

    #[test]
    fn trouble_of_the_moment_is_waited_out() {
        let codes = [
            INTERNAL,
            OVERLOADED,
            RATE,
            SLOW_CONSUMER,
            SILENT,
            CONNECTION_LIMIT,
            1000,
            1006,
            1009,
            1011,
            1013,
        ];
        for code in codes {
            assert_eq!(close_class(Some(code)), CloseClass::BackOff, "{code}");
        }
        assert_eq!(close_class(None), CloseClass::BackOff);
    }

    #[test]
    fn an_unknown_code_follows_its_range() {
        let borders = [
            (3999, CloseClass::BackOff),
            (4000, CloseClass::Stop),
            (4099, CloseClass::Stop),
            (4100, CloseClass::BackOff),
            (4199, CloseClass::BackOff),
            (4200, CloseClass::Reconnect),
            (4299, CloseClass::Reconnect),
            (4300, CloseClass::BackOff),
            (u16::MAX, CloseClass::BackOff),
        ];
        for (code, class) in borders {
            assert_eq!(close_class(Some(code)), class, "{code}");
        }
    }
}
