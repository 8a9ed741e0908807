//! What came of calls, and how long they took.

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use serde_json::json;

use crate::connection::CallError;

/// Every call's time, exactly, and what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    times: Vec<Duration>,
    failures: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn note(&mut self, took: Duration, answered: &Result<StatusCode, CallError>) {
        self.times.push(took);
        let failure = match answered {
            Ok(StatusCode::OK) => return,
            Ok(status) => status.as_str().to_owned(),
            Err(error) => error.to_string(),
        };
        *self.failures.entry(failure).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        for (failure, count) in other.failures {
            *self.failures.entry(failure).or_default() += count;
        }
    }

    /// In JSON; times in microseconds.
    pub(crate) fn told(mut self) -> String {
        self.times.sort_unstable();
        let at = |permille| rank(&self.times, permille).map(|time| time.as_micros());
        json!({
            "calls": self.times.len(),
            "failures": self.failures,
            "p50_us": at(500),
            "p99_us": at(990),
            "p999_us": at(999),
            "max_us": at(1_000),
        })
        .to_string()
    }
}

/// The time that so many of 1,000 calls did not exceed.
fn rank(sorted: &[Duration], permille: usize) -> Option<Duration> {
    let place = (sorted.len() * permille).div_ceil(1_000);
    sorted.get(place.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_time_that_so_many_calls_did_not_exceed() {
        let sorted: Vec<_> = (1..=1_000).map(Duration::from_micros).collect();

        let at = |permille| rank(&sorted, permille).unwrap().as_micros();

        assert_eq!(
            [at(500), at(990), at(999), at(1_000)],
            [500, 990, 999, 1_000]
        );
        assert_eq!(rank(&sorted[..1], 999), Some(Duration::from_micros(1)));
        assert_eq!(rank(&[], 500), None);
    }
}
