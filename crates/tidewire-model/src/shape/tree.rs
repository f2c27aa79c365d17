//! The trees of names by which shapes are found: that of whole records, that of parts, and those of tests.
//!
//! Walking is reading: no locks, no counts, so that threads do not hold each other up. A node or a shape is set once and
//! stays; it is made before, so that setting it is moving a pointer. Only whole records of few fields bring new ones, in one place, and whoever comes second takes what the first one
//! set. The bounds make what a hostile peer can do with it a matter of speed: past them, records own their names.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Shape, same};

/// A record of more fields owns its names.
pub(crate) const MAX_NAMES: usize = 256;
/// How many shapes there may be.
pub(super) const MAX_SHAPES: usize = 4096;
/// How many more shapes there may be of parts of records.
const MAX_PART_SHAPES: usize = 1024;
/// How many bytes nodes and shapes may take. A shape of nine names takes about 1 KiB where it shares none with others.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How many they may take for parts of records.
const MAX_PART_BYTES: usize = 1024 * 1024;
/// How many names may follow one node. They are looked through in order, so this bounds what one step costs.
const MAX_SIBLINGS: usize = 32;
/// What an allocation takes beside what was asked for, about.
const ALLOCATION_BYTES: usize = 16;

/// The shapes of whole records.
pub(crate) static TREE: Tree = Tree::new(0, MAX_SHAPES, MAX_BYTES);

/// The shapes of parts of records, as patches are. There may be as many as there are sets of fields, so that they have a
/// tree of their own and take no room from whole records.
pub(crate) static PARTS: Tree = Tree::new(MAX_SHAPES, MAX_PART_SHAPES, MAX_PART_BYTES);

/// Shapes, and the way to them by the names that come.
pub(crate) struct Tree {
    root: Node,
    /// The highest number that a shape of another tree has.
    numbers_after: usize,
    max_shapes: usize,
    max_bytes: usize,
    shapes: AtomicUsize,
    bytes: AtomicUsize,
}

/// A name that stands behind certain others. The names on the way here are all different.
pub(crate) struct Node {
    name: String,
    /// The name before; none where a walk begins.
    parent: Option<&'static Node>,
    /// Those names, where an object ends here.
    shape: OnceLock<Box<Shape>>,
    /// The first of the names that may follow.
    first: OnceLock<Box<Node>>,
    /// The next of the names that may stand in this one's place.
    next: OnceLock<Box<Node>>,
}

impl Tree {
    /// A tree whose shapes have numbers above this one.
    pub(crate) const fn new(numbers_after: usize, max_shapes: usize, max_bytes: usize) -> Self {
        Self {
            root: Node::new(String::new(), None),
            numbers_after,
            max_shapes,
            max_bytes,
            shapes: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Where every walk begins.
    #[inline]
    pub(crate) fn root(&'static self) -> &'static Node {
        &self.root
    }

    /// The shape of these names, which are all different. It is made where it is unknown, and fits.
    pub(crate) fn intern<'n>(
        &'static self,
        names: impl ExactSizeIterator<Item = &'n str> + Clone,
    ) -> Option<&'static Shape> {
        let count = names.len();
        if count > MAX_NAMES {
            return None;
        }
        let mut node = self.root();
        let mut bytes = 0;
        for name in names.clone() {
            bytes += name.len();
            node = self.follow(node, name)?;
        }
        if let Some(shape) = node.shape() {
            return Some(shape);
        }
        if !take(&self.bytes, Shape::bytes_of(count, bytes), self.max_bytes) {
            return None;
        }
        let before = self.shapes.fetch_add(1, Ordering::Relaxed);
        let number = u16::try_from(self.numbers_after + before + 1).ok();
        let Some(number) = number.filter(|_| before < self.max_shapes) else {
            self.shapes.fetch_sub(1, Ordering::Relaxed);
            return None;
        };
        // Where another thread was first, its shape is taken, and the bytes and the number stay taken.
        drop(node.shape.set(Box::new(Shape::new(number, names))));
        node.shape()
    }

    /// The node behind another one, made where it is unknown, and fits.
    fn follow(&self, node: &'static Node, name: &str) -> Option<&'static Node> {
        let mut link = &node.first;
        let mut siblings = 0;
        loop {
            match link.get() {
                Some(known) if known.name == name => return Some(known),
                Some(known) => {
                    siblings += 1;
                    link = &known.next;
                }
                None => {
                    let bytes = size_of::<Node>() + name.len() + 2 * ALLOCATION_BYTES;
                    if siblings >= MAX_SIBLINGS || !take(&self.bytes, bytes, self.max_bytes) {
                        return None;
                    }
                    // Where another thread was first, its node is looked at next, and the bytes stay taken.
                    drop(link.set(Box::new(Node::new(name.to_owned(), Some(node)))));
                }
            }
        }
    }
}

impl Node {
    const fn new(name: String, parent: Option<&'static Self>) -> Self {
        Self {
            name,
            parent,
            shape: OnceLock::new(),
            first: OnceLock::new(),
            next: OnceLock::new(),
        }
    }

    /// The way on with a name, if it is known.
    #[inline]
    pub(crate) fn step(&'static self, name: &str) -> Option<&'static Self> {
        let mut link = &self.first;
        while let Some(node) = link.get() {
            if same(node.name.as_bytes(), name.as_bytes()) {
                return Some(node);
            }
            link = &node.next;
        }
        None
    }

    /// The names up to here.
    pub(crate) fn names(&'static self) -> Vec<&'static str> {
        let mut names = Vec::new();
        let mut node = self;
        while let Some(parent) = node.parent {
            names.push(&*node.name);
            node = parent;
        }
        names.reverse();
        names
    }

    /// The names up to here, if they are those of an object.
    #[inline]
    pub(crate) fn shape(&'static self) -> Option<&'static Shape> {
        self.shape.get().map(Box::as_ref)
    }
}

/// Takes from what is left, if there is enough.
fn take(taken: &AtomicUsize, more: usize, limit: usize) -> bool {
    let add = |taken: usize| taken.checked_add(more).filter(|sum| *sum <= limit);
    taken
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        .is_ok()
}
