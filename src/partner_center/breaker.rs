//! Leaves an upstream alone that fails.

use std::time::Duration;

/// When a circuit breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The share of failed attempts that opens it, above 0 and at most 1.
    pub failure_ratio: f64,
    /// How many attempts there must be before the share counts.
    pub min_calls: u32,
    /// The time of late in which attempts count.
    pub window: Duration,
    /// How long it stays open.
    pub open_for: Duration,
}
