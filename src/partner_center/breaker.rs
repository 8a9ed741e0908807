//! The circuit breaker of one account: leaves an upstream alone that fails.
//!
//! Closed, it lets every call pass and counts how attempts end. Where too many of late have failed it
//! opens, and nobody passes for a while. Then it is half open: one call passes, the probe, and how its
//! attempt ends decides whether it closes or opens again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{info, warn};

use crate::partner_center::window::Window;

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

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    account: Arc<str>,
    settings: Settings,
    circuit: Mutex<Circuit>,
}

/// Leave to try, for the attempts of one call.
///
/// Dropping the probe's pass before an attempt was noted makes the next call the probe.
#[derive(Debug)]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    generation: u64,
}

/// The upstream is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the account's circuit breaker is open")]
pub struct Open {
    /// When there may be room to try; never nothing.
    pub retry_after: Duration,
}

/// What an attempt says of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works, whatever it answers.
    Up,
    /// It fails.
    Down,
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Every call passes.
    Closed,
    /// No call passes.
    Open,
    /// One call passes, or has passed, and decides.
    HalfOpen,
}

impl Breaker {
    /// Makes a breaker that is closed; the account's name is told in the log.
    #[must_use]
    pub fn new(account: Arc<str>, settings: Settings) -> Self {
        Self {
            account,
            settings,
            circuit: Mutex::new(Circuit {
                phase: Phase::closed(settings, Instant::now()),
                generation: 0,
            }),
        }
    }

    /// Tells whether there may be leave to try, without asking for it.
    ///
    /// # Errors
    ///
    /// [`Open`] while the upstream is left alone, and while another call probes it.
    pub fn check(&self) -> Result<(), Open> {
        self.lock().bar(Instant::now())
    }

    /// Asks for leave to try.
    ///
    /// # Errors
    ///
    /// [`Open`] while the upstream is left alone, and while another call probes it.
    pub fn enter(&self) -> Result<Pass<'_>, Open> {
        let generation = self.touch(Circuit::enter)?;
        Ok(Pass {
            breaker: self,
            generation,
        })
    }

    /// Tells how it stands.
    #[must_use]
    pub fn state(&self) -> State {
        match self.lock().phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { until } if Instant::now() < until => State::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Does something to the circuit, and tells the log where it has changed.
    fn touch<T>(&self, act: impl FnOnce(&mut Circuit, Instant) -> T) -> T {
        let (before, done, after) = {
            let mut circuit = self.lock();
            let before = circuit.phase.state();
            let done = act(&mut circuit, Instant::now());
            (before, done, circuit.phase.state())
        };
        let account = &*self.account;
        match after {
            _ if after == before => {}
            State::Closed => info!(account, "circuit breaker closed"),
            State::Open => warn!(account, "circuit breaker opened"),
            State::HalfOpen => info!(account, "circuit breaker half open"),
        }
        done
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Notes how an attempt ended.
    ///
    /// It counts for nothing where the circuit has opened since the pass was given.
    pub fn note(&self, health: Health) {
        let settings = self.breaker.settings;
        self.breaker.touch(|circuit, now| {
            if circuit.generation == self.generation {
                circuit.note(health, settings, now);
            }
        });
    }

    /// Whether the same call may send a further attempt: the circuit is closed, or this is the probe
    /// and it has not failed.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        let circuit = self.breaker.lock();
        match circuit.phase {
            Phase::Closed { .. } => true,
            Phase::Open { .. } => false,
            Phase::HalfOpen { .. } => circuit.generation == self.generation,
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut circuit = self.breaker.lock();
        if circuit.generation == self.generation
            && let Phase::HalfOpen { probing } = &mut circuit.phase
        {
            *probing = false;
        }
    }
}

#[derive(Debug)]
struct Circuit {
    phase: Phase,
    /// The number of probes so far. A pass given before the last of them counts for nothing, and in a
    /// half-open circuit only the probe's has this number.
    generation: u64,
}

#[derive(Debug)]
enum Phase {
    Closed { attempts: Window, failures: Window },
    Open { until: Instant },
    HalfOpen { probing: bool },
}

impl Circuit {
    fn enter(&mut self, now: Instant) -> Result<u64, Open> {
        self.bar(now)?;
        if !matches!(self.phase, Phase::Closed { .. }) {
            self.phase = Phase::HalfOpen { probing: true };
            self.generation += 1;
        }
        Ok(self.generation)
    }

    /// What bars the way, if anything does.
    fn bar(&self, now: Instant) -> Result<(), Open> {
        let retry_after = match self.phase {
            Phase::Open { until } if now < until => {
                until.saturating_duration_since(now).max(SHORTEST)
            }
            Phase::HalfOpen { probing: true } => PROBING,
            Phase::Closed { .. } | Phase::Open { .. } | Phase::HalfOpen { probing: false } => {
                return Ok(());
            }
        };
        Err(Open { retry_after })
    }

    fn note(&mut self, health: Health, settings: Settings, now: Instant) {
        let fails = match (&mut self.phase, health) {
            (Phase::Closed { attempts, .. }, Health::Up) => {
                attempts.note(now);
                false
            }
            (Phase::Closed { attempts, failures }, Health::Down) => {
                attempts.note(now);
                failures.note(now);
                let (attempts, failures) = (attempts.sum(now), failures.sum(now));
                // Divided, because a product such as 100 × 0.07 comes out above 7.
                attempts >= settings.min_calls
                    && f64::from(failures) / f64::from(attempts) >= settings.failure_ratio
            }
            (Phase::HalfOpen { .. }, Health::Up) => {
                self.phase = Phase::closed(settings, now);
                false
            }
            (Phase::HalfOpen { .. }, Health::Down) => true,
            // It was under way when the circuit opened.
            (Phase::Open { .. }, _) => false,
        };
        if fails {
            let until = now + settings.open_for;
            self.phase = Phase::Open { until };
        }
    }
}

impl Phase {
    fn closed(settings: Settings, now: Instant) -> Self {
        Self::Closed {
            attempts: Window::at_most(settings.window, now),
            failures: Window::at_most(settings.window, now),
        }
    }

    fn state(&self) -> State {
        match self {
            Self::Closed { .. } => State::Closed,
            Self::Open { .. } => State::Open,
            Self::HalfOpen { .. } => State::HalfOpen,
        }
    }
}

/// Nobody is told to come back at once.
const SHORTEST: Duration = Duration::from_millis(1);

/// A probe that succeeds takes some hundred milliseconds.
const PROBING: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::{Health::*, *};

    #[tokio::test(start_paused = true)]
    async fn opens_with_the_failure_that_makes_the_share() {
        let five = |health| vec![health; 5];
        for (healths, min_calls, failure_ratio, opens) in [
            (vec![Down], 1, 1.0, true),
            (vec![Up; 100], 1, 0.01, false),
            ([five(Up), five(Down)].concat(), 10, 0.5, true),
            ([five(Up), five(Down)].concat(), 11, 0.5, false),
            ([five(Up), five(Down)].concat(), 10, 0.51, false),
            // A success is no reason to open, though it is the tenth attempt.
            ([five(Down), five(Up)].concat(), 10, 0.5, false),
            ([five(Down), five(Up), vec![Down]].concat(), 10, 0.5, true),
            ([vec![Up; 93], vec![Down; 7]].concat(), 100, 0.07, true),
            ([vec![Up; 94], vec![Down; 6]].concat(), 100, 0.07, false),
        ] {
            let breaker = breaker(min_calls, failure_ratio);

            for health in &healths {
                assert_eq!(breaker.state(), State::Closed, "{healths:?}");
                breaker.enter().unwrap().note(*health);
            }

            let state = if opens { State::Open } else { State::Closed };
            assert_eq!(breaker.state(), state, "{healths:?}");
            assert_eq!(breaker.enter().is_err(), opens, "{healths:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn forgets_attempts_of_long_ago() {
        let breaker = breaker(4, 0.5);
        let note = |health| breaker.enter().unwrap().note(health);
        (0..3).for_each(|_| note(Down));

        advance(WINDOW).await;
        (0..3).for_each(|_| note(Up));
        (0..2).for_each(|_| note(Down));

        assert_eq!(breaker.state(), State::Closed);
        note(Down);
        assert_eq!(breaker.state(), State::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn tells_for_how_long_nobody_passes() {
        let breaker = opened();

        for (ms, left) in [(0, 5000), (1500, 3500), (1000, 2500), (2499, 1)] {
            advance(Duration::from_millis(ms)).await;

            let retry_after = Duration::from_millis(left);
            assert_eq!(breaker.enter().err(), Some(Open { retry_after }));
        }
        advance(Duration::from_nanos(999_999)).await;
        let last = breaker.enter().unwrap_err();
        assert_eq!(last.retry_after, Duration::from_millis(1), "not nothing");
        assert_eq!(breaker.state(), State::Open);
        advance(Duration::from_nanos(1)).await;
        assert_eq!(breaker.state(), State::HalfOpen);
        assert!(breaker.enter().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn lets_one_call_pass_which_closes_it_by_succeeding() {
        let breaker = opened();
        advance(OPEN_FOR).await;

        let probe = breaker.enter().unwrap();
        let others: Vec<_> = (0..100).map(|_| breaker.enter().err()).collect();
        let half = breaker.state();
        probe.note(Up);

        let second = Duration::from_secs(1);
        let open = Some(Open {
            retry_after: second,
        });
        assert_eq!(others, vec![open; 100]);
        assert_eq!(half, State::HalfOpen);
        assert_eq!(breaker.state(), State::Closed);
        assert!(breaker.enter().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn closes_with_an_empty_window() {
        let breaker = breaker(2, 0.5);
        let note = |health| breaker.enter().unwrap().note(health);
        (0..2).for_each(|_| note(Down));
        // The failures are still of late.
        advance(OPEN_FOR).await;
        note(Up);

        note(Down);

        assert_eq!(breaker.state(), State::Closed);
        note(Down);
        assert_eq!(breaker.state(), State::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn opens_for_the_whole_time_again_where_the_probe_fails() {
        let breaker = opened();
        advance(OPEN_FOR * 3).await;

        breaker.enter().unwrap().note(Down);

        assert_eq!(breaker.state(), State::Open);
        let open = breaker.enter().unwrap_err();
        assert_eq!(open.retry_after, OPEN_FOR);
        advance(OPEN_FOR).await;
        assert!(breaker.enter().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn makes_the_next_call_the_probe_where_one_left_without_an_attempt() {
        let breaker = opened();
        advance(OPEN_FOR).await;

        drop(breaker.enter().unwrap());

        assert_eq!(breaker.state(), State::HalfOpen);
        let probe = breaker.enter().unwrap();
        assert!(breaker.enter().is_err(), "two probes");
        probe.note(Down);
        drop(probe);
        assert_eq!(breaker.state(), State::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_the_probe_where_a_call_from_before_leaves() {
        let breaker = breaker(1, 1.0);
        let [early, late] = [(); 2].map(|()| breaker.enter().unwrap());
        late.note(Down);
        advance(OPEN_FOR).await;
        let _probe = breaker.enter().unwrap();

        drop(early);

        assert!(breaker.enter().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn counts_nothing_that_began_before_it_opened() {
        let breaker = breaker(1, 1.0);
        let [early, late] = [(); 2].map(|()| breaker.enter().unwrap());
        late.note(Down);

        early.note(Up);
        advance(OPEN_FOR / 2).await;
        early.note(Down);
        assert_eq!(breaker.enter().unwrap_err().retry_after, OPEN_FOR / 2);
        advance(OPEN_FOR / 2).await;
        let probe = breaker.enter().unwrap();
        early.note(Up);
        assert_eq!(breaker.state(), State::HalfOpen);
        early.note(Down);
        assert_eq!(breaker.state(), State::HalfOpen);
        probe.note(Up);
        early.note(Down);
        assert_eq!(breaker.state(), State::Closed);

        probe.note(Down);
        assert_eq!(breaker.state(), State::Open, "of the probe all counts");
    }

    #[tokio::test(start_paused = true)]
    async fn tells_a_call_whether_it_may_send_once_more() {
        let breaker = breaker(1, 1.0);
        let [early, late] = [(); 2].map(|()| breaker.enter().unwrap());
        assert!(early.may_go_on());
        late.note(Down);
        assert!(!early.may_go_on());
        assert!(!late.may_go_on());

        advance(OPEN_FOR).await;
        assert!(!early.may_go_on(), "it is not the probe");
        let probe = breaker.enter().unwrap();
        assert!(probe.may_go_on());
        assert!(!early.may_go_on(), "it is not the probe");
        probe.note(Down);
        assert!(!probe.may_go_on());

        advance(OPEN_FOR).await;
        let probe = breaker.enter().unwrap();
        probe.note(Up);
        assert!(probe.may_go_on());
        assert!(early.may_go_on());
    }

    fn opened() -> Breaker {
        let breaker = breaker(1, 1.0);
        breaker.enter().unwrap().note(Down);
        breaker
    }

    fn breaker(min_calls: u32, failure_ratio: f64) -> Breaker {
        let settings = Settings {
            failure_ratio,
            min_calls,
            window: WINDOW,
            open_for: OPEN_FOR,
        };
        Breaker::new("contoso".into(), settings)
    }

    const WINDOW: Duration = Duration::from_secs(10);

    const OPEN_FOR: Duration = Duration::from_secs(5);
}
