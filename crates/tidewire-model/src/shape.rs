//! Shapes: lists of field names that the records of a program share.
//!
//! A shape is found by walking a tree, one step per name, as the names of an object come. The tree only grows, and not
//! beyond its bounds; what does not fit is written with names of its own. Never says what a field means, and never
//! decides what two records are: equality is by content.

mod tree;

pub(crate) use tree::{Node, PARTS, TREE, Tree};

use std::fmt;

/// Up to this many names a scan beats an index.
pub(crate) const SCAN_LIMIT: usize = 16;

/// The names of a record's fields, in order. Lives as long as the program, so that it is shared without being counted.
pub(crate) struct Shape {
    /// Which of all shapes this is, from 1.
    number: u16,
    /// All names, one behind the other.
    names: Box<str>,
    /// Where each name ends.
    ends: Box<[u32]>,
    /// Places, sorted by name; empty up to [`SCAN_LIMIT`] names.
    index: Box<[u16]>,
}

impl Shape {
    /// Names that are all different, no more than the tree allows for.
    fn new<'a>(number: u16, given: impl Iterator<Item = &'a str>) -> Self {
        let (mut names, mut ends) = (String::new(), Vec::new());
        for name in given {
            names.push_str(name);
            ends.push(u32::try_from(names.len()).expect("the tree bounds the bytes of its names"));
        }
        let mut shape = Self {
            number,
            names: names.into(),
            ends: ends.into(),
            index: Box::default(),
        };
        if shape.len() > SCAN_LIMIT {
            let places = u16::try_from(shape.len()).expect("the tree bounds the number of names");
            let mut index: Vec<u16> = (0..places).collect();
            index.sort_unstable_by_key(|&place| shape.name(place.into()));
            shape.index = index.into();
        }
        shape
    }

    /// What one of so many names with so many bytes takes.
    fn bytes_of(names: usize, bytes: usize) -> usize {
        let index = if names > SCAN_LIMIT { names } else { 0 };
        bytes + names * size_of::<u32>() + index * size_of::<u16>()
    }

    /// Which of all shapes this is, from 1.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// How many names it has.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes all names have.
    pub(crate) fn names_bytes(&self) -> usize {
        self.names.len()
    }

    /// The name at a place below the length.
    #[inline]
    pub(crate) fn name(&self, place: usize) -> &str {
        &self.names[self.begin(place)..self.ends[place] as usize]
    }

    /// Where a name stands.
    #[inline]
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.scan(name);
        }
        let found = self
            .index
            .binary_search_by(|&place| self.name(place.into()).cmp(name));
        found.ok().map(|at| self.index[at].into())
    }

    #[inline]
    fn scan(&self, name: &str) -> Option<usize> {
        let (names, name) = (self.names.as_bytes(), name.as_bytes());
        let mut begin = 0;
        for (place, &end) in self.ends.iter().enumerate() {
            let end = end as usize;
            // The first letter tells most names of one length apart, and asking for it costs no call.
            if same(&names[begin..end], name) {
                return Some(place);
            }
            begin = end;
        }
        None
    }

    #[inline]
    fn begin(&self, place: usize) -> usize {
        place
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize)
    }
}

/// Whether two names are one. Names are short, and a call to compare them would cost more than comparing.
#[inline]
pub(crate) fn same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len()
        && match one.len() {
            0 => true,
            1..4 => {
                one.first() == two.first()
                    && one.last() == two.last()
                    && one[one.len() / 2] == two[two.len() / 2]
            }
            4..8 => ends_are_same::<4>(one, two),
            8..=16 => ends_are_same::<8>(one, two),
            _ => one == two,
        }
}

/// Whether the first and the last so many bytes are the same; of names that are no longer than twice that, all.
#[inline]
fn ends_are_same<const N: usize>(one: &[u8], two: &[u8]) -> bool {
    one.first_chunk::<N>() == two.first_chunk::<N>()
        && one.last_chunk::<N>() == two.last_chunk::<N>()
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = (0..self.len()).map(|place| self.name(place));
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests;
