//! What the truth in memory knows of clients: their runs, lanes, and the answers to their actions.

use std::collections::BTreeMap;

use tidewire_model::Lane;
use tidewire_protocol::{ActionMessage, ClientInfo, limits};

use crate::{ActionOrigin, ActionOutcome, Answer, Greeting};

/// All clients, by principal and the client's id.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients {
    known: BTreeMap<(String, String), Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    incarnation: u64,
    run: u64,
    lanes: BTreeMap<Lane, Used>,
}

/// The numbers of one lane.
#[derive(Clone, Debug, Default)]
struct Used {
    last_seq: u64,
    /// Fingerprint and answer by number, until the client has confirmed them.
    answers: BTreeMap<u64, (String, Answer)>,
}

/// Whether an action may be done now.
pub(super) enum Standing {
    /// It is the next of its lane.
    Next,
    /// It is not, and this is why.
    Not(ActionOutcome),
}

impl Clients {
    pub(super) fn greet(
        &mut self,
        principal: &str,
        client: &ClientInfo,
        confirmed: &BTreeMap<Lane, u64>,
    ) -> Greeting {
        let name = (principal.to_owned(), client.id.clone());
        let claims_a_past = client.may_have_sent || confirmed.values().any(|seq| *seq > 0);
        match self.known.get_mut(&name) {
            Some(known) if client.incarnation == known.incarnation => {
                if client.run <= known.run {
                    return Greeting::Fenced;
                }
                let used = |lane| known.lanes.get(lane).map_or(0, |used| used.last_seq);
                if confirmed.iter().any(|(lane, seq)| *seq > used(lane)) {
                    return Greeting::Unknown;
                }
                known.run = client.run;
                for (lane, seq) in confirmed {
                    if let Some(used) = known.lanes.get_mut(lane) {
                        used.answers = used.answers.split_off(&(seq + 1));
                    }
                }
                Greeting::Known(last_numbers(known))
            }
            Some(known) if client.incarnation < known.incarnation => Greeting::Fenced,
            _ if claims_a_past => Greeting::Unknown,
            _ => {
                let lanes = BTreeMap::new();
                self.known.insert(
                    name,
                    Known {
                        incarnation: client.incarnation,
                        run: client.run,
                        lanes,
                    },
                );
                Greeting::Known(BTreeMap::new())
            }
        }
    }

    pub(super) fn standing(&self, origin: &ActionOrigin, action: &ActionMessage) -> Standing {
        let Some(known) = self.known.get(&name_of(origin)) else {
            return Standing::Not(ActionOutcome::UnknownClient);
        };
        match (known.incarnation, known.run).cmp(&(origin.incarnation, origin.run)) {
            std::cmp::Ordering::Less => return Standing::Not(ActionOutcome::UnknownClient),
            std::cmp::Ordering::Greater => return Standing::Not(ActionOutcome::Fenced),
            std::cmp::Ordering::Equal => {}
        }
        let unused = Used::default();
        let used = known.lanes.get(&action.lane).unwrap_or(&unused);
        if action.seq <= used.last_seq {
            return Standing::Not(match used.answers.get(&action.seq) {
                Some((hash, answer)) if *hash == action.hash => {
                    ActionOutcome::Stored(answer.clone())
                }
                Some(_) => ActionOutcome::OtherContent,
                None => ActionOutcome::Forgotten,
            });
        }
        if action.previous == used.last_seq {
            Standing::Next
        } else {
            Standing::Not(ActionOutcome::OutOfOrder {
                last_seq: used.last_seq,
            })
        }
    }

    pub(super) fn use_up(&mut self, origin: &ActionOrigin, action: &ActionMessage, answer: Answer) {
        let known = self.known.entry(name_of(origin)).or_default();
        let used = known.lanes.entry(action.lane.clone()).or_default();
        used.last_seq = action.seq;
        used.answers
            .insert(action.seq, (action.hash.clone(), answer));
        // A client has no more without an answer; what is older was answered.
        while used.answers.len() > limits::PENDING_ACTIONS {
            used.answers.pop_first();
        }
    }
}

fn name_of(origin: &ActionOrigin) -> (String, String) {
    (origin.principal.clone(), origin.client.clone())
}

fn last_numbers(known: &Known) -> BTreeMap<Lane, u64> {
    known
        .lanes
        .iter()
        .map(|(lane, used)| (lane.clone(), used.last_seq))
        .collect()
}
