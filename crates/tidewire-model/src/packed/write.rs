//! Packing: values come in order, contents at once, the block of a list or an object when it ends.

use super::block::{PackedList, PackedObject, Table, bytes_at, extent};
use super::number::{Width, write_length, write_number};
use super::slot::{Slot, Tag};
use crate::shape::{SCAN_LIMIT, same};
use crate::value::ValueRef;
use crate::work;

/// The last letter of a record that owns its names and whose block is wide.
pub(super) const WIDE: &str = "w";
const NARROW: &str = "n";

/// More than this is not kept for the next record.
const KEPT_BYTES: usize = 64 * 1024;

/// What is packed so far, and the slots of what has not ended yet, their places told from the beginning.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    text: String,
    slots: Vec<Slot>,
    /// Whether something in the text is not part of any value.
    has_waste: bool,
}

/// A list or an object that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    text: usize,
    slots: usize,
}

impl Packer {
    #[inline]
    pub(crate) fn begin(&self) -> Frame {
        Frame {
            text: self.text.len(),
            slots: self.slots.len(),
        }
    }

    /// The next value of a list or a record, or the next name or value of an object.
    #[inline]
    pub(crate) fn push(&mut self, slot: Slot) {
        self.slots.push(slot);
    }

    #[inline]
    pub(crate) fn integer(&mut self, number: i64) -> Slot {
        Slot::small(number).unwrap_or_else(|| self.number(Tag::Int, number.cast_unsigned()))
    }

    #[inline]
    pub(crate) fn unsigned(&mut self, number: u64) -> Slot {
        match i64::try_from(number) {
            Ok(number) => self.integer(number),
            Err(_) => self.number(Tag::UInt, number),
        }
    }

    pub(crate) fn float(&mut self, number: f64) -> Slot {
        self.number(Tag::Float, number.to_bits())
    }

    #[inline]
    pub(crate) fn text(&mut self, text: &str) -> Slot {
        let at = self.text.len();
        write_length(&mut self.text, text.len());
        self.text.push_str(text);
        Slot::at(Tag::Text, at)
    }

    /// Any value, whole; what is packed already byte by byte.
    pub(crate) fn value(&mut self, value: ValueRef<'_>) -> Slot {
        let packed = match value {
            ValueRef::List(list) => list.as_packed().map(PackedList::whole),
            ValueRef::Object(object) => object.as_packed().and_then(PackedObject::whole),
            _ => None,
        };
        match packed {
            Some((whole, tag)) => {
                self.text.push_str(whole);
                Slot::at(tag, self.text.len())
            }
            None => self.value_afresh(value),
        }
    }

    /// Any value, whole, without what is in its text and no part of it.
    pub(crate) fn value_afresh(&mut self, value: ValueRef<'_>) -> Slot {
        match value {
            ValueRef::Null => Slot::NULL,
            ValueRef::Bool(false) => Slot::FALSE,
            ValueRef::Bool(true) => Slot::TRUE,
            ValueRef::Int(number) => self.integer(number),
            ValueRef::UInt(number) => self.unsigned(number),
            ValueRef::Float(number) => self.float(number),
            ValueRef::Text(text) => self.text(text),
            ValueRef::List(list) => {
                let frame = self.begin();
                for value in list.iter() {
                    let slot = self.value_afresh(value);
                    self.push(slot);
                }
                self.end_list(frame)
            }
            ValueRef::Object(object) => {
                let frame = self.begin();
                for (name, value) in object.iter() {
                    let name = self.text(name);
                    self.push(name);
                    let value = self.value_afresh(value);
                    self.push(value);
                }
                self.end_object(frame)
            }
        }
    }

    /// The value of a field of another record, byte by byte.
    pub(crate) fn copy(&mut self, from: &Table<'_>, place: usize) -> Slot {
        let slot = from.field_slot(place);
        if !slot.has_place() {
            return slot;
        }
        let (begin, end) = extent(from.text(), slot);
        let moved = self.text.len();
        self.text.push_str(&from.text()[begin..end]);
        slot.moved(begin, moved)
    }

    /// All values of another record of a known shape, some replaced, which are told by rising places. Contents stay in the
    /// order of their fields, and what lies between two changes is copied in one go.
    pub(crate) fn replace(&mut self, from: &Table<'_>, changes: &[(usize, ValueRef<'_>)]) {
        let contents = from.contents();
        let mut changes = changes.iter().peekable();
        // Up to where the old contents are copied, or left out, and where the next of them come to lie.
        let (mut done, mut moved) = (0, 0);
        let mut last = None;
        for place in 0..from.len() {
            let slot = from.field_slot(place);
            let Some((_, value)) = changes.next_if(|(changed, _)| *changed == place) else {
                if slot.has_place() {
                    last = Some(slot);
                }
                self.push(slot.moved(done, moved));
                continue;
            };
            let (begin, end) = if slot.has_place() {
                extent(contents, slot)
            } else {
                let end = last.map_or(done, |last| extent(contents, last).1);
                (end, end)
            };
            self.text.push_str(&contents[done..begin]);
            let slot = self.value(*value);
            self.push(slot);
            (done, moved, last) = (end, self.text.len(), None);
        }
        self.text.push_str(&contents[done..]);
    }

    pub(crate) fn end_list(&mut self, frame: Frame) -> Slot {
        let base = self.text.len();
        let slots = &self.slots[frame.slots..];
        let width = Width::of(base - frame.text, slots.len());
        let bits = slots.iter().map(|slot| slot.seen_from(base).bits());
        let whole = base - frame.text + (slots.len() + 2) * width.bytes();
        let tail = [whole as u64, slots.len() as u64];
        width.write(&mut self.text, bits.chain(tail));
        self.slots.truncate(frame.slots);
        let tag = match width {
            Width::Narrow => Tag::List,
            Width::Wide => Tag::WideList,
        };
        Slot::at(tag, self.text.len())
    }

    /// Ends an object of names and values. Of a repeated name the last value wins, at the place of the first.
    pub(crate) fn end_object(&mut self, frame: Frame) -> Slot {
        let index = self.last_wins(frame);
        let base = self.text.len();
        let slots = &self.slots[frame.slots..];
        let len = slots.len() / 2;
        let width = Width::of(base - frame.text, len);
        let seen = |slot: &Slot| slot.seen_from(base).bits();
        let names = slots.iter().step_by(2).map(seen);
        let values = slots.iter().skip(1).step_by(2).map(seen);
        let cells = slots.len() + index.len() + 2;
        let whole = base - frame.text + cells * width.bytes();
        let tail = [whole as u64, len as u64];
        let index = index.iter().map(|&place| place as u64);
        width.write(&mut self.text, names.chain(values).chain(index).chain(tail));
        self.slots.truncate(frame.slots);
        let tag = match width {
            Width::Narrow => Tag::Object,
            Width::Wide => Tag::WideObject,
        };
        Slot::at(tag, self.text.len())
    }

    /// Whether something in the text is not part of any value, as where a name was repeated.
    pub(crate) fn has_waste(&self) -> bool {
        self.has_waste
    }

    /// Ends a record whose names are in a shape, of which the packer has the values.
    pub(crate) fn end_shaped(&mut self) -> &str {
        let base = self.text.len();
        let width = Width::of(base, self.slots.len());
        let bits = self.slots.iter().map(|slot| slot.seen_from(base).bits());
        width.write(&mut self.text, bits);
        &self.text
    }

    /// Ends a record of names and values.
    pub(crate) fn end_own(&mut self) -> &str {
        let frame = Frame { text: 0, slots: 0 };
        let letter = match self.end_object(frame).tag() {
            Tag::WideObject => WIDE,
            _ => NARROW,
        };
        self.text.push_str(letter);
        &self.text
    }

    /// What is packed.
    pub(crate) fn packed(&self) -> &str {
        &self.text
    }

    /// Turns values that came without their names, all of them, into names and values.
    pub(crate) fn name_values(&mut self, names: Vec<&str>) {
        let values: Vec<Slot> = self.slots.drain(..).collect();
        for (name, value) in names.into_iter().zip(values) {
            let name = self.text(name);
            self.push(name);
            self.push(value);
        }
    }

    /// Forgets everything, and keeps some memory.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.slots.clear();
        self.has_waste = false;
        self.text.shrink_to(KEPT_BYTES);
        self.slots.shrink_to(KEPT_BYTES / size_of::<Slot>());
    }

    fn number(&mut self, tag: Tag, number: u64) -> Slot {
        let at = self.text.len();
        write_number(&mut self.text, number);
        Slot::at(tag, at)
    }

    /// Takes repeated names out of an object that ends. The places of the names in order, where there are many.
    fn last_wins(&mut self, frame: Frame) -> Vec<usize> {
        let (text, pairs) = (&self.text, &self.slots[frame.slots..]);
        let name = |place: usize| {
            work::add(1);
            bytes_at(text, pairs[2 * place].place())
        };
        let len = pairs.len() / 2;
        if len <= SCAN_LIMIT {
            let is_new = |place: usize| (0..place).all(|before| !same(name(before), name(place)));
            if (1..len).all(is_new) {
                return Vec::new();
            }
        }
        let mut index: Vec<usize> = (0..len).collect();
        // Stable, so that those of one name stand in their order of arrival.
        index.sort_by(|&one, &two| name(one).cmp(name(two)));
        let is_repeated = |pair: &[usize]| name(pair[0]) == name(pair[1]);
        if !index.windows(2).any(is_repeated) {
            return if len > SCAN_LIMIT { index } else { Vec::new() };
        }
        let mut value_from = vec![None; len];
        for group in index.chunk_by(|&one, &two| name(one) == name(two)) {
            value_from[group[0]] = group.last().copied();
        }
        let kept: Vec<Slot> = (0..len)
            .filter_map(|place| Some([pairs[2 * place], pairs[2 * value_from[place]? + 1]]))
            .flatten()
            .collect();
        self.slots.truncate(frame.slots);
        self.slots.extend(kept);
        self.has_waste = true;
        self.last_wins(frame)
    }
}
