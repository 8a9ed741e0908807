//! How long things took, or how many there were of something, counted in fixed steps.
//!
//! Whoever measures holds the counts; they are read when somebody asks. To count is a few atomic additions.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

/// Amounts of one kind, counted by how large they were.
#[derive(Debug)]
pub struct Distribution {
    scale: Scale,
    /// One for each step, and one for what is beyond the last.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What amounts are counted in, and where its steps are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The upper ends of the steps, rising.
    steps: &'static [u64],
    /// How many of what is counted make one of what is told.
    units: f64,
}

/// What was counted until a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// For the upper end of each step, how many were no larger.
    pub upto: Vec<(f64, u64)>,
    /// How many there were.
    pub total: u64,
    /// What they came to together.
    pub sum: f64,
}

impl Distribution {
    /// Nothing yet.
    #[must_use]
    pub fn of(scale: Scale) -> Self {
        let beyond = 1;
        let counts = (0..scale.steps.len() + beyond).map(|_| AtomicU64::new(0));
        Self {
            scale,
            counts: counts.collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts an amount.
    pub fn note(&self, amount: u64) {
        let step = self.scale.steps.partition_point(|end| *end < amount);
        if let Some(count) = self.counts.get(step) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(amount, Ordering::Relaxed);
    }

    /// Counts a duration, where durations are counted.
    pub fn took(&self, time: Duration) {
        self.note(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was counted so far. What is counted at this very moment may be missing in a part of it.
    #[must_use]
    pub fn so_far(&self) -> Counts {
        let units = self.scale.units;
        let mut total = 0_u64;
        let mut counts = self.counts.iter();
        let mut upto = Vec::with_capacity(self.scale.steps.len());
        for (end, count) in self.scale.steps.iter().zip(&mut counts) {
            total = total.saturating_add(count.load(Ordering::Relaxed));
            upto.push((number(*end) / units, total));
        }
        for count in counts {
            total = total.saturating_add(count.load(Ordering::Relaxed));
        }
        Counts {
            upto,
            total,
            sum: number(self.sum.load(Ordering::Relaxed)) / units,
        }
    }
}

/// When something was last, if it ever was.
#[derive(Debug, Default)]
pub struct Moment {
    /// In milliseconds since 1970; 0 for never.
    millis: AtomicU64,
}

impl Moment {
    /// Notes when it was; never, without a time.
    pub fn note(&self, time: Option<SystemTime>) {
        let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let millis = since.map_or(0, |since| since.as_millis());
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }

    /// When it was, as a time since 1970.
    #[must_use]
    pub fn since_1970(&self) -> Option<Duration> {
        let millis = self.millis.load(Ordering::Relaxed);
        (millis > 0).then(|| Duration::from_millis(millis))
    }
}

/// A count as those who do sums have it; exact up to 2^53, far beyond what a disk holds.
#[must_use]
pub fn number(count: u64) -> f64 {
    let (high, low) = (count >> 32, count & u64::from(u32::MAX));
    let part = |part: u64| f64::from(u32::try_from(part).unwrap_or(u32::MAX));
    part(high) * 4_294_967_296.0 + part(low)
}

/// Durations from a tenth of a millisecond to the longest deadline, told in seconds.
pub const TIMES: Scale = Scale {
    steps: &[
        100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
        1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
    ],
    units: 1_000_000.0,
};

/// How many of something, from one to a full batch.
pub const SIZES: Scale = Scale {
    steps: &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    units: 1.0,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_amount_in_every_step_that_holds_it() {
        let sizes = Distribution::of(SIZES);

        for amount in [1, 2, 3, 512, 513] {
            sizes.note(amount);
        }

        let counts = sizes.so_far();
        let upto: Vec<u64> = counts.upto.iter().map(|(_, count)| *count).collect();
        assert_eq!(upto, [1, 2, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!((counts.total, counts.sum), (5, 1031.0));
    }

    #[test]
    fn tells_durations_in_seconds() {
        let times = Distribution::of(TIMES);

        times.took(Duration::from_micros(100));
        times.took(Duration::from_millis(1500));

        let counts = times.so_far();
        assert_eq!(counts.upto.first(), Some(&(0.0001, 1)));
        assert_eq!(counts.upto.last(), Some(&(60.0, 2)));
        assert!((counts.sum - 1.5001).abs() < 1e-9, "{}", counts.sum);
    }

    #[test]
    fn turns_large_counts_into_numbers() {
        assert_eq!(number(1 << 40).to_string(), "1099511627776");
    }
}
