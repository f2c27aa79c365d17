//! What is said when a law does not hold. Values only.

use std::fmt;

/// A law that does not hold, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The number of the law; 0 where the world itself is wrong.
    pub law: u8,
    /// What was seen.
    pub what: String,
}

impl Broken {
    pub(crate) fn law(law: u8, what: String) -> Self {
        Self { law, what }
    }

    /// Something that can only be a mistake of the world itself.
    pub(crate) fn world(what: String) -> Self {
        Self { law: 0, what }
    }

    /// The same, with whose it is.
    pub(crate) fn of(self, whose: impl fmt::Display) -> Self {
        Self {
            what: format!("{whose}: {}", self.what),
            ..self
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "law {}: {}", self.law, self.what)
    }
}
