//! What became of the write of `act`, and the words for it. Prints nothing.

use futures_util::FutureExt;
use tidewire::{ActionError, ActionHandle, Client, Refusal};

use crate::arguments::{Act, Wait};
use crate::session::PATIENCE;

/// The word for a write that is kept.
const DURABLE: &str = "durable";
/// The word for a write that was not taken and is gone.
pub(super) const REFUSED: &str = "refused";
/// The word for a write that the server took.
const ACCEPTED: &str = "accepted";

/// What became of the write.
pub(super) enum Outcome {
    /// It reached the moment waited for, in one word.
    Reached(&'static str),
    /// The server said no.
    Refused(Refusal),
    /// It was sent, and whether it was done cannot be known.
    Uncertain(String),
    /// There was no answer, and the write is in the store.
    Kept(String),
    /// There was no answer, and nothing keeps the write, which may have been done.
    Lost(String),
    /// The write went nowhere and nothing keeps it.
    Unsent(String),
    /// The server said yes, and what was waited for beyond that did not come.
    Late(String),
    /// The store failed before it had the write, which therefore went nowhere.
    NotStored(String),
    /// This side failed.
    Broken(String),
}

impl Outcome {
    pub(super) fn of(done: Result<(), ActionError>, wait: Wait) -> Self {
        let Err(error) = done else {
            return Self::Reached(match wait {
                Wait::Durable => DURABLE,
                Wait::Accepted => ACCEPTED,
                Wait::Visible => "visible",
            });
        };
        match error {
            ActionError::Refused(refusal) => Self::Refused(refusal),
            ActionError::Uncertain => Self::Uncertain(error.to_string()),
            ActionError::NotDurable(_) => Self::NotStored(error.to_string()),
            other => Self::Broken(other.to_string()),
        }
    }

    /// What it means for the write that there was no answer, for this reason.
    pub(super) async fn unanswered(
        why: String,
        arguments: &Act,
        client: &Client,
        action: &ActionHandle,
    ) -> Self {
        if let Some(Ok(())) = action.accepted().now_or_never() {
            return Self::Late(why);
        }
        let stored = tokio::time::timeout(PATIENCE, action.durable());
        if arguments.store.is_some() && matches!(stored.await, Ok(Ok(()))) {
            return Self::Kept(why);
        }
        if client.actions().counts().sent > 0 {
            Self::Lost(why)
        } else {
            Self::Unsent(why)
        }
    }

    /// Why the write came no further: the code of a refusal, and the words.
    pub(super) fn reason(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Reached(_) => (None, None),
            Self::Refused(refusal) => (Some(&refusal.code), Some(&refusal.message)),
            Self::Uncertain(why)
            | Self::Kept(why)
            | Self::Lost(why)
            | Self::Unsent(why)
            | Self::Late(why)
            | Self::NotStored(why)
            | Self::Broken(why) => (None, Some(why)),
        }
    }

    /// Where the write stands, in one word.
    pub(super) fn state(&self, arguments: &Act) -> &'static str {
        match self {
            Self::Reached(state) => state,
            Self::Refused(_) if arguments.store.is_some() => "parked",
            Self::Refused(_) => REFUSED,
            Self::Kept(_) => DURABLE,
            Self::Late(_) => ACCEPTED,
            Self::Unsent(_) | Self::NotStored(_) => "unsent",
            Self::Uncertain(_) | Self::Lost(_) | Self::Broken(_) => "uncertain",
        }
    }
}
