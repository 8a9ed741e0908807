//! One issuer's keys: fetched when they are needed, by one task at a time, and kept through an outage.
//!
//! Whoever makes tokens up decides which keys are asked for, so the source is left alone for a while
//! after every attempt, however it ended, and keys that are not there are remembered. A set that was
//! had is replaced by another good one only. One that is old may hold a key that was withdrawn: it is
//! asked for anew beside the calls, and past a certain age before it is believed again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jsonwebtoken::DecodingKey;
use tokio::time::{Duration, Instant};
use tracing::{info, info_span, warn};

use crate::{
    cause,
    flight::Flight,
    identity::{
        algorithm::SigningAlgorithm,
        jwks::KeySet,
        key_source::{KeyError, KeySource},
    },
};

/// The only way to one issuer's keys.
#[derive(Clone, Debug)]
pub(in crate::identity) struct KeyRing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    issuer: Arc<str>,
    source: KeySource,
    /// Outlives a ring that another takes the place of.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<Obtained>,
    attempted: Option<Instant>,
    fetch: Option<Flight<Fetched>>,
    unknown: Unknown,
    fetches: Fetches,
}

/// How often keys were fetched, counted by what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetches {
    /// Keys came.
    pub obtained: u64,
    /// None came; those at hand were kept.
    pub failed: u64,
}

#[derive(Debug)]
struct Obtained {
    keys: KeySet,
    at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetched {
    Keys,
    Nothing,
}

/// Keys that were looked for in vain a short time ago.
#[derive(Debug, Default)]
struct Unknown(VecDeque<(Wanted, Instant)>);

/// What a token says of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::identity) struct Wanted {
    /// The key's ID.
    pub(in crate::identity) id: Option<String>,
    /// What it is to verify.
    pub(in crate::identity) algorithm: SigningAlgorithm,
}

enum Look {
    Found(DecodingKey),
    Wait(Flight<Fetched>),
    Absent,
}

impl KeyRing {
    pub(in crate::identity) fn new(issuer: Arc<str>, source: KeySource) -> Self {
        Self(Arc::new(Shared {
            issuer,
            source,
            state: Arc::default(),
        }))
    }

    /// Takes the place of an older ring, where both have their keys from the same place: the source is
    /// asked no sooner. What was fetched is kept where it would be believed today; a trust anchor or a
    /// token that was changed takes the keys along that were had by it.
    pub(in crate::identity) fn with_keys_of(self, old: &Self) -> Self {
        let (new, old) = (self.0, &old.0);
        let state = if !new.source.is_where(&old.source) {
            return Self(new);
        } else if new.source.trusts_like(&old.source) {
            Arc::clone(&old.state)
        } else {
            let attempted = old.state().attempted;
            Arc::new(Mutex::new(State {
                attempted,
                ..State::default()
            }))
        };
        match Arc::try_unwrap(new) {
            Ok(shared) => Self(Arc::new(Shared { state, ..shared })),
            Err(shared) => Self(shared),
        }
    }

    /// Finds the key that a token names, asking the issuer where that may help.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the fetch running for the others.
    pub(in crate::identity) async fn find(&self, wanted: Wanted) -> Option<DecodingKey> {
        let fetch = match self.look(&wanted) {
            Look::Found(key) => return Some(key),
            Look::Absent => return None,
            Look::Wait(fetch) => fetch,
        };
        let fetched = fetch.result().await;
        let mut state = self.0.state();
        let key = state.key(&wanted);
        if key.is_none() && fetched == Some(Fetched::Keys) {
            let remembered = self.0.source.pace().remembered;
            state.unknown.note(wanted, Instant::now(), remembered);
        }
        key
    }

    /// How old the keys at hand are, where there are any.
    pub(in crate::identity) fn age(&self) -> Option<Duration> {
        let state = self.0.state();
        state.keys.as_ref().map(|had| had.at.elapsed())
    }

    /// How often they were fetched, and what came of it.
    pub(in crate::identity) fn fetches(&self) -> Fetches {
        self.0.state().fetches
    }

    /// Begins to fetch keys, unless that was tried a short time ago.
    pub(in crate::identity) fn warm_up(&self) {
        drop(self.ask(&mut self.0.state()));
    }

    /// Fetches keys here and now, for a person to see what comes of it.
    ///
    /// # Errors
    ///
    /// When there are none to be had now.
    pub(in crate::identity) async fn try_fetch(&self) -> Result<usize, KeyError> {
        self.0.source.fetch().await.map(|keys| keys.count())
    }

    fn look(&self, wanted: &Wanted) -> Look {
        let (now, pace) = (Instant::now(), self.0.source.pace());
        let mut state = self.0.state();
        let Some(key) = state.key(wanted) else {
            if state.fetch_in_flight().is_none() && state.unknown.holds(wanted, now) {
                return Look::Absent;
            }
            return self.ask(&mut state).map_or(Look::Absent, Look::Wait);
        };
        let age = state.age(now);
        if age < pace.refresh {
            return Look::Found(key);
        }
        match self.ask(&mut state) {
            Some(fetch) if age >= pace.refresh * 2 => Look::Wait(fetch),
            _ => Look::Found(key),
        }
    }

    /// The fetch that is under way, or else a new one, unless the last is too short a time ago.
    fn ask(&self, state: &mut State) -> Option<Flight<Fetched>> {
        let in_flight = state.fetch_in_flight();
        if in_flight.is_some() {
            return in_flight;
        }
        let cooldown = self.0.source.pace().cooldown;
        let rested = state.attempted.is_none_or(|at| at.elapsed() >= cooldown);
        rested.then(|| self.start(state))
    }

    fn start(&self, state: &mut State) -> Flight<Fetched> {
        state.attempted = Some(Instant::now());
        let shared = Arc::clone(&self.0);
        let span = info_span!("keys", issuer = %shared.issuer);
        let flight = Flight::start(async move { shared.fetch().await }, span);
        state.fetch = Some(flight.clone());
        flight
    }
}

impl Shared {
    async fn fetch(&self) -> Fetched {
        let fetched = self.source.fetch().await;
        let mut state = self.state();
        state.fetch = None;
        match fetched {
            Ok(keys) => {
                state.fetches.obtained = state.fetches.obtained.saturating_add(1);
                if state.keys.is_none() {
                    info!(issuer.keys = keys.count(), "keys obtained");
                }
                state.keys = Some(Obtained {
                    keys,
                    at: Instant::now(),
                });
                Fetched::Keys
            }
            Err(error) => {
                state.fetches.failed = state.fetches.failed.saturating_add(1);
                let kept = state.keys.as_ref().map_or(0, |had| had.keys.count());
                warn!(
                    error = %cause::chain(&error),
                    issuer.keys = kept,
                    "no keys obtained; those at hand are kept"
                );
                Fetched::Nothing
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn key(&self, wanted: &Wanted) -> Option<DecodingKey> {
        let keys = &self.keys.as_ref()?.keys;
        keys.find(wanted.id.as_deref(), wanted.algorithm).cloned()
    }

    /// How long ago the keys were had; an attempt that failed makes them no younger.
    fn age(&self, now: Instant) -> Duration {
        let obtained = self.keys.as_ref();
        obtained.map_or(Duration::ZERO, |had| now.duration_since(had.at))
    }

    fn fetch_in_flight(&self) -> Option<Flight<Fetched>> {
        self.fetch.clone().filter(Flight::is_under_way)
    }
}

impl Unknown {
    fn holds(&self, wanted: &Wanted, now: Instant) -> bool {
        self.0
            .iter()
            .any(|(key, until)| key == wanted && now < *until)
    }

    fn note(&mut self, wanted: Wanted, now: Instant, remembered: Duration) {
        self.0.retain(|(_, until)| now < *until);
        if self.holds(&wanted, now) {
            return;
        }
        if self.0.len() >= MOST_UNKNOWN {
            self.0.pop_front();
        }
        self.0.push_back((wanted, now + remembered));
    }
}

/// Bounds what strangers can have remembered.
const MOST_UNKNOWN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(number: usize) -> Wanted {
        Wanted {
            id: Some(number.to_string()),
            algorithm: "RS256".parse().unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn remembers_each_unknown_key_once_and_makes_room_by_age() {
        let minute = Duration::from_mins(1);
        let began = Instant::now();
        let mut unknown = Unknown::default();
        for number in 0..MOST_UNKNOWN {
            unknown.note(wanted(number), began, minute);
        }

        for _ in 0..MOST_UNKNOWN {
            unknown.note(wanted(7), began, minute);
        }
        assert!(unknown.holds(&wanted(0), began));
        assert_eq!(unknown.0.len(), MOST_UNKNOWN);

        unknown.note(wanted(MOST_UNKNOWN), began, minute);
        assert!(!unknown.holds(&wanted(0), began));
        assert!(unknown.holds(&wanted(MOST_UNKNOWN), began));

        unknown.note(wanted(0), began + minute, minute);
        assert_eq!(unknown.0.len(), 1);
    }
}
