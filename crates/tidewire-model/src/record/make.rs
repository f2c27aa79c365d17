//! Making a record from names and values as they come.
//!
//! While the names are those of a known shape, only values are packed. At the first that is not, the names are packed too,
//! and at the end a shape is made of them, if there is room for one.

use std::cell::Cell;
use std::sync::Arc;

use super::Record;
use crate::packed::{PackedObject, Packer, Slot};
use crate::shape::{Node, PARTS, Shape, TREE, Tree};
use crate::value::ValueRef;

thread_local! {
    /// Memory to pack in, so that a record costs the allocation it keeps and no other.
    static SPARE: Cell<Option<Box<Packer>>> = const { Cell::new(None) };
}

/// A packer on loan.
pub(super) struct Scratch(Option<Box<Packer>>);

impl Scratch {
    pub(super) fn new() -> Self {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        Self(Some(spare.unwrap_or_default()))
    }

    #[inline]
    pub(super) fn packer(&mut self) -> &mut Packer {
        self.0
            .as_mut()
            .expect("it is given back when the loan ends")
    }

    /// The record of what was packed, the values of a shape.
    pub(super) fn finish_shaped(mut self, shape: &'static Shape) -> Record {
        let packer = self.packer();
        let has_waste = packer.has_waste();
        let text = packer.end_shaped();
        if has_waste {
            return repacked(PackedObject::shaped(text, shape), Some(shape));
        }
        keep(text, Some(shape))
    }

    fn finish_own(mut self, tree: &'static Tree) -> Record {
        let packer = self.packer();
        let text = packer.end_own();
        let object = PackedObject::own(text);
        let table = object.table();
        let shape = tree.intern((0..table.len()).map(|place| table.field_name(place)));
        if shape.is_some() {
            return repacked(object, shape);
        }
        let has_waste = self.packer().has_waste();
        let text = self.packer().packed();
        if has_waste {
            return repacked(PackedObject::own(text), None);
        }
        keep(text, None)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(mut packer) = self.0.take() {
            packer.clear();
            // A thread that ends keeps nothing.
            let _ = SPARE.try_with(|spare| spare.set(Some(packer)));
        }
    }
}

/// A record that is being made.
pub(crate) struct Maker {
    scratch: Scratch,
    tree: &'static Tree,
    /// How far the names are known; none where they are packed.
    node: Option<&'static Node>,
}

impl Maker {
    pub(crate) fn new() -> Self {
        Self::of(&TREE)
    }

    pub(super) fn of(tree: &'static Tree) -> Self {
        Self {
            scratch: Scratch::new(),
            tree,
            node: Some(tree.root()),
        }
    }

    /// For what is no whole entity, and takes no room from the shapes of those.
    pub(crate) fn of_part() -> Self {
        Self::of(&PARTS)
    }

    /// The next field, whole. Of a repeated name the last value wins, at the place of the first.
    pub(crate) fn field(&mut self, name: &str, value: ValueRef<'_>) {
        self.name(name);
        let slot = self.packer().value(value);
        self.push(slot);
    }

    /// The name of the next field.
    #[inline]
    pub(super) fn name(&mut self, name: &str) {
        if let Some(node) = self.node {
            self.node = node.step(name);
            if self.node.is_some() {
                return;
            }
            self.scratch.packer().name_values(node.names());
        }
        let packer = self.scratch.packer();
        let slot = packer.text(name);
        packer.push(slot);
    }

    /// The value of the field that was named.
    #[inline]
    pub(super) fn push(&mut self, slot: Slot) {
        self.packer().push(slot);
    }

    #[inline]
    pub(super) fn packer(&mut self) -> &mut Packer {
        self.scratch.packer()
    }

    pub(crate) fn finish(mut self) -> Record {
        if let Some(node) = self.node {
            let known = node.shape();
            if let Some(shape) = known.or_else(|| self.tree.intern(node.names().into_iter())) {
                return self.scratch.finish_shaped(shape);
            }
            self.packer().name_values(node.names());
        }
        self.scratch.finish_own(self.tree)
    }
}

/// The same fields without what is not part of them, for a shape or with names of their own.
fn repacked(object: PackedObject<'_>, shape: Option<&'static Shape>) -> Record {
    let mut packer = Packer::default();
    let table = object.table();
    for place in 0..table.len() {
        if shape.is_none() {
            let name = packer.text(table.field_name(place));
            packer.push(name);
        }
        let value = packer.value_afresh(table.field_value(place));
        packer.push(value);
    }
    match shape {
        Some(_) => keep(packer.end_shaped(), shape),
        None => keep(packer.end_own(), shape),
    }
}

fn keep(text: &str, shape: Option<&'static Shape>) -> Record {
    // The record without fields needs no memory.
    let packed = if text.is_empty() {
        Arc::default()
    } else {
        Arc::from(text)
    };
    Record { shape, packed }
}

#[cfg(test)]
mod tests;
