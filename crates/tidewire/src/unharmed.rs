//! Running code that may panic, so that its panic is an answer and not a silence.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

/// Runs `work`.
///
/// # Errors
/// It panicked: with which words. What it was at work on may be half done.
pub(crate) fn unharmed<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| words(&*panic))
}

/// Waits for `work`. May be given up whenever `work` may be.
///
/// # Errors
/// As [`unharmed`]; `work` is not polled again.
pub(crate) async fn unharmed_future<R>(work: impl Future<Output = R>) -> Result<R, String> {
    let mut work = std::pin::pin!(work);
    poll_fn(|context| match unharmed(|| work.as_mut().poll(context)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    match said {
        Some(said) => format!("it panicked: {said}"),
        None => "it panicked".to_owned(),
    }
}
