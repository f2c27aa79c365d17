//! Entities in the order in which they were last written: two lines, one of what is there and one of
//! absent marks. Constant work for each step; knows slots, not entities.

use super::shard::SlotNumber;
use crate::base::Image;
use crate::kept::Kept;

/// Which of the two lines an entity stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// What is not known to be absent.
    Kept,
    /// Absent marks.
    Absent,
}

impl Line {
    pub(crate) fn of(kept: &Kept) -> Self {
        if *kept.image() == Image::Absent {
            Self::Absent
        } else {
            Self::Kept
        }
    }
}

/// The lines, each a chain from slot to slot.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// By slot.
    links: Vec<Link>,
    kept: Ends,
    absent: Ends,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    behind: u32,
    line: Option<Line>,
}

#[derive(Debug)]
struct Ends {
    first: u32,
    last: u32,
    len: usize,
}

/// No slot.
const NONE: u32 = u32::MAX;

impl Default for Ends {
    fn default() -> Self {
        Self {
            first: NONE,
            last: NONE,
            len: 0,
        }
    }
}

impl Order {
    /// Puts a slot at the end of a line, or takes it out.
    pub(crate) fn set(&mut self, number: SlotNumber, line: Option<Line>) {
        let place = number.index();
        if self.links.len() <= place as usize {
            let free = Link {
                before: NONE,
                behind: NONE,
                line: None,
            };
            self.links.resize(place as usize + 1, free);
        }
        self.take_out(place);
        if let Some(line) = line {
            self.append(place, line);
        }
    }

    pub(crate) fn len(&self, line: Line) -> usize {
        match line {
            Line::Kept => self.kept.len,
            Line::Absent => self.absent.len,
        }
    }

    /// The first of a line.
    pub(crate) fn first(&self, line: Line) -> Option<SlotNumber> {
        let first = match line {
            Line::Kept => self.kept.first,
            Line::Absent => self.absent.first,
        };
        (first != NONE).then(|| SlotNumber::at(first))
    }

    fn ends(&mut self, line: Line) -> &mut Ends {
        match line {
            Line::Kept => &mut self.kept,
            Line::Absent => &mut self.absent,
        }
    }

    fn take_out(&mut self, place: u32) {
        let Link {
            before,
            behind,
            line,
        } = self.links[place as usize];
        let Some(line) = line else { return };
        self.links[place as usize].line = None;
        if let Some(link) = self.links.get_mut(before as usize) {
            link.behind = behind;
        } else {
            self.ends(line).first = behind;
        }
        if let Some(link) = self.links.get_mut(behind as usize) {
            link.before = before;
        } else {
            self.ends(line).last = before;
        }
        self.ends(line).len -= 1;
    }

    fn append(&mut self, place: u32, line: Line) {
        let ends = self.ends(line);
        let before = std::mem::replace(&mut ends.last, place);
        ends.len += 1;
        if before == NONE {
            ends.first = place;
        }
        if let Some(link) = self.links.get_mut(before as usize) {
            link.behind = place;
        }
        self.links[place as usize] = Link {
            before,
            behind: NONE,
            line: Some(line),
        };
    }
}
