//! Whose turn it is to read: those who ask, one after the other, a slice each.
//!
//! Of one who asks, what is new goes first, since most reads are over within a slice. A read that is not needs a
//! place to go on from where it stopped; there are only so many, and each has at most one. Without a place it begins
//! again when there is one, so that long reads never keep short ones from their first slice. Starts no thread and reads
//! nothing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use super::{Asker, Worker};

/// Something whose result may have become of no use.
pub(super) trait Wanted {
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
}

/// Whether a read may be longer than a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    None,
    Held,
}

/// What is to be done with a free turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<J> {
    Begin {
        asker: Asker,
        place: Place,
        job: J,
    },
    /// The read that this thread has stopped in goes on.
    GoOn(Worker),
}

/// What becomes of a read whose slice is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// It stays where it is until its next turn.
    Waits,
    /// It has to begin again later.
    Again,
    /// All is over.
    Over,
}

/// Everything that is to be read.
pub(super) struct Line<J> {
    /// How many more may run.
    free: usize,
    /// How many more may take longer than a slice.
    places: usize,
    askers: BTreeMap<Asker, Reads<J>>,
    /// Those who have something that may be able to run.
    turns: VecDeque<Asker>,
    /// Those whose next long read waits for a place.
    without_place: VecDeque<Asker>,
}

/// What one asks.
struct Reads<J> {
    new: VecDeque<J>,
    /// Found to take longer than a slice; each is to begin again.
    long: VecDeque<J>,
    under_way: UnderWay,
    in_turns: bool,
}

/// The one long read that has begun.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnderWay {
    Nothing,
    Runs,
    Waits(Worker),
}

impl<J> Default for Reads<J> {
    fn default() -> Self {
        Self {
            new: VecDeque::new(),
            long: VecDeque::new(),
            under_way: UnderWay::Nothing,
            in_turns: false,
        }
    }
}

impl<J: Wanted> Reads<J> {
    fn forget_unwanted(&mut self) {
        self.new.retain(J::is_wanted);
        self.long.retain(J::is_wanted);
    }
}

impl<J: Wanted> Line<J> {
    /// A line for so many reads at once, and so many that take longer than a slice; at least one of each.
    pub(super) fn new(running: usize, long: usize) -> Self {
        Self {
            free: running,
            places: long,
            askers: BTreeMap::new(),
            turns: VecDeque::new(),
            without_place: VecDeque::new(),
        }
    }

    /// Adds a read.
    pub(super) fn ask(&mut self, asker: Asker, job: J) {
        self.askers.entry(asker).or_default().new.push_back(job);
        self.enqueue(asker);
    }

    /// What has its turn now, if a turn is free.
    pub(super) fn next(&mut self) -> Option<Next<J>> {
        while self.free > 0 {
            let asker = self.turns.pop_front()?;
            let next = self.next_of(asker);
            self.tidy(asker);
            if next.is_some() {
                self.free -= 1;
                return next;
            }
        }
        None
    }

    fn next_of(&mut self, asker: Asker) -> Option<Next<J>> {
        let reads = self.askers.get_mut(&asker)?;
        reads.in_turns = false;
        reads.forget_unwanted();
        if let Some(job) = reads.new.pop_front() {
            let place = Place::None;
            return Some(Next::Begin { asker, place, job });
        }
        match reads.under_way {
            UnderWay::Runs => None,
            UnderWay::Waits(worker) => {
                reads.under_way = UnderWay::Runs;
                Some(Next::GoOn(worker))
            }
            UnderWay::Nothing => self.begin_long(asker),
        }
    }

    fn begin_long(&mut self, asker: Asker) -> Option<Next<J>> {
        let is_first = self.without_place.front() == Some(&asker);
        let may = self.places > 0 && (is_first || self.without_place.is_empty());
        let reads = self.askers.get_mut(&asker)?;
        let job = if may { reads.long.pop_front() } else { None };
        if let Some(job) = job {
            reads.under_way = UnderWay::Runs;
            self.places -= 1;
            self.leave_the_placeless(asker);
            let place = Place::Held;
            return Some(Next::Begin { asker, place, job });
        }
        if reads.long.is_empty() {
            self.leave_the_placeless(asker);
        } else if !self.without_place.contains(&asker) {
            self.without_place.push_back(asker);
        }
        None
    }

    /// The slice of a read is used up.
    pub(super) fn pass(&mut self, asker: Asker, place: &mut Place, worker: Worker) -> Passed {
        let reads = self.askers.entry(asker).or_default();
        if *place == Place::None {
            let is_another_under_way = reads.under_way != UnderWay::Nothing;
            if is_another_under_way || self.places == 0 || !self.without_place.is_empty() {
                return Passed::Again;
            }
            self.places -= 1;
            *place = Place::Held;
        }
        reads.under_way = UnderWay::Waits(worker);
        self.free += 1;
        self.enqueue(asker);
        Passed::Waits
    }

    /// Takes back a read that takes long and has no place.
    pub(super) fn begin_again(&mut self, asker: Asker, job: J) {
        self.free += 1;
        self.askers.entry(asker).or_default().long.push_back(job);
        self.tidy(asker);
    }

    /// A read is over.
    pub(super) fn end(&mut self, asker: Asker, place: Place) {
        self.free += 1;
        if place == Place::Held {
            self.places += 1;
            if let Some(reads) = self.askers.get_mut(&asker) {
                reads.under_way = UnderWay::Nothing;
            }
            self.offer_place();
        }
        self.tidy(asker);
    }

    /// Forgets what nobody waits for any more of one who asked.
    pub(super) fn forget_unwanted(&mut self, asker: Asker) {
        if let Some(reads) = self.askers.get_mut(&asker) {
            reads.forget_unwanted();
            self.tidy(asker);
        }
    }

    /// Forgets everything that has not begun.
    pub(super) fn clear(&mut self) {
        self.askers.clear();
        self.turns.clear();
        self.without_place.clear();
    }

    fn leave_the_placeless(&mut self, asker: Asker) {
        self.without_place.retain(|other| *other != asker);
        self.offer_place();
    }

    /// Lets the first of those without a place have a turn, if there is one.
    fn offer_place(&mut self) {
        if self.places > 0
            && let Some(&first) = self.without_place.front()
        {
            self.enqueue(first);
        }
    }

    /// Puts one into the turns who may have something to run.
    fn enqueue(&mut self, asker: Asker) {
        if let Some(reads) = self.askers.get_mut(&asker)
            && !reads.in_turns
        {
            reads.in_turns = true;
            self.turns.push_back(asker);
        }
    }

    /// Puts one back into the turns who has more, and forgets one who has nothing.
    fn tidy(&mut self, asker: Asker) {
        let Entry::Occupied(entry) = self.askers.entry(asker) else {
            return;
        };
        let reads = entry.get();
        let is_empty = reads.new.is_empty() && reads.long.is_empty();
        if is_empty && reads.under_way == UnderWay::Nothing && !reads.in_turns {
            entry.remove();
            self.leave_the_placeless(asker);
        } else if self.may_have_turn(asker) {
            self.enqueue(asker);
        }
    }

    /// Whether a turn would be of use to one.
    fn may_have_turn(&self, asker: Asker) -> bool {
        let Some(reads) = self.askers.get(&asker) else {
            return false;
        };
        match reads.under_way {
            _ if !reads.new.is_empty() => true,
            UnderWay::Waits(_) => true,
            UnderWay::Runs => false,
            UnderWay::Nothing if reads.long.is_empty() => false,
            // The first turn shows that it has to wait for a place, the next one is given with the place.
            UnderWay::Nothing => {
                let is_first = self.without_place.front() == Some(&asker);
                (is_first && self.places > 0) || !self.without_place.contains(&asker)
            }
        }
    }
}

#[cfg(test)]
mod tests;
