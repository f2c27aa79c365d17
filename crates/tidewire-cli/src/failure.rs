//! How a command ends when it does not end well: the exit code and the one line that says what to do.

use std::fmt::Display;
use std::process::ExitCode;

use crate::text::plain;

/// The exit code for arguments that make no sense.
const MISUSE: u8 = 2;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments make no sense; whoever typed them must change them. Exit code 2.
    Misuse(String),
    /// It could not be done; the line says what to do. Exit code 1.
    Failed(String),
    /// Nobody reads the output any more, so there is nothing left to do. Exit code 0.
    NoReader,
}

impl Failure {
    pub(crate) fn misuse(line: impl Display) -> Self {
        Self::Misuse(line.to_string())
    }

    pub(crate) fn failed(line: impl Display) -> Self {
        Self::Failed(line.to_string())
    }

    /// Tells the user, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Misuse(line) => {
                tell(line);
                ExitCode::from(MISUSE)
            }
            Self::Failed(line) => {
                tell(line);
                ExitCode::FAILURE
            }
            Self::NoReader => ExitCode::SUCCESS,
        }
    }
}

/// Writes one line for people, whatever the parts of it hold that come from elsewhere.
pub(crate) fn tell(line: &str) {
    let line = plain(line);
    // A program whose errors nobody can read has nobody to tell that either.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("tidewire: {line}\n"));
}
