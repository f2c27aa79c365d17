//! Python with the package `websockets`, in an environment of its own inside the build folder. The system's Python is
//! asked for nothing but to make it.

use std::path::Path;

use super::{Lack, Machine, Variable};
use crate::process::Call;

/// What tells the tests which interpreter to use.
pub(super) const VARIABLE: &str = "TIDEWIRE_PYTHON";

/// The version that the tests are written against.
const WEBSOCKETS: &str = "17.4";

/// Takes the interpreter that was chosen by hand, or makes the environment unless it is there.
pub(super) fn find(
    machine: &Machine<'_>,
    target: &Path,
    chosen: Option<String>,
) -> Result<Vec<Variable>, Lack> {
    if let Some(chosen) = chosen {
        return Ok(vec![(VARIABLE.to_string(), chosen)]);
    }
    let environment = target.join("python");
    let python = environment.join("bin/python");
    if !has_websockets(machine, &python) {
        make_environment(machine, &environment)?;
        add_websockets(machine, &python)?;
    }
    Ok(vec![(
        VARIABLE.to_string(),
        python.to_string_lossy().into_owned(),
    )])
}

fn has_websockets(machine: &Machine<'_>, python: &Path) -> bool {
    let script = "import websockets; print(websockets.__version__)";
    let version = Call::program(python).argument("-c").argument(script);
    version
        .output(machine.root)
        .is_ok_and(|version| version.trim() == WEBSOCKETS)
}

fn make_environment(machine: &Machine<'_>, environment: &Path) -> Result<(), Lack> {
    let call = Call::new("python3 -m venv --clear").argument(environment.to_string_lossy());
    let Err(failure) = call.output(machine.root) else {
        return Ok(());
    };
    if machine.install("python3 python3-venv") && call.works(machine.root) {
        return Ok(());
    }
    let failure = failure.lines().next().unwrap_or_default();
    Err(format!(
        "Python 3 ({failure}): install python3 with its module venv"
    ))
}

fn add_websockets(machine: &Machine<'_>, python: &Path) -> Result<(), Lack> {
    let words = "-m pip install --quiet --disable-pip-version-check --no-input";
    let install = words.split(' ').fold(Call::program(python), Call::argument);
    let done = install
        .argument(format!("websockets=={WEBSOCKETS}"))
        .output(machine.root);
    done.map(drop).map_err(|failure| {
        let failure = failure.lines().last().unwrap_or_default().to_string();
        format!("the Python package websockets {WEBSOCKETS} ({failure}): see that pip can fetch it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needs::Place;

    fn desk() -> Machine<'static> {
        Machine {
            root: Path::new("."),
            place: Place::Desk,
        }
    }

    #[test]
    fn an_interpreter_chosen_by_hand_is_taken_as_it_is() {
        let found = find(
            &desk(),
            Path::new("nowhere"),
            Some("/my/python".to_string()),
        );
        assert_eq!(
            found,
            Ok(vec![(VARIABLE.to_string(), "/my/python".to_string())])
        );
    }

    #[test]
    fn an_environment_that_cannot_be_made_is_a_lack_with_what_to_do() {
        let lack = find(&desk(), Path::new("/dev/null"), None).unwrap_err();
        assert!(
            lack.starts_with("Python 3 (") && lack.ends_with("module venv"),
            "{lack}"
        );
    }
}
