//! Walks over query text: white space, symbols, keywords, paths and counts.

use super::{MAX_QUERY_DEPTH, MAX_QUERY_TERMS, QueryError};
use crate::query::text::{continues_name, is_keyword, starts_name};

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    terms: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            terms: 0,
        }
    }

    /// Where the next thing begins.
    pub(super) fn position(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    pub(super) fn expected(&mut self, what: &str) -> QueryError {
        QueryError {
            position: self.position(),
            expected: what.into(),
        }
    }

    pub(super) fn end(&mut self, otherwise: &str) -> Result<(), QueryError> {
        if self.position() == self.text.len() {
            Ok(())
        } else {
            Err(self.expected(otherwise))
        }
    }

    pub(super) fn enter(&mut self) -> Result<(), QueryError> {
        if self.depth == MAX_QUERY_DEPTH {
            return Err(self.expected(&depth_message()));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Counts one test of a filter.
    pub(super) fn count_term(&mut self) -> Result<(), QueryError> {
        if self.terms == MAX_QUERY_TERMS {
            return Err(self.expected(&format!(
                "at most {MAX_QUERY_TERMS} tests, each value of an in counted as one"
            )));
        }
        self.terms += 1;
        Ok(())
    }

    pub(super) fn next_is(&mut self, symbol: &str) -> bool {
        self.skip_space();
        self.rest().starts_with(symbol)
    }

    pub(super) fn try_symbol(&mut self, symbol: &str) -> bool {
        let found = self.next_is(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    pub(super) fn symbol(&mut self, symbol: &str) -> Result<(), QueryError> {
        if self.try_symbol(symbol) {
            Ok(())
        } else {
            Err(self.expected(&format!("\"{symbol}\"")))
        }
    }

    pub(super) fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek_word().eq_ignore_ascii_case(keyword);
        if found {
            self.at += keyword.len();
        }
        found
    }

    /// A path, bare or in backquotes.
    pub(super) fn path(&mut self) -> Result<Box<str>, QueryError> {
        if self.try_symbol("`") {
            return self.backquoted();
        }
        let word = self.peek_word();
        if word.is_empty() || is_keyword(word) {
            return Err(self.expected(
                "a field name (in backquotes if it is a keyword or has other characters)",
            ));
        }
        self.at += word.len();
        Ok(word.into())
    }

    /// A number of rows.
    pub(super) fn count(&mut self) -> Result<u64, QueryError> {
        self.skip_space();
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        match self.rest()[..digits].parse() {
            Ok(count) => {
                self.at += digits;
                Ok(count)
            }
            Err(_) => Err(self.expected("a number of rows")),
        }
    }

    /// The byte where the scanner stands.
    pub(super) fn byte(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn backquoted(&mut self) -> Result<Box<str>, QueryError> {
        let mut name = String::new();
        loop {
            let Some(end) = self.rest().find('`') else {
                self.at = self.text.len();
                return Err(self.expected("a closing backquote"));
            };
            name.push_str(&self.rest()[..end]);
            self.at += end + 1;
            if !self.rest().starts_with('`') {
                return Ok(name.into());
            }
            name.push('`');
            self.at += 1;
        }
    }

    /// The bare path or keyword that comes next; empty if something else does.
    fn peek_word(&mut self) -> &'a str {
        self.skip_space();
        let bytes = self.rest().as_bytes();
        let mut end = 0;
        while bytes.get(end).copied().is_some_and(starts_name) {
            end += bytes[end..]
                .iter()
                .take_while(|byte| continues_name(**byte))
                .count();
            let goes_on = bytes.get(end) == Some(&b'.')
                && bytes.get(end + 1).copied().is_some_and(starts_name);
            if !goes_on {
                break;
            }
            end += 1;
        }
        &self.rest()[..end]
    }

    fn skip_space(&mut self) {
        self.at += self
            .rest()
            .bytes()
            .take_while(u8::is_ascii_whitespace)
            .count();
    }
}

pub(super) fn depth_message() -> Box<str> {
    format!("nesting of at most {MAX_QUERY_DEPTH}").into()
}
