//! What a token cell knows: the token at hand, the trip under way, and what keeps it from the next.
//!
//! Everything here happens at once, under the cell's lock; nothing waits.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    flight::Flight,
    token::{
        access_token::AccessToken,
        cell::{Replacement, TokenUnavailable},
        grant::GrantError,
        mark::Marks,
        setback::Setback,
        standing::{Refreshes, Standing},
    },
};

/// What came of a trip to the token endpoint, for everyone who waited for it.
pub(in crate::token) type Fetched = Result<Arc<AccessToken>, TokenUnavailable>;

/// What a token cell knows.
#[derive(Debug, Default)]
pub(in crate::token) struct State {
    current: Option<Arc<AccessToken>>,
    /// Whether `current` came in place of a refused one.
    is_replacement: bool,
    /// Whether `current` was refused by a word that it may not hear the next time.
    is_doubted: bool,
    dropped: Option<Dropped>,
    pub(in crate::token) refresh: Option<Flight<Fetched>>,
    setback: Option<Setback>,
    failures: u32,
    obtained_once: bool,
    refreshes: Refreshes,
}

/// The last token that was refused and dropped.
#[derive(Debug)]
struct Dropped {
    token: Arc<AccessToken>,
    at: Instant,
    is_replaced: bool,
}

impl State {
    /// The token at hand, where it may be sent in normal times.
    pub(in crate::token) fn usable(&self, now: Instant) -> Option<Arc<AccessToken>> {
        self.current.clone().filter(|token| token.is_usable(now))
    }

    /// What keeps the gateway away from the token endpoint.
    pub(in crate::token) fn setback(&self, now: Instant) -> Option<&Setback> {
        self.setback.as_ref().filter(|it| it.holds(now))
    }

    /// Ends a trip before its first step, where a setback holds that nobody has mended.
    pub(in crate::token) fn still_held_back(
        &mut self,
        marks: Option<Marks>,
    ) -> Option<TokenUnavailable> {
        let now = Instant::now();
        let setback = self.setback(now)?;
        if setback.is_mended(marks) {
            return None;
        }
        let unavailable = setback.unavailable(now);
        self.refresh = None;
        Some(unavailable)
    }

    pub(in crate::token) fn fetch_in_flight(&self) -> Option<Flight<Fetched>> {
        self.refresh.clone().filter(Flight::is_under_way)
    }

    /// The token at hand, where it may be sent as long as no new one can be had.
    pub(in crate::token) fn last_resort(&self, now: Instant) -> Option<Arc<AccessToken>> {
        self.current
            .clone()
            .filter(|token| token.is_usable_in_an_outage(now))
    }

    /// Whether the last trip brought no token.
    pub(in crate::token) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    pub(in crate::token) fn has_dropped(&self, token: &Arc<AccessToken>) -> bool {
        let dropped = self.dropped.as_ref();
        dropped.is_some_and(|dropped| Arc::ptr_eq(&dropped.token, token))
    }

    /// Takes a token, unless the endpoint hands out once more what was refused a moment ago.
    pub(in crate::token) fn unlike_dropped(
        &self,
        token: AccessToken,
        now: Instant,
    ) -> Result<AccessToken, GrantError> {
        let dropped = self.dropped.as_ref().filter(|it| now - it.at < TOO_SOON);
        if dropped.is_some_and(|it| it.token.is_same_as(&token)) {
            return Err(GrantError::Malformed("its token was refused a moment ago"));
        }
        Ok(token)
    }

    pub(in crate::token) fn succeed(&mut self, token: AccessToken) -> Arc<AccessToken> {
        let token = Arc::new(token);
        self.current = Some(Arc::clone(&token));
        let replaces_dropped = self
            .dropped
            .as_mut()
            .is_some_and(|dropped| !std::mem::replace(&mut dropped.is_replaced, true));
        self.is_replacement = std::mem::take(&mut self.is_doubted) || replaces_dropped;
        self.setback = None;
        self.failures = 0;
        self.obtained_once = true;
        self.refreshes.obtained = self.refreshes.obtained.saturating_add(1);
        token
    }

    pub(in crate::token) fn fail(
        &mut self,
        error: GrantError,
        marks: Option<Marks>,
        now: Instant,
    ) -> &Setback {
        let setback = Setback::after(error, self.failures, marks, now);
        self.failures = self.failures.saturating_add(1);
        self.refreshes.note(setback.obstacle());
        self.setback.insert(setback)
    }

    /// Drops a token that was refused, unless another is there already, or it came too lately in place of
    /// one that was refused, too.
    pub(in crate::token) fn let_go(
        &mut self,
        refused: &Arc<AccessToken>,
        now: Instant,
    ) -> Replacement {
        if !self.is_current(refused) {
            return Replacement::Due;
        }
        if self.came_moments_ago(refused, now) {
            return Replacement::TooSoon;
        }
        self.current = None;
        self.is_doubted = false;
        self.dropped = Some(Dropped {
            token: Arc::clone(refused),
            at: now,
            is_replaced: false,
        });
        Replacement::Due
    }

    /// Has a token replaced that was refused and may be taken the next time, unless another is there already,
    /// or it came too lately in place of another.
    pub(in crate::token) fn doubt(&mut self, refused: &AccessToken, now: Instant) {
        if self.is_current(refused) && !self.came_moments_ago(refused, now) {
            self.is_doubted = true;
        }
    }

    /// Whether another token than the one at hand is to be had.
    pub(in crate::token) fn is_doubted(&self) -> bool {
        self.is_doubted
    }

    fn is_current(&self, token: &AccessToken) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| current.is_same_as(token))
    }

    fn came_moments_ago(&self, current: &AccessToken, now: Instant) -> bool {
        self.is_replacement && current.age(now) < TOO_SOON
    }

    pub(in crate::token) fn standing(&self, waiters: usize, now: Instant) -> Standing {
        Standing {
            obtained_once: self.obtained_once,
            left: self.current.as_ref().map(|token| token.left(now)),
            obstacle: self.setback.as_ref().map(Setback::obstacle),
            code: self.setback.as_ref().and_then(Setback::code),
            waiters,
            refreshes: self.refreshes,
        }
    }
}

/// How soon a token that came in place of a refused one is not replaced once more: where Partner Center
/// refuses every token, each call would cost a fetch.
const TOO_SOON: Duration = Duration::from_secs(30);
