//! The engine and its actions: sending them, and what their answers mean for view and queue.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewire_cache::Intake;
use tidewire_model::{ActionId, EntityId, EntityKey, EntityType, Lane, Point, Row, Tick, Version};
use tidewire_protocol::{
    ActionMessage, ActionSync, Class, ClientMessage, Reject, SyncReason, limits,
};
use tidewire_queue::{
    Accepted, Action, ActionState, Draft, Fate, Outcome, Refusal, RefusalClass, Renewal, Wait,
};
use tidewire_store::{Commit, Txn};

use super::Engine;
use super::inbound::NORMAL;
use crate::backoff::{as_asked, doubled};
use crate::frame::Speaking;
use crate::output::{Problem, Stage};
use crate::persistence::Then;
use crate::session::{Event, Generation};
use crate::timers::TimerReason;

/// An action's frame without its payload is shorter than this.
const ENVELOPE_BYTES: usize = 2_048;
/// The nesting that the message adds to that of its payload.
const MESSAGE_DEPTH: usize = 1;
// What the queue takes, a server that keeps to the defaults takes too.
const _: () = assert!(MESSAGE_DEPTH + Draft::MAX_PAYLOAD_DEPTH <= limits::DEPTH);
/// The longest wait before a lane is tried again.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// So many reasons why writes were put off are remembered as told.
const PUT_OFF_MAX: usize = 16;
/// The ceiling of the first wait.
const RETRY_FIRST: Duration = Duration::from_millis(200);

impl Engine {
    /// Puts the effects of stored actions into the view.
    pub(super) fn restore_overlay(&mut self) {
        let pending: Vec<_> = self
            .queue
            .effects_in_order()
            .map(|(id, effects)| (id, effects.to_vec()))
            .collect();
        for (id, effects) in pending {
            let publication = self.cache.add_action(self.now.tick, id, effects);
            self.publish(publication);
        }
    }

    /// Sends what may go out, each once its mark "possibly sent" is stored.
    pub(super) fn send_actions(&mut self) {
        let able = match self.speaking {
            Speaking::V1 => true,
            Speaking::Basic => self.settings.own.execute,
        };
        if !able || self.persistence.failure().is_some() {
            return;
        }
        while self.may_speak() && !self.next_waits_for_pushes() {
            if self.park_over_limit() {
                continue;
            }
            let Some(sending) = self.queue.poll_send() else {
                return;
            };
            self.pace.on_sent(self.now.tick);
            let txn = sending.txn.unwrap_or(Txn {
                ops: Vec::new(),
                commit: Commit::Synced,
            });
            let generation = self.session.generation();
            let action = Box::new(Action::clone(&sending.action));
            self.persistence
                .push(txn, Some(Then::Send(generation, action, sending.previous)));
        }
    }

    /// Takes the next action out of the line if the server would not take it: sent, it would end the connection, again
    /// and again, or keep its lane from ever going on. One that was never sent is parked; any other may have been done, by a server that
    /// took more, and is left to a person.
    fn park_over_limit(&mut self) -> bool {
        let Some(action) = self
            .queue
            .peek_send()
            .filter(|_| self.speaking == Speaking::V1)
        else {
            return false;
        };
        let Some((code, text)) = self.over_limit(action) else {
            return false;
        };
        let (id, seq) = (action.id, action.seq);
        let outcome = if action.state == ActionState::Waiting {
            let refusal = Refusal::new(RefusalClass::Permanent, code, &text);
            self.queue.park(self.now.wall, id, refusal)
        } else {
            self.queue.on_answer_lost(id, seq)
        };
        self.after_queue(outcome);
        true
    }

    /// Which of the server's limits an action exceeds: a code, and what to do about it.
    fn over_limit(&self, action: &Action) -> Option<(&'static str, String)> {
        if let Some(limit) = self.queue.exceeds_lanes(action) {
            let text = format!(
                "the server takes {limit} lanes of one client, and as many are in use; write in one of those"
            );
            return Some(("too_many_lanes", text));
        }
        let depth = MESSAGE_DEPTH + action.payload.depth();
        let limit = self.server_max_depth;
        if depth > limit {
            let text =
                format!("the action nests {depth} deep, the server takes {limit}; make it flatter");
            return Some(("too_deep", text));
        }
        // Escaping makes text six times as long at most; most actions are far from that.
        let roughly = action.payload.approximate_bytes().saturating_mul(6);
        let limit = self.server_max_frame_bytes;
        if roughly.saturating_add(ENVELOPE_BYTES) <= limit {
            return None;
        }
        let message = ClientMessage::Action(message(action.clone(), u64::MAX));
        let frame = self.speaking.dialect().encode_client(&message);
        let bytes = frame.map_or(0, |frame| frame.byte_len());
        (bytes > limit).then(|| {
            let text = format!(
                "the action is {bytes} bytes long, the server takes {limit}; make it smaller"
            );
            ("too_large", text)
        })
    }

    pub(super) fn send(&mut self, generation: Generation, action: Action, previous: u64) {
        if generation != self.session.generation() || !self.session.is_ready() {
            self.queue.on_withheld(action.id);
            return;
        }
        match self.speaking {
            Speaking::V1 => {
                self.transmit(&ClientMessage::Action(message(action, previous)));
            }
            Speaking::Basic => self.execute(action),
        }
    }

    /// The commit of an action came before its answer, and named the ids the server made.
    pub(super) fn on_echo(&mut self, id: ActionId, replaced: &BTreeMap<EntityId, EntityId>) {
        if self.queue.get(id).is_none() || replaced.is_empty() {
            return;
        }
        self.answers.on_named(replaced);
        if let Some(txn) = self.queue.renamed(replaced) {
            self.persistence.push(txn, None);
        }
    }

    /// The server did it: the answer joins the batch, and the queue lets go of the action in one
    /// store transaction with the ids it replaces.
    pub(super) fn on_accepted(
        &mut self,
        seq: u64,
        action: ActionId,
        as_of: BTreeMap<EntityType, Point>,
        rows: Vec<(EntityType, Row)>,
        replaced: BTreeMap<EntityId, EntityId>,
    ) {
        self.told_put_off.clear();
        let versions: BTreeMap<EntityKey, Version> = rows
            .iter()
            .filter_map(|(name, row)| {
                Some((EntityKey::new(name.clone(), row.id.clone()), row.version?))
            })
            .collect();
        let lane = self.queue.get(action).map(|action| action.lane.clone());
        let accepted = Accepted {
            replaced: replaced.clone(),
            versions,
        };
        let outcome = self.queue.on_accepted(action, seq, &accepted);
        let (Some(lane), true) = (lane, outcome.fates.contains(&(action, Fate::Accepted))) else {
            // An answer to another number, or to what was never sent, says nothing.
            return self.after_queue(outcome);
        };
        self.answers.on_accepted(action, lane, seq);
        self.answers.on_named(&replaced);
        let names = replaced
            .iter()
            .map(|(old, new)| (old.clone(), new.clone()))
            .collect();
        self.take(Intake::Answer {
            action,
            as_of,
            rows,
            missing: Vec::new(),
            replaced,
        });
        self.batch.hurry();
        self.stage(action, Stage::Accepted(names));
        self.after_queue(outcome);
    }

    pub(super) fn on_refused(&mut self, reject: &Reject) {
        let refusal = Refusal::new(refusal_class(reject.class), &reject.code, &reject.message);
        let retry_after = reject.retry_after_ms.map(Duration::from_millis);
        let auth = reject.class == Class::Auth;
        let outcome =
            self.queue
                .on_refused(self.now.wall, reject.id, reject.seq, refusal, retry_after);
        if outcome.wait.is_some() {
            self.tell_put_off(reject);
        }
        self.after_queue(outcome);
        if auth {
            // A new token is fetched for every connection.
            let reason = format!("the server wants a new token: {}", reject.message);
            self.session_event(Event::Broken(NORMAL, reason));
        }
    }

    /// Says why a write is to come again, unless the server only takes its time.
    fn tell_put_off(&mut self, reject: &Reject) {
        let code = reject.code.clone();
        let is_ordinary = matches!(&*code, "rate" | "busy");
        if is_ordinary || self.told_put_off.contains(&code) {
            return;
        }
        if self.told_put_off.len() >= PUT_OFF_MAX {
            self.told_put_off.pop_first();
        }
        self.told_put_off.insert(code.clone());
        let message = reject.message.clone();
        self.report(Problem::WritePutOff { code, message });
    }

    pub(super) fn on_action_sync(&mut self, sync: &ActionSync) {
        let reason = match sync.reason {
            SyncReason::Order => tidewire_queue::SyncReason::Order,
            SyncReason::Unknown => tidewire_queue::SyncReason::Unknown,
            SyncReason::Fenced => return self.become_another(),
        };
        let outcome = self.queue.on_sync(&sync.lane, sync.last_seq, reason);
        self.after_queue(outcome);
    }

    /// The store is a copy, and the other one has been here with a higher run: this client becomes
    /// another one (protocol rule 13).
    pub(super) fn become_another(&mut self) {
        let outcome = self.queue.new_incarnation(Renewal::Copied);
        self.after_queue(outcome);
    }

    /// What an outcome of the queue means for store, view and application.
    pub(super) fn after_queue(&mut self, outcome: Outcome) {
        if let Some(txn) = outcome.txn {
            self.persistence.push(txn, None);
        }
        self.remove_effects(&outcome.fates);
        for (id, fate) in outcome.fates {
            self.on_fate(id, fate);
        }
        if let Some(wait) = outcome.wait {
            self.wait_lane(wait);
        }
        if outcome.renewed {
            let reason = "this client begins anew with the server".to_owned();
            self.session_event(Event::Broken(NORMAL, reason));
        }
    }

    fn on_fate(&mut self, id: ActionId, fate: Fate) {
        match fate {
            // The answer says when its effects leave the view.
            Fate::Accepted => {}
            Fate::Resumed => self.stage(id, Stage::Revived),
            Fate::Parked => {
                if let Some(ActionState::Parked(refusal)) =
                    self.queue.get(id).map(|action| &action.state)
                {
                    let stage = Stage::Parked(refusal.clone());
                    self.stage(id, stage);
                }
            }
            Fate::Uncertain => self.stage(id, Stage::Uncertain),
            Fate::Revived => {
                if let Some(effects) = self.queue.get(id).map(|action| action.effects.clone()) {
                    let publication = self.cache.add_action(self.now.tick, id, effects);
                    self.publish(publication);
                }
                self.stage(id, Stage::Revived);
            }
            Fate::Gone => self.stage(id, Stage::Gone),
        }
    }

    /// What left its place in the line leaves the view, all of it at once: with a creation may go thousands of writes on
    /// its entity.
    fn remove_effects(&mut self, fates: &[(ActionId, Fate)]) {
        let leaves = |fate| matches!(fate, Fate::Parked | Fate::Revived | Fate::Gone);
        let leaving = fates.iter().filter(|(_, fate)| leaves(*fate));
        let ids: Vec<ActionId> = leaving.map(|(id, _)| *id).collect();
        if ids.is_empty() {
            return;
        }
        if let Some(publication) = self.cache.remove_actions(self.now.tick, ids) {
            self.publish(publication);
        }
    }

    fn wait_lane(&mut self, wait: Wait) {
        let ceiling = doubled(RETRY_FIRST, wait.times.saturating_sub(1), RETRY_MAX);
        let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
        let jittered = Duration::from_micros(self.random.up_to(micros));
        let until = self.now.tick + jittered.max(as_asked(wait.retry_after));
        self.retries.insert(wait.lane, until);
        self.plan_retry();
    }

    pub(super) fn on_retry_due(&mut self) {
        let due: Vec<Lane> = self
            .retries
            .iter()
            .filter(|(_, until)| **until <= self.now.tick)
            .map(|(lane, _)| lane.clone())
            .collect();
        for lane in due {
            self.retries.remove(&lane);
            self.queue.resume(&lane);
        }
        self.plan_retry();
    }

    fn plan_retry(&mut self) {
        let next: Option<Tick> = self.retries.values().min().copied();
        self.timers.set(TimerReason::Retry, next);
    }
}

fn message(action: Action, previous: u64) -> ActionMessage {
    ActionMessage {
        id: action.id,
        hash: action.hash(),
        lane: action.lane,
        seq: action.seq,
        previous,
        name: action.name,
        entity_type: action.entity_type,
        entity_id: action.entity_id,
        payload: action.payload,
        base: action.base,
    }
}

fn refusal_class(class: Class) -> RefusalClass {
    match class {
        Class::Permanent => RefusalClass::Permanent,
        Class::Conflict => RefusalClass::Conflict,
        Class::Retry => RefusalClass::Retry,
        Class::Auth => RefusalClass::Auth,
        Class::Session => RefusalClass::Session,
    }
}
