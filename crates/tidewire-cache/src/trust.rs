//! How far a reading can be trusted, with the reason.

use std::fmt;

/// How far a reading can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It is what the server had at the applied point, and every later commit will show.
    Live,
    /// Nothing speaks against it, but nothing would tell at once if it changed.
    Fresh,
    /// It may be out of date, for this reason.
    Stale(StaleReason),
    /// Nothing is known.
    Unknown,
}

impl Trust {
    /// Whether what was known is too old to be shown.
    pub(crate) fn is_expired(self) -> bool {
        self == Self::Stale(StaleReason::Expired)
    }

    /// The same of what is shown all the same, since own pending actions shaped it.
    pub(crate) fn of_shown(self) -> Self {
        if self.is_expired() {
            Self::Stale(StaleReason::Aged)
        } else {
            self
        }
    }
}

/// Why a reading may be out of date: the first clause that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleReason {
    /// The connection was lost.
    Disconnected,
    /// Commits are missing.
    Gap,
    /// The stream is not subscribed.
    NotSubscribed,
    /// The stream is attached, and what happened meanwhile is still coming in.
    CatchingUp,
    /// The server began the stream anew; what was known before cannot be compared.
    NewEpoch,
    /// It was learnt before the stream was attached, and may have changed in between.
    BeforeAttached,
    /// It was marked: something changed that was not sent.
    Marked,
    /// A partial change did not fit the version held, so one was missed.
    MissedVersion,
    /// It is older than the collection allows.
    Aged,
    /// The server filters or sorts this list otherwise than is done here.
    OtherOrder,
    /// It is older than the collection shows at all, and nothing vouches for it: what was known is held
    /// back, and the reading is unknown.
    Expired,
    /// Something of the type changed, and only the server can tell what is in this list by now.
    MembersUnknown,
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::Fresh => f.write_str("fresh"),
            Self::Stale(reason) => write!(f, "stale: {reason}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl fmt::Display for StaleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "the connection is lost",
            Self::Gap => "changes are missing",
            Self::NotSubscribed => "changes are not being received",
            Self::CatchingUp => "catching up with what happened meanwhile",
            Self::NewEpoch => "the server began anew",
            Self::BeforeAttached => "it may have changed before changes were being received",
            Self::Marked => "it was marked as out of date",
            Self::MissedVersion => "a version was missed",
            Self::Aged => "it has not been confirmed for too long",
            Self::OtherOrder => "the server filters or sorts this list in another way",
            Self::Expired => "it has not been confirmed for so long that it is not shown",
            Self::MembersUnknown => "only the server can tell what is in this list by now",
        })
    }
}
