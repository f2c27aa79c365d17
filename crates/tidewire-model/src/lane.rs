//! The name of an ordered line of actions.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::NameError;

/// An ordered line of actions. Actions of one lane take effect in order; lanes do not wait for
/// each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(Arc<str>);

impl Lane {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// A lane by name.
    ///
    /// # Errors
    /// The name is empty, longer than [`Self::MAX_BYTES`], or has control characters.
    pub fn new(name: &str) -> Result<Self, NameError> {
        crate::id::check_name(name, crate::id::NameKind::Lane, Self::MAX_BYTES)?;
        Ok(Self(name.into()))
    }

    /// The lane of actions that name no other.
    #[must_use]
    pub fn main() -> Self {
        Self("main".into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Lane {
    fn borrow(&self) -> &str {
        &self.0
    }
}

crate::text_serde::text_serde!(Lane, "a lane", Lane::new);
