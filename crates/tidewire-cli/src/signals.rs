//! The wish of the user, or of the system, that the program ends.

use tokio::sync::oneshot;

use crate::failure::{Failure, tell};

/// Resolves once the program is asked to end. From the call on, being asked no longer kills it; being
/// asked again, while it is ending, does, whether or not anybody still waits here.
///
/// # Errors
/// The operating system does not tell.
pub(crate) fn end() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut asked = Asked::listen()
        .map_err(|error| Failure::failed(format!("signals cannot be listened for: {error}")))?;
    let (tell_end, end) = oneshot::channel();
    tokio::spawn(async move {
        asked.next().await;
        // Nobody waits any more where the command is at its end already.
        let _ = tell_end.send(());
        asked.next().await;
        tell("ended at once, as it was asked to twice");
        std::process::exit(1);
    });
    Ok(async {
        // It is told before its sender goes.
        let _ = end.await;
    })
}

/// The signals that ask for the end.
#[cfg(unix)]
struct Asked {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Asked {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The signals that ask for the end.
#[cfg(not(unix))]
struct Asked;

#[cfg(not(unix))]
impl Asked {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Where listening fails there is nobody to wait for.
        let _ = tokio::signal::ctrl_c().await;
    }
}
