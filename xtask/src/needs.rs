//! What the machine must have beside Rust and a C compiler: Python for a foreign WebSocket stack, a browser for the
//! page. What is found is told to the tests by variables; what is missing is named, installed where that is allowed,
//! and in CI a failure.

mod browser;
mod python;

use std::path::Path;

use crate::process::Call;
use crate::repository::Repository;

/// A variable that tests read, and what it is set to.
pub(crate) type Variable = (String, String);

/// What a machine lacks, in one line that says what to do.
type Lack = String;

/// Who runs this, which decides what a lack means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A person's machine: nothing is installed outside the build folder, tests skip what is lacking.
    Desk,
    /// A machine that exists for this run: a lack is a failure.
    Ci,
}

impl Place {
    fn from_environment(ci: Option<&str>) -> Self {
        if matches!(ci, Some("true" | "1")) {
            Self::Ci
        } else {
            Self::Desk
        }
    }
}

/// Finds or installs everything, and returns the variables for the tests.
///
/// # Errors
/// With `CI=true`: what is lacking.
pub(crate) fn gather(repository: &Repository, target: &Path) -> Result<Vec<Variable>, String> {
    let place = Place::from_environment(std::env::var("CI").ok().as_deref());
    let machine = Machine {
        root: repository.root(),
        place,
    };
    outcome(
        place,
        [
            machine.toolchain(),
            python::find(&machine, target, std::env::var(python::VARIABLE).ok()),
            browser::find(&machine),
            browser::find_firefox(),
        ],
    )
}

fn outcome<const N: usize>(
    place: Place,
    found: [Result<Vec<Variable>, Lack>; N],
) -> Result<Vec<Variable>, String> {
    let mut variables = Vec::new();
    let mut lacks = Vec::new();
    for each in found {
        match each {
            Ok(more) => variables.extend(more),
            Err(lack) => lacks.push(lack),
        }
    }
    for (name, value) in &variables {
        println!("    {name}={value}");
    }
    for lack in &lacks {
        println!("    lacking: {lack}");
    }
    match place {
        Place::Ci if !lacks.is_empty() => Err(format!(
            "with CI=true nothing may be lacking: {}",
            lacks.join("; ")
        )),
        _ => Ok(variables),
    }
}

/// The machine we run on, as far as looking for programs goes.
struct Machine<'a> {
    root: &'a Path,
    place: Place,
}

impl Machine<'_> {
    /// Rustfmt and clippy come with Rust's usual profile, but not with its minimal one.
    fn toolchain(&self) -> Result<Vec<Variable>, Lack> {
        for (tool, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
            let check = Call::new(&format!("cargo {tool} --version"));
            let added = || Call::new(&format!("rustup component add {component}")).works(self.root);
            let is_there = check.works(self.root) || (added() && check.works(self.root));
            if !is_there {
                return Err(format!(
                    "{component}: run `rustup component add {component}`"
                ));
            }
        }
        Ok(Vec::new())
    }

    /// The full path of the first of these programs that is on the search path.
    fn program(names: &[&str]) -> Option<String> {
        let folders = std::env::var_os("PATH")?;
        let folders: Vec<_> = std::env::split_paths(&folders).collect();
        let paths = names
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        paths
            .into_iter()
            .find(|path| path.is_file())
            .map(|path| path.to_string_lossy().into_owned())
    }

    /// Installs packages of Debian where that is ours to do: in CI, as root, on Debian.
    fn install(&self, packages: &str) -> bool {
        let is_root = || {
            Call::new("id -u")
                .output(self.root)
                .is_ok_and(|user| user.trim() == "0")
        };
        if self.place == Place::Desk || !Path::new("/etc/debian_version").exists() || !is_root() {
            return false;
        }
        println!("    installing {packages}");
        let apt = |rest: &str| {
            Call::new(&format!("apt-get {rest}")).variable("DEBIAN_FRONTEND", "noninteractive")
        };
        apt("update -qq").works(self.root)
            && apt(&format!(
                "install -y -qq --no-install-recommends {packages}"
            ))
            .works(self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Variable {
        (name.to_string(), "x".to_string())
    }

    #[test]
    fn only_ci_says_that_it_is_ci() {
        assert_eq!(Place::from_environment(Some("true")), Place::Ci);
        assert_eq!(Place::from_environment(Some("false")), Place::Desk);
        assert_eq!(Place::from_environment(None), Place::Desk);
    }

    #[test]
    fn a_lack_is_a_failure_in_ci_and_a_line_elsewhere() {
        let found = || {
            [
                Ok(vec![variable("A")]),
                Err("python3: install it".to_string()),
            ]
        };
        assert_eq!(outcome(Place::Desk, found()), Ok(vec![variable("A")]));
        assert!(
            outcome(Place::Ci, found())
                .unwrap_err()
                .ends_with("lacking: python3: install it")
        );
        assert_eq!(
            outcome(Place::Ci, [Ok(vec![variable("A")])]),
            Ok(vec![variable("A")])
        );
    }

    #[test]
    fn nothing_is_installed_on_a_desk() {
        assert!(
            !Machine {
                root: Path::new("."),
                place: Place::Desk
            }
            .install("chromium")
        );
    }

    #[test]
    fn programs_are_found_by_name() {
        assert!(
            Machine::program(&["no-such-program-anywhere", "cargo"])
                .is_some_and(|path| path.ends_with("cargo"))
        );
        assert_eq!(Machine::program(&["no-such-program-anywhere"]), None);
    }
}
