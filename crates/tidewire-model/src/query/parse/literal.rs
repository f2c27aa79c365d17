//! Literals of query text: JSON values.

use super::QueryError;
use super::scan::Scanner;
use crate::fields::last_wins;
use crate::value::Value;

impl Scanner<'_> {
    /// Any literal.
    pub(super) fn literal(&mut self) -> Result<Value, QueryError> {
        for (word, value) in [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
        ] {
            if self.keyword(word) {
                return Ok(value);
            }
        }
        self.position();
        match self.rest().bytes().next() {
            Some(b'"') => self.text().map(Value::Text),
            Some(b'[') => {
                self.advance(1);
                self.literals_until("]").map(Value::List)
            }
            Some(b'{') => self.object(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.expected(
                "a value: text in double quotes, a number, true, false, null, [...] or {...}",
            )),
        }
    }

    /// Literals between commas, up to and including a closing symbol.
    pub(super) fn literals_until(&mut self, close: &str) -> Result<Vec<Value>, QueryError> {
        let mut values = Vec::new();
        self.enter()?;
        while !self.try_symbol(close) {
            if !values.is_empty() {
                self.symbol(",")?;
            }
            values.push(self.literal()?);
        }
        self.leave();
        Ok(values)
    }

    /// A text literal.
    pub(super) fn text(&mut self) -> Result<Box<str>, QueryError> {
        if !self.try_symbol("\"") {
            return Err(self.expected("text in double quotes"));
        }
        let mut text = String::new();
        loop {
            let mut letters = self.rest().chars();
            let Some(letter) = letters.next() else {
                return Err(self.expected("a closing double quote"));
            };
            match letter {
                '"' => {
                    self.advance(1);
                    return Ok(text.into());
                }
                '\\' => text.push(self.escape()?),
                control if control < ' ' => {
                    return Err(self.here("no control character (write it as an escape)"));
                }
                other => {
                    text.push(other);
                    self.advance(other.len_utf8());
                }
            }
        }
    }

    fn object(&mut self) -> Result<Value, QueryError> {
        let mut pairs = Vec::new();
        self.symbol("{")?;
        self.enter()?;
        while !self.try_symbol("}") {
            if !pairs.is_empty() {
                self.symbol(",")?;
            }
            let name = self.text()?;
            self.symbol(":")?;
            pairs.push((name, self.literal()?));
        }
        self.leave();
        Ok(Value::Object(last_wins(pairs)))
    }

    fn number(&mut self) -> Result<Value, QueryError> {
        let rest = self.rest();
        let length = rest
            .bytes()
            .take_while(|byte| {
                byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
            })
            .count();
        let digits = &rest[..length];
        let number = if let Ok(number) = digits.parse::<i64>() {
            Some(Value::Int(number))
        } else if let Ok(number) = digits.parse::<u64>() {
            Some(Value::UInt(number))
        } else {
            digits.parse::<f64>().ok().and_then(Value::float)
        };
        let number = number.ok_or_else(|| self.expected("a finite number"))?;
        self.advance(length);
        Ok(number)
    }

    fn escape(&mut self) -> Result<char, QueryError> {
        let letter = match self.rest().as_bytes().get(1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.here("an escape: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")),
        };
        self.advance(2);
        Ok(letter)
    }

    fn unicode_escape(&mut self) -> Result<char, QueryError> {
        let high = self
            .unit(0)
            .ok_or_else(|| self.here("four hexadecimal digits after \\u"))?;
        if let Some(letter) = char::from_u32(high) {
            self.advance(6);
            return Ok(letter);
        }
        // A surrogate: only the first half of a pair, followed by the second, is a character.
        let low = self.unit(6);
        let pair = low.and_then(|low| {
            char::decode_utf16([narrow(high)?, narrow(low)?])
                .next()?
                .ok()
        });
        let letter = pair.ok_or_else(|| self.here("a whole pair of surrogates"))?;
        self.advance(12);
        Ok(letter)
    }

    /// The `\uXXXX` so many bytes ahead.
    fn unit(&self, ahead: usize) -> Option<u32> {
        let digits = self.rest().get(ahead..ahead + 6)?.strip_prefix("\\u")?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u32::from_str_radix(digits, 16).ok()
    }

    /// An error at this very byte, without skipping white space.
    fn here(&self, what: &str) -> QueryError {
        QueryError {
            position: self.byte(),
            expected: what.into(),
        }
    }
}

fn narrow(unit: u32) -> Option<u16> {
    u16::try_from(unit).ok()
}
