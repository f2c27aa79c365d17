//! What the command line asks for.

/// How much is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which suite.
    pub suite: String,
    /// How many rounds.
    pub rounds: usize,
    /// How large the rounds are.
    pub size: Size,
}

/// How large rounds are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// To see that it runs, and roughly where it stands.
    Quick,
    /// To be quoted.
    Whole,
}

impl Size {
    /// One of two values.
    pub fn choose<T>(self, quick: T, whole: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Whole => whole,
        }
    }
}

impl Options {
    /// Reads `SUITE [--rounds=N] [--quick]`.
    ///
    /// # Errors
    /// A sentence about the word that is not understood.
    pub fn read(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut suite, mut rounds, mut size) = (None, None, Size::Whole);
        for word in words {
            if word == "--quick" {
                size = Size::Quick;
            } else if let Some(count) = word.strip_prefix("--rounds=") {
                let read = count.parse().ok().filter(|count| *count > 0);
                rounds = Some(read.ok_or(format!("`{word}` wants a number above zero."))?);
            } else if !word.starts_with('-') && suite.is_none() {
                suite = Some(word);
            } else {
                return Err(format!("`{word}` is not understood."));
            }
        }
        Ok(Self {
            suite: suite.ok_or("Name a suite.")?,
            rounds: rounds.unwrap_or(size.choose(3, 7)),
            size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_named_and_the_rest_has_defaults() {
        let read = |line: &str| Options::read(line.split_whitespace().map(str::to_owned));
        let whole = read("apply").unwrap();
        assert_eq!(
            (&*whole.suite, whole.rounds, whole.size),
            ("apply", 7, Size::Whole)
        );
        let quick = read("read --quick --rounds=5").unwrap();
        assert_eq!((quick.rounds, quick.size), (5, Size::Quick));
        assert!(read("--quick").is_err() && read("apply --rounds=0").is_err());
    }
}
