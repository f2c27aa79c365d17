//! What the program writes to its standard output: whole lines, seen at once.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Writes a text and waits until it is out. A reader that is slow holds up the command, not the
/// connection; one that is gone ends the command quietly.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let written = tokio::task::block_in_place(|| {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::NoReader,
        _ => Failure::failed(format!("the output cannot be written: {error}")),
    })
}

/// Writes one line.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write(&format!("{text}\n"))
}

/// Writes one value as JSON, on one line.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(&json_text(value)?)
}

/// One value as JSON, on one line.
pub(crate) fn json_text(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::failed(format!("the output cannot be put into JSON: {error}")))
}

/// Text from elsewhere as it may be shown on a terminal: without characters that steer it.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}
