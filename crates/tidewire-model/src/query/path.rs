//! A dotted path that is looked up in many records.
//!
//! Remembers where the shape of the last record has it. Two threads that ask of different shapes make each other look again
//! and never wrong: what is remembered is one number, which says whose it is.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::record::Record;
use crate::shape::Shape;
use crate::value::ValueRef;

/// A dotted path, made ready to be looked up in many records.
///
/// As in [`Record::path`], a literal field name that contains the dots wins over descending.
#[derive(Debug)]
pub struct FieldPath {
    path: Box<str>,
    /// Where the first dot is.
    dot: Option<usize>,
    /// The number of the last shape, what it has, and where; zero before the first.
    memo: AtomicU32,
}

/// What a shape has of a path. Stands in the lowest bits of the memo.
const MISSING: u32 = 0;
const WHOLE: u32 = 1;
const FIRST: u32 = 2;

/// Bits of the memo that are not the number of the shape.
const NUMBER_SHIFT: u32 = 16;

impl FieldPath {
    /// Makes a path ready.
    pub fn new(path: &str) -> Self {
        Self {
            path: path.into(),
            dot: path.find('.'),
            memo: AtomicU32::new(0),
        }
    }

    /// The path as it was given.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The value that a record has there.
    pub fn find<'r>(&self, record: &'r Record) -> Option<ValueRef<'r>> {
        let Some(shape) = record.shape() else {
            return record.path(&self.path);
        };
        let mut memo = self.memo.load(Ordering::Relaxed);
        if memo >> NUMBER_SHIFT != u32::from(shape.number()) {
            memo = self.look_up(shape);
            self.memo.store(memo, Ordering::Relaxed);
        }
        let place = (memo >> 2 & 0xff) as usize;
        match memo & 3 {
            WHOLE => Some(record.value_at(place)),
            FIRST => {
                let object = record.value_at(place).as_object()?;
                object.path(&self.path[self.dot? + 1..])
            }
            _ => None,
        }
    }

    fn look_up(&self, shape: &Shape) -> u32 {
        let first = || shape.place(&self.path[..self.dot?]);
        let (kind, place) = match shape.place(&self.path) {
            Some(place) => (WHOLE, place),
            None => first().map_or((MISSING, 0), |place| (FIRST, place)),
        };
        // A shape has 256 names at most.
        u32::from(shape.number()) << NUMBER_SHIFT | (place as u32) << 2 | kind
    }
}
