//! The wire held to its golden frames, to its round trips, to its shapes, and to peers that send anything.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::disallowed_methods,
    reason = "golden frames and listings are files beside the test"
)]

mod docs;
mod generate;
mod golden;
mod hostile;
mod round_trip;
mod sample;
mod shape;
