//! A Rust file as the checks see it: its lines, what is code in them, where its tests begin, its functions. It knows
//! comments, strings, characters and braces, and nothing else of the language.

mod functions;
mod mask;

pub(crate) use functions::Function;

/// One Rust file of the repository.
pub(crate) struct RustSource {
    pub(crate) path: String,
    pub(crate) text: String,
    /// As long as the text, line by line and byte by byte: comments are spaces, literals are quotation marks.
    pub(crate) masked: String,
    /// The first line of the inline test module, counted from zero; the number of lines where there is none.
    tests_from: usize,
}

impl RustSource {
    /// Reads a file's text, which is not checked for being Rust.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let masked = mask::masked(text);
        let tests_from = inline_tests(&masked).unwrap_or_else(|| masked.lines().count());
        Self {
            path: path.to_string(),
            text: text.to_string(),
            masked,
            tests_from,
        }
    }

    /// True for a file that holds nothing but tests or benches.
    pub(crate) fn is_tests(&self) -> bool {
        let mut folders = self.path.split('/').rev();
        let name = folders.next().unwrap_or_default();
        name == "tests.rs" || folders.any(|folder| folder == "tests" || folder == "benches")
    }

    /// True if the line, counted from one, belongs to a test.
    pub(crate) fn is_in_tests(&self, line: usize) -> bool {
        self.is_tests() || line > self.tests_from
    }

    /// Lines that hold code: neither blank, nor comment, nor part of the inline test module.
    pub(crate) fn code_lines(&self) -> usize {
        self.masked
            .lines()
            .take(self.tests_from)
            .filter(|line| !line.trim().is_empty())
            .count()
    }

    /// The functions with a body, in the order in which they begin.
    pub(crate) fn functions(&self) -> Vec<Function> {
        functions::functions(&self.masked)
    }
}

/// Finds `#[cfg(test)] mod name {`, with other attributes between, and gives the line of the first attribute.
fn inline_tests(masked: &str) -> Option<usize> {
    let mut attribute = None;
    for (number, line) in masked.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let is_attribute = line.starts_with("#[");
        let rest = if is_attribute {
            line.rsplit(']').next().unwrap_or_default().trim()
        } else {
            line
        };
        if line.starts_with("#[cfg(test)]") {
            attribute = Some(number);
        }
        let opens = rest.starts_with("mod ") && (rest.ends_with('{') || rest.ends_with("{}"));
        if opens && attribute.is_some() {
            return attribute;
        }
        if !is_attribute || !rest.is_empty() {
            attribute = None;
        }
    }
    None
}

#[cfg(test)]
mod tests;
