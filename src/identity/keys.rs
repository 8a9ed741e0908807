//! One issuer's keys: fetched when they are needed, by one task at a time, and kept through an outage.
//!
//! Whoever makes tokens up decides which keys are asked for, so the source is left alone for a while
//! after every attempt, however it ended, and keys that are not there are remembered. A set that was
//! had is replaced by another good one only.

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
    keys: Option<Arc<KeySet>>,
    attempted: Option<Instant>,
    fetch: Option<Flight<Fetched>>,
    unknown: Unknown,
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

    /// Goes on with the keys of an older ring, where both have them from the same place: what was
    /// fetched is kept, and the source is asked no sooner.
    pub(in crate::identity) fn with_keys_of(self, old: &Self) -> Self {
        if !self.0.source.is_where(&old.0.source) {
            return self;
        }
        match Arc::try_unwrap(self.0) {
            Ok(shared) => Self(Arc::new(Shared {
                state: Arc::clone(&old.0.state),
                ..shared
            })),
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
            let until = Instant::now() + self.0.source.pace().remembered;
            state.unknown.note(wanted, until);
        }
        key
    }

    /// Begins to fetch keys, unless that was tried a short time ago.
    pub(in crate::identity) fn warm_up(&self) {
        let mut state = self.0.state();
        if self.may_fetch(&state, Instant::now()) {
            drop(self.start(&mut state));
        }
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
        let now = Instant::now();
        let mut state = self.0.state();
        if let Some(key) = state.key(wanted) {
            if state.is_stale(now, self.0.source.pace().refresh) && self.may_fetch(&state, now) {
                drop(self.start(&mut state));
            }
            return Look::Found(key);
        }
        if let Some(fetch) = state.fetch_in_flight() {
            return Look::Wait(fetch);
        }
        if state.unknown.holds(wanted, now) || !self.may_fetch(&state, now) {
            return Look::Absent;
        }
        Look::Wait(self.start(&mut state))
    }

    fn may_fetch(&self, state: &State, now: Instant) -> bool {
        state.is_stale(now, self.0.source.pace().cooldown) && state.fetch_in_flight().is_none()
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
                if state.keys.is_none() {
                    info!(issuer.keys = keys.count(), "keys obtained");
                }
                state.keys = Some(Arc::new(keys));
                Fetched::Keys
            }
            Err(error) => {
                let kept = state.keys.as_ref().map_or(0, |keys| keys.count());
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
        let keys = self.keys.as_ref()?;
        keys.find(wanted.id.as_deref(), wanted.algorithm).cloned()
    }

    /// Whether the last attempt, successful or not, is at least this long ago.
    fn is_stale(&self, now: Instant, age: Duration) -> bool {
        self.attempted
            .is_none_or(|at| now.duration_since(at) >= age)
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

    fn note(&mut self, wanted: Wanted, until: Instant) {
        if self.0.len() >= MOST_UNKNOWN {
            self.0.pop_front();
        }
        self.0.push_back((wanted, until));
    }
}

/// Bounds what strangers can have remembered.
const MOST_UNKNOWN: usize = 128;
