//! How deep a frame nests, found without decoding it.
//!
//! Says nothing about whether the frame is well formed.

/// Whether objects and arrays nest at most `limit` deep.
///
/// Brackets inside strings do not count. For bytes that are no JSON the answer means nothing, but it comes.
pub(super) fn within(bytes: &[u8], limit: usize) -> bool {
    deepest(bytes) <= limit
}

fn deepest(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    let mut rest = bytes;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => rest = after_string(rest),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// What follows the string whose content begins here.
fn after_string(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    loop {
        match rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
            None => return &[],
            Some(place) if rest[place] == b'"' => return &rest[place + 1..],
            // The mark and the byte it guards.
            Some(place) => rest = rest.get(place + 2..).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        "[".repeat(depth) + &"]".repeat(depth)
    }

    #[test]
    fn the_limit_is_allowed_and_one_more_is_not() {
        assert!(within(nested(32).as_bytes(), 32));
        assert!(!within(nested(33).as_bytes(), 32));
    }

    #[test]
    fn many_shallow_brackets_are_not_deep() {
        let text = format!("[{}]", vec!["{\"a\":[1]}"; 500].join(","));
        assert!(within(text.as_bytes(), 3));
        assert!(!within(text.as_bytes(), 2));
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let text = format!("{{\"a\":\"\\\"{}\\\\\",\"b\":[1]}}", "[{".repeat(100));
        assert!(within(text.as_bytes(), 2));
        assert!(!within(text.as_bytes(), 1));
    }

    #[test]
    fn strings_that_never_end_come_to_an_end() {
        let brackets = "[".repeat(40);
        for text in ["\"", "\"\\", "\"\\\\", "\"a\\\"b"] {
            assert!(!within(format!("{brackets}{text}").as_bytes(), 39));
            assert!(within(format!("{text}{brackets}").as_bytes(), 39) || text == "\"");
        }
    }
}
