//! What the program writes to its standard output: whole lines, seen at once.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::Failure;
use crate::text::plain_json;

/// Writes a text and waits until it is out. A reader that is slow holds up whoever waits here and
/// nothing else; one that is gone ends the command quietly.
pub(crate) async fn write(text: String) -> Result<(), Failure> {
    // A thread of its own may hang for as long as the reader likes.
    let written = tokio::task::spawn_blocking(move || write_out(&text)).await;
    let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::NoReader,
        _ => Failure::failed(format!("the output cannot be written: {error}")),
    })
}

/// Writes one line.
pub(crate) async fn line(text: &str) -> Result<(), Failure> {
    write(format!("{text}\n")).await
}

/// Writes one value as JSON, on one line.
pub(crate) async fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(&json_text(value)?).await
}

/// Writes what a server says of itself, in one piece. Whether anybody reads it does not matter to
/// those it serves, so it is neither waited for nor missed.
pub(crate) fn announce(text: &str) {
    let text = text.to_owned();
    tokio::task::spawn_blocking(move || {
        let _ = write_out(&text);
    });
}

/// Resolves once nobody reads the output any more, also while there is nothing to write. Where that
/// cannot be told, such as for a file, it never does.
pub(crate) async fn unread() {
    #[cfg(unix)]
    if let Some(output) = watched() {
        // Nothing but an error is waited for: the end of the reader is one for the writer.
        let _ = output.ready(tokio::io::Interest::ERROR).await;
        return;
    }
    std::future::pending::<()>().await;
}

#[cfg(unix)]
fn watched() -> Option<tokio::net::unix::pipe::Sender> {
    use std::os::fd::AsFd;

    let output = io::stdout().as_fd().try_clone_to_owned().ok()?;
    // Only watched and never written to, so it may be no pipe, and block as it likes.
    tokio::net::unix::pipe::Sender::from_owned_fd_unchecked(output).ok()
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// One value as JSON, on one line, without letters that steer a terminal.
pub(crate) fn json_text(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map(plain_json)
        .map_err(|error| Failure::failed(format!("the output cannot be put into JSON: {error}")))
}
