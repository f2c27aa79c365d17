//! Which streams are held: one total table of states and events for each entity type.
//!
//! A stream is wanted while somebody watches something of its type, and a while longer. However a
//! server behaves, a stream is asked for again less and less often, until it has stood for a while.
//! This holds no positions and applies nothing; it says what is to be sent, and whoever sends takes
//! it when there is room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidewire_model::{EntityType, Tick};
use tidewire_protocol::RequestId;

use crate::backoff::{Backoff, BackoffSettings, patience};
use crate::random::Random;
use crate::settings::Settings;

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not held, not asked for.
    Off,
    /// To be asked for as soon as something may be sent.
    Due,
    /// `SUBSCRIBE` is out; until its answer, events of the stream are ignored (protocol rule 9).
    Asking(RequestId),
    /// The feed is attached.
    Held { since: Tick },
    /// Refused, ended, or asked for too often; asked for again at that time, or never on this
    /// connection.
    Resting(Option<Tick>),
}

#[derive(Debug)]
struct Entry {
    wanted: bool,
    linger_until: Option<Tick>,
    state: State,
    /// Where it is to begin when it is asked for next.
    from: From,
    /// Something of it was taken in since the last gap.
    progress: bool,
    /// Gaps since it last stood for a while.
    gaps: u32,
    /// It is not asked for again before that.
    rest_until: Tick,
    backoff: Backoff,
    /// While it is held: a snapshot is on its way, or it has not come as far as its head.
    awaits_more: bool,
    /// When it was asked for last.
    asked_at: Tick,
    /// So many requests before it were not answered, or not to the end.
    unanswered: u32,
    /// Why it was refused or ended, as it was told last since it stood well.
    told: Option<String>,
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `SUBSCRIBE`
    Subscribe(EntityType, RequestId, From),
    /// `UNSUBSCRIBE`
    Unsubscribe(EntityType, RequestId),
}

/// Where a stream that is asked for is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// Where it was left, if something is held of it.
    Applied,
    /// Anew.
    Anew,
}

/// What a gap means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// No feed is attached, so nothing can be missing.
    None,
    /// The feed is given back, and the stream is asked for again once it has rested.
    Again,
    /// The same, and it is one gap after another.
    OnceMore,
}

/// So many gaps of a stream that never stood for a while are worth a report.
const GAPS_TO_REPORT: u32 = 3;

/// Whether a dialect answers `SUBSCRIBE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// The feed is attached when the answer says so.
    Yes,
    /// The feed counts as attached once the request is out.
    No,
}

/// The streams.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    entries: BTreeMap<EntityType, Entry>,
    /// Feeds that nobody takes in any more, and of which the server was not told yet.
    given_back: BTreeSet<EntityType>,
    linger: Duration,
    answer_wait: Duration,
    /// When something of any stream came in last.
    came_at: Tick,
    backoff: BackoffSettings,
    answers: Option<Answers>,
}

impl Subscriptions {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            entries: BTreeMap::new(),
            given_back: BTreeSet::new(),
            linger: settings.linger,
            answer_wait: settings.answer_wait,
            came_at: Tick::from_micros(0),
            backoff: settings.session.backoff,
            answers: None,
        }
    }

    /// Whether events of this stream count.
    pub(crate) fn is_held(&self, entity_type: &EntityType) -> bool {
        self.entries
            .get(entity_type)
            .is_some_and(|entry| entry.state.is_held())
    }

    /// Whether requests about this type may go out: its feed is attached, or none is going to be.
    /// An answer to a request made before that would be distrusted as soon as it is.
    pub(crate) fn is_settled(&self, entity_type: &EntityType) -> bool {
        let Some(entry) = self.entries.get(entity_type) else {
            return true;
        };
        match entry.state {
            State::Held { .. } | State::Resting(None) => true,
            State::Off => !entry.wanted,
            State::Due | State::Asking(_) | State::Resting(Some(_)) => false,
        }
    }

    pub(crate) fn held(&self) -> impl Iterator<Item = &EntityType> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.state.is_held())
            .map(|(name, _)| name)
    }

    /// Somebody watches something of this type.
    pub(crate) fn on_wanted(&mut self, now: Tick, entity_type: &EntityType) {
        let backoff = self.backoff;
        let entry = self
            .entries
            .entry(entity_type.clone())
            .or_insert_with(|| Entry::new(now, backoff));
        entry.wanted = true;
        entry.linger_until = None;
        match (entry.state, self.answers) {
            (State::Off, Some(_)) => entry.state = State::Due,
            (State::Off, None)
            | (State::Due | State::Asking(_) | State::Held { .. } | State::Resting(_), _) => {}
        }
    }

    /// Nobody watches anything of this type any more.
    pub(crate) fn on_unwanted(&mut self, now: Tick, entity_type: &EntityType) {
        if let Some(entry) = self.entries.get_mut(entity_type) {
            entry.wanted = false;
            entry.linger_until = Some(now + self.linger);
        }
    }

    /// Messages flow.
    pub(crate) fn on_up(&mut self, answers: Answers) {
        self.answers = Some(answers);
        // What only lingers is not asked for again.
        for entry in self.entries.values_mut().filter(|entry| entry.wanted) {
            entry.state = State::Due;
            entry.from = From::Applied;
            entry.unanswered = 0;
        }
    }

    /// Messages flow no more; tells which feeds are lost by that.
    pub(crate) fn on_down(&mut self) -> Vec<EntityType> {
        self.answers = None;
        self.given_back.clear();
        let lost = self.held().cloned().collect();
        for entry in self.entries.values_mut() {
            entry.state = State::Off;
        }
        lost
    }

    /// What is to be sent next, if anything is: a feed is given back before it is asked for again.
    pub(crate) fn next_step(&mut self, now: Tick, ids: &mut RequestIds) -> Option<Step> {
        let answers = self.answers?;
        if let Some(entity_type) = self.given_back.pop_first() {
            return Some(Step::Unsubscribe(entity_type, ids.next()));
        }
        let mut entries = self.entries.iter_mut();
        let (entity_type, entry) = entries.find(|(_, entry)| entry.state == State::Due)?;
        let id = ids.next();
        entry.asked_at = now;
        entry.awaits_more = false;
        entry.state = match answers {
            Answers::Yes => State::Asking(id),
            Answers::No => State::Held { since: now },
        };
        Some(Step::Subscribe(entity_type.clone(), id, entry.from))
    }

    /// `SUBSCRIBED`; tells whether it answers the request under way.
    pub(crate) fn on_subscribed(
        &mut self,
        now: Tick,
        entity_type: &EntityType,
        id: RequestId,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(entity_type) else {
            return false;
        };
        match entry.state {
            State::Asking(asked) if asked == id => {
                entry.state = State::Held { since: now };
                true
            }
            State::Off | State::Due | State::Asking(_) | State::Held { .. } | State::Resting(_) => {
                false
            }
        }
    }

    /// `SUBSCRIBE_ERROR`; tells the stream, if it answers a request under way. It is asked for again
    /// then, or later if it was asked for often.
    pub(crate) fn on_refused(
        &mut self,
        now: Tick,
        id: RequestId,
        again_at: Option<Tick>,
        random: &mut Random,
    ) -> Option<EntityType> {
        let (entity_type, entry) = self
            .entries
            .iter_mut()
            .find(|(_, entry)| entry.state == State::Asking(id))?;
        entry.unanswered = 0;
        entry.rest(now, again_at, random);
        Some(entity_type.clone())
    }

    /// The server ended the stream; tells whether a feed was lost by that. It is asked for again
    /// then, or later if it was asked for often.
    pub(crate) fn on_ended(
        &mut self,
        now: Tick,
        entity_type: &EntityType,
        again_at: Option<Tick>,
        random: &mut Random,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(entity_type) else {
            return false;
        };
        match entry.state {
            State::Held { .. } => {
                entry.from = From::Applied;
                entry.rest(now, again_at, random);
                true
            }
            // The end of an older feed; the one asked for is still to come.
            State::Off | State::Due | State::Asking(_) | State::Resting(_) => false,
        }
    }

    /// Something of a stream came in, its feed to begin with, and whether more has to come before it is live. A server
    /// sends one thing after the other, so all the others may be in line behind it.
    pub(crate) fn on_came(&mut self, now: Tick, entity_type: &EntityType, awaits_more: bool) {
        self.came_at = now;
        let Some(entry) = self.entries.get_mut(entity_type) else {
            return;
        };
        entry.awaits_more = awaits_more;
        if !awaits_more {
            entry.unanswered = 0;
        }
    }

    /// The streams whose request was not answered in time, or whose snapshot or way to the head stopped. They are given
    /// back, whatever the server has made of it, and asked for again, which is then waited for longer.
    pub(crate) fn give_up_unanswered(&mut self, now: Tick, random: &mut Random) -> Vec<EntityType> {
        let mut given_up = Vec::new();
        let (came_at, wait) = (self.came_at, self.answer_wait);
        for (entity_type, entry) in &mut self.entries {
            if entry
                .awaited_until(came_at, wait)
                .is_some_and(|at| at <= now)
            {
                self.given_back.insert(entity_type.clone());
                entry.unanswered = entry.unanswered.saturating_add(1);
                if entry.state.is_held() {
                    // What did not come did not stand well, however long that took.
                    entry.state = State::Off;
                    entry.from = From::Anew;
                }
                entry.rest(now, Some(now), random);
                given_up.push(entity_type.clone());
            }
        }
        given_up
    }

    /// Whether it was not told before that a stream was refused or ended for this reason.
    pub(crate) fn is_news(&mut self, entity_type: &EntityType, code: &str) -> bool {
        let Some(entry) = self.entries.get_mut(entity_type) else {
            return true;
        };
        let is_news = entry.told.as_deref() != Some(code);
        if is_news {
            entry.told = Some(code.to_owned());
        }
        is_news
    }

    /// Something of the stream is missing: it is asked for again where it was left, and anew if
    /// nothing of it came in by that (protocol rule 4). The first time at once, then after a wait
    /// that grows until the stream has stood for a while (protocol rule 14).
    pub(crate) fn on_gap(
        &mut self,
        now: Tick,
        entity_type: &EntityType,
        random: &mut Random,
    ) -> Gap {
        let Some(entry) = self.give_back(entity_type) else {
            return Gap::None;
        };
        entry.rest(now, Some(now), random);
        entry.gaps = entry.gaps.saturating_add(1);
        entry.from = if entry.gaps == 1 || entry.progress {
            From::Applied
        } else {
            From::Anew
        };
        entry.progress = false;
        if entry.gaps >= GAPS_TO_REPORT {
            Gap::OnceMore
        } else {
            Gap::Again
        }
    }

    /// Whether a stream may be asked for anew because what is held of it was marked stale.
    pub(crate) fn may_renew(&self, now: Tick, entity_type: &EntityType) -> bool {
        self.entries
            .get(entity_type)
            .and_then(|entry| entry.renewable_at(self.backoff))
            .is_some_and(|at| at <= now)
    }

    /// A stream is asked for anew because what is held of it was marked stale; tells whether a feed
    /// was given back for that.
    pub(crate) fn on_renewed(
        &mut self,
        now: Tick,
        entity_type: &EntityType,
        random: &mut Random,
    ) -> bool {
        let entry = self.give_back(entity_type);
        entry
            .map(|entry| entry.rest(now, Some(now), random))
            .is_some()
    }

    /// The feed of a stream is not taken in any more, if there is one.
    fn give_back(&mut self, entity_type: &EntityType) -> Option<&mut Entry> {
        self.answers?;
        let entry = self.entries.get_mut(entity_type)?;
        if !entry.state.is_held() {
            return None;
        }
        self.given_back.insert(entity_type.clone());
        Some(entry)
    }

    /// Something of the stream was taken in.
    pub(crate) fn on_progress(&mut self, entity_type: &EntityType) {
        if let Some(entry) = self.entries.get_mut(entity_type) {
            entry.progress = true;
        }
    }

    /// A deadline has passed; tells which feeds were given back by that.
    pub(crate) fn on_due(&mut self, now: Tick) -> Vec<EntityType> {
        let mut over = Vec::new();
        for (entity_type, entry) in &mut self.entries {
            if !entry.wanted && entry.linger_until.is_some_and(|until| until <= now) {
                over.push(entity_type.clone());
            } else if let State::Resting(Some(at)) = entry.state
                && at <= now
                && entry.wanted
                && self.answers.is_some()
            {
                entry.state = State::Due;
            }
        }
        over.retain(|entity_type| {
            let state = self.entries.remove(entity_type).map(|entry| entry.state);
            match state {
                Some(State::Held { .. }) => self.given_back.insert(entity_type.clone()),
                Some(State::Asking(_)) => {
                    self.given_back.insert(entity_type.clone());
                    false
                }
                Some(State::Off | State::Due | State::Resting(_)) | None => false,
            }
        });
        over
    }

    /// When a stream nobody wants is given back, and when one that rests may be asked for again.
    pub(crate) fn deadlines(&self, now: Tick) -> (Option<Tick>, Option<Tick>) {
        let linger = self
            .entries
            .values()
            .filter_map(|entry| entry.linger_until)
            .min();
        let awaited = |entry: &Entry| entry.awaited_until(self.came_at, self.answer_wait);
        let again = self.answers.and_then(|_| {
            self.entries
                .values()
                .filter(|entry| entry.wanted)
                .filter_map(|entry| match entry.state {
                    State::Resting(at) => at,
                    State::Held { .. } => {
                        let renewable = entry.renewable_at(self.backoff).filter(|at| *at > now);
                        renewable.into_iter().chain(awaited(entry)).min()
                    }
                    State::Asking(_) => awaited(entry),
                    State::Off | State::Due => None,
                })
                .min()
        });
        (linger, again)
    }

    /// Whether nothing is held, asked for or lingering.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl State {
    fn is_held(self) -> bool {
        match self {
            Self::Held { .. } => true,
            Self::Off | Self::Due | Self::Asking(_) | Self::Resting(_) => false,
        }
    }
}

impl Entry {
    fn new(now: Tick, backoff: BackoffSettings) -> Self {
        Self {
            wanted: true,
            linger_until: None,
            state: State::Off,
            from: From::Applied,
            progress: false,
            gaps: 0,
            rest_until: now,
            backoff: Backoff::new(backoff),
            awaits_more: false,
            asked_at: now,
            unanswered: 0,
            told: None,
        }
    }

    /// Until when the answer to its request, or more of what that promised, is waited for, if it is. Something of any
    /// stream came in last at `came_at`, and after that so long is waited the first time.
    fn awaited_until(&self, came_at: Tick, wait: Duration) -> Option<Tick> {
        let is_awaited = match self.state {
            State::Asking(_) => true,
            State::Held { .. } => self.awaits_more,
            State::Off | State::Due | State::Resting(_) => false,
        };
        is_awaited.then(|| self.asked_at.max(came_at) + patience(wait, self.unanswered))
    }

    /// From when on it may be asked for anew, while it is held: it has rested, or stood well.
    fn renewable_at(&self, settings: BackoffSettings) -> Option<Tick> {
        match self.state {
            State::Held { since } => Some(self.rest_until.min(since + settings.healthy_after)),
            State::Off | State::Due | State::Asking(_) | State::Resting(_) => None,
        }
    }

    /// It is asked for again at that time, if ever, or once it has rested. The rest after that is
    /// longer, unless it stood well.
    fn rest(&mut self, now: Tick, again_at: Option<Tick>, random: &mut Random) {
        if let State::Held { since } = self.state
            && self.backoff.on_ended(now, since)
        {
            self.rest_until = now;
            self.gaps = 0;
            self.told = None;
        }
        let at = again_at.map(|at| at.max(self.rest_until));
        self.rest_until = at.unwrap_or(now) + self.backoff.next_wait(random);
        self.state = match at {
            Some(at) if at <= now => State::Due,
            later => State::Resting(later),
        };
    }
}

/// Makes the numbers of requests.
#[derive(Debug, Default)]
pub(crate) struct RequestIds(u64);

impl RequestIds {
    pub(crate) fn next(&mut self) -> RequestId {
        self.0 += 1;
        RequestId(self.0)
    }
}

#[cfg(test)]
mod tests;
