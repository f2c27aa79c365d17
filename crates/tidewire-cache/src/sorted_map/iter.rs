//! Walking a sorted map in order. Holds a path of borrowed nodes; changes nothing.

use std::sync::Arc;

use super::{Child, Node};

/// The entries in order.
pub(crate) struct Iter<'a, K, V> {
    /// The children still to be walked, from the root down.
    path: Vec<std::slice::Iter<'a, Child<K, V>>>,
    leaf: std::slice::Iter<'a, (K, V)>,
}

impl<'a, K, V> Iter<'a, K, V> {
    pub(super) fn from_nth(root: &'a Arc<Node<K, V>>, place: usize) -> Self {
        let mut path = Vec::new();
        let mut node = &**root;
        let mut left = place;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let leaf = entries.get(left..).unwrap_or_default().iter();
                    return Self { path, leaf };
                }
                Node::Inner(children) => {
                    let mut rest = children.iter();
                    let found = rest.by_ref().find(|child| {
                        let here = left < child.len;
                        if !here {
                            left -= child.len;
                        }
                        here
                    });
                    path.push(rest);
                    let Some(child) = found else {
                        return Self {
                            path,
                            leaf: [].iter(),
                        };
                    };
                    node = &child.node;
                }
            }
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.leaf.next() {
                return Some((key, value));
            }
            let child = loop {
                match self.path.last_mut()?.next() {
                    Some(child) => break child,
                    None => self.path.pop(),
                };
            };
            let mut node = &*child.node;
            while let Node::Inner(children) = node {
                let mut rest = children.iter();
                node = &rest.next()?.node;
                self.path.push(rest);
            }
            if let Node::Leaf(entries) = node {
                self.leaf = entries.iter();
            }
        }
    }
}
