//! How a connection ends and by whom.
//! Holds codes and reasons as they came. Never decides what they mean to a session.

/// The end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The close code that was sent or received. `None`: there was none, or the connection was lost.
    pub code: Option<u16>,
    /// Why, as text for people. From a peer it is what the peer wrote.
    pub reason: String,
    /// Who or what ended it.
    pub by: ClosedBy,
}

/// Who or what ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// The peer, with a close frame. The code says why.
    Peer,
    /// This side, by [`FrameSender::close`](crate::FrameSender::close).
    Us,
    /// Nobody: it broke without a close frame (reset, end of stream, I/O error).
    Lost,
    /// This side, because a frame was larger than [`Limits::max_frame_bytes`](crate::Limits::max_frame_bytes).
    TooLarge,
    /// This side, because the peer broke the rules of framing or sent text that is not UTF-8.
    Malformed,
}

impl Close {
    /// The code of an ordinary end.
    pub const NORMAL: u16 = 1000;
    /// The code of an end for going away: a shutdown, a page that is left.
    pub const GOING_AWAY: u16 = 1001;
    /// The code of an end for broken framing.
    pub const PROTOCOL: u16 = 1002;
    /// The code of an end for text that is not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// The code of an end for a frame over the limit.
    pub const TOO_LARGE: u16 = 1009;
    /// The most bytes of reason a close frame has room for.
    pub const MAX_REASON_BYTES: usize = 123;

    /// An end by this side. Codes are those a program may send: 1000 to 1003, 1007 to 1014, 3000 to 4999; any
    /// other is sent as 1000. A reason over 123 bytes is cut at a character.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let code = if is_sendable(code) {
            code
        } else {
            Self::NORMAL
        };
        Self {
            code: Some(code),
            reason: cut_to_fit(reason.into()),
            by: ClosedBy::Us,
        }
    }

    /// An end nobody asked for.
    #[must_use]
    pub fn lost(reason: impl Into<String>) -> Self {
        Self {
            code: None,
            reason: reason.into(),
            by: ClosedBy::Lost,
        }
    }

    /// What goes out when a program closes with this.
    pub(crate) fn into_sendable(self) -> Self {
        Self::new(self.code.unwrap_or(Self::NORMAL), self.reason)
    }

    pub(crate) fn by(self, by: ClosedBy) -> Self {
        Self { by, ..self }
    }

    pub(crate) fn too_large(bytes: usize, limit: usize) -> Self {
        let reason = format!("a frame of {bytes} bytes is over the limit of {limit}");
        Self::new(Self::TOO_LARGE, reason).by(ClosedBy::TooLarge)
    }
}

fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn cut_to_fit(mut reason: String) -> String {
    if reason.len() > Close::MAX_REASON_BYTES {
        let end = (0..=Close::MAX_REASON_BYTES)
            .rev()
            .find(|&at| reason.is_char_boundary(at))
            .unwrap_or(0);
        reason.truncate(end);
    }
    reason
}
