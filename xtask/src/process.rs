//! Calling other programs: one description of a call that is printed and run alike.

use std::path::Path;
use std::process::{Command, Stdio};

/// A program, its arguments and what is set in its environment.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    program: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Call {
    /// A call written as one line, its words parted by spaces.
    pub(crate) fn new(line: &str) -> Self {
        let mut words = line.split_whitespace().map(ToString::to_string);
        Self {
            program: words.next().unwrap_or_default(),
            arguments: words.collect(),
            variables: Vec::new(),
        }
    }

    /// A program by its path, which may hold spaces, without arguments.
    pub(crate) fn program(path: &Path) -> Self {
        Self {
            program: path.to_string_lossy().into_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// Adds one argument, which may hold spaces.
    pub(crate) fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets one variable for the call.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_string(), value.to_string()));
        self
    }

    /// Sets several variables for the call.
    pub(crate) fn variables(mut self, variables: &[(String, String)]) -> Self {
        self.variables.extend_from_slice(variables);
        self
    }

    /// The call as it can be typed into a shell.
    pub(crate) fn shown(&self) -> String {
        let variables = self
            .variables
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = std::iter::once(&self.program)
            .chain(&self.arguments)
            .map(|word| quoted(word));
        variables.chain(words).collect::<Vec<_>>().join(" ")
    }

    /// Runs the call with its output on the terminal.
    ///
    /// # Errors
    /// The call did not start, or did not end well.
    pub(crate) fn run(&self, folder: &Path) -> Result<(), String> {
        let status = self
            .command(folder)
            .status()
            .map_err(|error| format!("`{}` did not start: {error}", self.program))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`{}` ended with {status}", self.shown()))
        }
    }

    /// Runs the call silently and returns what it printed.
    ///
    /// # Errors
    /// The call did not start, or did not end well; then what it said about it.
    pub(crate) fn output(&self, folder: &Path) -> Result<String, String> {
        let output = self
            .command(folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("`{}` did not start: {error}", self.program))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = [output.stderr, output.stdout]
            .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_string());
        Err(format!(
            "`{}` ended with {}: {}",
            self.shown(),
            output.status,
            said.join("\n").trim()
        ))
    }

    /// True if the program is there and answers the call.
    pub(crate) fn works(&self, folder: &Path) -> bool {
        self.output(folder).is_ok()
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(folder);
        // `cargo run` describes this package to us by variables. Build scripts watch some of them, so a cargo called
        // from here would build again what a cargo called by hand has built.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(describes_this_package) {
                command.env_remove(&name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

fn describes_this_package(variable: &str) -> bool {
    let names = [
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
    ];
    variable.starts_with("CARGO_PKG_") || names.contains(&variable)
}

fn quoted(word: &str) -> String {
    if word.contains(char::is_whitespace) {
        format!("'{word}'")
    } else {
        word.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_shown_as_it_can_be_typed() {
        let call = Call::new("cargo doc --workspace")
            .argument("a b")
            .variable("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            call.shown(),
            "RUSTDOCFLAGS='-D warnings' cargo doc --workspace 'a b'"
        );
    }

    #[test]
    fn a_program_that_is_not_there_does_not_work_and_is_named() {
        let call = Call::new("no-such-program-anywhere --version");
        assert!(!call.works(Path::new(".")));
        assert!(
            call.run(Path::new("."))
                .unwrap_err()
                .contains("no-such-program-anywhere")
        );
    }

    #[test]
    fn a_called_cargo_does_not_see_the_description_of_this_package() {
        assert!(describes_this_package("CARGO_PKG_VERSION"));
        assert!(describes_this_package("CARGO_MANIFEST_DIR"));
        assert!(!describes_this_package("CARGO_TARGET_DIR"));
        assert!(!describes_this_package("CARGO_HOME"));
    }
}
