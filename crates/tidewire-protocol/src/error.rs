//! What can be wrong with a frame, a row or a change, and who must do what about it.
//!
//! Every text in here is short, whatever the peer sent: an error may be logged as it is.

use std::fmt;

use crate::RequestId;

/// The most that an error repeats of what a peer said, in bytes.
const QUOTE_BYTES: usize = 200;

/// A frame, a row or a change that does not mean anything. Whoever sent it must send it otherwise; whoever got it
/// reports the error and goes on without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A binary frame in a dialect of text frames.
    #[error("the peer must send text frames in this dialect, and sent a binary one")]
    NotText,
    /// A text frame in a dialect of binary frames.
    #[error("the peer must send binary frames in this dialect, and sent a text one")]
    NotBinary,
    /// A frame beyond the limit; it was not looked into.
    #[error("the peer must send frames of at most {limit} bytes, and sent one of {bytes}")]
    TooLarge {
        /// The frame's length.
        bytes: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// A frame from a client with more nesting than the limit; it was not decoded.
    #[error(
        "the peer must nest objects and arrays at most {limit} deep, and sent a frame that goes deeper"
    )]
    TooDeep {
        /// The deepest allowed.
        limit: usize,
    },
    /// A frame that is not JSON.
    #[error("the peer must send JSON, and sent a frame that is none: {detail}")]
    NotJson {
        /// What is wrong, with line and column.
        detail: String,
    },
    /// JSON, but not an object.
    #[error("the peer must send one JSON object in a frame, and sent another kind of value")]
    NotAnObject,
    /// A message without `type`.
    #[error("the peer must give every message a \"type\", and sent one without")]
    MissingType,
    /// A message of unknown type that must not be skipped.
    #[error(
        "the peer sent the critical message {name}, which only a newer version of this side understands"
    )]
    UnknownCritical {
        /// The type as the peer named it, cut to a length that can be logged.
        name: String,
    },
    /// A field that the message cannot do without.
    #[error("the peer must put the field {field} into {message}, and left it out")]
    MissingField {
        /// What lacks it: a message type, or `row` where a row stands alone.
        message: &'static str,
        /// The field's path, such as `ops[2].entityId`.
        field: String,
    },
    /// A field with a value that it cannot have.
    #[error("the peer must correct the field {field} of {message}: {detail}")]
    BadField {
        /// What holds it: a message type, or `row` where a row stands alone.
        message: &'static str,
        /// The field's path, such as `ops[2].entityId`.
        field: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A request that can be told apart from others, and asks for something that cannot be asked for. It is answered
    /// with its error, and the connection goes on.
    #[error("the peer must correct the field {field} of {message} {}: {detail}", id.0)]
    BadRequest {
        /// The request.
        id: RequestId,
        /// The message type.
        message: &'static str,
        /// The field's path.
        field: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// What is wrong with one field, told by whoever reads the field and does not know the message around it.
#[derive(Debug)]
pub(crate) struct Fault {
    path: String,
    /// `None` when the field is missing.
    detail: Option<String>,
    /// The request that it is answered with, where it can be.
    request: Option<RequestId>,
}

impl Fault {
    /// The field is not there.
    pub(crate) fn missing(field: &str) -> Self {
        Self {
            path: field.to_owned(),
            detail: None,
            request: None,
        }
    }

    /// The field has a value that it cannot have.
    pub(crate) fn bad(field: &str, detail: &dyn fmt::Display) -> Self {
        Self {
            path: shortened(field),
            detail: Some(shortened(&detail.to_string())),
            request: None,
        }
    }

    /// The same fault, in what a request asks for: the request is refused, and the connection goes on.
    pub(crate) fn of_request(mut self, id: RequestId) -> Self {
        self.request = Some(id);
        self
    }

    /// The same fault, seen from the element of a list that contains the field.
    pub(crate) fn inside(mut self, list: &str, place: usize) -> Self {
        self.path = format!("{list}[{place}].{}", self.path);
        self
    }

    /// The same fault, seen from an object that contains the field.
    pub(crate) fn under(mut self, outer: &str) -> Self {
        self.path = format!("{outer}.{}", self.path);
        self
    }

    /// The error, once the message is known.
    pub(crate) fn of(self, message: &'static str) -> DecodeError {
        let field = self.path;
        match (self.detail, self.request) {
            (None, _) => DecodeError::MissingField { message, field },
            (Some(detail), None) => DecodeError::BadField {
                message,
                field,
                detail,
            },
            (Some(detail), Some(id)) => DecodeError::BadRequest {
                id,
                message,
                field,
                detail,
            },
        }
    }
}

/// The text, cut to what an error may repeat of it, with control characters as escapes: what a peer says cannot write
/// lines of its own into a log, or move the cursor of whoever reads it.
pub(crate) fn shortened(text: &str) -> String {
    let mut short = String::with_capacity(text.len().min(QUOTE_BYTES));
    for letter in text.chars() {
        if short.len() + letter.len_utf8() > QUOTE_BYTES {
            short.push('…');
            break;
        }
        if letter.is_control() {
            short.extend(letter.escape_default());
        } else {
            short.push(letter);
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_never_repeats_more_than_a_line_of_what_the_peer_said() {
        let long = "ä".repeat(10_000);
        let error = Fault::bad(&long, &long)
            .inside("ops", 3)
            .under("data")
            .of("EVENTS")
            .to_string();
        assert!(error.len() < 3 * QUOTE_BYTES, "{} bytes", error.len());
        assert!(
            error.starts_with("the peer must correct the field data.ops[3].ää"),
            "{error}"
        );
    }

    #[test]
    fn what_a_peer_says_cannot_write_lines_of_its_own() {
        let error = Fault::bad("a\nb", &"\u{1b}[2Jx\u{85}\r")
            .of("EVENTS")
            .to_string();
        assert!(!error.chars().any(char::is_control), "{error}");
        assert!(
            error.contains(r"a\nb") && error.contains(r"\u{1b}[2Jx\u{85}\r"),
            "{error}"
        );
    }

    #[test]
    fn a_fault_keeps_its_kind_on_the_way_out() {
        let missing = Fault::missing("entityId").inside("ops", 0).of("EVENTS");
        assert_eq!(
            missing,
            DecodeError::MissingField {
                message: "EVENTS",
                field: "ops[0].entityId".into()
            }
        );
        let bad = Fault::bad("epoch", &"empty")
            .under("resume")
            .of("SUBSCRIBE");
        let field = "resume.epoch".to_owned();
        assert_eq!(
            bad,
            DecodeError::BadField {
                message: "SUBSCRIBE",
                field,
                detail: "empty".into()
            }
        );
    }
}
