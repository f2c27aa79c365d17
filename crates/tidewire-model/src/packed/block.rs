//! Reading what is packed: lists, objects and the values in them, borrowed.

use std::cmp::Ordering;

use super::number::{NUMBER_BYTES, Width, read_length, read_number};
use super::slot::{Slot, Tag};
use crate::shape::{SCAN_LIMIT, Shape, same};
use crate::value::{ListRef, ObjectRef, ValueRef};

/// A list whose block ends where the text does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedList<'a> {
    text: &'a str,
    width: Width,
}

/// An object whose block ends where the text does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedObject<'a> {
    text: &'a str,
    names: Names,
}

/// Where the names are.
#[derive(Debug, Clone, Copy)]
enum Names {
    /// In a shape.
    Shaped(&'static Shape),
    /// In the block.
    Own(Width),
}

/// Slots of a block, found once for many reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'a> {
    text: &'a str,
    /// Where the block begins, from which places are told.
    base: usize,
    width: Width,
    names: Option<&'static Shape>,
    len: usize,
}

impl<'a> PackedList<'a> {
    #[inline]
    pub(crate) fn len(self) -> usize {
        last(self.text, self.width)
    }

    /// All that belongs to it, and what a slot says about it.
    pub(super) fn whole(self) -> (&'a str, Tag) {
        let tag = match self.width {
            Width::Narrow => Tag::List,
            Width::Wide => Tag::WideList,
        };
        (whole(self.text, self.width), tag)
    }

    #[inline]
    pub(crate) fn table(self) -> Table<'a> {
        let len = self.len();
        Table {
            text: self.text,
            base: self.text.len() - (len + 2) * self.width.bytes(),
            width: self.width,
            names: None,
            len,
        }
    }
}

impl<'a> PackedObject<'a> {
    /// The fields of a record of a known shape.
    #[inline]
    pub(crate) fn shaped(text: &'a str, shape: &'static Shape) -> Self {
        Self {
            text,
            names: Names::Shaped(shape),
        }
    }

    /// The fields of a record that owns its names.
    #[inline]
    pub(crate) fn own(text: &'a str) -> Self {
        let (text, letter) = text.split_at(text.len() - 1);
        let width = if letter == super::write::WIDE {
            Width::Wide
        } else {
            Width::Narrow
        };
        Self {
            text,
            names: Names::Own(width),
        }
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        match self.names {
            Names::Shaped(shape) => shape.len(),
            Names::Own(width) => last(self.text, width),
        }
    }

    #[inline]
    pub(crate) fn table(self) -> Table<'a> {
        let len = self.len();
        let text = self.text;
        match self.names {
            Names::Shaped(shape) => {
                // The contents decide on the width, and what is narrow is shorter, so one test tells.
                let narrow = text.len() - len * Width::Narrow.bytes();
                let width = Width::of(narrow, len);
                Table {
                    text,
                    base: text.len() - len * width.bytes(),
                    width,
                    names: Some(shape),
                    len,
                }
            }
            Names::Own(width) => {
                let columns = if len > SCAN_LIMIT { 3 } else { 2 };
                Table {
                    text,
                    base: text.len() - (columns * len + 2) * width.bytes(),
                    width,
                    names: None,
                    len,
                }
            }
        }
    }

    /// All that belongs to it, and what a slot says about it; nothing where its names are elsewhere.
    pub(super) fn whole(self) -> Option<(&'a str, Tag)> {
        match self.names {
            Names::Shaped(_) => None,
            Names::Own(Width::Narrow) => Some((whole(self.text, Width::Narrow), Tag::Object)),
            Names::Own(Width::Wide) => Some((whole(self.text, Width::Wide), Tag::WideObject)),
        }
    }

    /// How many bytes the names have.
    pub(crate) fn names_bytes(self) -> usize {
        match self.names {
            Names::Shaped(shape) => shape.names_bytes(),
            Names::Own(_) => {
                let table = self.table();
                let names = (0..table.len()).map(|place| table.field_name(place).len());
                names.sum()
            }
        }
    }

    /// How many bytes the values take beside their slots, and the names. The same for equal objects, wherever the names are.
    pub(crate) fn content_bytes(self) -> usize {
        let table = self.table();
        match self.names {
            Names::Shaped(shape) => table.contents().len() + shape.names_bytes(),
            Names::Own(_) => (0..table.len())
                .map(|place| {
                    let (begin, end) = extent(table.text, table.field_slot(place));
                    table.field_name(place).len() + end - begin
                })
                .sum(),
        }
    }

    /// The value of a name.
    #[inline]
    pub(crate) fn get(self, name: &str) -> Option<ValueRef<'a>> {
        match self.names {
            Names::Shaped(shape) => {
                let place = shape.place(name)?;
                Some(self.table().value(place))
            }
            Names::Own(_) => {
                let table = self.table();
                table.place(name).map(|place| table.field_value(place))
            }
        }
    }
}

impl<'a> Table<'a> {
    /// How many values or fields there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The value of a list, or of a record of a known shape.
    #[inline]
    pub(crate) fn value(&self, place: usize) -> ValueRef<'a> {
        value(self.text, self.base, self.cell(place))
    }

    /// The value of an object's field.
    #[inline]
    pub(crate) fn field_value(&self, place: usize) -> ValueRef<'a> {
        let values = if self.names.is_some() { 0 } else { self.len };
        value(self.text, self.base, self.cell(values + place))
    }

    /// The name of an object's field.
    #[inline]
    pub(crate) fn field_name(&self, place: usize) -> &'a str {
        match self.names {
            Some(shape) => shape.name(place),
            None => text_at(self.text, self.slot(place).place()),
        }
    }

    /// The slot of an object's value, with places from the beginning of [`Table::text`].
    #[inline]
    pub(super) fn field_slot(&self, place: usize) -> Slot {
        match self.names {
            Some(_) => self.slot(place),
            None => self.slot(self.len + place),
        }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// What the block's slots stand for.
    pub(super) fn contents(&self) -> &'a str {
        &self.text[..self.base]
    }

    #[inline]
    fn slot(&self, at: usize) -> Slot {
        self.cell(at).seen_from(self.base)
    }

    /// A slot of the block as it is, with places from the block's begin back.
    #[inline]
    fn cell(&self, at: usize) -> Slot {
        let at = self.base + at * self.width.bytes();
        self.width.slot(self.text, at)
    }

    /// The letters of a name in the block.
    #[inline]
    fn name_bytes(&self, place: usize) -> &'a [u8] {
        bytes_at(self.text, self.base - self.cell(place).place())
    }

    /// Where a name stands among those in the block.
    #[inline]
    fn place(&self, name: &str) -> Option<usize> {
        if self.len <= SCAN_LIMIT {
            return (0..self.len).find(|&place| same(self.name_bytes(place), name.as_bytes()));
        }
        let index = self.base + 2 * self.len * self.width.bytes();
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = index + middle * self.width.bytes();
            let place = self.width.read(self.text, at) as usize;
            match self.name_bytes(place).cmp(name.as_bytes()) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(place),
                Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// The value that a slot of a block stands for.
#[inline]
fn value(text: &str, base: usize, slot: Slot) -> ValueRef<'_> {
    // For a small integer this is no place, and may be anything.
    let at = base.wrapping_sub(slot.place());
    match slot.tag() {
        Tag::Null => ValueRef::Null,
        Tag::False => ValueRef::Bool(false),
        Tag::True => ValueRef::Bool(true),
        Tag::Small => ValueRef::Int(slot.integer()),
        Tag::Int => ValueRef::Int(read_number(text, at).cast_signed()),
        Tag::UInt => ValueRef::UInt(read_number(text, at)),
        Tag::Float => ValueRef::Float(f64::from_bits(read_number(text, at))),
        Tag::Text => ValueRef::Text(text_at(text, at)),
        Tag::List => list(&text[..at], Width::Narrow),
        Tag::WideList => list(&text[..at], Width::Wide),
        Tag::Object => object(&text[..at], Width::Narrow),
        Tag::WideObject => object(&text[..at], Width::Wide),
    }
}

fn list(text: &str, width: Width) -> ValueRef<'_> {
    ValueRef::List(ListRef::packed(PackedList { text, width }))
}

fn object(text: &str, width: Width) -> ValueRef<'_> {
    let names = Names::Own(width);
    ValueRef::Object(ObjectRef::packed(PackedObject { text, names }))
}

#[inline]
pub(super) fn text_at(text: &str, at: usize) -> &str {
    let (length, begin) = read_length(text, at);
    &text[begin..begin + length]
}

/// The letters of a text, to compare it: as text they would be checked to begin and end where letters do.
#[inline]
pub(super) fn bytes_at(text: &str, at: usize) -> &[u8] {
    let (length, begin) = read_length(text, at);
    &text.as_bytes()[begin..begin + length]
}

/// Where all that belongs to a slot begins and ends.
pub(super) fn extent(text: &str, slot: Slot) -> (usize, usize) {
    let at = slot.place();
    let whole = |width| (at - whole(&text[..at], width).len(), at);
    match slot.tag() {
        Tag::Null | Tag::False | Tag::True | Tag::Small => (0, 0),
        Tag::Int | Tag::UInt | Tag::Float => (at, at + NUMBER_BYTES),
        Tag::Text => {
            let (length, begin) = read_length(text, at);
            (at, begin + length)
        }
        Tag::List | Tag::Object => whole(Width::Narrow),
        Tag::WideList | Tag::WideObject => whole(Width::Wide),
    }
}

/// The list or the object that ends where the text does.
fn whole(text: &str, width: Width) -> &str {
    let length = width.read(text, text.len() - 2 * width.bytes());
    &text[text.len() - length as usize..]
}

/// How many slots the block at the end of a text has.
#[inline]
fn last(text: &str, width: Width) -> usize {
    width.read(text, text.len() - width.bytes()) as usize
}
