//! Numbers as text: seven bits to a byte, so that each byte is a character.

use super::slot::Slot;

/// How a block writes its slots and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// 28 bits in 4 bytes.
    Narrow,
    /// 56 bits in 8 bytes.
    Wide,
}

/// How far back a narrow slot reaches, and how much a narrow block may hold.
pub(super) const NARROW_LIMIT: usize = 1 << 24;

/// Bytes of a 64 bit number.
pub(super) const NUMBER_BYTES: usize = 10;

impl Width {
    /// For a block whose contents take so many bytes, or which has so many slots.
    #[inline]
    pub(super) fn of(bytes: usize, slots: usize) -> Self {
        if bytes.max(slots) < NARROW_LIMIT {
            Self::Narrow
        } else {
            Self::Wide
        }
    }

    #[inline]
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Narrow => 4,
            Self::Wide => 8,
        }
    }

    /// The number at a place of a text.
    #[inline]
    pub(super) fn read(self, text: &str, at: usize) -> u64 {
        match self {
            Self::Narrow => {
                let bytes: [u8; 4] = chunk(text, at);
                let bits = u32::from_le_bytes(bytes);
                let pairs = (bits & 0x007f_007f) | (bits & 0x7f00_7f00) >> 1;
                u64::from((pairs & 0x3fff) | (pairs >> 16) << 14)
            }
            Self::Wide => unpack(&chunk::<8>(text, at)),
        }
    }

    #[inline]
    pub(super) fn slot(self, text: &str, at: usize) -> Slot {
        Slot::from_bits(self.read(text, at))
    }

    /// Writes numbers behind a text.
    pub(super) fn write(self, text: &mut String, numbers: impl Iterator<Item = u64>) {
        // So many at once that most records are written in one go.
        let mut chunk = [0_u8; 128];
        let mut len = 0;
        for number in numbers {
            if len == chunk.len() {
                push_ascii(text, &chunk);
                len = 0;
            }
            match self {
                Self::Narrow => {
                    let halves = (number & 0x3fff) | (number & 0x0fff_c000) << 2;
                    let bytes = (halves & 0x007f_007f) | (halves & 0x3f80_3f80) << 1;
                    chunk[len..len + 4].copy_from_slice(&(bytes as u32).to_le_bytes());
                    len += 4;
                }
                Self::Wide => {
                    pack(number, &mut chunk[len..len + 8]);
                    len += 8;
                }
            }
        }
        push_ascii(text, &chunk[..len]);
    }
}

/// Writes 64 bits.
pub(super) fn write_number(text: &mut String, number: u64) {
    let mut bytes = [0; NUMBER_BYTES];
    pack(number, &mut bytes);
    push_ascii(text, &bytes);
}

/// Reads 64 bits.
#[inline]
pub(super) fn read_number(text: &str, at: usize) -> u64 {
    unpack(&chunk::<NUMBER_BYTES>(text, at))
}

/// Writes a length, six bits to a byte: most are a byte or two.
#[inline]
pub(super) fn write_length(text: &mut String, mut length: usize) {
    while length >= 64 {
        text.push(char::from(64 | (length & 63) as u8));
        length >>= 6;
    }
    text.push(char::from(length as u8));
}

/// Reads a length, and where it ends.
#[inline]
pub(super) fn read_length(text: &str, at: usize) -> (usize, usize) {
    let first = text.as_bytes()[at];
    if first < 64 {
        return (first.into(), at + 1);
    }
    let (mut length, mut shift) = (0, 0);
    for (&byte, end) in text.as_bytes()[at..].iter().zip(at + 1..) {
        length |= usize::from(byte & 63) << shift;
        if byte < 64 {
            return (length, end);
        }
        shift += 6;
    }
    unreachable!("a length ends before the text does")
}

fn pack(number: u64, bytes: &mut [u8]) {
    for (byte, shift) in bytes.iter_mut().zip((0..).step_by(7)) {
        *byte = (number >> shift) as u8 & 0x7f;
    }
}

#[inline]
fn unpack(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter().zip((0..).step_by(7));
    bytes.fold(0, |number, (&byte, shift)| {
        number | u64::from(byte) << shift
    })
}

fn push_ascii(text: &mut String, bytes: &[u8]) {
    text.push_str(str::from_utf8(bytes).expect("seven bits are a character"));
}

#[inline]
fn chunk<const N: usize>(text: &str, at: usize) -> [u8; N] {
    text.as_bytes()[at..at + N]
        .try_into()
        .expect("the slice is that long")
}

#[cfg(test)]
mod tests;
