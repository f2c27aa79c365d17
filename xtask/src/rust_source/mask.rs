//! Tells code from comments and literals. What is not code is blotted out in place, so that offsets and lines stay.

/// What stands for each byte of a literal, its quotation marks included: no space, no brace, no letter.
const LITERAL: u8 = b'"';

/// The text with every byte of a comment turned into a space and every byte of a literal into a quotation mark. Line
/// ends stay. What remains outside ASCII can only be a name and becomes a letter.
pub(crate) fn masked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut masked = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (end, filler) = piece(bytes, at);
        let blot = |byte: &u8| {
            if *byte == b'\n' {
                b'\n'
            } else {
                filler.unwrap_or(*byte)
            }
        };
        masked.extend(
            bytes[at..end]
                .iter()
                .map(blot)
                .map(|byte| if byte.is_ascii() { byte } else { b'x' }),
        );
        at = end;
    }
    String::from_utf8(masked).expect("only ASCII was written")
}

/// The piece that begins here: where it ends, and what it is blotted out with unless it is code.
fn piece(bytes: &[u8], at: usize) -> (usize, Option<u8>) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return (line_end(bytes, at), Some(b' '));
    }
    if rest.starts_with(b"/*") {
        return (block_end(bytes, at), Some(b' '));
    }
    if is_word(rest[0]) {
        return word_or_prefixed_literal(bytes, at);
    }
    match rest[0] {
        b'"' => (quoted_end(bytes, at + 1, b'"'), Some(LITERAL)),
        b'\'' => character_or_lifetime(bytes, at),
        _ => (at + 1, None),
    }
}

/// A word may be the prefix of a literal: `b"…"`, `r#"…"#`, `cr"…"`, `b'…'`.
fn word_or_prefixed_literal(bytes: &[u8], at: usize) -> (usize, Option<u8>) {
    let end = at
        + bytes[at..]
            .iter()
            .take_while(|byte| is_word(**byte))
            .count();
    let word = &bytes[at..end];
    let is_raw = matches!(word, b"r" | b"br" | b"cr");
    let hashes = bytes[end..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    match bytes.get(end + hashes) {
        Some(b'"') if is_raw => (raw_end(bytes, end + hashes + 1, hashes), Some(LITERAL)),
        Some(b'"') if hashes == 0 && matches!(word, b"b" | b"c") => {
            (quoted_end(bytes, end + 1, b'"'), Some(LITERAL))
        }
        Some(b'\'') if hashes == 0 && word == b"b" => {
            (quoted_end(bytes, end + 1, b'\''), Some(LITERAL))
        }
        _ => (end, None),
    }
}

/// A quotation mark opens a character if it closes after one character or an escape; otherwise it begins a lifetime.
fn character_or_lifetime(bytes: &[u8], at: usize) -> (usize, Option<u8>) {
    let first = bytes.get(at + 1).copied().unwrap_or_default();
    let width = 1 + bytes[at + 1..]
        .iter()
        .skip(1)
        .take_while(|byte| **byte & 0xC0 == 0x80)
        .count();
    if first == b'\\' || (first != b'\'' && bytes.get(at + 1 + width) == Some(&b'\'')) {
        (quoted_end(bytes, at + 1, b'\''), Some(LITERAL))
    } else {
        (at + 1, None)
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |length| at + length)
}

/// Block comments nest.
fn block_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut here = at;
    while here < bytes.len() {
        let rest = &bytes[here..];
        if rest.starts_with(b"/*") {
            depth += 1;
            here += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            here += 2;
            if depth == 0 {
                return here;
            }
        } else {
            here += 1;
        }
    }
    bytes.len()
}

fn quoted_end(bytes: &[u8], from: usize, mark: u8) -> usize {
    let mut here = from;
    while here < bytes.len() {
        match bytes[here] {
            b'\\' => here += 2,
            byte if byte == mark => return here + 1,
            _ => here += 1,
        }
    }
    bytes.len()
}

fn raw_end(bytes: &[u8], from: usize, hashes: usize) -> usize {
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let position = bytes[from..]
        .windows(close.len())
        .position(|window| window == close);
    position.map_or(bytes.len(), |length| from + length + close.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}
