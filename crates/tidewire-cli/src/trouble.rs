//! Warnings of the crates this program is made of, as lines on standard error or for the command's own last line.
//!
//! Tells what went wrong and was contained, such as a frame that made no sense. Never tells more
//! than warnings, and decides nothing.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::failure::tell;

/// Different texts from one place in the code that are told apart; what else it says is one kind.
const TEXTS_MAX: usize = 32;
/// Warnings that wait to be taken in by a command; later ones are left out.
const UNHEARD_MAX: usize = 64;
/// How often a warning of the same kind is shown; of those between only the number is.
const EVERY: Duration = Duration::from_secs(1);

/// From now on, warnings are shown.
pub(crate) fn show() {
    tell_by(|warning| tell(&warning.text));
}

/// From now on, warnings are left to the command.
pub(crate) fn hear() -> Heard {
    let (sender, warnings) = mpsc::channel(UNHEARD_MAX);
    tell_by(move |warning| {
        let _ = sender.try_send(warning);
    });
    let last = None;
    Heard { warnings, last }
}

/// One warning.
struct Warning {
    /// All of it, as a line.
    text: String,
    /// What was wrong, without the words that say what kind of warning it is.
    reason: String,
}

/// What a command hears of warnings.
pub(crate) struct Heard {
    warnings: mpsc::Receiver<Warning>,
    last: Option<String>,
}

impl Heard {
    /// Shows each as it comes.
    pub(crate) async fn show(&mut self) -> Infallible {
        while let Some(warning) = self.warnings.recv().await {
            self.on_warning(warning);
        }
        std::future::pending().await
    }

    /// Shows those that have come by now.
    pub(crate) fn show_rest(&mut self) {
        while let Ok(warning) = self.warnings.try_recv() {
            self.on_warning(warning);
        }
    }

    fn on_warning(&mut self, warning: Warning) {
        tell(&warning.text);
        self.last = Some(warning.reason);
    }

    /// What was wrong when the last one came. Those that nobody has seen need not be shown any more.
    pub(crate) fn last(&mut self) -> Option<String> {
        while let Ok(warning) = self.warnings.try_recv() {
            self.last = Some(warning.reason);
        }
        self.last.clone()
    }
}

fn tell_by(say: impl Fn(Warning) + Send + Sync + 'static) {
    let (count, counted) = channel();
    let say = Arc::new(say);
    // Only the first call in a process counts, and there is only one.
    let _ = tracing::subscriber::set_global_default(Warnings {
        shown: Mutex::default(),
        say: say.clone(),
        count,
    });
    std::thread::spawn(move || {
        for (counts, warning) in counted {
            std::thread::sleep(EVERY);
            let counts: Counts = counts;
            if let Some(warning) = repeated(warning, counts.swap(0, Ordering::Relaxed)) {
                say(warning);
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
    say: Arc<dyn Fn(Warning) + Send + Sync>,
    count: Sender<(Counts, Warning)>,
}

impl Warnings {
    fn on_warning(&self, place: Identifier, warning: Warning) {
        let Some(counts) = self.counts_of(place, &warning.text) else {
            return (self.say)(warning);
        };
        if counts.fetch_add(1, Ordering::Relaxed) == 0 {
            // Where the thread that counts is gone, the program is ending.
            let _ = self.count.send((counts, warning));
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
fn repeated(mut warning: Warning, times: usize) -> Option<Warning> {
    if times > 1 {
        let more = format!(" (and {} more like it)", times - 1);
        warning.text.push_str(&more);
    }
    (times > 0).then_some(warning)
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
        self.on_warning(event.metadata().callsite(), line.warning());
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
    fn warning(self) -> Warning {
        let text = match (self.message.is_empty(), self.details.is_empty()) {
            (false, false) => format!("{}: {}", self.message, self.details),
            (true, _) => self.details.clone(),
            (_, true) => self.message.clone(),
        };
        let reason = if self.details.is_empty() {
            self.message
        } else {
            self.details
        };
        Warning { text, reason }
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
        let warning = line.warning();
        assert_eq!(warning.text, "trouble: a frame, 7");
        assert_eq!(warning.reason, "a frame, 7");
    }

    #[test]
    fn of_warnings_in_between_only_the_number_is_said() {
        let said = |times| {
            let warning = Warning {
                text: "a frame".into(),
                reason: String::new(),
            };
            repeated(warning, times).map(|warning| warning.text)
        };
        assert_eq!(said(0), None);
        assert_eq!(said(1).as_deref(), Some("a frame"));
        assert_eq!(
            said(1_000).as_deref(),
            Some("a frame (and 999 more like it)")
        );
    }
}
