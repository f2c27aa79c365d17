//! The connection itself: welcome, heartbeat, farewell.

use serde::{Serialize, Serializer};

use crate::fields::object;
use crate::v1::names;
use crate::wire::{Out, Word};
use crate::{AnnouncedLimits, Bye, Drain, Ping, Welcome};

impl Serialize for Out<'_, Welcome> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::WELCOME,
            "protocol" => self.0.protocol,
            "features" => self.0.features,
            "principal" => self.0.principal,
            "session" => self.0.session,
            "node" => self.0.node,
            "heartbeat_ms" => self.0.heartbeat_ms,
            "grace_ms" => self.0.grace_ms,
            "limits" => Out(&self.0.limits),
            "last_seq" =>? self.0.last_seq,
            "token_expires_ms" =>? self.0.token_expires_ms,
            "reconnect_jitter_ms" => self.0.reconnect_jitter_ms,
        })
    }
}

impl Serialize for Out<'_, AnnouncedLimits> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "max_frame" => self.0.max_frame_bytes,
            "max_depth" => self.0.max_depth,
            "max_id" => self.0.max_id_bytes,
            "max_subscriptions" => self.0.max_subscriptions,
            "max_lanes" => self.0.max_lanes,
            "max_pending_actions" => self.0.max_pending_actions,
            "commands_per_second" => self.0.commands_per_second,
            "command_burst" => self.0.command_burst,
        })
    }
}

impl Serialize for Out<'_, Ping> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::PING,
            "n" => self.0.n,
            "heads" => self.0.heads,
        })
    }
}

impl Serialize for Out<'_, Drain> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::DRAIN,
            "in_ms" => self.0.in_ms,
            "jitter_ms" => self.0.jitter_ms,
        })
    }
}

impl Serialize for Out<'_, Bye> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => names::BYE,
            "code" => self.0.code,
            "reason" => self.0.reason,
            "class" => Word(self.0.class),
            "retry_after_ms" =>? self.0.retry_after_ms,
        })
    }
}
