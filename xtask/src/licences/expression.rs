//! Licence expressions as crates state them: names joined by OR, AND and WITH, brackets, and the older slash for OR.

/// True if the expression can be met with these licences alone. What cannot be read is not allowed.
pub(crate) fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        at: 0,
        allowed,
    };
    reader.any_of() == Some(true) && reader.at == words.len()
}

struct Reader<'a> {
    words: &'a [&'a str],
    at: usize,
    allowed: &'a [String],
}

impl Reader<'_> {
    /// `a OR b`; AND binds tighter.
    fn any_of(&mut self) -> Option<bool> {
        let mut met = self.all_of()?;
        while self.takes("OR") {
            met |= self.all_of()?;
        }
        Some(met)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.takes("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    /// A bracket, or a licence with its exception.
    fn one(&mut self) -> Option<bool> {
        if self.takes("(") {
            let met = self.any_of()?;
            return self.takes(")").then_some(met);
        }
        let mut name = self.next()?.to_string();
        if self.takes("WITH") {
            name = format!("{name} WITH {}", self.next()?);
        }
        Some(self.allowed.contains(&name))
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.at) == Some(&word);
        self.at += usize::from(is_next);
        is_next
    }

    fn next(&mut self) -> Option<&str> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(expression: &str) -> bool {
        is_allowed(
            expression,
            &["MIT", "ISC", "Apache-2.0"].map(ToString::to_string),
        )
    }

    #[test]
    fn one_allowed_choice_is_enough() {
        for text in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "Zlib OR (GPL-3.0 OR ISC)",
            "GPL-3.0 AND Zlib OR MIT",
        ] {
            assert!(allowed(text), "{text}");
        }
    }

    #[test]
    fn all_parts_of_an_and_must_be_allowed() {
        assert!(allowed("MIT AND ISC") && allowed("(MIT OR GPL-3.0) AND ISC"));
        assert!(!allowed("MIT AND GPL-3.0") && !allowed("(MIT OR ISC) AND GPL-3.0"));
    }

    #[test]
    fn a_licence_with_an_exception_is_another_licence() {
        assert!(!allowed("Apache-2.0 WITH LLVM-exception"));
        assert!(allowed("Apache-2.0 WITH LLVM-exception OR MIT"));
    }

    #[test]
    fn what_cannot_be_read_is_not_allowed() {
        for text in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "AND MIT"] {
            assert!(!allowed(text), "{text}");
        }
    }
}
