//! The places of rows in the order of a list: a tree of plain data that is cheap to copy.
//!
//! Knows a row by its number and by the digest of its place; what tells two rows of one digest apart
//! is looked up by whoever compares. A clone shares everything, and a change copies what it shares on
//! the way to one place; a tree that was never cloned is changed where it is. Each node knows how many
//! places lie below, so that a place is also found by its rank.

mod iter;

use std::cmp::Ordering;
use std::sync::Arc;

use tidewire_model::SortDigest;

use crate::held::SHARE_BYTES;
use crate::row_number::RowNumber;

pub(crate) use iter::Iter;

/// Most places in a leaf.
const LEAF: usize = 32;
/// Most children of an inner node.
const FAN: usize = 32;

/// The place of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spot {
    first: u64,
    second: u64,
    third: u32,
    number: RowNumber,
}

impl Spot {
    pub(crate) fn new(digest: SortDigest, number: RowNumber) -> Self {
        let (first, second, third) = digest.parts();
        Self {
            first,
            second,
            third,
            number,
        }
    }

    pub(crate) fn number(&self) -> RowNumber {
        self.number
    }

    /// How it stands to a place with this digest, as far as the digests tell.
    pub(crate) fn cmp_digest(&self, digest: SortDigest) -> Ordering {
        (self.first, self.second, self.third).cmp(&digest.parts())
    }

    /// How it stands to another place, as far as the digests tell.
    pub(crate) fn cmp_spot(&self, other: &Self) -> Ordering {
        let parts = |spot: &Self| (spot.first, spot.second, spot.third);
        parts(self).cmp(&parts(other))
    }
}

/// Places in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    root: Node,
    len: usize,
    /// How many leaves there are beside the first.
    leaves: usize,
}

/// What the budget counts for a place, with its part of the nodes.
pub(crate) const COUNTED_BYTES: usize = size_of::<Spot>() * 3 / 2;

#[derive(Debug, Clone)]
enum Node {
    Leaf(Arc<Leaf>),
    Inner(Arc<Vec<Child>>),
}

#[derive(Debug, Clone, Default)]
struct Leaf {
    len: u32,
    spots: [Spot; LEAF],
}

#[derive(Debug, Clone)]
struct Child {
    /// The first place below.
    floor: Spot,
    /// How many places lie below.
    len: usize,
    node: Node,
}

/// What is found at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// How many places come before it.
    pub(crate) rank: usize,
    /// What stands there.
    pub(crate) spot: Option<Spot>,
}

impl Places {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What was asked of the allocator for them. Inner nodes, a tenth of all, are not known as exactly.
    pub(crate) fn held_bytes(&self) -> usize {
        let leaf = SHARE_BYTES + size_of::<Leaf>();
        let inner = self.leaves * size_of::<Child>() * 3 / 2;
        leaf + self.leaves * leaf + inner
    }

    /// Looks for a place. `stands` tells how each of the places stands to it.
    pub(crate) fn find(&self, stands: impl Fn(&Spot) -> Ordering) -> Found {
        let (mut node, mut before) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let spots = leaf.spots();
                    let (at, spot) = match spots.binary_search_by(&stands) {
                        Ok(at) => (at, Some(spots[at])),
                        Err(at) => (at, None),
                    };
                    return Found {
                        rank: before + at,
                        spot,
                    };
                }
                Node::Inner(children) => {
                    let at = child_of(children, &stands);
                    before += rows_of(&children[..at]);
                    node = &children[at].node;
                }
            }
        }
    }

    /// Puts a row at its place. What stands there goes. Returns how many come before it.
    pub(crate) fn insert(&mut self, spot: Spot, stands: impl Fn(&Spot) -> Ordering) -> usize {
        let inserted = insert(&mut self.root, &mut self.leaves, spot, &stands);
        self.len += usize::from(inserted.is_new);
        if let Some(right) = inserted.split {
            let left = std::mem::take(&mut self.root);
            let first = Child {
                floor: left.first().unwrap_or_default(),
                len: self.len - right.len,
                node: left,
            };
            self.root = Node::Inner(Arc::new(vec![first, right]));
        }
        inserted.rank
    }

    /// Takes a row from its place. Returns it, and how many come before it.
    pub(crate) fn remove(&mut self, stands: impl Fn(&Spot) -> Ordering) -> Option<(Spot, usize)> {
        let removed = remove(&mut self.root, &mut self.leaves, &stands)?;
        self.len -= 1;
        while let Node::Inner(children) = &self.root {
            match children.as_slice() {
                [] => self.root = Node::default(),
                [only] => self.root = only.node.clone(),
                _ => break,
            }
        }
        Some(removed)
    }

    /// Takes the last row out.
    pub(crate) fn remove_last(&mut self) -> Option<Spot> {
        let last = self.last()?;
        // All others stand before it.
        let removed = self.remove(|spot| {
            if spot.number() == last.number() {
                Ordering::Equal
            } else {
                Ordering::Less
            }
        });
        removed.map(|(spot, _)| spot)
    }

    /// Puts a row behind all others.
    pub(crate) fn push(&mut self, spot: Spot) {
        self.insert(spot, |_| Ordering::Less);
    }

    pub(crate) fn first(&self) -> Option<Spot> {
        self.root.first()
    }

    pub(crate) fn last(&self) -> Option<Spot> {
        let last = self.len.checked_sub(1)?;
        self.iter_from_nth(last).next()
    }

    pub(crate) fn iter(&self) -> Iter<'_> {
        self.iter_from_nth(0)
    }

    /// The places from a rank on.
    pub(crate) fn iter_from_nth(&self, rank: usize) -> Iter<'_> {
        Iter::from_nth(&self.root, rank)
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Arc::default())
    }
}

impl Node {
    fn first(&self) -> Option<Spot> {
        match self {
            Self::Leaf(leaf) => leaf.spots().first().copied(),
            Self::Inner(children) => children.first().map(|child| child.floor),
        }
    }

    /// Whether it has so little that it is better joined with a neighbour.
    fn is_sparse(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.spots().len() < LEAF / 4,
            Self::Inner(children) => children.len() < FAN / 4,
        }
    }
}

impl Leaf {
    fn spots(&self) -> &[Spot] {
        &self.spots[..self.len as usize]
    }

    fn insert(&mut self, at: usize, spot: Spot) {
        let len = self.len as usize;
        self.spots.copy_within(at..len, at + 1);
        self.spots[at] = spot;
        self.len += 1;
    }

    fn remove(&mut self, at: usize) -> Spot {
        let (len, spot) = (self.len as usize, self.spots[at]);
        self.spots.copy_within(at + 1..len, at);
        self.len -= 1;
        spot
    }

    /// Moves the places from here on to a leaf of their own.
    fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::default();
        let moved = &self.spots[at..self.len as usize];
        right.spots[..moved.len()].copy_from_slice(moved);
        right.len = moved.len() as u32;
        self.len = at as u32;
        right
    }

    fn append(&mut self, other: &Self) {
        let (len, more) = (self.len as usize, other.spots());
        self.spots[len..len + more.len()].copy_from_slice(more);
        self.len += more.len() as u32;
    }
}

/// What became of an insertion.
struct Inserted {
    rank: usize,
    is_new: bool,
    /// What stands to the right of the node now.
    split: Option<Child>,
}

fn rows_of(children: &[Child]) -> usize {
    children.iter().map(|child| child.len).sum()
}

/// The child that has the place, if any does.
fn child_of(children: &[Child], stands: &impl Fn(&Spot) -> Ordering) -> usize {
    children[1..].partition_point(|child| stands(&child.floor).is_le())
}

fn insert(
    node: &mut Node,
    leaves: &mut usize,
    spot: Spot,
    stands: &impl Fn(&Spot) -> Ordering,
) -> Inserted {
    match node {
        Node::Leaf(leaf) => {
            let inserted = insert_in_leaf(Arc::make_mut(leaf), spot, stands);
            *leaves += usize::from(inserted.split.is_some());
            inserted
        }
        Node::Inner(children) => {
            let children = Arc::make_mut(children);
            let at = child_of(children, stands);
            let before = rows_of(&children[..at]);
            let child = &mut children[at];
            let below = insert(&mut child.node, leaves, spot, stands);
            child.len += usize::from(below.is_new);
            if let Some(right) = &below.split {
                child.len -= right.len;
            }
            child.floor = child.node.first().unwrap_or_default();
            if let Some(right) = below.split {
                children.insert(at + 1, right);
            }
            let split = (children.len() > FAN).then(|| {
                let right = children.split_off(split_place(at, children.len()));
                Child {
                    floor: right[0].floor,
                    len: rows_of(&right),
                    node: Node::Inner(Arc::new(right)),
                }
            });
            Inserted {
                rank: before + below.rank,
                is_new: below.is_new,
                split,
            }
        }
    }
}

fn insert_in_leaf(leaf: &mut Leaf, spot: Spot, stands: &impl Fn(&Spot) -> Ordering) -> Inserted {
    let (at, is_new) = match leaf.spots().binary_search_by(stands) {
        Ok(at) => (at, false),
        Err(at) => (at, true),
    };
    let mut inserted = Inserted {
        rank: at,
        is_new,
        split: None,
    };
    if !is_new {
        leaf.spots[at] = spot;
    } else if leaf.spots().len() < LEAF {
        leaf.insert(at, spot);
    } else {
        let split = split_place(at, LEAF);
        let mut right = leaf.split_off(split);
        if at <= split {
            leaf.insert(at, spot);
        } else {
            right.insert(at - split, spot);
        }
        inserted.split = Some(Child {
            floor: right.spots[0],
            len: right.spots().len(),
            node: Node::Leaf(Arc::new(right)),
        });
    }
    inserted
}

/// Where a full node is split: in the middle, or near the end when it grew there, so that places
/// that come in order fill their nodes.
fn split_place(grown_at: usize, len: usize) -> usize {
    if grown_at + 1 >= len {
        len - len / 4
    } else {
        len / 2
    }
}

fn remove(
    node: &mut Node,
    leaves: &mut usize,
    stands: &impl Fn(&Spot) -> Ordering,
) -> Option<(Spot, usize)> {
    match node {
        Node::Leaf(leaf) => {
            let at = leaf.spots().binary_search_by(stands).ok()?;
            Some((Arc::make_mut(leaf).remove(at), at))
        }
        Node::Inner(children) => {
            let at = child_of(children, stands);
            let children = Arc::make_mut(children);
            let (spot, rank) = remove(&mut children[at].node, leaves, stands)?;
            let rank = rows_of(&children[..at]) + rank;
            let child = &mut children[at];
            child.len -= 1;
            match child.node.first() {
                Some(floor) => child.floor = floor,
                None => {
                    let gone = children.remove(at);
                    *leaves -= usize::from(matches!(gone.node, Node::Leaf(_)));
                }
            }
            if children.get(at).is_some_and(|child| child.node.is_sparse()) {
                *leaves -= usize::from(join(children, at) == Joined::Leaves);
            }
            Some((spot, rank))
        }
    }
}

/// What was made one of two.
#[derive(Debug, PartialEq, Eq)]
enum Joined {
    Leaves,
    Others,
    Nothing,
}

/// Joins a child with a neighbour, where the two leave room for more.
fn join(children: &mut Vec<Child>, at: usize) -> Joined {
    let left = if at + 1 < children.len() {
        at
    } else {
        at.saturating_sub(1)
    };
    let [first, second, ..] = &mut children[left..] else {
        return Joined::Nothing;
    };
    let joined = match (&mut first.node, &second.node) {
        (Node::Leaf(one), Node::Leaf(other)) => {
            if one.spots().len() + other.spots().len() > LEAF * 3 / 4 {
                return Joined::Nothing;
            }
            Arc::make_mut(one).append(other);
            Joined::Leaves
        }
        (Node::Inner(one), Node::Inner(other)) => {
            if one.len() + other.len() > FAN * 3 / 4 {
                return Joined::Nothing;
            }
            Arc::make_mut(one).extend_from_slice(other);
            Joined::Others
        }
        _ => unreachable!("the nodes of one level are of one kind"),
    };
    first.len += second.len;
    children.remove(left + 1);
    joined
}

#[cfg(test)]
mod tests;
