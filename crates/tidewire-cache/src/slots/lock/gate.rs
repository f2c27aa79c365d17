//! Before each lock, where threads of shuttle run: it decides who goes on, and finds whoever waits for ever.
//!
//! Elsewhere it is always open. A reader waits for a writer that waits, as the locks of some systems
//! have it: so whoever reads the same thing twice at a time is found too.

use shuttle::current::try_get_current_task;
use shuttle::sync::{Condvar, Mutex, MutexGuard};

/// Lets readers through together, and writers alone.
#[derive(Debug)]
pub(super) struct Gate {
    /// Nothing where it was made by no thread of shuttle.
    watched: Option<(Mutex<Inside>, Condvar)>,
}

#[derive(Debug, Default)]
struct Inside {
    readers: usize,
    writers: usize,
    waiting_writers: usize,
}

/// Somebody is inside.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    leave: fn(&mut Inside),
}

impl Default for Gate {
    fn default() -> Self {
        let is_watched = try_get_current_task().is_some();
        Self {
            watched: is_watched.then(Default::default),
        }
    }
}

impl Gate {
    pub(super) fn enter_to_read(&self) -> Pass<'_> {
        if let Some((inside, changed)) = &self.watched {
            let mut inside = locked(inside);
            while inside.writers + inside.waiting_writers > 0 {
                inside = changed.wait(inside).expect("nobody panics inside");
            }
            inside.readers += 1;
        }
        Pass {
            gate: self,
            leave: |inside| inside.readers -= 1,
        }
    }

    pub(super) fn enter_to_write(&self) -> Pass<'_> {
        if let Some((inside, changed)) = &self.watched {
            let mut inside = locked(inside);
            inside.waiting_writers += 1;
            while inside.readers + inside.writers > 0 {
                inside = changed.wait(inside).expect("nobody panics inside");
            }
            inside.waiting_writers -= 1;
            inside.writers += 1;
        }
        Pass {
            gate: self,
            leave: |inside| inside.writers -= 1,
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some((inside, changed)) = &self.gate.watched
            && try_get_current_task().is_some()
        {
            (self.leave)(&mut locked(inside));
            changed.notify_all();
        }
    }
}

fn locked(inside: &Mutex<Inside>) -> MutexGuard<'_, Inside> {
    inside.lock().expect("nobody panics inside")
}
