//! The wish of the user, or of the system, that the program ends.

use crate::failure::Failure;

/// Resolves once the program is asked to end. From the call on, being asked no longer kills it.
///
/// # Errors
/// The operating system does not tell.
pub(crate) fn end() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let listening = listen();
    listening.map_err(|error| Failure::failed(format!("signals cannot be listened for: {error}")))
}

#[cfg(unix)]
fn listen() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn listen() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        // Where listening fails there is nobody to wait for.
        let _ = tokio::signal::ctrl_c().await;
    })
}
