//! Slots: what a value is, and the value itself or where it lies.

/// What a slot says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    /// Null, false and true need nothing else.
    Null,
    False,
    True,
    /// A small integer, in the slot.
    Small,
    /// A 64 bit number, of three kinds.
    Int,
    UInt,
    Float,
    /// A text.
    Text,
    /// A list or an object; the slot tells where its block ends, everything else where the value begins.
    List,
    WideList,
    Object,
    WideObject,
}

const TAGS: [Tag; 16] = [
    Tag::Null,
    Tag::False,
    Tag::True,
    Tag::Small,
    Tag::Int,
    Tag::UInt,
    Tag::Float,
    Tag::Text,
    Tag::List,
    Tag::WideList,
    Tag::Object,
    Tag::WideObject,
    // No slot has these.
    Tag::Null,
    Tag::Null,
    Tag::Null,
    Tag::Null,
];

/// Bits of a slot that tell the tag.
const TAG_BITS: u32 = 4;
/// Bits of a small integer, its sign included; as many as a narrow slot has beside the tag.
const SMALL_BITS: u32 = 24;
/// Half of the small integers are below zero.
const SMALL_HALF: i64 = 1 << (SMALL_BITS - 1);

/// A tag and a number: a small integer, or a place in the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot(u64);

impl Slot {
    pub(crate) const NULL: Self = Self::new(Tag::Null, 0);
    pub(crate) const FALSE: Self = Self::new(Tag::False, 0);
    pub(crate) const TRUE: Self = Self::new(Tag::True, 0);

    #[inline]
    const fn new(tag: Tag, number: u64) -> Self {
        Self(number << TAG_BITS | tag as u64)
    }

    /// A value that lies at a place.
    #[inline]
    pub(super) fn at(tag: Tag, place: usize) -> Self {
        Self::new(tag, place as u64)
    }

    /// A small integer, if it is one.
    #[inline]
    pub(super) fn small(number: i64) -> Option<Self> {
        let is_small = (-SMALL_HALF..SMALL_HALF).contains(&number);
        is_small.then(|| Self::new(Tag::Small, (number + SMALL_HALF) as u64))
    }

    #[inline]
    pub(super) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    #[inline]
    pub(super) fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) fn tag(self) -> Tag {
        TAGS[(self.0 & 15) as usize]
    }

    /// The small integer in it.
    #[inline]
    pub(super) fn integer(self) -> i64 {
        (self.0 >> TAG_BITS) as i64 - SMALL_HALF
    }

    /// Where its value lies; while it is written from the beginning, in a block from the block's begin back.
    #[inline]
    pub(super) fn place(self) -> usize {
        (self.0 >> TAG_BITS) as usize
    }

    /// Whether its value lies elsewhere.
    #[inline]
    pub(super) fn has_place(self) -> bool {
        self.0 & 15 > Tag::Small as u64
    }

    /// The same value, moved with what lies before it from one place to another.
    #[inline]
    pub(super) fn moved(self, from: usize, to: usize) -> Self {
        if self.has_place() {
            Self::at(self.tag(), self.place() - from + to)
        } else {
            self
        }
    }

    /// The same tag, and the difference of the places.
    #[inline]
    fn minus(self, other: Self) -> Self {
        Self(((self.0 & !15) - (other.0 & !15)) | (other.0 & 15))
    }

    /// The same slot with places told from a block's begin back, or the other way round.
    #[inline]
    pub(super) fn seen_from(self, base: usize) -> Self {
        if self.has_place() {
            Self((base as u64) << TAG_BITS).minus(self)
        } else {
            self
        }
    }
}
