//! A naive server: one thread, no store, the rules for actions written down as plainly as they can be.
//!
//! Per client and lane it keeps the last number it used up and the answers it gave. It panics where a client does
//! what no client may do.

use std::collections::BTreeMap;

use tidewire_model::{ActionId, EntityId, Lane};
use tidewire_queue::{Action, RefusalClass, SyncReason};

/// What the server makes of an action that follows in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Refuse(RefusalClass),
}

/// An action on its way up.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) action: Action,
    pub(crate) hash: String,
    pub(crate) previous: u64,
}

/// An answer on its way down.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Accepted {
        id: ActionId,
        seq: u64,
        replaced: BTreeMap<EntityId, EntityId>,
    },
    Refused {
        id: ActionId,
        seq: u64,
        class: RefusalClass,
    },
    Sync {
        lane: Lane,
        last_seq: u64,
        reason: SyncReason,
    },
}

/// Who speaks on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Speaker {
    pub(crate) client: String,
    pub(crate) incarnation: u64,
    pub(crate) run: u64,
}

/// What the server says to a speaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Welcome {
    Known(BTreeMap<Lane, u64>),
    Unknown,
    Fenced,
}

/// An action that took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) id: ActionId,
    pub(crate) lane: Lane,
    /// Which client's doing it was, as the test counts clients.
    pub(crate) by: usize,
}

#[derive(Debug, Clone, Default)]
struct Known {
    incarnation: u64,
    run: u64,
    last_seq: BTreeMap<Lane, u64>,
    confirmed: BTreeMap<Lane, u64>,
    answers: BTreeMap<(Lane, u64), (String, Answer)>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Server {
    clients: BTreeMap<String, Known>,
    pub(crate) applied: Vec<Applied>,
    /// What was replaced by which action, as the events of its commit tell everybody.
    pub(crate) echoes: Vec<BTreeMap<EntityId, EntityId>>,
    named: u32,
    /// Whether a store was copied: then one copy may confirm what the other has not heard.
    pub(crate) has_met_copies: bool,
}

impl Server {
    /// One who may have sent and is not known was forgotten: it is not noted before it comes as a new one.
    pub(crate) fn hello(
        &mut self,
        speaker: &Speaker,
        confirmed: &BTreeMap<Lane, u64>,
        may_have_sent: bool,
    ) -> Welcome {
        let Some(known) = self.clients.get_mut(&speaker.client) else {
            if may_have_sent {
                return Welcome::Unknown;
            }
            let known = Known {
                incarnation: speaker.incarnation,
                run: speaker.run,
                ..Known::default()
            };
            self.clients.insert(speaker.client.clone(), known);
            return Welcome::Known(BTreeMap::new());
        };
        if speaker.incarnation < known.incarnation || speaker.run <= known.run {
            return Welcome::Fenced;
        }
        if speaker.incarnation > known.incarnation && may_have_sent {
            return Welcome::Unknown;
        }
        if speaker.incarnation > known.incarnation {
            *known = Known {
                incarnation: speaker.incarnation,
                ..Known::default()
            };
        }
        known.run = speaker.run;
        for (lane, number) in confirmed {
            let before = known.confirmed.entry(lane.clone()).or_default();
            *before = (*before).max(*number);
        }
        let confirmed = known.confirmed.clone();
        known
            .answers
            .retain(|(lane, seq), _| *seq > confirmed.get(lane).copied().unwrap_or(0));
        Welcome::Known(known.last_seq.clone())
    }

    /// Takes an action; `verdict` is used where it follows in its lane.
    pub(crate) fn receive(
        &mut self,
        by: usize,
        speaker: &Speaker,
        frame: &Frame,
        verdict: Verdict,
    ) -> Answer {
        let Frame {
            action,
            hash,
            previous,
        } = frame;
        let (id, seq, lane) = (action.id, action.seq, action.lane.clone());
        let Some(known) = self.clients.get_mut(&speaker.client) else {
            return Answer::Sync {
                lane,
                last_seq: 0,
                reason: SyncReason::Unknown,
            };
        };
        let last_seq = known.last_seq.get(&lane).copied().unwrap_or(0);
        if (known.incarnation, known.run) != (speaker.incarnation, speaker.run) {
            return Answer::Sync {
                lane,
                last_seq,
                reason: SyncReason::Fenced,
            };
        }
        if seq <= last_seq {
            return match known.answers.get(&(lane.clone(), seq)) {
                Some((stored, answer)) if stored == hash => answer.clone(),
                Some(_) => Answer::Refused {
                    id,
                    seq,
                    class: RefusalClass::Permanent,
                },
                None if self.has_met_copies => Answer::Sync {
                    lane,
                    last_seq,
                    reason: SyncReason::Order,
                },
                None => panic!(
                    "asked again for {lane} {seq}, which the client had confirmed or never sent"
                ),
            };
        }
        if *previous != last_seq {
            return Answer::Sync {
                lane,
                last_seq,
                reason: SyncReason::Order,
            };
        }
        let answer = match verdict {
            Verdict::Refuse(class) => Answer::Refused { id, seq, class },
            Verdict::Accept => self.apply(by, action),
        };
        let uses_up = match verdict {
            Verdict::Accept => true,
            Verdict::Refuse(class) => {
                matches!(class, RefusalClass::Permanent | RefusalClass::Conflict)
            }
        };
        let known = self.clients.entry(speaker.client.clone()).or_default();
        if uses_up {
            known.last_seq.insert(lane.clone(), seq);
            known
                .answers
                .insert((lane, seq), (hash.clone(), answer.clone()));
        }
        answer
    }

    fn apply(&mut self, by: usize, action: &Action) -> Answer {
        let (id, seq, lane) = (action.id, action.seq, action.lane.clone());
        self.applied.push(Applied { id, lane, by });
        let mut replaced = BTreeMap::new();
        if let Some(temporary) = action
            .entity_id
            .as_ref()
            .filter(|id| action.name == "create" && id.is_temporary())
        {
            self.named += 1;
            replaced.insert(
                temporary.clone(),
                EntityId::text(&format!("named-{}", self.named)).unwrap(),
            );
        }
        self.echoes.push(replaced.clone());
        Answer::Accepted { id, seq, replaced }
    }

    /// Forgets every client, but not what they did.
    pub(crate) fn forget_clients(&mut self) {
        self.clients.clear();
    }

    pub(crate) fn times_applied(&self, id: ActionId) -> usize {
        self.applied
            .iter()
            .filter(|applied| applied.id == id)
            .count()
    }
}
