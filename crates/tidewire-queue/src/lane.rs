//! The numbers of one lane and the line of its actions.
//!
//! Holds what the server and this side have said about numbers. Never holds an action.

use std::collections::BTreeMap;

/// What is known of one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LaneState {
    /// The number the next action gets. Stored.
    pub(crate) next: u64,
    /// The highest number that may have been sent. Stored before the action goes out; every action of the line with
    /// a number up to it is possibly sent.
    pub(crate) sent: u64,
    /// The highest number that was answered for good. Stored together with what the answer led to.
    pub(crate) answered: u64,
    /// The highest number the server is known to have used up, by an answer or by its own word.
    pub(crate) used: u64,
    /// Up to here nothing that goes out needs the store to learn of it first.
    pub(crate) marked: u64,
    /// Lane number to submission number of everything that is not parked.
    pub(crate) line: BTreeMap<u64, u64>,
    /// Nothing is offered until the lane is resumed.
    pub(crate) waits: bool,
    /// How often in a row it had to wait.
    pub(crate) wait_times: u32,
    /// How often in a row the server said that the lane is out of order, without an answer between.
    pub(crate) out_of_order: u32,
}

impl LaneState {
    pub(crate) fn new() -> Self {
        Self::stored(1, 0, 0)
    }

    /// From the three numbers that are stored.
    pub(crate) fn stored(next: u64, sent: u64, answered: u64) -> Self {
        Self {
            next,
            sent,
            answered,
            used: answered,
            marked: sent,
            line: BTreeMap::new(),
            waits: false,
            wait_times: 0,
            out_of_order: 0,
        }
    }

    /// Puts an action at the end of the line and gives it its number.
    pub(crate) fn join(&mut self, number: u64) -> u64 {
        let seq = self.next;
        self.next += 1;
        self.line.insert(seq, number);
        seq
    }

    /// Notes an answer of any kind.
    pub(crate) fn note_answer(&mut self, seq: u64) {
        self.marked = self.marked.max(seq.min(self.sent));
        self.out_of_order = 0;
    }

    /// Notes an answer that used the number up.
    pub(crate) fn note_used(&mut self, seq: u64) {
        if seq <= self.sent {
            self.answered = self.answered.max(seq);
            self.used = self.used.max(seq);
            self.wait_times = 0;
        }
    }

    /// Notes that a number that may have been sent left the line without being used up. What goes out behind it now
    /// may be taken by the server in its stead, so the store must know first that it left: whatever is offered behind
    /// it comes with a transaction again.
    pub(crate) fn note_hole(&mut self, seq: u64) {
        self.marked = self.marked.min(seq.saturating_sub(1));
    }

    /// The number sent before `seq`: the highest below it that the server used up or that may be on its way.
    pub(crate) fn previous(&self, seq: u64) -> u64 {
        let on_its_way = self
            .line
            .range(..seq)
            .next_back()
            .map_or(0, |(&before, _)| before);
        let used_up = [self.used, self.answered]
            .into_iter()
            .filter(|&used| used < seq)
            .max()
            .unwrap_or(0);
        on_its_way.max(used_up)
    }

    /// The highest number up to which every answer is held.
    pub(crate) fn confirmed(&self) -> u64 {
        let unanswered = self
            .line
            .keys()
            .next()
            .copied()
            .filter(|&seq| seq <= self.sent);
        unanswered.map_or(self.answered, |seq| self.answered.min(seq - 1))
    }
}
