//! A sorted map that is cheap to copy: a tree of shared nodes, copied on write.
//!
//! A clone shares everything; a change copies the nodes on the way to one entry, so that an older
//! clone stays as it was. Knows the number of entries below each node, so that an entry is also
//! found by its place. Never shares state between threads beyond what a clone holds.

mod iter;

use std::sync::Arc;

pub(crate) use iter::Iter;

/// Most entries of a leaf, and most children of an inner node.
const MAX: usize = 64;
/// A node below this is joined with a neighbour where both fit.
const MIN: usize = MAX / 4;

#[derive(Debug)]
pub(crate) struct SortedMap<K, V> {
    root: Arc<Node<K, V>>,
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
        Self {
            root: Arc::new(Node::Leaf(Vec::new())),
        }
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
}

impl<K: Ord, V> SortedMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.root.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.root.width() == 0
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

impl<K: Ord + Clone, V: Clone> SortedMap<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (old, split) = insert(Arc::make_mut(&mut self.root), key, value);
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
        }
        old
    }

    /// The value of a key, to be changed in place.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if !self.contains_key(key) {
            return None;
        }
        let mut node = Arc::make_mut(&mut self.root);
        loop {
            match node {
                Node::Leaf(entries) => {
                    let place = entries.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
                    return Some(&mut entries[place].1);
                }
                Node::Inner(children) => {
                    let place = child_of(children, key);
                    node = Arc::make_mut(&mut children[place].node);
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        if !self.contains_key(key) {
            return None;
        }
        let removed = remove(Arc::make_mut(&mut self.root), key);
        while let Node::Inner(children) = &*self.root {
            match children.as_slice() {
                [] => self.root = Arc::default(),
                [only] => self.root = Arc::clone(&only.node),
                _ => break,
            }
        }
        removed
    }
}

impl<K, V> Default for Node<K, V> {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SortedMap<K, V> {
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
    node: &mut Node<K, V>,
    key: K,
    value: V,
) -> (Option<V>, Option<Child<K, V>>) {
    match node {
        Node::Leaf(entries) => match entries.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(place) => (Some(std::mem::replace(&mut entries[place].1, value)), None),
            Err(place) => {
                entries.insert(place, (key, value));
                if entries.len() <= MAX {
                    return (None, None);
                }
                let right = entries.split_off(split_place(place, entries.len()));
                let floor = right[0].0.clone();
                (
                    None,
                    Some(Child {
                        floor,
                        len: right.len(),
                        node: Arc::new(Node::Leaf(right)),
                    }),
                )
            }
        },
        Node::Inner(children) => {
            let place = child_of(children, &key);
            let child = &mut children[place];
            let (old, split) = insert(Arc::make_mut(&mut child.node), key, value);
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
            let floor = right[0].floor.clone();
            let len = right.iter().map(|child| child.len).sum();
            (
                old,
                Some(Child {
                    floor,
                    len,
                    node: Arc::new(Node::Inner(right)),
                }),
            )
        }
    }
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
fn remove<K: Ord + Clone, V: Clone>(node: &mut Node<K, V>, key: &K) -> Option<V> {
    match node {
        Node::Leaf(entries) => {
            let place = entries.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
            Some(entries.remove(place).1)
        }
        Node::Inner(children) => {
            let place = child_of(children, key);
            let child = &mut children[place];
            let removed = remove(Arc::make_mut(&mut child.node), key);
            child.len -= 1;
            if child.node.width() < MIN {
                let left = if place + 1 < children.len() {
                    place
                } else {
                    place.saturating_sub(1)
                };
                join_with_right(children, left);
            }
            removed
        }
    }
}

fn join_with_right<K: Ord + Clone, V: Clone>(children: &mut Vec<Child<K, V>>, left: usize) {
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
    match (Arc::make_mut(&mut first.node), &*right.node) {
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
}

#[cfg(test)]
mod tests;
