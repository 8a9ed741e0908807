//! The refresh token grant: the token that a user's consent left behind, shown for a new pair of tokens.
//!
//! The new refresh token is kept before the new access token is handed out; one that cannot be kept
//! stays here, with its claim, and is kept before anything else is tried. One task at a time is here.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime},
};

use oauth2::TokenResponse as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    cause,
    clock::SharedClock,
    token::{
        access_token::AccessToken,
        exchange::{Asking, Exchange},
        grant::GrantError,
        mark::Mark,
        refresh_store::{Claim, RefreshStore, Stored, error::StoreError, same, well_formed},
        refusal::Refusal,
    },
};

/// One consent, kept alive by being used.
#[derive(Debug)]
pub(in crate::token) struct Refresh {
    store: RefreshStore,
    clock: SharedClock,
    state: Mutex<State>,
    closed: CancellationToken,
    renewed: std::sync::Mutex<Option<SystemTime>>,
}

#[derive(Debug, Default)]
struct State {
    unkept: Option<Unkept>,
    refused: Option<Refused>,
}

/// What was had and could not be kept yet.
#[derive(Debug)]
struct Unkept {
    claim: Claim,
    token: SecretString,
    access: Result<AccessToken, GrantError>,
}

/// A refresh token that the token endpoint does not take.
#[derive(Debug)]
struct Refused {
    token: SecretString,
    refusal: Arc<Refusal>,
    until: Instant,
}

/// Why a refresh token may not be in its store when the process ends.
#[derive(Debug)]
pub(in crate::token) enum Unsettled {
    /// It could not be kept.
    Unkept(StoreError),
    /// It is being presented or kept.
    UnderWay,
}

impl Refresh {
    pub(in crate::token) fn new(store: RefreshStore, clock: SharedClock) -> Self {
        Self {
            store,
            clock,
            state: Mutex::default(),
            closed: CancellationToken::new(),
            renewed: std::sync::Mutex::default(),
        }
    }

    /// Presents what is kept, and keeps what comes in its place.
    ///
    /// # Errors
    ///
    /// When nothing can be claimed, had or kept.
    pub(in crate::token) async fn mint(
        &self,
        exchange: &Exchange,
    ) -> Result<AccessToken, GrantError> {
        let mut state = self.state.lock().await;
        if let Some(access) = self.keep_unkept(&mut state).await? {
            return Ok(access);
        }
        if let Some(refusal) = self.still_refused(&mut state).await? {
            return Err(GrantError::ConsentRequired(refusal));
        }
        // Once more where another one, of a replica or of a person, has come into the store since.
        for _ in 0..2 {
            let claim = self.store.claim(&self.closed).await?;
            self.note(claim.kept().renewed);
            if self.closed.is_cancelled() {
                claim.release().await;
                return Err(StoreError::Leaving.into());
            }
            if let Some(refusal) = state.refusal_of(claim.token()) {
                claim.release().await;
                return Err(GrantError::ConsentRequired(refusal));
            }
            match self.present(exchange, &mut state, claim).await {
                Err(GrantError::ConsentRequired(_)) => {}
                settled => return settled,
            }
        }
        let refusal = state.refused.as_ref().map(|it| Arc::clone(&it.refusal));
        refusal.map_or(Err(StoreError::Busy.into()), |refusal| {
            Err(GrantError::ConsentRequired(refusal))
        })
    }

    /// Has nothing presented from now on, waits for what is being presented, and tries for so long to
    /// keep what could not be kept.
    ///
    /// # Errors
    ///
    /// When a token is lost with the process.
    pub(in crate::token) async fn settle(&self, within: Duration) -> Result<(), Unsettled> {
        self.closed.cancel();
        let mut last = None;
        let settling = async {
            let state = self.state.lock().await;
            while let Some(unkept) = &state.unkept {
                match self.keep(&unkept.claim, &unkept.token).await {
                    Ok(()) => break,
                    Err(error) => last = Some(error),
                }
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
        };
        match tokio::time::timeout(within, settling).await {
            Ok(()) => Ok(()),
            Err(_) => Err(last.map_or(Unsettled::UnderWay, Unsettled::Unkept)),
        }
    }

    /// How long ago the refresh token was last renewed, as far as was seen.
    pub(in crate::token) fn age(&self) -> Option<Duration> {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let age = self.clock.now().duration_since(renewed?);
        Some(age.unwrap_or_default())
    }

    /// Reads how old what is kept is, whoever renewed it.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(in crate::token) async fn look(&self) -> Result<Option<Duration>, StoreError> {
        // The store's own reads come one at a time, too.
        let _alone = self.state.lock().await;
        let kept = self.store.look().await?;
        self.note(kept.renewed);
        Ok(self.age())
    }

    /// Marks the refresh token where that costs no more than a look into a file.
    pub(in crate::token) async fn mark(&self) -> Option<Mark> {
        let kept = self.store.glance().await?;
        Some(Mark::of(&[kept.token.expose_secret().as_bytes()]))
    }

    async fn present(
        &self,
        exchange: &Exchange,
        state: &mut State,
        claim: Claim,
    ) -> Result<AccessToken, GrantError> {
        if !claim.leaves_time() {
            claim.release().await;
            return Err(StoreError::Busy.into());
        }
        let response = match exchange.ask(Asking::ByRefreshToken(claim.token())).await {
            Ok(response) => response,
            Err(error) => {
                let error = state.refused_until_mended(&claim, error);
                claim.release().await;
                return Err(error);
            }
        };
        let access = exchange.accept(&response);
        if access.as_ref().is_err_and(GrantError::is_a_mix_up) {
            // A mixed-up answer has no say in what is kept.
            claim.release().await;
            return access;
        }
        let fresh = response.refresh_token();
        let fresh = fresh.and_then(|token| well_formed(token.secret()));
        let Some(token) = fresh.filter(|token| !same(token, claim.token())) else {
            self.keep_again(claim).await;
            return access;
        };
        state.unkept = Some(Unkept {
            claim,
            token,
            access,
        });
        let kept = self.keep_unkept(state).await?;
        kept.ok_or(GrantError::Malformed(
            "its token is over before it was kept",
        ))
    }

    /// Keeps what was had before, and hands out the access token that came with it.
    async fn keep_unkept(&self, state: &mut State) -> Result<Option<AccessToken>, GrantError> {
        let Some(unkept) = &state.unkept else {
            return Ok(None);
        };
        self.keep(&unkept.claim, &unkept.token).await?;
        let access = state.unkept.take().map(|unkept| unkept.access);
        let access = access.transpose()?;
        Ok(access.filter(|access| access.is_usable(Instant::now())))
    }

    async fn keep(&self, claim: &Claim, token: &SecretString) -> Result<(), StoreError> {
        match claim.keep(token).await? {
            Stored::Ours => self.note(Some(self.clock.now())),
            Stored::Another => warn!("another refresh token was kept meanwhile, and stays"),
        }
        Ok(())
    }

    /// No other token came: the one presented goes on, and its use is noted as a renewal.
    async fn keep_again(&self, claim: Claim) {
        if let Err(error) = self.keep(&claim, claim.token()).await {
            warn!(error = %cause::chain(&error), "use of the refresh token not noted in its store");
            claim.release().await;
        }
    }

    /// A token that was refused is left alone; whether another has come is looked at each time.
    async fn still_refused(&self, state: &mut State) -> Result<Option<Arc<Refusal>>, StoreError> {
        if state.refused.is_none() {
            return Ok(None);
        }
        let kept = self.store.look().await?;
        Ok(state.refusal_of(&kept.token))
    }

    fn note(&self, renewed: Option<SystemTime>) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
    }
}

impl State {
    fn refusal_of(&mut self, token: &SecretString) -> Option<Arc<Refusal>> {
        let now = Instant::now();
        self.refused = self.refused.take().filter(|refused| refused.until > now);
        let refused = self.refused.as_ref();
        let refused = refused.filter(|refused| same(&refused.token, token));
        refused.map(|refused| Arc::clone(&refused.refusal))
    }

    /// Remembers a refusal that only a person can mend: for long where the token itself is dead, else
    /// no longer than this trip, because what is in its way may be mended elsewhere.
    fn refused_until_mended(&mut self, claim: &Claim, error: GrantError) -> GrantError {
        let refusal: Arc<Refusal> = match error {
            GrantError::Refused(refusal) if refusal.ends_consent() => Arc::from(refusal),
            other => return other,
        };
        let remembered = if refusal.is_of_a_dead_token() {
            error!(error = %GrantError::ConsentRequired(Arc::clone(&refusal)), "refresh token refused");
            DEAD
        } else {
            THIS_TRIP
        };
        self.refused = Some(Refused {
            token: claim.token().clone(),
            refusal: Arc::clone(&refusal),
            until: Instant::now() + remembered,
        });
        GrantError::ConsentRequired(refusal)
    }
}

/// A token that is dead stays so; asking again now and then costs little.
const DEAD: Duration = Duration::from_hours(1);

/// Shorter than the minute for which the token cell remembers what a person must mend.
const THIS_TRIP: Duration = Duration::from_secs(30);

/// How often a store is tried before the process ends.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
