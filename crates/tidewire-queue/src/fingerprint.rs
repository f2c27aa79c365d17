//! A stable 64-bit fingerprint of an action's content.
//!
//! FNV-1a over a tagged form in which the fields of objects are sorted, so that it depends on the content only: not
//! on the machine, on the text format, or on the order of fields. No secret, and no protection against forgery.

use std::collections::BTreeMap;

use tidewire_model::{ObjectRef, ValueRef};

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(OFFSET)
    }

    pub(crate) fn finish(self) -> String {
        format!("{:016x}", self.0)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.tagged(b't', text.len() as u64);
        self.bytes(text.as_bytes());
    }

    pub(crate) fn optional(&mut self, text: Option<&str>) {
        match text {
            None => self.bytes(b"-"),
            Some(text) => self.text(text),
        }
    }

    pub(crate) fn number(&mut self, number: Option<u64>) {
        match number {
            None => self.bytes(b"-"),
            Some(number) => self.tagged(b'u', number),
        }
    }

    pub(crate) fn object(&mut self, object: ObjectRef<'_>) {
        let sorted: BTreeMap<&str, ValueRef<'_>> = object.iter().collect();
        self.tagged(b'o', sorted.len() as u64);
        for (name, value) in sorted {
            self.text(name);
            self.value(value);
        }
    }

    fn value(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.bytes(b"n"),
            ValueRef::Bool(value) => self.tagged(b'b', value.into()),
            ValueRef::Int(value) => self.tagged(b'i', value.cast_unsigned()),
            ValueRef::UInt(value) => self.tagged(b'u', value),
            ValueRef::Float(value) => self.tagged(b'f', value.to_bits()),
            ValueRef::Text(text) => self.text(text),
            ValueRef::List(list) => {
                self.tagged(b'l', list.len() as u64);
                for value in list.iter() {
                    self.value(value);
                }
            }
            ValueRef::Object(object) => self.object(object),
        }
    }

    fn tagged(&mut self, tag: u8, number: u64) {
        self.bytes(&[tag]);
        self.bytes(&number.to_be_bytes());
    }
}
