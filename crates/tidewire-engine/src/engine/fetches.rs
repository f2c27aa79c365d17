//! The engine and its requests: asking for what the cache wants, and taking the answers.

use std::time::Duration;

use tidewire_cache::{FetchTicket, Intake, Interest, Wanted};
use tidewire_model::{EntityType, Point};
use tidewire_protocol::{Class, ClientMessage, Data, Fetch, FetchWhat, RequestError, RequestId};

use super::{Engine, NO_ANSWER};
use crate::frame::Speaking;
use crate::input::{Failure, Fetched};
use crate::output::{Output, Problem, Term};
use crate::refetch::{Answered, FetchNumber, Refusal, Unfit};
use crate::timers::TimerReason;

/// What failed for many at once is asked for again within this many microseconds.
const JITTER_MICROS: u64 = 250_000;

impl Engine {
    /// Asks for what is watched and not known well enough, as far as there is room.
    pub(super) fn ask(&mut self) {
        self.timers.set(TimerReason::Ask, None);
        if !self.has_to_ask() {
            return;
        }
        self.wants_changed = false;
        let wants = self.cache.wants(self.now.tick);
        self.refetch.on_wants(&wants);
        for wanted in wants {
            if !self.refetch.has_room() || !self.may_speak() {
                self.wants_changed = true;
                return;
            }
            if self.may_ask(&wanted)
                && let Some(wanted) = self.refetch.allowed(self.now.tick, wanted)
            {
                self.request(wanted);
            }
        }
    }

    /// Plans to look for what to ask for: that takes longer than a caller should wait.
    pub(super) fn plan_ask(&mut self) {
        let at = self.has_to_ask().then_some(self.now.tick);
        self.timers.set(TimerReason::Ask, at);
    }

    fn has_to_ask(&self) -> bool {
        self.wants_changed && self.may_speak() && self.refetch.has_room()
    }

    fn may_ask(&self, wanted: &Wanted) -> bool {
        let entity_type = wanted.entity_type();
        let settled = match wanted {
            Wanted::Snapshot { .. } => self.subscriptions.may_renew(self.now.tick, entity_type),
            Wanted::Entities { .. } | Wanted::Page { .. } => {
                self.subscriptions.is_settled(entity_type)
            }
        };
        settled
            && self.may_fetch(entity_type)
            // Its point would lie before what came before it.
            && !self.hold.holds_back(entity_type)
    }

    /// Whether there is anybody to ask about this type.
    pub(super) fn may_fetch(&self, entity_type: &EntityType) -> bool {
        match self.speaking {
            Speaking::V1 => true,
            Speaking::Basic => {
                self.settings.own.fetch && self.cache.interest(entity_type) != Interest::PushesOnly
            }
        }
    }

    fn request(&mut self, wanted: Wanted) {
        let ticket = self.cache.begin_fetch(self.now.tick, &wanted);
        let (entity_type, what) = match &wanted {
            Wanted::Entities { entity_type, ids } => {
                (entity_type.clone(), FetchWhat::Ids(ids.clone()))
            }
            Wanted::Page {
                entity_type, query, ..
            } => (entity_type.clone(), FetchWhat::Query(query.clone())),
            Wanted::Snapshot { entity_type } => {
                let entity_type = entity_type.clone();
                return self.ask_for_snapshot(&entity_type, ticket);
            }
        };
        let id = self.ids.next();
        self.refetch.begin(self.now.tick, id, wanted, ticket);
        match self.speaking {
            Speaking::V1 => {
                self.transmit(&ClientMessage::Fetch(Fetch {
                    id,
                    entity_type,
                    what,
                }));
            }
            Speaking::Basic => {
                let number = FetchNumber(id.0);
                self.outputs.push_back(Output::Fetch {
                    number,
                    entity_type,
                    what,
                });
            }
        }
    }

    /// A complete stream begins anew: subscribed again, this time without resume.
    fn ask_for_snapshot(&mut self, entity_type: &EntityType, ticket: FetchTicket) {
        self.snapshots.insert(entity_type.clone(), ticket);
        self.renew_stream(entity_type);
    }

    pub(super) fn on_data(&mut self, data: Data) {
        match self.refetch.on_data(self.now.tick, data) {
            Ok(Some(answered)) => self.on_answered(answered),
            Ok(None) => {}
            Err(Unfit::Broken(fault)) => self.broken_peer(fault),
            Err(Unfit::TooLarge(id)) => self.on_answer_too_large(id),
        }
    }

    /// Asked for again, it would be as large again.
    fn on_answer_too_large(&mut self, id: RequestId) {
        if let Some(entity_type) = self.refetch.entity_type(id).cloned() {
            let limit = self.settings.answer_max_bytes;
            self.report(Problem::AnswerTooLarge { entity_type, limit });
        }
        self.on_fetch_failed(id, Class::Permanent, "too_large", None);
    }

    fn on_answered(&mut self, answered: Answered) {
        let entity_type = answered.wanted.entity_type().clone();
        let rows = match self.rows(&entity_type, answered.rows) {
            Ok(rows) => rows,
            Err(fault) => {
                self.cache.fail_fetch(self.now.tick, answered.ticket);
                self.request_failed(&entity_type, None);
                return self.broken_peer(&fault);
            }
        };
        let (ticket, as_of) = (answered.ticket, answered.as_of);
        let received = self.cache.received(&entity_type);
        let is_late = |(as_of, received): (&Point, &Point)| {
            as_of.epoch != received.epoch || as_of.offset < received.offset
        };
        if as_of.as_ref().zip(received.as_ref()).is_some_and(is_late) {
            let jitter = Duration::from_micros(self.random.up_to(JITTER_MICROS));
            self.refetch
                .on_late(self.now.tick, &answered.wanted, jitter);
        }
        self.take(match &answered.wanted {
            Wanted::Entities { .. } => Intake::Entities {
                ticket,
                as_of,
                rows,
                missing: answered.missing,
            },
            // Answered by a snapshot, never by data.
            Wanted::Snapshot { .. } => return,
            Wanted::Page { .. } => Intake::Page {
                ticket,
                as_of,
                rows,
                total_count: answered.total_count,
                end: answered.end,
            },
        });
        self.answered(entity_type, Some(answered.wanted));
        self.batch.hurry();
        self.wants_changed = true;
    }

    pub(super) fn on_fetch_error(&mut self, error: &RequestError) {
        let retry_after = error.retry_after_ms.map(Duration::from_millis);
        self.on_fetch_failed(error.id, error.class, &error.code, retry_after);
    }

    fn on_fetch_failed(
        &mut self,
        id: RequestId,
        class: Class,
        code: &str,
        retry_after: Option<Duration>,
    ) {
        let Some(request) = self.refetch.take(id) else {
            return;
        };
        let (entity_type, ticket) = (request.wanted.entity_type().clone(), request.ticket);
        match class {
            Class::Retry => {
                self.cache.fail_fetch(self.now.tick, ticket);
                self.request_failed(&entity_type, retry_after);
                let (wanted, code) = (Some(request.wanted), code.to_owned());
                self.refused(entity_type.clone(), wanted, code, Term::ForNow);
            }
            Class::Permanent | Class::Conflict | Class::Auth | Class::Session => {
                match self.refetch.on_refused(request.wanted.clone()) {
                    Refusal::OneByOne => self.cache.fail_fetch(self.now.tick, ticket),
                    Refusal::Final => {
                        let (wanted, code) = (Some(request.wanted), code.to_owned());
                        self.refused(entity_type.clone(), wanted, code, Term::ForGood);
                        self.take(Intake::Refused { ticket });
                        self.batch.hurry();
                    }
                }
            }
        }
        self.report(Problem::FetchRefused {
            entity_type,
            code: code.to_owned(),
        });
        self.wants_changed = true;
    }

    /// Of what was asked for long ago nothing has come: that is told, and it is waited for longer. A server that has not
    /// answered by then may have lost it, and is asked again; what it says to the first asking after all is left.
    pub(super) fn on_unanswered(&mut self) {
        for id in self.refetch.overdue(self.now.tick) {
            // A call of the application's own goes on, and its answer counts whenever it comes.
            if self.speaking == Speaking::V1 && self.refetch.is_told(id) {
                self.give_up_fetch(id);
                continue;
            }
            let Some(wanted) = self.refetch.wait_longer(self.now.tick, id) else {
                continue;
            };
            let (entity_type, code) = (wanted.entity_type().clone(), NO_ANSWER.to_owned());
            self.refused(
                entity_type.clone(),
                Some(wanted),
                code.clone(),
                Term::ForNow,
            );
            self.report(Problem::FetchRefused { entity_type, code });
        }
    }

    fn give_up_fetch(&mut self, id: RequestId) {
        let jitter = Duration::from_micros(self.random.up_to(JITTER_MICROS));
        if let Some(ticket) = self.refetch.give_up(self.now.tick, id, jitter) {
            self.cache.fail_fetch(self.now.tick, ticket);
        }
    }

    fn request_failed(&mut self, entity_type: &EntityType, retry_after: Option<Duration>) {
        let jitter = Duration::from_micros(self.random.up_to(JITTER_MICROS));
        self.refetch
            .on_failed(self.now.tick, entity_type, retry_after, jitter);
    }

    pub(super) fn on_fetched(&mut self, number: FetchNumber, result: Result<Fetched, Failure>) {
        let id = RequestId(number.0);
        match result {
            Ok(fetched) => {
                let Some(request) = self.refetch.take(id) else {
                    return;
                };
                self.refetch.on_succeeded(request.wanted.entity_type());
                self.on_answered(Answered {
                    wanted: request.wanted,
                    ticket: request.ticket,
                    as_of: None,
                    rows: fetched.rows,
                    missing: fetched.missing,
                    total_count: fetched.total_count,
                    end: fetched.end,
                });
            }
            Err(failure) => self.on_fetch_failed(id, failure.class, &failure.code, None),
        }
    }
}
