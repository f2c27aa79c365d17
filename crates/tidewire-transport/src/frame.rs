//! A frame: what travels whole.
//! Holds text that is known to be UTF-8, or bytes. Never looks inside.

use std::{fmt, ops::Deref, sync::Arc};

use bytes::Bytes;

/// What travels whole between two ends of a connection. Cheap to clone. One that was received may share its memory
/// with those that came with it, so what is kept for long is better copied out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Text.
    Text(Text),
    /// Any bytes.
    Binary(Bytes),
}

impl Frame {
    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Text> for Frame {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Frame {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

/// Text that is known to be UTF-8 and cheap to clone. Reads as a `str`.
#[derive(Clone)]
pub struct Text(Inner);

#[derive(Clone)]
enum Inner {
    Shared(Arc<str>),
    #[cfg(feature = "websocket")]
    Wire(tokio_tungstenite::tungstenite::Utf8Bytes),
}

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Inner::Shared(text) => text,
            #[cfg(feature = "websocket")]
            Inner::Wire(text) => text.as_str(),
        }
    }
}

#[cfg(feature = "websocket")]
impl Text {
    /// Text that the WebSocket layer has found to be UTF-8 already.
    pub(crate) fn from_wire(text: tokio_tungstenite::tungstenite::Utf8Bytes) -> Self {
        Self(Inner::Wire(text))
    }

    /// The bytes, without copying them.
    pub(crate) fn into_bytes(self) -> Bytes {
        /// Lends the bytes of shared text.
        struct Owner(Arc<str>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }
        match self.0 {
            Inner::Shared(text) => Bytes::from_owner(Owner(text)),
            Inner::Wire(text) => text.into(),
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Inner::Shared(text.into()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Inner::Shared(text.into()))
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Self(Inner::Shared(text))
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
