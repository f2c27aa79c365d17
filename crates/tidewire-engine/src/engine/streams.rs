//! The engine and the streams it holds: what the steps of their table mean.

use std::time::Duration;

use tidewire_cache::{Attached, DetachReason, Intake, Interest, WatchId};
use tidewire_model::{EntityType, Epoch, Offset, Tick};
use tidewire_protocol::{
    ClientMessage, RequestError, RequestId, Resume, Subscribe, Unsubscribe, Unsubscribed, Want,
};

use super::{Engine, NO_ANSWER};
use crate::backoff::as_asked;
use crate::frame::Speaking;
use crate::output::{Problem, Term};
use crate::subscriptions::{From, Gap, Step};

/// The epoch of points that this client makes itself.
const OWN_EPOCH: &str = "client";
/// A stream the server ended is asked for again after at most this many microseconds.
const AGAIN_WITHIN_MICROS: u64 = 1_000_000;

impl Engine {
    /// Somebody watches something of this type.
    pub(super) fn want_stream(&mut self, entity_type: &EntityType) {
        self.subscriptions.on_wanted(self.now.tick, entity_type);
        self.send_streams();
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
        for entity_type in self.subscriptions.on_due(self.now.tick) {
            self.detach(&entity_type, DetachReason::Ended);
        }
        let tick = self.now.tick;
        for entity_type in self
            .subscriptions
            .give_up_unanswered(tick, &mut self.random)
        {
            let was_held = self.assembly.received(&entity_type).is_some();
            self.stream_refused(entity_type.clone(), NO_ANSWER.to_owned(), Some(tick));
            if was_held {
                self.detach(&entity_type, DetachReason::Gap);
            }
        }
        self.send_streams();
    }

    /// Gives feeds back and asks for streams, as far as commands may go out.
    pub(super) fn send_streams(&mut self) {
        while self.may_speak()
            && let Some(step) = self.subscriptions.next_step(self.now.tick, &mut self.ids)
        {
            match step {
                Step::Subscribe(entity_type, id, from) => self.subscribe(entity_type, id, from),
                Step::Unsubscribe(entity_type, id) => {
                    self.transmit(&ClientMessage::Unsubscribe(Unsubscribe { id, entity_type }));
                }
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
            // A peer that takes no more cannot answer either.
            if !self.may_speak() {
                break;
            }
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
        let tick = self.now.tick;
        let gap = self
            .subscriptions
            .on_gap(tick, entity_type, &mut self.random);
        if gap == Gap::None {
            return;
        }
        if gap == Gap::OnceMore {
            self.report(Problem::StreamBroken(entity_type.clone()));
        }
        self.detach(entity_type, DetachReason::Gap);
        self.send_streams();
    }

    /// All of a stream is to come anew.
    pub(super) fn renew_stream(&mut self, entity_type: &EntityType) {
        let tick = self.now.tick;
        let renewed = self
            .subscriptions
            .on_renewed(tick, entity_type, &mut self.random);
        if renewed {
            self.detach(entity_type, DetachReason::Gap);
            self.send_streams();
        }
    }

    fn jitter(&mut self) -> Duration {
        Duration::from_micros(self.random.up_to(AGAIN_WITHIN_MICROS))
    }

    pub(super) fn on_subscribe_error(&mut self, error: RequestError) {
        let again_at = self.again_at(&error);
        let tick = self.now.tick;
        let refused = self
            .subscriptions
            .on_refused(tick, error.id, again_at, &mut self.random);
        if let Some(entity_type) = refused {
            if error.code == "forbidden" {
                // What is held of it may not be shown any more (law 21).
                self.detach(&entity_type, DetachReason::Rights);
            }
            self.wants_changed = true;
            self.stream_refused(entity_type, error.code, again_at);
        }
    }

    fn stream_refused(&mut self, entity_type: EntityType, code: String, again_at: Option<Tick>) {
        let term = again_at.map_or(Term::ForGood, |_| Term::ForNow);
        self.refused(entity_type.clone(), None, code.clone(), term);
        if self.subscriptions.is_news(&entity_type, &code) {
            self.report(Problem::StreamRefused { entity_type, code });
        }
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
        let tick = self.now.tick;
        let lost =
            self.subscriptions
                .on_ended(tick, &ended.entity_type, again_at, &mut self.random);
        if !lost {
            return;
        }
        // What is asked for again for these is the ordinary course of things.
        let is_ordinary = matches!(&*ended.code, "rights" | "slow");
        if again_at.is_none() || !is_ordinary {
            self.stream_refused(ended.entity_type.clone(), ended.code.clone(), again_at);
        }
        self.detach(&ended.entity_type, why);
    }

    fn again_at(&mut self, error: &RequestError) -> Option<Tick> {
        use tidewire_protocol::Class;
        match error.class {
            Class::Permanent | Class::Conflict | Class::Session | Class::Auth => None,
            Class::Retry => {
                let asked = Duration::from_millis(error.retry_after_ms.unwrap_or(1_000));
                Some(self.now.tick + as_asked(Some(asked)) + self.jitter())
            }
        }
    }
}
