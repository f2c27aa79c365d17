//! Finds functions in masked text, and measures them as clippy does: lines of code between the braces of the body.

/// A function that has a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The line of `fn`, counted from one.
    pub(crate) line: usize,
    /// Lines of code between the line of the opening and that of the closing brace.
    pub(crate) code_lines: usize,
}

/// The functions of a masked text, those inside others and inside macros included.
pub(crate) fn functions(masked: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(offset) = masked[from..].find("fn ") {
        let at = from + offset;
        from = at + "fn ".len();
        if masked[..at].ends_with(is_word) {
            continue;
        }
        let name: String = masked[from..]
            .trim_start()
            .chars()
            .take_while(|letter| is_word(*letter))
            .collect();
        let Some((open, close)) = body(masked, from).filter(|_| !name.is_empty()) else {
            continue;
        };
        let line = masked[..at].matches('\n').count() + 1;
        found.push(Function {
            name,
            line,
            code_lines: inner_code_lines(&masked[open..=close]),
        });
    }
    found
}

/// The braces of the body that follows a signature; none if the signature ends with a semicolon.
fn body(masked: &str, from: usize) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut open = None;
    for (offset, byte) in masked.as_bytes()[from..].iter().enumerate() {
        match byte {
            b'{' if depth == 0 && open.is_none() => {
                open = Some(from + offset);
                depth = 1;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.checked_sub(1)?,
            b';' if depth == 0 => return None,
            _ => {}
        }
        if let Some(open) = open.filter(|_| depth == 0) {
            return Some((open, from + offset));
        }
    }
    None
}

fn inner_code_lines(body: &str) -> usize {
    let lines: Vec<&str> = body.lines().collect();
    let inner = lines
        .get(1..lines.len().saturating_sub(1))
        .unwrap_or_default();
    inner.iter().filter(|line| !line.trim().is_empty()).count()
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}
