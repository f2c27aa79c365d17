//! Which entities may go, and in which order: three lines of slots, and the hand that walks them.
//!
//! What may be let go stands in the order in which it came. The hand goes from the oldest to the
//! newest, over and over (the SIEVE way): what was read since it last came by is spared, the rest
//! goes. Absent marks stand apart, and what was found to be pinned does. Constant work for each step;
//! knows slots, not entities.

use super::Stamp;
use super::shard::SlotNumber;
use crate::base::Image;
use crate::kept::Kept;

/// What is held of an entity, as far as eviction must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is not known to be absent.
    Kept,
    /// An absent mark.
    Absent,
}

impl Kind {
    pub(crate) fn of(kept: &Kept) -> Self {
        if *kept.image() == Image::Absent {
            Self::Absent
        } else {
            Self::Kept
        }
    }
}

/// Which of the lines an entity stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// What is not known to be absent, and was not found to be pinned.
    Free,
    /// Absent marks that were not found to be pinned.
    Absent,
    /// What was found to be pinned, marks too.
    Pinned,
}

impl Line {
    /// Where those of a kind stand that are not known to be pinned.
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Kept => Self::Free,
            Kind::Absent => Self::Absent,
        }
    }
}

/// The lines, each a chain from slot to slot.
#[derive(Debug)]
pub(crate) struct Order {
    /// By slot.
    links: Vec<Link>,
    lines: [Ends; 3],
    /// The next of the free line that is looked at; nothing at the end of a round.
    hand: u32,
    /// How many pinned ones were found to be so still, one after the other, since pins may have ended.
    checked: usize,
    /// How many of all are absent marks.
    marks: usize,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    behind: u32,
    /// When it joined its line.
    age: u32,
    /// What the budget counts for it.
    bytes: u32,
    kind: Kind,
    line: Option<Line>,
    /// It was read since the hand last came by.
    visited: bool,
}

#[derive(Debug, Clone, Copy)]
struct Ends {
    first: u32,
    last: u32,
    len: usize,
    bytes: usize,
}

/// No slot.
const NONE: u32 = u32::MAX;

/// What the budget counts for a place in the order, with the spare room that goes with it.
pub(crate) const LINK_BYTES: usize = size_of::<Link>() * 9 / 8;

impl Default for Order {
    fn default() -> Self {
        let ends = Ends {
            first: NONE,
            last: NONE,
            len: 0,
            bytes: 0,
        };
        Self {
            links: Vec::new(),
            lines: [ends; 3],
            hand: NONE,
            checked: 0,
            marks: 0,
        }
    }
}

impl Order {
    /// An entity is held like this, or no more. What is new, or of another kind, stands last in its
    /// line; so does an absent mark that is made again. What is pinned stays so.
    pub(crate) fn set(&mut self, number: SlotNumber, held: Option<(Kind, usize)>, stamp: Stamp) {
        let place = number.index();
        self.make_room(place);
        let Link { line, kind, .. } = self.links[place as usize];
        match held {
            Some((next, bytes)) => {
                self.count(line.map(|_| kind), Some(next));
                self.links[place as usize].kind = next;
                self.set_held(place, line, (next, bytes), stamp);
            }
            None => {
                self.count(line.map(|_| kind), None);
                self.take_out(place);
            }
        }
        if self.lines.iter().all(|ends| ends.len == 0) {
            *self = Self::default();
        }
    }

    fn set_held(
        &mut self,
        place: u32,
        line: Option<Line>,
        (kind, bytes): (Kind, usize),
        stamp: Stamp,
    ) {
        match (line, kind) {
            (Some(Line::Pinned), _) | (Some(Line::Free), Kind::Kept) => self.weigh(place, bytes),
            _ => {
                self.take_out(place);
                self.links[place as usize].visited = false;
                self.links[place as usize].bytes = packed(bytes);
                self.append(place, Line::of(kind), stamp);
            }
        }
    }

    /// How many of a kind there are.
    pub(crate) fn count_of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Absent => self.marks,
            Kind::Kept => self.lines.iter().map(|ends| ends.len).sum::<usize>() - self.marks,
        }
    }

    pub(crate) fn len(&self, line: Line) -> usize {
        self.lines[line as usize].len
    }

    /// What the budget counts for a line.
    pub(crate) fn bytes(&self, line: Line) -> usize {
        self.lines[line as usize].bytes
    }

    /// What was asked of the allocator for the lines.
    pub(crate) fn held_bytes(&self) -> usize {
        self.links.capacity() * size_of::<Link>()
    }

    /// The first of a line.
    pub(crate) fn first(&self, line: Line) -> Option<SlotNumber> {
        slot(self.lines[line as usize].first)
    }

    /// A slot was found to be pinned.
    pub(crate) fn pin(&mut self, number: SlotNumber, stamp: Stamp) {
        self.move_to(number, |_| Line::Pinned, stamp);
    }

    /// The first of the pinned was found to be so still: it stands last now.
    pub(crate) fn keep_pinned(&mut self, stamp: Stamp) {
        if let Some(number) = self.first(Line::Pinned) {
            self.checked += 1;
            self.pin(number, stamp);
        }
    }

    /// A slot was found not to be pinned any more: it counts as new.
    pub(crate) fn unpin(&mut self, number: SlotNumber, stamp: Stamp) {
        self.move_to(number, Line::of, stamp);
    }

    fn move_to(&mut self, number: SlotNumber, line: impl FnOnce(Kind) -> Line, stamp: Stamp) {
        let place = number.index();
        let link = self.links.get(place as usize);
        if let Some(kind) = link.and_then(|link| link.line.map(|_| link.kind)) {
            self.take_out(place);
            self.append(place, line(kind), stamp);
        }
    }

    /// The slot under the hand and since when it stands in its line; nothing at the end of a round.
    pub(crate) fn at_hand(&self) -> Option<(SlotNumber, u32)> {
        let link = self.links.get(self.hand as usize)?;
        Some((SlotNumber::at(self.hand), link.age))
    }

    /// Whether the slot under the hand was read since the hand last came by. The hand goes on to the
    /// next.
    pub(crate) fn pass(&mut self) -> bool {
        let Some(link) = self.links.get_mut(self.hand as usize) else {
            return false;
        };
        self.hand = link.behind;
        std::mem::take(&mut link.visited)
    }

    /// The hand goes back to the oldest.
    pub(crate) fn begin_round(&mut self) {
        self.hand = self.lines[Line::Free as usize].first;
    }

    /// The slots that the hand comes to next, so many at most.
    pub(crate) fn ahead(&self, most: usize) -> Vec<SlotNumber> {
        let oldest = self.lines[Line::Free as usize].first;
        let most = most.min(self.len(Line::Free));
        let mut next = if self.hand == NONE { oldest } else { self.hand };
        let mut ahead = Vec::with_capacity(most);
        while ahead.len() < most
            && let Some(link) = self.links.get(next as usize)
        {
            ahead.push(SlotNumber::at(next));
            next = if link.behind == NONE {
                oldest
            } else {
                link.behind
            };
        }
        ahead
    }

    /// A slot was read.
    pub(crate) fn visit(&mut self, number: SlotNumber) {
        if let Some(link) = self.links.get_mut(number.index() as usize) {
            link.visited = link.line.is_some();
        }
    }

    /// Whether there are pinned ones that were not looked at since pins may have ended.
    pub(crate) fn has_unchecked(&self) -> bool {
        self.checked < self.len(Line::Pinned)
    }

    /// Pins may have ended.
    pub(crate) fn check_anew(&mut self) {
        self.checked = 0;
    }

    fn make_room(&mut self, place: u32) {
        let needed = place as usize + 1;
        if needed <= self.links.len() {
            return;
        }
        if needed > self.links.capacity() {
            // By a quarter, as the slots grow.
            let spare = self.links.len() / 8 + 4;
            self.links.reserve_exact(needed - self.links.len() + spare);
        }
        let free = Link {
            before: NONE,
            behind: NONE,
            age: 0,
            bytes: 0,
            kind: Kind::Kept,
            line: None,
            visited: false,
        };
        self.links.resize(needed, free);
    }

    fn count(&mut self, before: Option<Kind>, after: Option<Kind>) {
        self.marks += usize::from(after == Some(Kind::Absent));
        self.marks -= usize::from(before == Some(Kind::Absent));
    }

    fn weigh(&mut self, place: u32, bytes: usize) {
        let link = &mut self.links[place as usize];
        let Some(line) = link.line else { return };
        let bytes = packed(bytes);
        let old = std::mem::replace(&mut link.bytes, bytes);
        let ends = &mut self.lines[line as usize];
        ends.bytes = ends.bytes - old as usize + bytes as usize;
    }

    fn take_out(&mut self, place: u32) {
        let link = self.links[place as usize];
        let Some(line) = link.line else { return };
        self.links[place as usize].line = None;
        if self.hand == place {
            self.hand = link.behind;
        }
        let ends = &mut self.lines[line as usize];
        ends.len -= 1;
        ends.bytes -= link.bytes as usize;
        if link.before == NONE {
            ends.first = link.behind;
        }
        if link.behind == NONE {
            ends.last = link.before;
        }
        if let Some(before) = self.links.get_mut(link.before as usize) {
            before.behind = link.behind;
        }
        if let Some(behind) = self.links.get_mut(link.behind as usize) {
            behind.before = link.before;
        }
    }

    fn append(&mut self, place: u32, line: Line, stamp: Stamp) {
        let ends = &mut self.lines[line as usize];
        let before = std::mem::replace(&mut ends.last, place);
        ends.len += 1;
        if before == NONE {
            ends.first = place;
        }
        let link = &mut self.links[place as usize];
        (link.before, link.behind, link.age) = (before, NONE, stamp.age());
        link.line = Some(line);
        self.lines[line as usize].bytes += link.bytes as usize;
        if let Some(link) = self.links.get_mut(before as usize) {
            link.behind = place;
        }
    }
}

fn slot(place: u32) -> Option<SlotNumber> {
    (place != NONE).then(|| SlotNumber::at(place))
}

/// What is larger counts as the largest.
fn packed(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
