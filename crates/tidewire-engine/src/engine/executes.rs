//! The engine and the application's own backend for writes, in the basic dialect.
//!
//! A write goes by a way of its own, such as HTTP. So losing the socket changes nothing for one that
//! is under way: it is not given again, and its answer counts whenever it comes. What is begun is
//! begun only while there is a connection.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_cache::Presence;
use tidewire_model::{ActionId, EffectBody, EntityId, EntityKey, EntityType, Point, Row};
use tidewire_protocol::{Class, Reject};
use tidewire_queue::Action;

use super::Engine;
use crate::input::{Executed, Failure, FailureOutcome};
use crate::output::{Output, Problem};

impl Engine {
    /// Gives an action to the application's own backend.
    pub(super) fn execute(&mut self, action: Action) {
        debug_assert!(
            !self.executing.contains_key(&action.id),
            "the queue does not offer what is under way"
        );
        let stood = self.stands_at(action.entity_type.as_ref());
        self.executing.insert(action.id, stood);
        self.hold.begin(action.id, types_created(&action));
        self.outputs.push_back(Output::Execute(Box::new(action)));
    }

    /// Where the stream of a type stands now.
    fn stands_at(&self, entity_type: Option<&EntityType>) -> BTreeMap<EntityType, Point> {
        entity_type
            .and_then(|name| Some((name.clone(), self.cache.received(name)?)))
            .into_iter()
            .collect()
    }

    /// Before anything is given to a backend that does not tell a repeated action: what may have
    /// been done, and of which nobody will ever answer, is for a person to decide.
    pub(super) fn give_up_lost_answers(&mut self) {
        if !self.settings.own.execute || self.settings.own.honours_key {
            return;
        }
        let lost: Vec<(ActionId, u64)> = self
            .queue
            .lost()
            .map(|action| (action.id, action.seq))
            .collect();
        for (id, seq) in lost {
            let outcome = self.queue.on_answer_lost(id, seq);
            self.after_queue(outcome);
        }
    }

    /// The application's own backend has answered.
    pub(super) fn on_executed(&mut self, id: ActionId, result: Result<Executed, Failure>) {
        let Some(as_of) = self.executing.remove(&id) else {
            return;
        };
        let seq = self.queue.get(id).map(|action| action.seq);
        match (seq, result) {
            (Some(seq), Ok(executed)) => self.on_done(id, seq, as_of, executed),
            (Some(seq), Err(failure)) => self.on_not_done(id, seq, failure),
            // Somebody gave it up meanwhile.
            (None, _) => {}
        }
        // Behind the answer, so that an echo finds its entity by the name that the answer gave.
        let held = self.hold.end(id);
        self.take_held(held);
    }

    /// Whether the next write must wait for pushes that are held back: it would count as begun
    /// before them, and its answer as older.
    pub(super) fn next_waits_for_pushes(&self) -> bool {
        let next = self.queue.peek_send();
        next.is_some_and(|action| {
            let mut keys = action.effects.iter().map(|effect| &effect.key);
            keys.any(|key| self.hold.holds_back(&key.entity_type))
        })
    }

    fn on_done(
        &mut self,
        id: ActionId,
        seq: u64,
        as_of: BTreeMap<EntityType, Point>,
        executed: Executed,
    ) {
        let mut rows = Vec::new();
        for (entity_type, row) in executed.rows {
            match self.rows(&entity_type, vec![row]) {
                Ok(read) => rows.extend(read.into_iter().map(|row| (entity_type.clone(), row))),
                Err(fault) => self.report(Problem::BadFrame(fault)),
            }
        }
        let replaced: BTreeMap<EntityId, EntityId> = executed.replaced.into_iter().collect();
        let as_of = self.as_of(as_of, &rows, &replaced);
        self.on_accepted(seq, id, as_of, rows, replaced);
    }

    /// The points an answer speaks for: where its streams stood when the write began. An entity that
    /// the write created and of which nothing else is known was made after that, though, so its
    /// answer counts as got now; a page asked for meanwhile says nothing against it.
    fn as_of(
        &self,
        mut stood: BTreeMap<EntityType, Point>,
        rows: &[(EntityType, Row)],
        replaced: &BTreeMap<EntityId, EntityId>,
    ) -> BTreeMap<EntityType, Point> {
        let reader = self.cache.reader();
        stood.retain(|entity_type, _| {
            let mut rows = rows
                .iter()
                .filter(|(name, _)| name == entity_type)
                .peekable();
            rows.peek().is_none()
                || !rows.all(|(name, row)| {
                    let key = EntityKey::new(name.clone(), row.id.clone());
                    let held = reader.get(self.now.tick, &key).presence;
                    held == Presence::Unknown && replaced.values().any(|real| *real == row.id)
                })
        });
        stood
    }

    fn on_not_done(&mut self, id: ActionId, seq: u64, failure: Failure) {
        let class = match (failure.outcome, self.settings.own.honours_key) {
            (FailureOutcome::NotDone, _) => failure.class,
            // Under the same key it is done once, however often it is given.
            (FailureOutcome::Unknown, true) => Class::Retry,
            (FailureOutcome::Unknown, false) => {
                let outcome = self.queue.on_answer_lost(id, seq);
                return self.after_queue(outcome);
            }
        };
        self.on_refused(&Reject {
            id,
            seq,
            class,
            code: failure.code,
            message: failure.message,
            retry_after_ms: None,
            rows: Vec::new(),
        });
    }
}

/// The types of the entities that an action creates under a temporary id.
fn types_created(action: &Action) -> BTreeSet<EntityType> {
    let creations = action
        .effects
        .iter()
        .filter(|effect| effect.key.id.is_temporary() && matches!(effect.body, EffectBody::Put(_)));
    creations
        .map(|effect| effect.key.entity_type.clone())
        .collect()
}
