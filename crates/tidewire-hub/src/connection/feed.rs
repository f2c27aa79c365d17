//! One subscription: how far it has come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tidewire_model::{Lane, Offset};
use tidewire_protocol::{RequestId, Resume, Want, WireRow};

use super::outbox::Answer;
use crate::{Frame, Ticket};

/// One subscription.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Which one; a stream given back and asked for again has another.
    pub(crate) key: u64,
    /// The request that asked for it.
    pub(crate) request: RequestId,
    pub(crate) want: Want,
    /// What the principal may see of the stream.
    pub(crate) view: String,
    pub(crate) state: FeedState,
}

/// How far a subscription has come.
#[derive(Debug)]
pub(crate) enum FeedState {
    /// It waits until another snapshot of the connection is out.
    InLine,
    /// The journal is read to resume it.
    Replaying { ticket: Ticket, resume: Resume },
    /// A snapshot is being opened.
    Opening(Box<Opening>),
    /// `SUBSCRIBED` waits in the outbox; what follows begins when it goes out.
    Answered(Box<FeedState>),
    /// The rows of a snapshot go out.
    Snapshot(Box<SnapshotFeed>),
    /// Its commits go out.
    Flowing(Flow),
}

/// A snapshot being opened, and what the client's actions did meanwhile.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) ticket: Ticket,
    /// Per lane, the last number used up when the snapshot was asked for; it contains all of them.
    pub(crate) lanes: BTreeMap<Lane, u64>,
    /// Numbers used up since, each with the offset it came to on this stream, if it wrote to it.
    pub(crate) since: Vec<(Lane, u64, Option<Offset>)>,
    /// Answers about this stream that may speak for a later point than the snapshot.
    pub(crate) held: Vec<Answer>,
}

impl Opening {
    /// Per lane, the last action that a snapshot as of a point contains: nothing that came to a
    /// later offset, and nothing behind such an action.
    pub(crate) fn contained(&self, as_of: Offset) -> BTreeMap<Lane, u64> {
        let mut lanes = self.lanes.clone();
        let mut over = BTreeSet::new();
        for (lane, seq, offset) in &self.since {
            if offset.is_some_and(|offset| offset > as_of) {
                over.insert(lane);
            } else if !over.contains(lane) {
                lanes.insert(lane.clone(), *seq);
            }
        }
        lanes.retain(|_, seq| *seq > 0);
        lanes
    }
}

/// The rows of a snapshot on their way.
#[derive(Debug)]
pub(crate) struct SnapshotFeed {
    pub(crate) ticket: Ticket,
    pub(crate) as_of: Offset,
    /// Per lane of the client, the last action the snapshot contains.
    pub(crate) actions: BTreeMap<Lane, u64>,
    /// Rows that were read and are not out.
    pub(crate) rows: Vec<WireRow>,
    pub(crate) reading: Reading,
    pub(crate) part: u64,
    pub(crate) count: u64,
    /// Bytes of the rows read so far, to ask for a fitting number.
    pub(crate) bytes_read: usize,
    pub(crate) rows_read: usize,
    /// Answers about this stream that speak for a later point than the snapshot; they go out when
    /// the feed has caught up.
    pub(crate) held: Vec<Answer>,
}

/// Whether more rows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Nothing is asked for.
    Idle,
    /// The backend reads.
    UnderWay,
    /// There are no more.
    Done,
}

/// Commits on their way.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// The last commit that is out.
    pub(crate) sent: Offset,
    /// The frames of commits from the journal, which go before those of the log.
    pub(crate) replay: VecDeque<Arc<[Frame]>>,
    /// The commit that is going out, and how many of its frames are out.
    pub(crate) chunks: Option<(Arc<[Frame]>, usize)>,
    /// Whether it stands among the connection's feeds that have a commit to hand out.
    pub(crate) ready: bool,
}

impl Feed {
    /// The snapshot that goes out, or will once `SUBSCRIBED` is out.
    pub(crate) fn snapshot_mut(&mut self) -> Option<&mut SnapshotFeed> {
        match &mut self.state {
            FeedState::Snapshot(snapshot) => Some(snapshot),
            FeedState::Answered(next) => match &mut **next {
                FeedState::Snapshot(snapshot) => Some(snapshot),
                _ => None,
            },
            _ => None,
        }
    }

    /// Answers that wait for a snapshot of the stream, from its opening to its end.
    pub(crate) fn held_mut(&mut self) -> Option<&mut Vec<Answer>> {
        let state = match &mut self.state {
            FeedState::Answered(next) => &mut **next,
            state => state,
        };
        match state {
            FeedState::Opening(opening) => Some(&mut opening.held),
            FeedState::Snapshot(snapshot) => Some(&mut snapshot.held),
            _ => None,
        }
    }

    /// The bytes of commits from the journal that wait to go out.
    pub(crate) fn replay_bytes(&self) -> usize {
        let state = match &self.state {
            FeedState::Answered(next) => &**next,
            state => state,
        };
        let FeedState::Flowing(flow) = state else {
            return 0;
        };
        let frames = flow.replay.iter().flat_map(|frames| frames.iter());
        frames.map(Frame::len).sum()
    }

    /// Whether a snapshot is on its way that does not contain this offset, or may not.
    pub(crate) fn is_behind(&self, offset: Offset) -> bool {
        let of = |state: &FeedState| match state {
            FeedState::Opening(_) => true,
            FeedState::Snapshot(snapshot) => snapshot.as_of < offset,
            _ => false,
        };
        match &self.state {
            FeedState::Answered(next) => of(next),
            state => of(state),
        }
    }

    /// Whether rows of the stream may go out: all events that they include go before them.
    pub(crate) fn takes_rows(&self) -> bool {
        match &self.state {
            FeedState::Answered(next) => matches!(**next, FeedState::Flowing(_)),
            state => matches!(state, FeedState::Flowing(_)),
        }
    }

    /// The question to the backend that is still of use to it.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        match &self.state {
            FeedState::Replaying { ticket, .. } => Some(*ticket),
            FeedState::Opening(opening) => Some(opening.ticket),
            FeedState::Snapshot(snapshot) => Some(snapshot.ticket),
            FeedState::Answered(next) => match &**next {
                FeedState::Snapshot(snapshot) => Some(snapshot.ticket),
                _ => None,
            },
            FeedState::InLine | FeedState::Flowing(_) => None,
        }
    }
}

impl Flow {
    /// A feed that goes on behind a commit.
    pub(crate) fn after(sent: Offset) -> Self {
        Self {
            sent,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str) -> Lane {
        Lane::new(name).unwrap()
    }

    #[test]
    fn a_snapshot_names_what_it_contains_and_nothing_later() {
        let offset = |number| Offset::new(number);
        let opening = Opening {
            ticket: Ticket(1),
            lanes: BTreeMap::from([(lane("main"), 3), (lane("other"), 0)]),
            since: vec![
                (lane("main"), 4, offset(10)),
                (lane("main"), 5, None),
                (lane("main"), 6, offset(11)),
                (lane("side"), 1, offset(9)),
                (lane("main"), 7, None),
            ],
            held: Vec::new(),
        };
        let named = |as_of| opening.contained(Offset::new(as_of).unwrap());
        assert_eq!(
            named(10),
            BTreeMap::from([(lane("main"), 5), (lane("side"), 1)])
        );
        assert_eq!(
            named(11),
            BTreeMap::from([(lane("main"), 7), (lane("side"), 1)])
        );
        assert_eq!(named(8), BTreeMap::from([(lane("main"), 3)]));
    }
}
