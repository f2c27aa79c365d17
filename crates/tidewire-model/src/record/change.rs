//! A record and a newer one: merging, single fields, and what lies between two.

use super::make::Scratch;
use super::{Maker, Record};
use crate::patch::Patch;
use crate::shape::Shape;
use crate::value::{Value, ValueRef};

/// A patch of no more fields is merged without memory beside that of the new record.
const FEW: usize = 8;

/// What becomes of a field.
enum Fate<'a> {
    Kept,
    Set(ValueRef<'a>),
    Gone,
}

impl Record {
    /// This record with a patch applied: fields set and unset, others kept. Values are replaced whole.
    #[must_use]
    pub fn merge(&self, patch: &Patch) -> Self {
        self.merged(patch, Maker::new)
    }

    /// The same for what a patch sets, which is no whole entity.
    pub(crate) fn merge_part(&self, patch: &Patch) -> Self {
        self.merged(patch, Maker::of_part)
    }

    fn merged(&self, patch: &Patch, maker: fn() -> Maker) -> Self {
        if patch.is_empty() {
            return self.clone();
        }
        if let Some(merged) = self.merged_in_place(patch) {
            return merged;
        }
        let fate = |name: &str| match patch.field(name) {
            None => Fate::Kept,
            Some(None) => Fate::Gone,
            Some(Some(value)) => Fate::Set(value),
        };
        let added = patch
            .set_fields()
            .filter(|(name, _)| self.get(name).is_none());
        self.rebuilt(maker(), fate, added)
    }

    /// This record with one field set.
    #[must_use]
    pub fn with(&self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let value = value.as_value_ref();
        if let Some(shape) = self.shape
            && let Some(place) = shape.place(name)
        {
            return self.replaced(shape, &mut [(place, value)]);
        }
        let is_there = self.get(name).is_some();
        let fate = |known: &str| match known == name {
            true => Fate::Set(value),
            false => Fate::Kept,
        };
        self.rebuilt(
            Maker::new(),
            fate,
            (!is_there).then_some((name, value)).into_iter(),
        )
    }

    /// This record without one field.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        if self.get(name).is_none() {
            return self.clone();
        }
        let fate = |known: &str| match known == name {
            true => Fate::Gone,
            false => Fate::Kept,
        };
        self.rebuilt(Maker::new(), fate, std::iter::empty())
    }

    /// The patch that turns this record into a newer one.
    pub fn diff(&self, newer: &Self) -> Patch {
        if self.has_shape_of(newer) {
            if self.packed == newer.packed {
                return Patch::new();
            }
            let pairs = self.fields().zip(newer.fields());
            let changed = pairs.filter(|(old, new)| old.1 != new.1);
            return Patch::from_parts(changed.map(|(_, new)| new), std::iter::empty());
        }
        let changed = newer
            .fields()
            .filter(|(name, value)| self.get(name) != Some(*value));
        let gone = self.fields().filter(|(name, _)| newer.get(name).is_none());
        Patch::from_parts(changed, gone.map(|(name, _)| name))
    }

    /// This record with a patch applied, where that leaves its names as they are.
    fn merged_in_place(&self, patch: &Patch) -> Option<Self> {
        let shape = self.shape?;
        let mut few = [(0, ValueRef::Null); FEW];
        let mut many = Vec::new();
        let changes = if patch.len() <= FEW {
            &mut few[..]
        } else {
            many.resize(patch.len(), (0, ValueRef::Null));
            &mut many[..]
        };
        let set = patch.set_record().as_packed().table();
        for (at, change) in changes.iter_mut().enumerate().take(set.len()) {
            let place = shape.place(set.field_name(at))?;
            *change = (place, set.field_value(at));
        }
        if patch.unset_fields().any(|name| shape.place(name).is_some()) {
            return None;
        }
        Some(self.replaced(shape, &mut changes[..set.len()]))
    }

    /// The same fields, some with other values, told by their places.
    fn replaced(&self, shape: &'static Shape, changes: &mut [(usize, ValueRef<'_>)]) -> Self {
        changes.sort_unstable_by_key(|&(place, _)| place);
        let mut scratch = Scratch::new();
        scratch.packer().replace(&self.as_packed().table(), changes);
        scratch.finish_shaped(shape)
    }

    /// Other fields: each of these as it is decided, and more behind them.
    fn rebuilt<'v>(
        &self,
        mut maker: Maker,
        fate: impl Fn(&str) -> Fate<'v>,
        added: impl Iterator<Item = (&'v str, ValueRef<'v>)>,
    ) -> Self {
        let table = self.as_packed().table();
        for place in 0..table.len() {
            let name = table.field_name(place);
            match fate(name) {
                Fate::Kept => {
                    maker.name(name);
                    let slot = maker.packer().copy(&table, place);
                    maker.push(slot);
                }
                Fate::Set(value) => maker.field(name, value),
                Fate::Gone => {}
            }
        }
        for (name, value) in added {
            maker.field(name, value);
        }
        maker.finish()
    }
}
