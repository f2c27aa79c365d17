//! Walking places in order. Holds a path of borrowed nodes; changes nothing.

use super::{Child, Node, Spot};

/// The places in order.
#[derive(Debug)]
pub(crate) struct Iter<'a> {
    /// The children still to be walked, from the root down.
    path: Vec<std::slice::Iter<'a, Child>>,
    leaf: std::slice::Iter<'a, Spot>,
}

impl<'a> Iter<'a> {
    pub(super) fn from_nth(root: &'a Node, rank: usize) -> Self {
        let (mut path, mut node, mut left) = (Vec::new(), root, rank);
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let leaf = leaf.spots().get(left..).unwrap_or_default().iter();
                    return Self { path, leaf };
                }
                Node::Inner(children) => {
                    let mut rest = children.iter();
                    let found = rest.by_ref().find(|child| {
                        let is_here = left < child.len;
                        if !is_here {
                            left -= child.len;
                        }
                        is_here
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

impl Iterator for Iter<'_> {
    type Item = Spot;

    fn next(&mut self) -> Option<Spot> {
        loop {
            if let Some(spot) = self.leaf.next() {
                return Some(*spot);
            }
            let child = loop {
                match self.path.last_mut()?.next() {
                    Some(child) => break child,
                    None => self.path.pop(),
                };
            };
            let mut node = &child.node;
            while let Node::Inner(children) = node {
                let mut rest = children.iter();
                node = &rest.next()?.node;
                self.path.push(rest);
            }
            if let Node::Leaf(leaf) = node {
                self.leaf = leaf.spots().iter();
            }
        }
    }
}
