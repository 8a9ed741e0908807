//! How often: under a rule with a rate each caller has an allowance of its own.
//!
//! Time is the runtime's, which tests can pause. Only callers whose allowance is not whole need to be
//! remembered; the others are forgotten now and then, as calls come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos,
    state::keyed::HashMapStateStore,
};
use tokio::time::Instant;

use crate::authorization::Rate;

/// The caller's rate under the rule that decided is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the caller's rate is used up")]
pub struct OverRate {
    /// When there is room for one more call.
    pub retry_after: Duration,
}

/// The allowances of all callers under one rule.
#[derive(Debug)]
pub(in crate::authorization) struct Allowances {
    rate: Rate,
    limiter: RateLimiter<Arc<str>, HashMapStateStore<Arc<str>>, Stopwatch, NoOpMiddleware<Nanos>>,
    /// How many callers may be remembered before those with a whole allowance are forgotten.
    sweep_at: AtomicUsize,
}

impl Allowances {
    pub(in crate::authorization) fn new(rate: Rate) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self {
            rate,
            limiter: RateLimiter::new(quota, HashMapStateStore::default(), Stopwatch::start()),
            sweep_at: AtomicUsize::new(FEWEST),
        }
    }

    pub(in crate::authorization) fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one call from a caller's allowance.
    pub(in crate::authorization) fn take(&self, principal: &Arc<str>) -> Result<(), OverRate> {
        self.sweep();
        self.limiter.check_key(principal).map_err(|until| OverRate {
            retry_after: until.wait_time_from(self.limiter.clock().now()),
        })
    }

    /// Forgets callers whose allowance is whole again. Waiting until their number has doubled makes
    /// the work a constant part of each call.
    fn sweep(&self) {
        if self.limiter.len() < self.sweep_at.load(Ordering::Relaxed) {
            return;
        }
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        let next = self.limiter.len().saturating_mul(2).max(FEWEST);
        self.sweep_at.store(next, Ordering::Relaxed);
    }
}

/// Measures time from its own start.
#[derive(Debug)]
struct Stopwatch(Instant);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Stopwatch {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

/// In callers; some 100 KiB, below which forgetting is not worth the while.
const FEWEST: usize = 1024;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gives_back_one_call_after_the_time_it_tells_and_not_before() {
        let allowances = Allowances::new(rate(4, 2));
        let billing = Arc::from("billing");

        assert_eq!(allowances.take(&billing), Ok(()));
        assert_eq!(allowances.take(&billing), Ok(()));
        advance(Duration::from_millis(50)).await;
        let OverRate { retry_after } = allowances.take(&billing).unwrap_err();

        assert_eq!(retry_after, Duration::from_millis(200));
        advance(Duration::from_millis(199)).await;
        let OverRate { retry_after } = allowances.take(&billing).unwrap_err();
        assert_eq!(retry_after, Duration::from_millis(1));
        advance(retry_after).await;
        assert_eq!(allowances.take(&billing), Ok(()));
        assert!(allowances.take(&billing).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn never_saves_up_more_than_the_burst() {
        let allowances = Allowances::new(rate(1, 3));
        let billing = Arc::from("billing");
        let granted = || (0..10).filter(|_| allowances.take(&billing).is_ok());

        advance(Duration::from_hours(1)).await;
        assert_eq!(granted().count(), 3);
        advance(Duration::from_hours(1)).await;
        assert_eq!(granted().count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn remembers_only_callers_whose_allowance_is_not_whole() {
        let allowances = Allowances::new(rate(100, 1));
        let mut most = 0;

        for number in 0..10_000 {
            assert_eq!(allowances.take(&caller(number)), Ok(()));
            advance(Duration::from_millis(1)).await;
            most = most.max(allowances.limiter.len());
        }

        assert!(most <= FEWEST, "{most} callers are remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn looks_for_callers_to_forget_only_when_there_are_many() {
        let allowances = Allowances::new(rate(100, 1));

        for number in 0..1024 {
            assert_eq!(allowances.take(&caller(number)), Ok(()));
            advance(Duration::from_millis(20)).await;
        }
        let before = allowances.limiter.len();
        assert_eq!(allowances.take(&caller(1024)), Ok(()));

        assert_eq!(before, 1024, "all are remembered, though none need be");
        assert_eq!(allowances.limiter.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn remembers_a_crowd_that_comes_at_once_and_forgets_it_later() {
        let allowances = Allowances::new(rate(1, 1));
        let crowd = 10_000;

        for number in 0..crowd {
            assert_eq!(allowances.take(&caller(number)), Ok(()));
        }
        let at_once = allowances.limiter.len();
        for number in 0..crowd {
            assert!(allowances.take(&caller(number)).is_err(), "forgotten");
        }
        advance(Duration::from_secs(3)).await;
        for number in crowd..2 * crowd {
            assert_eq!(allowances.take(&caller(number)), Ok(()));
        }

        assert_eq!(at_once, 10_000);
        assert_eq!(allowances.limiter.len(), 10_000, "the first are forgotten");
        for number in crowd..2 * crowd {
            assert!(allowances.take(&caller(number)).is_err(), "forgotten");
        }
    }

    fn caller(number: u32) -> Arc<str> {
        format!("caller-{number}").into()
    }

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate {
            per_second: NonZeroU32::new(per_second).unwrap(),
            burst: NonZeroU32::new(burst).unwrap(),
        }
    }
}
