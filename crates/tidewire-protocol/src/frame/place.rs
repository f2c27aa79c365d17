//! Where in a frame a reader stopped, as a path a person can follow.
//!
//! Only used to word an error: it is slow and takes no part in decoding.

/// One level of nesting on the way to the place.
enum Level<'a> {
    /// In an object, at the field with this name.
    Object(&'a str),
    /// In an array, at the element with this number.
    Array(usize),
}

/// The path of the field that stands at a line and column (both from 1, columns in bytes), such as `ops[2].entityId`.
///
/// Empty for the frame itself. The frame may be broken, but not before that place.
pub(super) fn path_at(text: &str, line: usize, column: usize) -> String {
    let line_start = match line {
        0 | 1 => 0,
        _ => text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .nth(line - 2)
            .map_or(0, |(at, _)| at + 1),
    };
    let end = line_start.saturating_add(column).min(text.len());
    let mut end = end;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    path_to_end(&text[..end])
}

/// The path of what the text stops at.
fn path_to_end(text: &str) -> String {
    let mut levels: Vec<Level<'_>> = Vec::new();
    // The string read last, as long as it may turn out to be the name of a field.
    let mut name = None;
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        at += 1;
        match byte {
            b'"' => {
                let length = string_length(&text.as_bytes()[at..]);
                name = Some(&text[at..at + length]);
                at += length + 1;
            }
            b':' => set_name(&mut levels, name.take()),
            b'{' => levels.push(Level::Object("")),
            b'[' => levels.push(Level::Array(0)),
            // A reader that refuses a value may have gone on to the end of what holds it, and no further.
            b'}' | b']' if at < text.len() => drop(levels.pop()),
            b',' => {
                name = None;
                match levels.last_mut() {
                    Some(Level::Array(place)) => *place += 1,
                    Some(Level::Object(field)) => *field = "",
                    None => {}
                }
            }
            _ => {}
        }
    }
    if let Some(Level::Object("")) = levels.last() {
        set_name(&mut levels, name);
    }
    written(&levels)
}

fn set_name<'a>(levels: &mut [Level<'a>], name: Option<&'a str>) {
    if let (Some(Level::Object(field)), Some(name)) = (levels.last_mut(), name) {
        *field = name;
    }
}

/// The length of the string whose content begins here, up to its end or the end of the text.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn written(levels: &[Level<'_>]) -> String {
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Object("") => {}
            Level::Object(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Level::Array(place) => path.push_str(&format!("[{place}]")),
        }
    }
    path
}
