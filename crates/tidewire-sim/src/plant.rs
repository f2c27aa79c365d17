//! Mistakes that can be built into the world itself, each of a kind that a law forbids. They show
//! that the checks see what they are there for; nothing else uses them.

use tidewire_protocol::{Dialect, Encoded, Payload, ServerMessage, V1Json, Want};

/// A mistake of network, server or store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plant {
    /// Every tenth frame of events loses its changes, but not its place.
    LostChanges,
    /// The parts of a commit over several streams do not say that they belong together.
    TornCommit,
    /// Every fifth action is done twice, under two numbers.
    DoneTwice,
    /// Every fifth store transaction is reported as stored and is not.
    ForgetfulStore,
    /// A connection that was cut without a word goes on pinging.
    FalseLife,
    /// Every fifth read answers with the rows of an older point, and says it is the newest.
    OldRows,
    /// Answers that accept actions are kept from the clients.
    NoAnswers,
    /// The server never hears that a subscription was given back.
    KeptSubscription,
}

impl Plant {
    /// Every mistake.
    pub const ALL: &[Self] = &[
        Self::LostChanges,
        Self::TornCommit,
        Self::DoneTwice,
        Self::ForgetfulStore,
        Self::FalseLife,
        Self::OldRows,
        Self::NoAnswers,
        Self::KeptSubscription,
    ];
}

/// What becomes of frames with a mistake built in.
#[derive(Debug)]
pub(crate) struct Twister {
    plant: Option<Plant>,
    events: u64,
}

impl Twister {
    pub(crate) fn new(plant: Option<Plant>) -> Self {
        Self { plant, events: 0 }
    }

    /// A frame from the server, as its client gets it; nothing where it gets none.
    pub(crate) fn down(&mut self, frame: Encoded) -> Option<Encoded> {
        if !matches!(
            self.plant,
            Some(Plant::LostChanges | Plant::TornCommit | Plant::NoAnswers)
        ) {
            return Some(frame);
        }
        let Ok(message) = V1Json::DEFAULT.decode_server(frame.as_payload()) else {
            return Some(frame);
        };
        match (self.plant, message) {
            (Some(Plant::LostChanges), ServerMessage::Events(mut events)) => {
                self.events += 1;
                if !self.events.is_multiple_of(10) {
                    return Some(frame);
                }
                events.ops.clear();
                encode(&ServerMessage::Events(events))
            }
            (Some(Plant::TornCommit), ServerMessage::Events(mut events)) => {
                events.commit = None;
                encode(&ServerMessage::Events(events))
            }
            (Some(Plant::NoAnswers), ServerMessage::Ack(_)) => None,
            _ => Some(frame),
        }
    }

    /// Whether a frame from a client arrives.
    pub(crate) fn lets_up(&self, frame: &Encoded) -> bool {
        let Payload::Text(text) = frame.as_payload() else {
            return true;
        };
        self.plant != Some(Plant::KeptSubscription) || !text.contains("\"UNSUBSCRIBE\"")
    }
}

/// With everything an event may carry, which is more than some subscribers asked for.
fn encode(message: &ServerMessage) -> Option<Encoded> {
    V1Json::DEFAULT.encode_server(message, Want::Changes)
}
