//! One credential's token: kept while it serves, renewed early, fetched by one task at a time.
//!
//! The refresh runs in a task of its own, so the caller that happened to be first can leave without
//! taking the others' token along. A setback never vetoes a token that still works, and an expired
//! token is never handed out.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{info, info_span, warn};

use crate::{
    cause,
    flight::Flight,
    token::{
        access_token::AccessToken,
        grant::{Grant, GrantError},
    },
};

/// The only way to one credential's tokens.
#[derive(Clone, Debug)]
pub struct TokenCell(Arc<Shared>);

/// There is no token to send now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no token can be had now")]
pub struct TokenUnavailable {
    /// Why; shared by everyone who waited for the same trip.
    #[source]
    pub cause: Arc<GrantError>,
    /// When asking again may help.
    pub retry_after: Duration,
}

#[derive(Debug)]
struct Shared {
    account: Arc<str>,
    grant: Grant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<AccessToken>>,
    refresh: Option<Flight<Fetched>>,
    setback: Option<Setback>,
    failures: u32,
    obtained_once: bool,
}

#[derive(Debug)]
struct Setback {
    cause: Arc<GrantError>,
    until: Instant,
}

enum Look {
    Ready(Arc<AccessToken>),
    Refused(TokenUnavailable),
    Wait(Flight<Fetched>),
}

type Fetched = Result<Arc<AccessToken>, TokenUnavailable>;

impl TokenCell {
    /// Makes an empty cell; `account` is its name in the log.
    #[must_use]
    pub fn new(account: Arc<str>, grant: Grant) -> Self {
        Self(Arc::new(Shared {
            account,
            grant,
            state: Mutex::default(),
        }))
    }

    /// Returns a token that may be sent now, fetching one where needed.
    ///
    /// # Errors
    ///
    /// When no usable token is at hand and none can be had.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the fetch running for the others.
    pub async fn current(&self) -> Result<Arc<AccessToken>, TokenUnavailable> {
        match self.look() {
            Look::Ready(token) => Ok(token),
            Look::Refused(unavailable) => Err(unavailable),
            Look::Wait(refresh) => self.join(refresh).await,
        }
    }

    /// Drops the token that Partner Center refused, unless a newer one has taken its place.
    pub fn invalidate(&self, refused: &Arc<AccessToken>) {
        let mut state = self.0.state();
        if state
            .current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, refused))
        {
            state.current = None;
        }
    }

    /// Whether a token was ever had since the start.
    #[must_use]
    pub fn has_obtained_one(&self) -> bool {
        self.0.state().obtained_once
    }

    fn look(&self) -> Look {
        let now = Instant::now();
        let mut state = self.0.state();
        if let Some(token) = state.current.clone().filter(|token| token.is_usable(now)) {
            if token.is_due(now) && !state.is_held_back(now) && state.fetch_in_flight().is_none() {
                self.start(&mut state);
            }
            return Look::Ready(token);
        }
        if let Some(refresh) = state.fetch_in_flight() {
            return Look::Wait(refresh);
        }
        match &state.setback {
            Some(setback) if setback.until > now => match state.last_resort(now) {
                Some(token) => Look::Ready(token),
                None => Look::Refused(TokenUnavailable {
                    cause: Arc::clone(&setback.cause),
                    retry_after: setback.until - now,
                }),
            },
            _ => Look::Wait(self.start(&mut state)),
        }
    }

    async fn join(&self, refresh: Flight<Fetched>) -> Result<Arc<AccessToken>, TokenUnavailable> {
        let unavailable = match refresh.result().await {
            Some(Ok(token)) => return Ok(token),
            Some(Err(unavailable)) => unavailable,
            None => TokenUnavailable {
                cause: Arc::new(GrantError::Malformed("the fetch was cut short")),
                retry_after: FIRST_SETBACK,
            },
        };
        self.0
            .state()
            .last_resort(Instant::now())
            .ok_or(unavailable)
    }

    fn start(&self, state: &mut State) -> Flight<Fetched> {
        let shared = Arc::clone(&self.0);
        let span = info_span!("token", account = %shared.account);
        let flight = Flight::start(async move { shared.fetch().await }, span);
        state.refresh = Some(flight.clone());
        flight
    }
}

impl Shared {
    async fn fetch(&self) -> Fetched {
        let minted = self.grant.mint().await;
        let now = Instant::now();
        let mut state = self.state();
        state.refresh = None;
        match minted {
            Ok(token) => {
                let token = Arc::new(token);
                state.current = Some(Arc::clone(&token));
                state.setback = None;
                state.failures = 0;
                state.obtained_once = true;
                info!("token obtained");
                Ok(token)
            }
            Err(error) => {
                let wait = setback(&error, state.failures);
                state.failures = state.failures.saturating_add(1);
                let cause = Arc::new(error);
                state.setback = Some(Setback {
                    cause: Arc::clone(&cause),
                    until: now + wait,
                });
                warn!(error = %cause::chain(&*cause), retry_after_ms = %wait.as_millis(), "no token obtained");
                Err(TokenUnavailable {
                    cause,
                    retry_after: wait,
                })
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_held_back(&self, now: Instant) -> bool {
        self.setback
            .as_ref()
            .is_some_and(|setback| setback.until > now)
    }

    fn fetch_in_flight(&self) -> Option<Flight<Fetched>> {
        self.refresh.clone().filter(Flight::is_under_way)
    }

    fn last_resort(&self, now: Instant) -> Option<Arc<AccessToken>> {
        self.current
            .clone()
            .filter(|token| token.is_usable_in_an_outage(now))
    }
}

/// How long to leave the token endpoint alone after an error: what it asked for, a minute when only a
/// person can help, else a growing time with jitter.
fn setback(error: &GrantError, failures: u32) -> Duration {
    if let Some(asked) = error.retry_after() {
        return asked.max(SHORTEST_SETBACK);
    }
    if error.is_permanent() {
        return PERMANENT_SETBACK;
    }
    let grown = FIRST_SETBACK.saturating_mul(2_u32.saturating_pow(failures.min(8)));
    grown
        .min(LONGEST_SETBACK)
        .mul_f64(1.0 + SETBACK_JITTER * fastrand::f64())
}

/// Microsoft asks for at least five seconds before the first repeat.
const FIRST_SETBACK: Duration = Duration::from_secs(5);

/// The longest the gateway stays away without being asked to.
const LONGEST_SETBACK: Duration = Duration::from_mins(1);

/// How long an error that needs a person is remembered.
const PERMANENT_SETBACK: Duration = Duration::from_mins(1);

/// `Retry-After: 0` must not turn into a storm.
const SHORTEST_SETBACK: Duration = Duration::from_secs(1);

/// The share by which setbacks of many replicas are spread.
const SETBACK_JITTER: f64 = 0.2;
