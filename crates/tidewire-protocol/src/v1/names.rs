//! The `type` of every message of v1.

pub(super) const HELLO: &str = "HELLO";
pub(super) const WELCOME: &str = "WELCOME";
pub(super) const SUBSCRIBE: &str = "SUBSCRIBE";
pub(super) const SUBSCRIBED: &str = "SUBSCRIBED";
pub(super) const SUBSCRIBE_ERROR: &str = "SUBSCRIBE_ERROR";
pub(super) const SNAPSHOT: &str = "SNAPSHOT";
pub(super) const SNAPSHOT_END: &str = "SNAPSHOT_END";
pub(super) const EVENTS: &str = "EVENTS";
pub(super) const UNSUBSCRIBE: &str = "UNSUBSCRIBE";
pub(super) const UNSUBSCRIBED: &str = "UNSUBSCRIBED";
pub(super) const FETCH: &str = "FETCH";
pub(super) const DATA: &str = "DATA";
pub(super) const FETCH_ERROR: &str = "FETCH_ERROR";
pub(super) const ACTION: &str = "ACTION";
pub(super) const ACK: &str = "ACK";
pub(super) const REJECT: &str = "REJECT";
pub(super) const ACTION_SYNC: &str = "ACTION_SYNC";
pub(super) const PING: &str = "PING";
pub(super) const PONG: &str = "PONG";
pub(super) const DRAIN: &str = "DRAIN";
pub(super) const BYE: &str = "BYE";
