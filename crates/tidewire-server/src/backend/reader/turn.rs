//! The turn of one read: how much of it is left, and when it has to be passed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::line::{Passed, Place};
use super::{Asker, Shared, Trouble, Worker};

/// After so many bytes that a filter looked at, the time is looked at too; well below a millisecond of work.
const LOOK_BYTES: usize = 64 * 1024;

/// What a read asks before each row, and within one, whether it may go on.
pub(in super::super) struct Turn<'s> {
    shared: &'s Shared,
    worker: Worker,
    asker: Asker,
    place: Place,
    is_given_up: Arc<AtomicBool>,
    begins_again: bool,
    rows_left: usize,
    /// How many bytes of the rows filters may still look at.
    bytes_left: usize,
    /// How many they looked at since the time was looked at.
    unseen_bytes: usize,
    began_at: Instant,
}

impl<'s> Turn<'s> {
    pub(super) fn new(
        shared: &'s Shared,
        worker: Worker,
        asker: Asker,
        place: Place,
        is_given_up: Arc<AtomicBool>,
    ) -> Self {
        Self {
            shared,
            worker,
            asker,
            place,
            is_given_up,
            begins_again: false,
            rows_left: shared.bounds.slice_rows,
            bytes_left: shared.bounds.slice_bytes,
            unseen_bytes: 0,
            began_at: Instant::now(),
        }
    }

    /// Asks for one more row. Where the slice is used up, others have their turn before this returns; what is read in
    /// one transaction stays of one state meanwhile.
    ///
    /// # Errors
    /// Nobody waits for the read any more, or it has to begin again later. It ends with the same error.
    pub(in super::super) fn row(&mut self) -> Result<(), Trouble> {
        if self.rows_left == 0 || self.is_over_time() {
            self.pass()?;
        }
        self.rows_left = self.rows_left.saturating_sub(1);
        Ok(())
    }

    /// Asks to look at so many bytes of the row, as [`Turn::row`] asks for the row itself: a single row may be worth
    /// many slices to a filter of many tests.
    ///
    /// # Errors
    /// As for [`Turn::row`].
    pub(in super::super) fn look(&mut self, bytes: usize) -> Result<(), Trouble> {
        if self.bytes_left == 0 || (self.unseen_bytes >= LOOK_BYTES && self.is_over_time()) {
            self.pass()?;
        }
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        self.unseen_bytes += bytes;
        Ok(())
    }

    fn is_over_time(&mut self) -> bool {
        self.unseen_bytes = 0;
        self.began_at.elapsed() >= self.shared.bounds.slice_time
    }

    fn pass(&mut self) -> Result<(), Trouble> {
        // Before the turn is passed on, so that one that nobody waits for does not wait for its next one.
        self.check_wanted()?;
        match self.shared.pass(self.worker, self.asker, &mut self.place) {
            Passed::Waits => self.check_wanted()?,
            Passed::Again => {
                self.begins_again = true;
                return Err(Trouble::GivenUp);
            }
            Passed::Over => return Err(Trouble::GivenUp),
        }
        self.rows_left = self.shared.bounds.slice_rows;
        self.bytes_left = self.shared.bounds.slice_bytes;
        self.began_at = Instant::now();
        Ok(())
    }

    fn check_wanted(&self) -> Result<(), Trouble> {
        if self.is_given_up.load(Ordering::Relaxed) {
            return Err(Trouble::GivenUp);
        }
        Ok(())
    }

    /// Whether the read has to begin again, and its error is no answer.
    pub(super) fn begins_again(&self) -> bool {
        self.begins_again
    }

    /// The place that the read has come to have.
    pub(super) fn into_place(self) -> Place {
        self.place
    }
}
