//! How many calls wait for a token.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts one who waits, as long as it is kept.
pub(in crate::token) struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    pub(in crate::token) fn begin(waiters: &'a AtomicUsize) -> Self {
        waiters.fetch_add(1, Ordering::Relaxed);
        Self(waiters)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
