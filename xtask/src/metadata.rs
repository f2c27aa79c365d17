//! What cargo says about the workspace, read from `cargo metadata`. Only what the checks ask about is kept.

use std::path::PathBuf;

use serde_json::Value;

use crate::process::Call;
use crate::repository::Repository;

/// The packages of this workspace, without those from elsewhere.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

/// One package of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder, from the root of the repository.
    pub(crate) folder: String,
    pub(crate) has_library: bool,
    pub(crate) rust_version: String,
    /// Names of its features, `default` included.
    pub(crate) features: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// An edge from a package to another, as its manifest states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is part of the built library or program, or of its build.
    Shipped,
    /// Only tests, examples and benches use it.
    Development,
}

impl Workspace {
    /// Asks cargo about the packages of this workspace.
    ///
    /// # Errors
    /// Cargo cannot read the manifests, or answers in another form than it is known to.
    pub(crate) fn read(repository: &Repository) -> Result<Self, String> {
        let answer = ask(
            repository,
            &Call::new("cargo metadata --format-version 1 --no-deps"),
        )?;
        let root = format!("{}/", text(&answer, "workspace_root")?);
        let packages = list(&answer, "packages")?
            .iter()
            .map(|package| Package::read(package, &root));
        Ok(Self {
            packages: packages.collect::<Result<_, _>>()?,
            target_directory: PathBuf::from(text(&answer, "target_directory")?),
        })
    }

    /// True if a package of this workspace has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name)
    }
}

impl Package {
    fn read(package: &Value, root: &str) -> Result<Self, String> {
        let manifest = text(package, "manifest_path")?;
        let folder = manifest
            .strip_prefix(root)
            .unwrap_or(manifest)
            .trim_end_matches("/Cargo.toml");
        let kinds = |target: &Value| target["kind"].as_array().cloned().unwrap_or_default();
        Ok(Self {
            name: text(package, "name")?.to_string(),
            folder: folder.to_string(),
            has_library: list(package, "targets")?
                .iter()
                .any(|target| kinds(target).iter().any(|kind| kind == "lib")),
            rust_version: package["rust_version"]
                .as_str()
                .unwrap_or_default()
                .to_string(),
            features: package["features"]
                .as_object()
                .map(|all| all.keys().cloned().collect())
                .unwrap_or_default(),
            dependencies: list(package, "dependencies")?
                .iter()
                .map(Dependency::read)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Dependency {
    fn read(dependency: &Value) -> Result<Self, String> {
        let kind = if dependency["kind"] == "dev" {
            Kind::Development
        } else {
            Kind::Shipped
        };
        Ok(Self {
            name: text(dependency, "name")?.to_string(),
            kind,
        })
    }
}

/// Runs a call of `cargo metadata` and parses its answer.
///
/// # Errors
/// The call failed, or its answer is no JSON.
pub(crate) fn ask(repository: &Repository, call: &Call) -> Result<Value, String> {
    let answer = call.output(repository.root())?;
    serde_json::from_str(&answer)
        .map_err(|error| format!("`{}` answered no JSON: {error}", call.shown()))
}

/// A field that must be text.
///
/// # Errors
/// It is not there, or something else.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> Result<&'a str, String> {
    object[field]
        .as_str()
        .ok_or_else(|| format!("cargo metadata: `{field}` is no text"))
}

/// A field that must be a list.
///
/// # Errors
/// It is not there, or something else.
pub(crate) fn list<'a>(object: &'a Value, field: &str) -> Result<&'a [Value], String> {
    object[field]
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| format!("cargo metadata: `{field}` is no list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_read_with_its_edges_and_features() {
        let answer = serde_json::json!({
            "name": "a", "manifest_path": "/r/crates/a/Cargo.toml", "rust_version": "1.95",
            "targets": [{"kind": ["lib"]}, {"kind": ["test"]}],
            "features": {"default": ["x"], "x": []},
            "dependencies": [{"name": "b", "kind": null}, {"name": "c", "kind": "dev"}, {"name": "d", "kind": "build"}],
        });
        let package = Package::read(&answer, "/r/").unwrap();
        assert_eq!(
            (package.name.as_str(), package.folder.as_str()),
            ("a", "crates/a")
        );
        assert!(package.has_library);
        assert_eq!(package.features, ["default", "x"]);
        let kinds: Vec<_> = package
            .dependencies
            .iter()
            .map(|edge| (edge.name.as_str(), edge.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                ("b", Kind::Shipped),
                ("c", Kind::Development),
                ("d", Kind::Shipped)
            ]
        );
    }

    #[test]
    fn an_answer_in_another_form_is_an_error_not_an_empty_list() {
        let answer = serde_json::json!({"name": "a", "manifest_path": "/r/a/Cargo.toml"});
        assert_eq!(
            Package::read(&answer, "/r/").unwrap_err(),
            "cargo metadata: `targets` is no list"
        );
    }

    #[test]
    fn this_workspace_has_this_package() {
        let repository = Repository::open().unwrap();
        let workspace = Workspace::read(&repository).unwrap();
        assert!(workspace.has("xtask") && !workspace.has("serde_json"));
    }
}
