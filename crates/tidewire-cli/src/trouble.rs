//! Warnings of the crates this program is made of, as lines on standard error.
//!
//! Shows what went wrong and was contained, such as a frame that made no sense. Never shows more
//! than warnings, and decides nothing.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::failure::tell;

/// From now on, warnings are shown.
pub(crate) fn show() {
    // Only the first call in a process counts, and there is only one.
    let _ = tracing::subscriber::set_global_default(Warnings);
}

struct Warnings;

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        tell(&line.text());
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// The parts of one warning.
#[derive(Default)]
struct Line {
    message: String,
    details: String,
}

impl Line {
    fn text(self) -> String {
        match (self.message.is_empty(), self.details.is_empty()) {
            (false, false) => format!("{}: {}", self.message, self.details),
            (true, _) => self.details,
            (_, true) => self.message,
        }
    }

    fn detail(&mut self, text: &dyn Debug) {
        let separator = if self.details.is_empty() { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(self.details, "{separator}{text:?}");
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing to a text cannot fail.
            let _ = write!(self.message, "{value:?}");
        } else {
            self.detail(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_one_line_of_message_and_details() {
        let mut line = Line {
            message: "trouble".into(),
            details: String::new(),
        };
        line.detail(&format_args!("a frame"));
        line.detail(&7);
        assert_eq!(line.text(), "trouble: a frame, 7");
    }
}
