//! Time, handed in from outside.
//!
//! The wall clock stamps records and judges dates that came from elsewhere; everything that measures
//! a span uses [`tokio::time::Instant`], which tests can hold still. This room knows nothing of ours.

use std::{fmt, sync::Arc, time::SystemTime};

/// Reads the wall clock.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Tells the present moment in UTC.
    fn now(&self) -> SystemTime;
}

/// A clock that many rooms share.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
