//! Text from elsewhere, made fit to be shown: a peer's, a file's, or what the user typed.
//!
//! A terminal obeys control characters, and other letters that cannot be seen turn the order of a line
//! around or make two names look alike. They are shown as what they are: something that is not shown.

use std::path::Path;

/// The letters that cannot be seen: the general categories Cc, Cf, Zl and Zp of Unicode, as ranges.
///
/// The joiners among them (U+200C, U+200D) are no exception. They belong to some scripts and to composed
/// emoji, which fall apart into their parts here; but with them two names that look alike can differ.
const UNSEEN: [(char, char); 24] = [
    ('\u{0}', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0001}', '\u{e0001}'),
    ('\u{e0020}', '\u{e007f}'),
    // What Unicode keeps free for more of them.
    ('\u{e0080}', '\u{e00ff}'),
    ('\u{e01f0}', '\u{e0fff}'),
];

/// Text as it may be shown on a terminal, on one line: what breaks the line is a space, what else cannot
/// be seen a mark.
pub(crate) fn plain(text: &str) -> String {
    let shown = |letter| match letter {
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        letter if is_unseen(letter) => char::REPLACEMENT_CHARACTER,
        letter => letter,
    };
    text.chars().map(shown).collect()
}

/// A path as a word of a command that can be typed as it is shown.
pub(crate) fn word(path: &Path) -> String {
    let mut shown = path.display().to_string();
    if shown.starts_with('-') {
        // It would be taken for an option.
        shown.insert_str(0, "./");
    }
    // Elsewhere a shell takes a backslash for its own.
    let plain = if cfg!(windows) {
        r"._-/:\+@%,"
    } else {
        "._-/:+@%,"
    };
    let is_plain = |letter: char| letter.is_alphanumeric() || plain.contains(letter);
    if !shown.is_empty() && shown.chars().all(is_plain) {
        shown
    } else {
        format!("'{}'", shown.replace('\'', r"'\''"))
    }
}

/// JSON as it may be shown on a terminal, with the same value: what cannot be seen is written as its
/// number.
pub(crate) fn plain_json(json: String) -> String {
    if !json.chars().any(is_unseen) {
        return json;
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        // Outside of its texts JSON has none of them, and in its texts any letter may be written so.
        if is_unseen(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(letter);
        }
    }
    shown
}

fn is_unseen(letter: char) -> bool {
    // Nearly every letter is one of these.
    if matches!(letter, ' '..='~') {
        return false;
    }
    UNSEEN
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_or_cannot_be_seen_is_left() {
        let text = "a\u{1b}[31m\u{9b}b\u{202e}c\u{2066}\u{2069}d\u{200b}\u{200d}\u{200e}\u{200f}\u{feff}e\u{ad}\u{e0041}";
        let mark = char::REPLACEMENT_CHARACTER;
        assert_eq!(
            plain(text).replace(mark, ""),
            "a[31mbcde",
            "what is seen stays"
        );
        assert_eq!(plain(text).chars().count(), text.chars().count());
        assert_eq!(plain("a\nb\u{2028}c\u{2029}d\r\te"), "a b c d  e");
        assert_eq!(plain("Zoë 大 אב 😀 ~ \u{301}"), "Zoë 大 אב 😀 ~ \u{301}");
    }

    #[test]
    fn a_path_is_one_word_of_a_command() {
        for (path, shown) in [
            ("writes.db", "writes.db"),
            ("/tmp/Zoë/w-1_2", "/tmp/Zoë/w-1_2"),
            ("-dash.db", "./-dash.db"),
            ("-my writes", "'./-my writes'"),
            ("my writes", "'my writes'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(word(Path::new(path)), shown);
        }
    }

    #[test]
    fn json_keeps_its_value() {
        let mut text: String = UNSEEN
            .iter()
            .flat_map(|(first, last)| [*first, *last])
            .collect();
        text.push_str("a\\u0041\"\\ 😀");
        let json = plain_json(serde_json::to_string(&text).unwrap());
        assert!(!json.chars().any(is_unseen), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        assert_eq!(plain_json("{\"a\":1}".to_owned()), "{\"a\":1}");
    }

    #[test]
    fn the_ranges_are_in_order_and_hold_all_control_characters() {
        assert!(UNSEEN.windows(2).all(|pair| pair[0].1 < pair[1].0));
        let controls = ('\0'..=char::MAX).filter(|letter| letter.is_control());
        assert!(controls.into_iter().all(is_unseen));
    }
}
