//! A sorted map that is cheap to copy: a tree of shared nodes, copied on write.
//!
//! A clone shares everything; a change copies the nodes on the way to one entry, so that an older
//! clone stays as it was. Knows the number of entries below each node, so that an entry is also
//! found by its place, and what all of it holds in memory. Never shares state between threads beyond
//! what a clone holds.

mod iter;

use std::sync::Arc;

use crate::held::{Held, SHARE_BYTES};

pub(crate) use iter::Iter;

/// Most entries of a leaf, and most children of an inner node.
const MAX: usize = 64;
/// A node below this is joined with a neighbour where both fit.
const MIN: usize = MAX / 4;

#[derive(Debug)]
pub(crate) struct SortedMap<K, V> {
    root: Arc<Node<K, V>>,
    size: Size,
}

/// What a map holds in memory.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// The nodes, with the spare room in them.
    nodes: usize,
    /// What the entries hold beside themselves.
    held: usize,
    /// The same as the budget counts it.
    counted: usize,
}

#[derive(Debug, Clone)]
enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    Inner(Vec<Child<K, V>>),
}

#[derive(Debug)]
struct Child<K, V> {
    /// No key below this child is less, and every key of the child before it is less.
    floor: K,
    len: usize,
    node: Arc<Node<K, V>>,
}

impl<K, V> Clone for SortedMap<K, V> {
    fn clone(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            size: self.size,
        }
    }
}

impl<K: Clone, V> Clone for Child<K, V> {
    fn clone(&self) -> Self {
        Self {
            floor: self.floor.clone(),
            len: self.len,
            node: Arc::clone(&self.node),
        }
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        let root = Arc::new(Node::Leaf(Vec::new()));
        let size = Size {
            nodes: root.bytes(),
            ..Size::default()
        };
        Self { root, size }
    }
}

impl Size {
    fn of(entry: &impl Held) -> Self {
        Self {
            nodes: 0,
            held: entry.held_bytes(),
            counted: entry.counted_bytes(),
        }
    }

    fn add(&mut self, other: Self) {
        self.held += other.held;
        self.counted += other.counted;
    }

    fn take(&mut self, other: Self) {
        self.held = self.held.saturating_sub(other.held);
        self.counted = self.counted.saturating_sub(other.counted);
    }
}

impl<K, V> Node<K, V> {
    fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(children) => children.iter().map(|child| child.len).sum(),
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(children) => children.len(),
        }
    }

    /// What it takes in memory, without the nodes below it.
    fn bytes(&self) -> usize {
        let inside = match self {
            Self::Leaf(entries) => entries.capacity() * size_of::<(K, V)>(),
            Self::Inner(children) => children.capacity() * size_of::<Child<K, V>>(),
        };
        SHARE_BYTES + size_of::<Self>() + inside
    }
}

/// Changes a node that may be shared, and keeps count of what the nodes take. What is done inside
/// counts the nodes that come and go below.
fn edit<K: Clone, V: Clone, R>(
    node: &mut Arc<Node<K, V>>,
    nodes: &mut usize,
    change: impl FnOnce(&mut Node<K, V>, &mut usize) -> R,
) -> R {
    *nodes = nodes.saturating_sub(node.bytes());
    let changed = change(Arc::make_mut(node), nodes);
    *nodes += node.bytes();
    changed
}

impl<K: Ord, V> SortedMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.root.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.root.width() == 0
    }

    /// What was asked of the allocator for the map and what its entries hold.
    pub(crate) fn held_bytes(&self) -> usize {
        self.size.nodes + self.size.held
    }

    /// What the budget counts for its entries.
    pub(crate) fn counted_bytes(&self) -> usize {
        // As much room is spare as is used, mostly.
        self.len() * size_of::<(K, V)>() * 2 + self.size.counted
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let place = entries.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
                    return Some(&entries[place].1);
                }
                Node::Inner(children) => node = &children[child_of(children, key)].node,
            }
        }
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// How many keys are less than this one.
    pub(crate) fn rank(&self, key: &K) -> usize {
        let mut node = &*self.root;
        let mut before = 0;
        loop {
            match node {
                Node::Leaf(entries) => {
                    return before + entries.partition_point(|(known, _)| known < key);
                }
                Node::Inner(children) => {
                    let place = child_of(children, key);
                    before += children[..place]
                        .iter()
                        .map(|child| child.len)
                        .sum::<usize>();
                    node = &children[place].node;
                }
            }
        }
    }

    /// The entry at a place, counted from 0.
    pub(crate) fn nth(&self, place: usize) -> Option<(&K, &V)> {
        self.iter_from_nth(place).next()
    }

    pub(crate) fn first(&self) -> Option<(&K, &V)> {
        self.nth(0)
    }

    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        self.iter_from_nth(0)
    }

    /// The entries from a place on.
    pub(crate) fn iter_from_nth(&self, place: usize) -> Iter<'_, K, V> {
        Iter::from_nth(&self.root, place)
    }

    /// The entries whose key is not less than this one.
    pub(crate) fn iter_from(&self, key: &K) -> Iter<'_, K, V> {
        self.iter_from_nth(self.rank(key))
    }

    /// The entries whose key is greater than this one.
    pub(crate) fn iter_after(&self, key: &K) -> Iter<'_, K, V> {
        self.iter_from_nth(self.rank(key) + usize::from(self.contains_key(key)))
    }
}

impl<K: Ord + Clone + Held, V: Clone + Held> SortedMap<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let of_key = Size::of(&key);
        self.size.add(Size::of(&value));
        let (old, split) = insert(&mut self.root, &mut self.size.nodes, key, value);
        match &old {
            Some(old) => self.size.take(Size::of(old)),
            None => self.size.add(of_key),
        }
        if let Some(right) = split {
            let left = std::mem::take(&mut self.root);
            // The floor of the first child is never looked at, so any of its keys will do.
            let floor = right.floor.clone();
            let first = Child {
                floor,
                len: left.len(),
                node: left,
            };
            self.root = Arc::new(Node::Inner(vec![first, right]));
            self.size.nodes += self.root.bytes();
        }
        old
    }

    /// The value of a key, to be changed in place. What the value holds must stay as it is, as far as
    /// the map counts it.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if !self.contains_key(key) {
            return None;
        }
        let nodes = &mut self.size.nodes;
        let mut node = &mut self.root;
        loop {
            edit(node, nodes, |_, _| ());
            match Arc::get_mut(node)? {
                Node::Leaf(entries) => {
                    let place = entries.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
                    return Some(&mut entries[place].1);
                }
                Node::Inner(children) => {
                    let place = child_of(children, key);
                    node = &mut children[place].node;
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (key, value) = if self.contains_key(key) {
            remove(&mut self.root, &mut self.size.nodes, key)?
        } else {
            return None;
        };
        self.size.take(Size::of(&key));
        self.size.take(Size::of(&value));
        while let Node::Inner(children) = &*self.root {
            let top = self.root.bytes();
            match children.as_slice() {
                [] => {
                    self.root = Arc::default();
                    self.size.nodes += self.root.bytes();
                }
                [only] => self.root = Arc::clone(&only.node),
                _ => break,
            }
            self.size.nodes = self.size.nodes.saturating_sub(top);
        }
        Some(value)
    }
}

impl<K, V> Default for Node<K, V> {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

impl<K: Ord + Clone + Held, V: Clone + Held> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

/// The child that holds a key, if any does. The floor of the first child counts as lowest.
fn child_of<K: Ord, V>(children: &[Child<K, V>], key: &K) -> usize {
    children[1..].partition_point(|child| child.floor <= *key)
}

fn insert<K: Ord + Clone, V: Clone>(
    node: &mut Arc<Node<K, V>>,
    nodes: &mut usize,
    key: K,
    value: V,
) -> (Option<V>, Option<Child<K, V>>) {
    let (old, split) = edit(node, nodes, |node, nodes| match node {
        Node::Leaf(entries) => insert_into_leaf(entries, key, value),
        Node::Inner(children) => insert_below(children, nodes, key, value),
    });
    if let Some(right) = &split {
        *nodes += right.node.bytes();
    }
    (old, split)
}

fn insert_into_leaf<K: Ord + Clone, V>(
    entries: &mut Vec<(K, V)>,
    key: K,
    value: V,
) -> (Option<V>, Option<Child<K, V>>) {
    let place = match entries.binary_search_by(|(known, _)| known.cmp(&key)) {
        Ok(place) => return (Some(std::mem::replace(&mut entries[place].1, value)), None),
        Err(place) => place,
    };
    entries.insert(place, (key, value));
    if entries.len() <= MAX {
        return (None, None);
    }
    let right = entries.split_off(split_place(place, entries.len()));
    let split = Child {
        floor: right[0].0.clone(),
        len: right.len(),
        node: Arc::new(Node::Leaf(right)),
    };
    (None, Some(split))
}

fn insert_below<K: Ord + Clone, V: Clone>(
    children: &mut Vec<Child<K, V>>,
    nodes: &mut usize,
    key: K,
    value: V,
) -> (Option<V>, Option<Child<K, V>>) {
    let place = child_of(children, &key);
    let child = &mut children[place];
    let (old, split) = insert(&mut child.node, nodes, key, value);
    if old.is_none() {
        child.len += 1;
    }
    let Some(right) = split else {
        return (old, None);
    };
    child.len -= right.len;
    children.insert(place + 1, right);
    if children.len() <= MAX {
        return (old, None);
    }
    let right = children.split_off(split_place(place, children.len()));
    let split = Child {
        floor: right[0].floor.clone(),
        len: right.iter().map(|child| child.len).sum(),
        node: Arc::new(Node::Inner(right)),
    };
    (old, Some(split))
}

/// Where a full node is split: in the middle, or near the end when it grew there, so that keys
/// that come in order fill their nodes.
fn split_place(grown_at: usize, len: usize) -> usize {
    if grown_at + 1 >= len {
        len - MIN
    } else {
        len / 2
    }
}

/// Removes a key that is there.
fn remove<K: Ord + Clone, V: Clone>(
    node: &mut Arc<Node<K, V>>,
    nodes: &mut usize,
    key: &K,
) -> Option<(K, V)> {
    edit(node, nodes, |node, nodes| match node {
        Node::Leaf(entries) => {
            let place = entries.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
            Some(entries.remove(place))
        }
        Node::Inner(children) => {
            let place = child_of(children, key);
            let child = &mut children[place];
            let removed = remove(&mut child.node, nodes, key);
            child.len -= 1;
            if child.node.width() < MIN {
                let left = if place + 1 < children.len() {
                    place
                } else {
                    place.saturating_sub(1)
                };
                join_with_right(children, nodes, left);
            }
            removed
        }
    })
}

fn join_with_right<K: Ord + Clone, V: Clone>(
    children: &mut Vec<Child<K, V>>,
    nodes: &mut usize,
    left: usize,
) {
    let [first, second, ..] = &children[left..] else {
        return;
    };
    let (first, second) = (first.node.width(), second.node.width());
    // Nearly full nodes are left apart, so that the next insertion does not split them again.
    if first + second > MAX * 3 / 4 && first > 0 && second > 0 {
        return;
    }
    let right = children.remove(left + 1);
    let first = &mut children[left];
    first.len += right.len;
    *nodes = nodes.saturating_sub(right.node.bytes());
    edit(&mut first.node, nodes, |node, _| {
        match (node, &*right.node) {
            (Node::Leaf(entries), Node::Leaf(more)) => entries.extend_from_slice(more),
            (Node::Inner(inner), Node::Inner(more)) => {
                let joined_at = inner.len();
                inner.extend_from_slice(more);
                // A first child's own floor is not kept up; the floor of its parent is.
                if let Some(child) = inner.get_mut(joined_at) {
                    child.floor = right.floor;
                }
            }
            _ => unreachable!("the nodes of one level are of one kind"),
        }
    });
}

#[cfg(test)]
mod tests;
