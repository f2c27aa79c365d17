//! The lists of `deny.toml`, so that there is one place for them. It reads the few forms that the file uses, and refuses
//! a file in which it finds no list.

/// What may be in the tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) licences: Vec<String>,
    pub(crate) banned: Vec<String>,
    /// Crates of which there is one version.
    pub(crate) single: Vec<String>,
    /// A crate and a feature of it.
    pub(crate) banned_features: Vec<(String, String)>,
}

impl Policy {
    /// Reads the file's text.
    ///
    /// # Errors
    /// A list is not found or empty: the file has another form than is read here.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut policy = Self::default();
        let mut section = "";
        let mut crate_name = String::new();
        for line in lines(text) {
            if line.starts_with('[') && line.ends_with(']') && !line.contains('"') {
                section = line.trim_matches(['[', ']']);
                continue;
            }
            match (section, line) {
                ("licenses", line) => policy.licences.extend(quoted(line)),
                ("bans", line) if line.starts_with('{') => policy.ban(line),
                ("bans.features", line) if line.starts_with("crate") => {
                    crate_name = quoted(line).next().unwrap_or_default();
                }
                ("bans.features", line) if line.starts_with("deny") => {
                    policy
                        .banned_features
                        .extend(quoted(line).map(|feature| (crate_name.clone(), feature)));
                }
                _ => {}
            }
        }
        let lists = [
            policy.licences.len(),
            policy.banned.len(),
            policy.single.len(),
            policy.banned_features.len(),
        ];
        if lists.contains(&0) {
            return Err("deny.toml: a list of licences, banned crates, single crates or features was not found".to_string());
        }
        Ok(policy)
    }

    fn ban(&mut self, line: &str) {
        let list = if line.contains("deny-multiple-versions = true") {
            &mut self.single
        } else {
            &mut self.banned
        };
        list.extend(quoted(line).next());
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn quoted(line: &str) -> impl Iterator<Item = String> {
    line.split('"').skip(1).step_by(2).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Repository;

    #[test]
    fn the_lists_of_this_repository_are_found() {
        let repository = Repository::open().unwrap();
        let policy = Policy::read(&repository.read("deny.toml").unwrap()).unwrap();
        assert!(
            policy.licences.contains(&"MIT".to_string())
                && !policy.licences.contains(&"allow".to_string())
        );
        for name in [
            "bincode",
            "backoff",
            "instant",
            "serde_cbor",
            "paste",
            "simd-json",
        ] {
            assert!(policy.banned.contains(&name.to_string()), "{name}");
        }
        assert_eq!(policy.single, ["tungstenite"]);
        assert_eq!(
            policy.banned_features,
            [("serde_json".to_string(), "arbitrary_precision".to_string())]
        );
    }

    #[test]
    fn a_file_without_a_list_is_refused() {
        assert!(Policy::read("").is_err());
        assert!(Policy::read("[licenses]\nallow = [\"MIT\"]\n").is_err());
    }
}
