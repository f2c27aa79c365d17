//! Warnings of the crates this program is made of, as lines on standard error.
//!
//! Shows what went wrong and was contained, such as a frame that made no sense. Never shows more
//! than warnings, and decides nothing.

use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::failure::tell;

/// Different texts from one place in the code that are told apart; what else it says is one kind.
const TEXTS_MAX: usize = 32;
/// How often a warning of the same kind is shown; of those between only the number is.
const EVERY: Duration = Duration::from_secs(1);

/// From now on, warnings are shown.
pub(crate) fn show() {
    let (count, counted) = channel();
    // Only the first call in a process counts, and there is only one.
    let _ = tracing::subscriber::set_global_default(Warnings {
        shown: Mutex::default(),
        count,
    });
    std::thread::spawn(move || {
        for (counts, message) in counted {
            std::thread::sleep(EVERY);
            let counts: Counts = counts;
            if let Some(line) = repeated(&message, counts.swap(0, Ordering::Relaxed)) {
                tell(&line);
            }
        }
    });
}

/// Warnings of one kind that are not told yet, one by one.
type Counts = Arc<AtomicUsize>;

/// A peer that does wrong as fast as it can must not fill the user's disk or screen: the first of a
/// kind is shown, of the others the number, once a second.
struct Warnings {
    /// By the place in the code that warns, of which there are few, then by what it says.
    shown: Mutex<HashMap<Identifier, HashMap<String, Counts>>>,
    count: Sender<(Counts, String)>,
}

impl Warnings {
    fn on_event(&self, place: Identifier, line: Line) {
        let text = line.text();
        let Some(counts) = self.counts_of(place, &text) else {
            return tell(&text);
        };
        if counts.fetch_add(1, Ordering::Relaxed) == 0 {
            // Where the thread that counts is gone, the program is ending.
            let _ = self.count.send((counts, text));
        }
    }

    /// Where a warning is counted; none where it is the first of its kind.
    fn counts_of(&self, place: Identifier, text: &str) -> Option<Counts> {
        // Nothing that can panic runs under the lock.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = shown.entry(place).or_default();
        // A peer may word its nonsense anew each time.
        let kind = if texts.contains_key(text) || texts.len() < TEXTS_MAX {
            text
        } else {
            ""
        };
        if let Some(counts) = texts.get(kind) {
            return Some(Arc::clone(counts));
        }
        texts.insert(kind.to_owned(), Counts::default());
        None
    }
}

/// What is said of warnings that were only counted; nothing of none.
fn repeated(message: &str, times: usize) -> Option<String> {
    match times {
        0 => None,
        1 => Some(message.to_owned()),
        more => Some(format!("{message} (and {} more like it)", more - 1)),
    }
}

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
        self.on_event(event.metadata().callsite(), line);
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

    #[test]
    fn of_warnings_in_between_only_the_number_is_said() {
        assert_eq!(repeated("a frame", 0), None);
        assert_eq!(repeated("a frame", 1).as_deref(), Some("a frame"));
        assert_eq!(
            repeated("a frame", 1_000).as_deref(),
            Some("a frame (and 999 more like it)")
        );
    }
}
