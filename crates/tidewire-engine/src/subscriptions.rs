//! Which streams are held: one total table of states and events for each entity type.
//!
//! A stream is wanted while somebody watches something of its type, and a while longer. This holds
//! no positions and applies nothing; it says what to send.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewire_model::{EntityType, Tick};
use tidewire_protocol::RequestId;

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not held, not asked for.
    Off,
    /// `SUBSCRIBE` is out; until its answer, events of the stream are ignored (protocol rule 9).
    Asking(RequestId),
    /// The feed is attached.
    Held,
    /// Refused or ended; asked for again at that time, or never on this connection.
    Refused(Option<Tick>),
}

#[derive(Debug)]
struct Entry {
    wanted: bool,
    linger_until: Option<Tick>,
    state: State,
    /// Gaps since something of the stream was last taken in.
    gaps: u32,
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `SUBSCRIBE`
    Subscribe(EntityType, RequestId, From),
    /// `UNSUBSCRIBE`
    Unsubscribe(EntityType, RequestId),
    /// Whatever the cache still holds as live of this stream is not live any more.
    Detach(EntityType),
}

/// Where a stream that is asked for is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// Where it was left, if something is held of it.
    Applied,
    /// Anew.
    Anew,
}

/// What follows a gap.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// The stream is asked for again, or no feed is attached.
    Again(Vec<Step>),
    /// Asking again does not help: it is left alone until then.
    LeftAlone(Vec<Step>),
}

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
    linger: Duration,
    answers: Option<Answers>,
}

impl Subscriptions {
    pub(crate) fn new(linger: Duration) -> Self {
        Self {
            entries: BTreeMap::new(),
            linger,
            answers: None,
        }
    }

    /// Whether events of this stream count.
    pub(crate) fn is_held(&self, entity_type: &EntityType) -> bool {
        self.entries
            .get(entity_type)
            .is_some_and(|entry| entry.state == State::Held)
    }

    /// Whether requests about this type may go out: its feed is attached, or none is going to be.
    /// An answer to a request made before that would be distrusted as soon as it is.
    pub(crate) fn is_settled(&self, entity_type: &EntityType) -> bool {
        let Some(entry) = self.entries.get(entity_type) else {
            return true;
        };
        match entry.state {
            State::Held | State::Refused(None) => true,
            State::Off => !entry.wanted,
            State::Asking(_) | State::Refused(Some(_)) => false,
        }
    }

    pub(crate) fn held(&self) -> impl Iterator<Item = &EntityType> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.state == State::Held)
            .map(|(name, _)| name)
    }

    /// Somebody watches something of this type.
    pub(crate) fn on_wanted(
        &mut self,
        entity_type: &EntityType,
        ids: &mut RequestIds,
    ) -> Vec<Step> {
        let up = self.answers;
        let entry = self.entries.entry(entity_type.clone()).or_insert(Entry {
            wanted: true,
            linger_until: None,
            state: State::Off,
            gaps: 0,
        });
        entry.wanted = true;
        entry.linger_until = None;
        match (entry.state, up) {
            (State::Off, Some(answers)) => {
                vec![entry.ask(entity_type, answers, From::Applied, ids)]
            }
            (State::Off, None) | (State::Asking(_) | State::Held | State::Refused(_), _) => {
                Vec::new()
            }
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
    pub(crate) fn on_up(&mut self, answers: Answers, ids: &mut RequestIds) -> Vec<Step> {
        self.answers = Some(answers);
        let mut steps = Vec::new();
        for (entity_type, entry) in &mut self.entries {
            // What only lingers is not asked for again.
            if entry.wanted {
                entry.gaps = 0;
                steps.push(entry.ask(entity_type, answers, From::Applied, ids));
            }
        }
        steps
    }

    /// Messages flow no more.
    pub(crate) fn on_down(&mut self) -> Vec<Step> {
        self.answers = None;
        let mut steps = Vec::new();
        for (entity_type, entry) in &mut self.entries {
            match entry.state {
                State::Held => steps.push(Step::Detach(entity_type.clone())),
                State::Off | State::Asking(_) | State::Refused(_) => {}
            }
            entry.state = State::Off;
        }
        steps
    }

    /// `SUBSCRIBED`; tells whether it answers the request under way.
    pub(crate) fn on_subscribed(&mut self, entity_type: &EntityType, id: RequestId) -> bool {
        let Some(entry) = self.entries.get_mut(entity_type) else {
            return false;
        };
        match entry.state {
            State::Asking(asked) if asked == id => {
                entry.state = State::Held;
                true
            }
            State::Off | State::Asking(_) | State::Held | State::Refused(_) => false,
        }
    }

    /// `SUBSCRIBE_ERROR`; tells the stream, if it answers a request under way.
    pub(crate) fn on_refused(
        &mut self,
        id: RequestId,
        again_at: Option<Tick>,
    ) -> Option<EntityType> {
        let (entity_type, entry) = self
            .entries
            .iter_mut()
            .find(|(_, entry)| entry.state == State::Asking(id))?;
        entry.state = State::Refused(again_at);
        Some(entity_type.clone())
    }

    /// The server ended the stream.
    pub(crate) fn on_ended(
        &mut self,
        entity_type: &EntityType,
        again_at: Option<Tick>,
    ) -> Vec<Step> {
        let Some(entry) = self.entries.get_mut(entity_type) else {
            return Vec::new();
        };
        match entry.state {
            State::Held => {
                entry.state = State::Refused(again_at);
                vec![Step::Detach(entity_type.clone())]
            }
            // The end of an older feed; the one asked for is still to come.
            State::Off | State::Asking(_) | State::Refused(_) => Vec::new(),
        }
    }

    /// Something of the stream is missing: it is asked for again where it was left, then anew, and
    /// if nothing of it comes in even so, it is left alone for a while (protocol rules 4 and 14).
    pub(crate) fn on_gap(
        &mut self,
        entity_type: &EntityType,
        again_at: Tick,
        ids: &mut RequestIds,
    ) -> Gap {
        let (Some(answers), Some(entry)) = (self.answers, self.entries.get_mut(entity_type)) else {
            return Gap::Again(Vec::new());
        };
        match entry.state {
            State::Held => {}
            State::Off | State::Asking(_) | State::Refused(_) => return Gap::Again(Vec::new()),
        }
        let mut steps = vec![
            Step::Detach(entity_type.clone()),
            Step::Unsubscribe(entity_type.clone(), ids.next()),
        ];
        entry.gaps = entry.gaps.saturating_add(1);
        let from = match entry.gaps {
            1 => From::Applied,
            2 => From::Anew,
            _ => {
                entry.state = State::Refused(Some(again_at));
                return Gap::LeftAlone(steps);
            }
        };
        steps.push(entry.ask(entity_type, answers, from, ids));
        Gap::Again(steps)
    }

    /// Something of the stream was taken in.
    pub(crate) fn on_progress(&mut self, entity_type: &EntityType) {
        if let Some(entry) = self.entries.get_mut(entity_type) {
            entry.gaps = 0;
        }
    }

    /// A deadline has passed.
    pub(crate) fn on_due(&mut self, now: Tick, ids: &mut RequestIds) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut over = Vec::new();
        for (entity_type, entry) in &mut self.entries {
            if !entry.wanted && entry.linger_until.is_some_and(|until| until <= now) {
                over.push(entity_type.clone());
                continue;
            }
            if let (State::Refused(Some(at)), Some(answers)) = (entry.state, self.answers)
                && at <= now
                && entry.wanted
            {
                steps.push(entry.ask(entity_type, answers, From::Applied, ids));
            }
        }
        for entity_type in over {
            if let Some(entry) = self.entries.remove(&entity_type) {
                match entry.state {
                    State::Held => {
                        steps.push(Step::Detach(entity_type.clone()));
                        steps.push(Step::Unsubscribe(entity_type, ids.next()));
                    }
                    State::Asking(_) => steps.push(Step::Unsubscribe(entity_type, ids.next())),
                    State::Off | State::Refused(_) => {}
                }
            }
        }
        steps
    }

    /// When a stream nobody wants is given back, and when a refused one is asked for again.
    pub(crate) fn deadlines(&self) -> (Option<Tick>, Option<Tick>) {
        let linger = self
            .entries
            .values()
            .filter_map(|entry| entry.linger_until)
            .min();
        let again = self.answers.and_then(|_| {
            self.entries
                .values()
                .filter(|entry| entry.wanted)
                .filter_map(|entry| match entry.state {
                    State::Refused(at) => at,
                    State::Off | State::Asking(_) | State::Held => None,
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

impl Entry {
    fn ask(
        &mut self,
        entity_type: &EntityType,
        answers: Answers,
        from: From,
        ids: &mut RequestIds,
    ) -> Step {
        let id = ids.next();
        self.state = match answers {
            Answers::Yes => State::Asking(id),
            Answers::No => State::Held,
        };
        Step::Subscribe(entity_type.clone(), id, from)
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
