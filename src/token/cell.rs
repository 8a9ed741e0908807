//! One credential's token: kept while it serves, renewed early, fetched by one task at a time.
//!
//! The refresh runs in a task of its own, so the caller that happened to be first can leave without
//! taking the others' token along. A setback never vetoes a token that still works, and no expired token
//! is handed out. One that was refused is not handed out either, but for two: the one that came in place
//! of a refused one moments ago ([`Replacement::TooSoon`]), and one that may be taken the next time and
//! for which no other can be had ([`TokenCell::doubt`]). [`Shared::fetch`] is the one way to the token
//! endpoint, and no setback is passed over there.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, timeout};
use tracing::{error, info, info_span, warn};

use crate::{
    cause,
    flight::Flight,
    token::{
        access_token::AccessToken,
        grant::{Grant, GrantError},
        refusal::Refusal,
        setback::{self, Setback},
        standing::Standing,
        state::{Fetched, State},
        waiting::Waiting,
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

/// Whether another token takes the place of one that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// The next one to ask gets another token, where one can be had.
    Due,
    /// It came in place of a refused one moments ago; a third would hardly fare better.
    TooSoon,
}

#[derive(Debug)]
struct Shared {
    account: Arc<str>,
    grant: Grant,
    state: Mutex<State>,
    waiters: AtomicUsize,
}

enum Look {
    Ready(Arc<AccessToken>),
    Refused(TokenUnavailable),
    Wait(Flight<Fetched>),
}

impl TokenCell {
    /// Makes an empty cell; `account` is its name in the log.
    #[must_use]
    pub fn new(account: Arc<str>, grant: Grant) -> Self {
        Self(Arc::new(Shared {
            account,
            grant,
            state: Mutex::default(),
            waiters: AtomicUsize::default(),
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
        loop {
            let fetched = match self.look() {
                Look::Ready(token) => return Ok(token),
                Look::Refused(unavailable) => return Err(unavailable),
                Look::Wait(refresh) => self.join(refresh).await,
            };
            // Somebody may have been quicker to show it, and it was refused.
            if !fetched
                .as_ref()
                .is_ok_and(|it| self.0.state().has_dropped(it))
            {
                return fetched;
            }
        }
    }

    /// Drops the token that Partner Center refused, unless a newer one has taken its place, or it has
    /// itself taken a refused one's place within the last 30 s.
    pub fn invalidate(&self, refused: &Arc<AccessToken>) -> Replacement {
        self.0.state().let_go(refused, Instant::now())
    }

    /// Has another token fetched for the next call in place of one that Partner Center refused and may take
    /// the next time. Where no other can be had it serves on.
    pub fn doubt(&self, refused: &AccessToken) {
        self.0.state().doubt(refused, Instant::now());
    }

    /// Whether a token was ever had since the start.
    #[must_use]
    pub fn has_obtained_one(&self) -> bool {
        self.standing().obtained_once
    }

    /// How this credential's tokens stand now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let waiters = self.0.waiters.load(Ordering::Relaxed);
        self.0.state().standing(waiters, Instant::now())
    }

    /// How long ago the refresh token was last renewed, where there is one and that is known.
    #[must_use]
    pub fn refresh_token_age(&self) -> Option<Duration> {
        self.0.grant.refresh_token_age()
    }

    /// When the credential expires, where it says so: a certificate's end.
    #[must_use]
    pub fn credential_expires_at(&self) -> Option<SystemTime> {
        self.0.grant.expires_at()
    }

    /// The name of the account.
    pub(in crate::token) fn account(&self) -> &Arc<str> {
        &self.0.account
    }

    pub(in crate::token) fn grant(&self) -> &Grant {
        &self.0.grant
    }

    /// Fetches a new token though the present one may still serve; one fetch at a time, as ever.
    pub(in crate::token) async fn renew(&self) -> Result<(), TokenUnavailable> {
        let flight = {
            let now = Instant::now();
            let mut state = self.0.state();
            if let Some(setback) = state.setback(now) {
                return Err(setback.unavailable(now));
            }
            let under_way = state.fetch_in_flight();
            under_way.unwrap_or_else(|| self.start(&mut state))
        };
        let fetched = flight.result().await.unwrap_or_else(|| Err(cut_short()));
        fetched.map(drop)
    }

    fn look(&self) -> Look {
        let now = Instant::now();
        let mut state = self.0.state();
        // While trips fail, nobody waits for one as long as there is a token to send.
        let failing = state.is_failing();
        let reserve = || failing.then(|| state.last_resort(now)).flatten();
        if let Some(token) = state.usable(now).or_else(reserve) {
            let mut refresh = state.fetch_in_flight();
            let wanted = state.is_doubted() || token.is_due(now);
            if wanted && refresh.is_none() && state.setback(now).is_none() {
                refresh = Some(self.start(&mut state));
            }
            return match refresh.filter(|_| state.is_doubted() && !failing) {
                Some(refresh) => Look::Wait(refresh),
                None => Look::Ready(token),
            };
        }
        if let Some(refresh) = state.fetch_in_flight() {
            return Look::Wait(refresh);
        }
        let Some(setback) = state.setback(now) else {
            return Look::Wait(self.start(&mut state));
        };
        if setback.may_be_mended() {
            // The trip ends before its first step, unless the credential has changed.
            return Look::Wait(self.start(&mut state));
        }
        Look::Refused(setback.unavailable(now))
    }

    async fn join(&self, refresh: Flight<Fetched>) -> Fetched {
        let _waiting = Waiting::begin(&self.0.waiters);
        let Some(token) = self.0.state().last_resort(Instant::now()) else {
            return refresh.result().await.unwrap_or_else(|| Err(cut_short()));
        };
        // A trip that takes long must not use up the time of a call that need not wait for it.
        let newer = timeout(PATIENCE, refresh.result()).await.ok().flatten();
        Ok(newer.and_then(Result::ok).unwrap_or(token))
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
        // Marked before the credential is read for the trip: a change in between costs one trip more,
        // and no change is missed.
        let marks = self.grant.marks().await;
        if let Some(unavailable) = self.state().still_held_back(marks) {
            return Err(unavailable);
        }
        let minted = self.grant.mint().await;
        let now = Instant::now();
        let mut state = self.state();
        state.refresh = None;
        match minted.and_then(|token| state.unlike_dropped(token, now)) {
            Ok(token) => {
                info!(
                    token.expires_in_s = token.left(now).as_secs(),
                    "token obtained"
                );
                Ok(state.succeed(token))
            }
            Err(error) => {
                let setback = state.fail(error, marks, now);
                tell(setback, now);
                Err(setback.unavailable(now))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that fetched has died.
fn cut_short() -> TokenUnavailable {
    TokenUnavailable {
        cause: Arc::new(GrantError::Malformed("the fetch was cut short")),
        retry_after: setback::FIRST,
    }
}

fn tell(setback: &Setback, now: Instant) {
    let cause = setback.cause();
    let error = cause::chain(cause);
    let wait = setback.unavailable(now).retry_after.as_millis();
    let obstacle = setback.obstacle().as_str();
    let trace = cause
        .refusal()
        .and_then(|it: &Refusal| it.trace_id.as_deref());
    if cause.is_permanent() {
        error!(
            error,
            token.obstacle = obstacle,
            token.retry_after_ms = wait,
            token.trace_id = trace,
            "no token obtained"
        );
    } else {
        warn!(
            error,
            token.obstacle = obstacle,
            token.retry_after_ms = wait,
            token.trace_id = trace,
            "no token obtained"
        );
    }
}

/// How long a call waits for a new token while the one at hand still serves.
const PATIENCE: Duration = Duration::from_secs(2);
