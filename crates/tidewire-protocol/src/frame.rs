//! The first look at a text frame: is it within bounds, is it an object, what is its type.
//!
//! What comes after is decoded in one pass, straight into the message. Nothing here builds a value.

mod depth;
mod once;
mod place;

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;

use crate::error::shortened;
use crate::fields::fields;
use crate::{DecodeError, Payload};

/// What holds the fields that belong to every message, in errors.
const ANY_MESSAGE: &str = "the message";

/// A text frame within its bounds.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    /// The frame.
    pub(crate) text: &'a str,
    /// The message's type.
    pub(crate) name: Cow<'a, str>,
}

fields! {
    Head {
        name: "type" => String,
    }
}

fields! {
    CriticalMark {
        critical: "critical" => bool,
    }
}

impl<'a> Frame<'a> {
    /// Looks at a frame before it is decoded, at its length first.
    pub(crate) fn open(payload: Payload<'a>, limit_bytes: usize) -> Result<Self, DecodeError> {
        let bytes = match payload {
            Payload::Text(text) => text.len(),
            Payload::Binary(bytes) => bytes.len(),
        };
        if bytes > limit_bytes {
            return Err(DecodeError::TooLarge {
                bytes,
                limit: limit_bytes,
            });
        }
        let Payload::Text(text) = payload else {
            return Err(DecodeError::NotText);
        };
        if !text.trim_start_matches(WHITESPACE).starts_with('{') {
            return Err(match serde_json::from_str::<IgnoredAny>(text) {
                Ok(IgnoredAny) => DecodeError::NotAnObject,
                Err(error) => not_json(&error),
            });
        }
        let name = match leading_type(text) {
            Some(name) => Cow::Borrowed(name),
            None => {
                let head: Head = read(text, ANY_MESSAGE)?;
                Cow::Owned(head.name.ok_or(DecodeError::MissingType)?)
            }
        };
        Ok(Self { text, name })
    }

    /// Refuses a frame whose objects and arrays nest deeper than the limit.
    ///
    /// Only for frames from clients. A reader needs no such look at a frame to be safe from it: what is skipped is
    /// skipped without recursion, and the model bounds the values it keeps. A client that held a server's frames to
    /// the same number would refuse entities that the server accepted from another client with less around them.
    pub(crate) fn within_depth(self, limit: usize) -> Result<Self, DecodeError> {
        if depth::within(self.text.as_bytes(), limit) {
            Ok(self)
        } else {
            Err(DecodeError::TooDeep { limit })
        }
    }

    /// The frame as a message of the given name.
    pub(crate) fn read<T: Deserialize<'a>>(&self, message: &'static str) -> Result<T, DecodeError> {
        read(self.text, message)
    }

    /// The name of a message that is not known and may be skipped, cut to a length that can be logged.
    pub(crate) fn skipped(&self) -> Result<String, DecodeError> {
        let _: IgnoredAny = read(self.text, ANY_MESSAGE)?;
        Ok(shortened(&self.name))
    }

    /// The same, unless the message says that it must not be skipped.
    pub(crate) fn skipped_unless_critical(&self) -> Result<String, DecodeError> {
        let mark: CriticalMark = read(self.text, ANY_MESSAGE)?;
        let name = shortened(&self.name);
        if mark.critical == Some(true) {
            Err(DecodeError::UnknownCritical { name })
        } else {
            Ok(name)
        }
    }
}

/// Reads a whole frame, and says where it is wrong if it is.
fn read<'a, T: Deserialize<'a>>(text: &'a str, message: &'static str) -> Result<T, DecodeError> {
    let read = serde_json::from_str(text).map(|once::Once(read)| read);
    read.map_err(|error: serde_json::Error| match error.classify() {
        Category::Data => DecodeError::BadField {
            message,
            field: shortened(&place::path_at(text, error.line(), error.column())),
            detail: shortened(&error.to_string()),
        },
        Category::Io | Category::Syntax | Category::Eof => not_json(&error),
    })
}

fn not_json(error: &serde_json::Error) -> DecodeError {
    DecodeError::NotJson {
        detail: shortened(&error.to_string()),
    }
}

/// What JSON allows between its parts.
const WHITESPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The type of a message that begins with it, which is what most peers send: nothing else has to be looked at first.
/// `None` sends the frame the slow way, which also finds what is wrong with it.
fn leading_type(text: &str) -> Option<&str> {
    let skip = |text: &'_ str| -> usize { text.len() - text.trim_start_matches(WHITESPACE).len() };
    let rest = &text[skip(text)..];
    let rest = rest.strip_prefix('{')?;
    let rest = rest[skip(rest)..].strip_prefix("\"type\"")?;
    let rest = rest[skip(rest)..].strip_prefix(':')?;
    let rest = rest[skip(rest)..].strip_prefix('"')?;
    let end = rest
        .bytes()
        .position(|byte| matches!(byte, b'"' | b'\\') || byte < b' ')?;
    if rest.as_bytes()[end] == b'"' {
        Some(&rest[..end])
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
