//! Licences and banned crates, where cargo-deny is not installed: the lists of `deny.toml`, held against every crate
//! that the lock file can bring in. It reads what the crates state and does not look into their files.

mod expression;
mod policy;

use serde_json::Value;

use crate::metadata::{ask, list, text};
use crate::process::Call;
use crate::report::{self, Finding};
use crate::repository::Repository;
use policy::Policy;

/// A crate that can be built into something of ours.
#[derive(Clone, Debug, Default)]
struct Crate {
    name: String,
    version: String,
    licence: String,
    features: Vec<String>,
}

/// Holds every crate against the policy.
///
/// # Errors
/// The number of findings, or that cargo or the policy could not be read.
pub(crate) fn run(repository: &Repository) -> Result<(), String> {
    let policy = Policy::read(&repository.read("deny.toml")?)?;
    let call = Call::new("cargo metadata --format-version 1 --all-features --locked");
    report::verdict(
        "licences",
        findings(&policy, &crates(&ask(repository, &call)?)?),
    )
}

fn crates(metadata: &Value) -> Result<Vec<Crate>, String> {
    let nodes = list(&metadata["resolve"], "nodes")?;
    let features = |id: &str| {
        let node = nodes.iter().find(|node| node["id"] == id);
        let names = node
            .and_then(|node| node["features"].as_array())
            .into_iter()
            .flatten();
        names
            .filter_map(Value::as_str)
            .map(ToString::to_string)
            .collect()
    };
    let read = |package: &Value| {
        Ok(Crate {
            name: text(package, "name")?.to_string(),
            version: text(package, "version")?.to_string(),
            licence: package["license"].as_str().unwrap_or_default().to_string(),
            features: features(text(package, "id")?),
        })
    };
    list(metadata, "packages")?.iter().map(read).collect()
}

fn findings(policy: &Policy, crates: &[Crate]) -> Vec<Finding> {
    let breaches = crates.iter().flat_map(|each| {
        let breaches = breaches(policy, each).into_iter();
        breaches.map(move |what| format!("`{} {}` {what}", each.name, each.version))
    });
    let repeats = policy
        .single
        .iter()
        .filter_map(|name| repeats(name, crates));
    breaches
        .chain(repeats)
        .map(|what| Finding::of("Cargo.lock", what))
        .collect()
}

fn breaches(policy: &Policy, each: &Crate) -> Vec<String> {
    let mut found = Vec::new();
    if !expression::is_allowed(&each.licence, &policy.licences) {
        let licence = &each.licence;
        found.push(format!(
            "has the licence `{licence}`, which deny.toml does not allow"
        ));
    }
    if policy.banned.contains(&each.name) {
        found.push("is banned in deny.toml".to_string());
    }
    for (name, feature) in &policy.banned_features {
        if *name == each.name && each.features.contains(feature) {
            found.push(format!(
                "has its feature `{feature}` on, which is banned in deny.toml"
            ));
        }
    }
    found
}

fn repeats(name: &str, crates: &[Crate]) -> Option<String> {
    let named = crates.iter().filter(|each| each.name == name);
    let versions: Vec<&str> = named.map(|each| each.version.as_str()).collect();
    let count = versions.len();
    (count > 1).then(|| format!("`{name}` is there {count} times: {}", versions.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "[licenses]\nallow = [\"MIT\"]\n[bans]\ndeny = [\n    { crate = \"paste\", reason = \"old\" },\n    \
        { crate = \"tungstenite\", deny-multiple-versions = true },\n]\n[[bans.features]]\ncrate = \"serde_json\"\n\
        deny = [\"arbitrary_precision\"]\n";

    fn named(name: &str, version: &str) -> Crate {
        Crate {
            name: name.to_string(),
            version: version.to_string(),
            licence: "MIT".to_string(),
            features: Vec::new(),
        }
    }

    fn found(crates: &[Crate]) -> Vec<String> {
        let policy = Policy::read(POLICY).unwrap();
        findings(&policy, crates)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_tree_that_keeps_the_policy_passes() {
        assert_eq!(
            found(&[named("serde_json", "1.0.0"), named("tungstenite", "0.29.0")]),
            [""; 0]
        );
    }

    #[test]
    fn each_breach_is_caught() {
        let licence = Crate {
            licence: "GPL-3.0".to_string(),
            ..named("a", "1.0.0")
        };
        let unstated = Crate {
            licence: String::new(),
            ..named("a", "1.0.0")
        };
        let precise = Crate {
            features: vec!["arbitrary_precision".to_string()],
            ..named("serde_json", "1.0.0")
        };
        assert_eq!(
            found(&[licence]),
            ["Cargo.lock: `a 1.0.0` has the licence `GPL-3.0`, which deny.toml does not allow"]
        );
        assert_eq!(found(&[unstated]).len(), 1);
        assert_eq!(
            found(&[named("paste", "1.0.0")]),
            ["Cargo.lock: `paste 1.0.0` is banned in deny.toml"]
        );
        assert_eq!(found(&[precise]).len(), 1);
        let two = found(&[
            named("tungstenite", "0.29.0"),
            named("tungstenite", "0.30.0"),
        ]);
        assert_eq!(
            two,
            ["Cargo.lock: `tungstenite` is there 2 times: 0.29.0, 0.30.0"]
        );
    }

    #[test]
    fn features_are_those_that_the_build_turns_on() {
        let metadata = serde_json::json!({
            "packages": [{"name": "a", "version": "1.0.0", "id": "a#1", "license": "MIT"}],
            "resolve": {"nodes": [{"id": "a#1", "features": ["x"]}]},
        });
        assert_eq!(crates(&metadata).unwrap()[0].features, ["x"]);
    }
}
