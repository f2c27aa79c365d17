//! Many short texts in one piece of memory, so that those who read them do not pay for how they lie.

/// Texts in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    all: String,
    ends: Vec<usize>,
}

impl Texts {
    /// Adds one text: whatever `write` appends.
    pub fn push_with(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.all);
        self.ends.push(self.all.len());
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One text; empty where there is none.
    #[must_use]
    pub fn get(&self, place: usize) -> &str {
        let begin = match place {
            0 => 0,
            _ => self.ends.get(place - 1).copied().unwrap_or_default(),
        };
        let end = self.ends.get(place).copied().unwrap_or(begin);
        &self.all[begin..end]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|place| self.get(place))
    }

    /// Their mean length in bytes.
    #[must_use]
    pub fn mean_bytes(&self) -> f64 {
        self.all.len() as f64 / self.len().max(1) as f64
    }
}
