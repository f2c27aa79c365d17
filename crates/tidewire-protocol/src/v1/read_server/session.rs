//! The connection itself: welcome, heartbeat, farewell.

use std::collections::BTreeMap;

use tidewire_model::{EntityType, Lane, Offset};

use crate::error::Fault;
use crate::fields::fields;
use crate::v1::parts::{lanes, whole, word};
use crate::wire::{FromWire, Numbers, Whole, Word, need, nested};
use crate::{AnnouncedLimits, Bye, Class, Drain, Ping, Welcome};

fields! {
    WelcomeFields {
        protocol: "protocol" => u32,
        features: "features" => Vec<String>,
        principal: "principal" => String,
        session: "session" => String,
        node: "node" => String,
        heartbeat_ms: "heartbeat_ms" => Whole,
        grace_ms: "grace_ms" => Whole,
        limits: "limits" => LimitsFields,
        last_seq: "last_seq" => Numbers<Lane>,
        token_expires_ms: "token_expires_ms" => Whole,
        reconnect_jitter_ms: "reconnect_jitter_ms" => Whole,
    }
}

fields! {
    LimitsFields {
        max_frame: "max_frame" => Whole,
        max_depth: "max_depth" => Whole,
        max_id: "max_id" => Whole,
        max_subscriptions: "max_subscriptions" => Whole,
        max_lanes: "max_lanes" => Whole,
        max_pending_actions: "max_pending_actions" => Whole,
        commands_per_second: "commands_per_second" => Whole,
        command_burst: "command_burst" => Whole,
    }
}

impl FromWire for Welcome {
    type Fields = WelcomeFields;

    fn from_wire(fields: WelcomeFields) -> Result<Self, Fault> {
        Ok(Self {
            protocol: need(fields.protocol, "protocol")?,
            features: fields.features.unwrap_or_default(),
            principal: need(fields.principal, "principal")?,
            session: need(fields.session, "session")?,
            node: need(fields.node, "node")?,
            heartbeat_ms: whole(fields.heartbeat_ms, "heartbeat_ms")?,
            grace_ms: whole(fields.grace_ms, "grace_ms")?,
            limits: need(nested(fields.limits, "limits")?, "limits")?,
            last_seq: fields.last_seq.map(|last_seq| lanes(Some(last_seq))),
            token_expires_ms: fields.token_expires_ms.map(|time| time.0),
            reconnect_jitter_ms: whole(fields.reconnect_jitter_ms, "reconnect_jitter_ms")?,
        })
    }
}

impl FromWire for AnnouncedLimits {
    type Fields = LimitsFields;

    fn from_wire(fields: LimitsFields) -> Result<Self, Fault> {
        Ok(Self {
            max_frame_bytes: whole(fields.max_frame, "max_frame")?,
            max_depth: whole(fields.max_depth, "max_depth")?,
            max_id_bytes: whole(fields.max_id, "max_id")?,
            max_subscriptions: whole(fields.max_subscriptions, "max_subscriptions")?,
            max_lanes: whole(fields.max_lanes, "max_lanes")?,
            max_pending_actions: whole(fields.max_pending_actions, "max_pending_actions")?,
            commands_per_second: whole(fields.commands_per_second, "commands_per_second")?,
            command_burst: whole(fields.command_burst, "command_burst")?,
        })
    }
}

fields! {
    PingFields {
        n: "n" => Whole,
        heads: "heads" => BTreeMap<EntityType, Offset>,
    }
}

impl FromWire for Ping {
    type Fields = PingFields;

    fn from_wire(fields: PingFields) -> Result<Self, Fault> {
        Ok(Self {
            n: whole(fields.n, "n")?,
            heads: fields.heads.unwrap_or_default(),
        })
    }
}

fields! {
    DrainFields {
        in_ms: "in_ms" => Whole,
        jitter_ms: "jitter_ms" => Whole,
    }
}

impl FromWire for Drain {
    type Fields = DrainFields;

    fn from_wire(fields: DrainFields) -> Result<Self, Fault> {
        Ok(Self {
            in_ms: whole(fields.in_ms, "in_ms")?,
            jitter_ms: whole(fields.jitter_ms, "jitter_ms")?,
        })
    }
}

fields! {
    ByeFields {
        code: "code" => u16,
        reason: "reason" => String,
        class: "class" => Word<Class>,
        retry_after_ms: "retry_after_ms" => Whole,
    }
}

impl FromWire for Bye {
    type Fields = ByeFields;

    fn from_wire(fields: ByeFields) -> Result<Self, Fault> {
        Ok(Self {
            code: need(fields.code, "code")?,
            reason: need(fields.reason, "reason")?,
            class: word(fields.class, "class")?,
            retry_after_ms: fields.retry_after_ms.map(|time| time.0),
        })
    }
}
