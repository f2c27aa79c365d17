//! The lock around each thing that all worlds share. Held while little is looked at or written.
//!
//! In this crate's own tests a schedule that is played out step by step says who goes on; see `gate`.

#[cfg(test)]
mod gate;

use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

/// Around one part. The writer may wait for a reader that copies an entry, and the other way round.
/// A panic inside leaves nothing half done that is not replaced by the next write.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Lock<T> {
    #[cfg(test)]
    gate: gate::Gate,
    #[expect(
        clippy::disallowed_types,
        reason = "held while one entry is copied; where there is one thread, it is always free"
    )]
    inner: std::sync::RwLock<T>,
}

/// What is inside while it is read.
#[derive(Debug)]
pub(crate) struct Reading<'a, T> {
    inner: RwLockReadGuard<'a, T>,
    // Goes after the other.
    #[cfg(test)]
    _pass: gate::Pass<'a>,
}

/// What is inside while it is written.
#[derive(Debug)]
pub(crate) struct Writing<'a, T> {
    inner: RwLockWriteGuard<'a, T>,
    // Goes after the other.
    #[cfg(test)]
    _pass: gate::Pass<'a>,
}

impl<T> Lock<T> {
    pub(crate) fn read(&self) -> Reading<'_, T> {
        #[cfg(test)]
        let pass = self.gate.enter_to_read();
        Reading {
            inner: self.inner.read().unwrap_or_else(PoisonError::into_inner),
            #[cfg(test)]
            _pass: pass,
        }
    }

    pub(crate) fn write(&self) -> Writing<'_, T> {
        #[cfg(test)]
        let pass = self.gate.enter_to_write();
        Writing {
            inner: self.inner.write().unwrap_or_else(PoisonError::into_inner),
            #[cfg(test)]
            _pass: pass,
        }
    }
}

impl<T> Deref for Reading<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> Deref for Writing<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for Writing<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}
