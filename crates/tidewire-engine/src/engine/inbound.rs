//! Frames to messages, and what a message means the moment it comes.
//!
//! Whatever changes knowledge goes through the assembly, in order of arrival; this file only keeps
//! the tables of streams and the connection in step.

use std::time::Duration;

use tidewire_cache::{Intake, Taken};
use tidewire_model::{EntityType, Offset};
use tidewire_protocol::{
    Bye, Class, DecodeError, Events, Ping, Points, Push, ServerMessage, Snapshot, SnapshotEnd,
    SubscribeResult, Subscribed, changes, close,
};

use super::Engine;
use crate::assembly::{Admitted, Start};
use crate::frame::{Incoming, Speaking};
use crate::hold::{Held, Released};
use crate::output::{Output, Problem};
use crate::session::{Event, Loss};

/// The close code of an ordinary end.
pub(super) const NORMAL: u16 = 1000;

impl Engine {
    pub(super) fn on_frame(&mut self, incoming: Incoming) {
        if incoming.generation != self.session.generation() || !self.session.is_open() {
            return;
        }
        self.session_event(Event::Heard);
        self.batch.on_frame(incoming.bytes);
        match (incoming.message, self.speaking) {
            (Ok(message), _) => self.on_message(message, incoming.bytes),
            // Something of a stream may be in it, so going on would leave a hole.
            (Err(error), Speaking::V1) => {
                let code = match error {
                    DecodeError::UnknownCritical { .. } => close::UNSUPPORTED,
                    _ => close::BAD_FRAME,
                };
                self.break_off(code, Problem::BadFrame(error.to_string()));
            }
            (Err(error), Speaking::Basic) => self.skip_malformed(&error),
        }
    }

    /// What may be said when (protocol rule 16): nothing but the greeting before it, and one greeting.
    fn is_in_turn(&self, message: &ServerMessage) -> bool {
        match message {
            ServerMessage::Welcome(_) => !self.session.is_ready(),
            ServerMessage::Ping(_)
            | ServerMessage::Bye(_)
            | ServerMessage::Drain(_)
            | ServerMessage::Unknown { .. } => true,
            _ => self.session.is_ready(),
        }
    }

    fn skip_malformed(&mut self, fault: &impl std::fmt::Display) {
        self.skipped.malformed += 1;
        self.report(Problem::BadFrame(fault.to_string()));
    }

    /// `bytes` is the length of the frame that brought it.
    fn on_message(&mut self, message: ServerMessage, bytes: usize) {
        if self.speaking == Speaking::V1 && !self.is_in_turn(&message) {
            return self.broken_peer("a message came before the greeting, or a second greeting");
        }
        match message {
            ServerMessage::Welcome(welcome) => self.on_welcome(&welcome),
            ServerMessage::Subscribed(subscribed) => self.on_subscribed(subscribed, bytes),
            ServerMessage::SubscribeError(error) => self.on_subscribe_error(error),
            ServerMessage::Unsubscribed(ended) => self.on_unsubscribed(&ended),
            ServerMessage::Events(events) => self.on_events(events, bytes),
            ServerMessage::Ping(ping) => self.on_ping(&ping),
            ServerMessage::Bye(bye) => self.on_bye(&bye),
            ServerMessage::Push(push) => self.on_push(push, bytes),
            ServerMessage::Snapshot(Snapshot {
                ref entity_type, ..
            })
            | ServerMessage::SnapshotEnd(SnapshotEnd {
                ref entity_type, ..
            }) => {
                let entity_type = entity_type.clone();
                self.on_snapshot_message(&entity_type, message, bytes);
            }
            message @ (ServerMessage::Data(_)
            | ServerMessage::FetchError(_)
            | ServerMessage::Ack(_)
            | ServerMessage::Reject(_)
            | ServerMessage::ActionSync(_)) => self.wait_in_turn(message, bytes),
            ServerMessage::Unknown { .. } => self.skipped.unknown += 1,
            // A close follows; nothing is to be done before it.
            ServerMessage::Drain(_) | ServerMessage::Pong(_) => {}
        }
    }

    /// The feed is attached from here on, even if what it says has to wait its turn.
    fn on_subscribed(&mut self, subscribed: Subscribed, bytes: usize) {
        let tick = self.now.tick;
        if self
            .subscriptions
            .on_subscribed(tick, &subscribed.entity_type, subscribed.id)
        {
            let start = Start {
                offset: subscribed.offset,
                head: subscribed.head,
                snapshot: subscribed.result == SubscribeResult::Snapshot,
            };
            self.assembly.attach(&subscribed.entity_type, start);
            self.on_came(&subscribed.entity_type);
            self.wait_in_turn(ServerMessage::Subscribed(subscribed), bytes);
        }
    }

    fn on_snapshot_message(&mut self, of: &EntityType, message: ServerMessage, bytes: usize) {
        if self.subscriptions.is_held(of) {
            self.wait_in_turn(message, bytes);
            self.on_came(of);
        }
    }

    /// Something of a stream came in, and what has to follow it is waited for anew.
    fn on_came(&mut self, entity_type: &EntityType) {
        let awaits_more = self.assembly.awaits_more(entity_type);
        let tick = self.now.tick;
        self.subscriptions.on_came(tick, entity_type, awaits_more);
    }

    fn wait_in_turn(&mut self, message: ServerMessage, bytes: usize) {
        if let Err(fault) = self.assembly.push_message(message, bytes) {
            self.broken_peer(fault);
        }
    }

    fn on_events(&mut self, events: Events, bytes: usize) {
        if !self.subscriptions.is_held(&events.entity_type) {
            return;
        }
        let entity_type = events.entity_type.clone();
        match self.assembly.push_events(events, bytes) {
            Admitted::Yes => self.on_came(&entity_type),
            Admitted::Repeat => {}
            Admitted::Gap => self.on_gap(&entity_type),
            Admitted::Broken(fault) => self.broken_peer(fault),
        }
    }

    /// Heartbeats carry heads, so a lost last event shows within one of them (protocol rule 6).
    fn on_ping(&mut self, ping: &Ping) {
        self.unanswered_ping = Some(ping.n);
        for (entity_type, head) in &ping.heads {
            let behind = self
                .assembly
                .received(entity_type)
                .is_some_and(|received| received < *head);
            if behind && self.subscriptions.is_held(entity_type) {
                self.on_gap(entity_type);
            }
        }
    }

    fn on_bye(&mut self, bye: &Bye) {
        self.outputs.push_back(Output::Disconnect {
            generation: self.session.generation(),
            code: NORMAL,
            reason: "goodbye".into(),
        });
        if bye.class == Class::Session {
            self.become_another();
        }
        self.session_event(Event::Lost(Loss {
            code: Some(bye.code),
            reason: bye.reason.clone(),
            retry_after: bye.retry_after_ms.map(Duration::from_millis),
        }));
    }

    /// A push without a place in a stream: its point is made here.
    fn on_push(&mut self, push: Push, bytes: usize) {
        let Push { entity_type, ops } = push;
        if !self.subscriptions.is_held(&entity_type) {
            return;
        }
        let naming = self.naming(&entity_type);
        let ops = changes(ops, &entity_type, &naming, Points::Client(Offset::ZERO));
        for (_, fault) in &ops.bad {
            self.skip_malformed(fault);
        }
        let stale_all = ops.stale_all.is_some();
        let push = Held {
            changes: ops.changes,
            stale_all,
            bytes,
        };
        let pushes = self.hold.push(self.now.tick, entity_type, push);
        self.take_pushes(pushes);
    }

    /// Pushes that were held back are shown.
    pub(super) fn take_held(&mut self, pushes: Released) {
        if !pushes.is_empty() {
            // They have waited already.
            self.batch.hurry();
            self.wants_changed = true;
        }
        self.take_pushes(pushes);
    }

    pub(super) fn on_hold_due(&mut self) {
        let held = self.hold.on_due(self.now.tick);
        self.take_held(held);
    }

    fn take_pushes(&mut self, pushes: Released) {
        for (entity_type, push) in pushes {
            self.take(Intake::Pushed {
                entity_type,
                changes: push.changes,
                stale_all: push.stale_all,
            });
        }
    }

    /// Takes everything from the assembly that is whole.
    pub(super) fn release(&mut self) {
        while let Some(ready) = self.assembly.next() {
            self.on_ready(ready);
        }
    }

    /// Gives a piece of knowledge to the cache.
    pub(super) fn take(&mut self, intake: Intake) {
        let entity_types = match &intake {
            Intake::Commit(commit) => vec![commit.entity_type.clone()],
            Intake::CommitGroup(parts) => {
                parts.iter().map(|part| part.entity_type.clone()).collect()
            }
            Intake::SnapshotRows { entity_type, .. } | Intake::SnapshotEnd { entity_type, .. } => {
                vec![entity_type.clone()]
            }
            _ => Vec::new(),
        };
        match self.cache.take(self.now.tick, intake) {
            Taken::Staged => {
                for entity_type in &entity_types {
                    self.subscriptions.on_progress(entity_type);
                }
            }
            Taken::Repeat | Taken::NotHeld => {}
            Taken::Gap { received } => {
                for entity_type in received.keys() {
                    self.on_gap(entity_type);
                }
            }
            Taken::TooLarge => {
                for entity_type in entity_types {
                    // Its windows are asked for, and never again a snapshot.
                    if let Some(ticket) = self.snapshots.remove(&entity_type) {
                        self.cache.fail_fetch(self.now.tick, ticket);
                    }
                    self.on_gap(&entity_type);
                    self.report(Problem::SnapshotTooLarge(entity_type));
                }
            }
        }
    }
}
