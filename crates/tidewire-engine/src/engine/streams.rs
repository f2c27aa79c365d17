//! The engine and the streams it holds: what the steps of their table mean.

use std::time::Duration;

use tidewire_cache::{Attached, DetachReason, Intake, Interest, WatchId};
use tidewire_model::{EntityType, Epoch, Offset, Tick};
use tidewire_protocol::{
    ClientMessage, RequestError, RequestId, Resume, Subscribe, Unsubscribe, Unsubscribed, Want,
};

use super::Engine;
use crate::frame::Speaking;
use crate::output::Problem;
use crate::subscriptions::{From, Gap, Step};

/// The epoch of points that this client makes itself.
const OWN_EPOCH: &str = "client";
/// A stream the server ended is asked for again after at most this many microseconds.
const AGAIN_WITHIN_MICROS: u64 = 1_000_000;
/// A stream that has one gap after another is left alone this long, and up to a second longer.
const GAP_WAIT: Duration = Duration::from_secs(5);

impl Engine {
    /// Somebody watches something of this type.
    pub(super) fn want_stream(&mut self, entity_type: &EntityType) {
        let steps = self.subscriptions.on_wanted(entity_type, &mut self.ids);
        self.stream_steps(steps, DetachReason::Ended);
        self.wants_changed = true;
    }

    /// A watch ended; if it was the last of its type, the stream goes after a while.
    pub(super) fn unwant_stream(&mut self, id: WatchId) {
        let Some(entity_type) = self.watches.remove(&id) else {
            return;
        };
        if !self.watches.values().any(|other| *other == entity_type) {
            self.subscriptions.on_unwanted(self.now.tick, &entity_type);
        }
    }

    /// A complete collection that turned out too large is windowed, so this may change.
    fn want_of(&self, entity_type: &EntityType) -> Want {
        match self.cache.interest(entity_type) {
            Interest::Complete { .. } => Want::Snapshot,
            Interest::Windowed | Interest::PushesOnly => Want::Changes,
        }
    }

    pub(super) fn on_streams_due(&mut self) {
        let steps = self.subscriptions.on_due(self.now.tick, &mut self.ids);
        self.stream_steps(steps, DetachReason::Ended);
    }

    pub(super) fn stream_steps(&mut self, steps: Vec<Step>, why: DetachReason) {
        for step in steps {
            match step {
                Step::Subscribe(entity_type, id, from) => self.subscribe(entity_type, id, from),
                Step::Unsubscribe(entity_type, id) => {
                    self.transmit(&ClientMessage::Unsubscribe(Unsubscribe { id, entity_type }));
                }
                Step::Detach(entity_type) => self.detach(&entity_type, why),
            }
        }
    }

    fn subscribe(&mut self, entity_type: EntityType, id: RequestId, from: From) {
        let want = self.want_of(&entity_type);
        let wants_snapshot = self.snapshots.contains_key(&entity_type);
        let resume = match from {
            From::Applied if !wants_snapshot => self.resume(&entity_type),
            From::Applied | From::Anew => None,
        };
        let message = Subscribe {
            id,
            entity_type: entity_type.clone(),
            want,
            resume,
        };
        self.transmit(&ClientMessage::Subscribe(message));
        if self.speaking == Speaking::Basic {
            self.attach_unanswered(entity_type);
        }
    }

    /// Where the stream was left: the point that is visible, not the one that came in.
    fn resume(&self, entity_type: &EntityType) -> Option<Resume> {
        let point = self.cache.applied(entity_type)?;
        let view = self.cache.view_of(entity_type)?.to_owned();
        Some(Resume {
            epoch: point.epoch,
            offset: point.offset,
            view,
        })
    }

    /// A dialect without answers: the feed counts as attached, and what is watched is refreshed,
    /// since pushes may have been missed.
    fn attach_unanswered(&mut self, entity_type: EntityType) {
        let offset = self
            .cache
            .received(&entity_type)
            .map_or(Offset::ZERO, |point| point.offset);
        self.take(Intake::Subscribed {
            entity_type,
            result: Attached::Now,
            epoch: Epoch::new(OWN_EPOCH)
                .unwrap_or_else(|_| unreachable!("a constant name is valid")),
            view: String::new(),
            offset,
            head: offset,
        });
        self.batch.hurry();
    }

    /// What is watched is refreshed once more, since `SUBSCRIBE` had no answer.
    pub(super) fn refresh_watched(&mut self) {
        let held = self
            .subscriptions
            .held()
            .filter(|held| self.may_fetch(held));
        for entity_type in held.cloned().collect::<Vec<EntityType>>() {
            self.take(Intake::Stale {
                entity_type,
                ids: None,
            });
        }
        self.batch.hurry();
    }

    /// Nothing was heard for a while, on a connection that may be dead and cannot be asked: what is
    /// held is subscribed again, in case the server forgot it, and what is watched is refreshed.
    pub(super) fn probe(&mut self) {
        for entity_type in self.subscriptions.held().cloned().collect::<Vec<_>>() {
            let id = self.ids.next();
            let want = self.want_of(&entity_type);
            self.transmit(&ClientMessage::Subscribe(Subscribe {
                id,
                entity_type,
                want,
                resume: None,
            }));
        }
        self.refresh_watched();
    }

    /// Something of the stream is missing.
    pub(super) fn on_gap(&mut self, entity_type: &EntityType) {
        let again_at = self.now.tick + GAP_WAIT + self.jitter();
        let gap = self
            .subscriptions
            .on_gap(entity_type, again_at, &mut self.ids);
        let steps = match gap {
            Gap::Again(steps) => steps,
            Gap::LeftAlone(steps) => {
                self.report(Problem::StreamBroken(entity_type.clone()));
                steps
            }
        };
        self.stream_steps(steps, DetachReason::Gap);
    }

    fn jitter(&mut self) -> Duration {
        Duration::from_micros(self.random.up_to(AGAIN_WITHIN_MICROS))
    }

    pub(super) fn on_subscribe_error(&mut self, error: RequestError) {
        let again_at = self.again_at(&error);
        if let Some(entity_type) = self.subscriptions.on_refused(error.id, again_at) {
            if error.code == "forbidden" {
                // What is held of it may not be shown any more (law 21).
                self.detach(&entity_type, DetachReason::Rights);
            }
            self.wants_changed = true;
            self.stream_refused(entity_type, error.code, again_at);
        }
    }

    fn stream_refused(&mut self, entity_type: EntityType, code: String, again_at: Option<Tick>) {
        if again_at.is_none() {
            self.refused(entity_type.clone(), None, code.clone());
        }
        self.report(Problem::StreamRefused { entity_type, code });
    }

    /// The server ended a stream, unasked.
    pub(super) fn on_unsubscribed(&mut self, ended: &Unsubscribed) {
        if ended.id.is_some() {
            // The answer to a request of this client, which has moved on already.
            return;
        }
        let wait = self.jitter();
        let again_at = ended.resubscribe.then(|| self.now.tick + wait);
        let why = if ended.code == "rights" {
            DetachReason::Rights
        } else {
            DetachReason::Gap
        };
        let steps = self.subscriptions.on_ended(&ended.entity_type, again_at);
        if again_at.is_none() && !steps.is_empty() {
            self.stream_refused(ended.entity_type.clone(), ended.code.clone(), None);
        }
        self.stream_steps(steps, why);
    }

    fn again_at(&mut self, error: &RequestError) -> Option<Tick> {
        use tidewire_protocol::Class;
        match error.class {
            Class::Permanent | Class::Conflict | Class::Session | Class::Auth => None,
            Class::Retry => {
                let wait = error.retry_after_ms.unwrap_or(1_000);
                Some(self.now.tick + Duration::from_millis(wait) + self.jitter())
            }
        }
    }
}
