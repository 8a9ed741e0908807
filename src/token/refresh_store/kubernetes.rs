//! A refresh token in a Kubernetes Secret, which replicas share.
//!
//! A replica writes its claim into the Secret before it presents the token, under the version that it
//! has read; so of several, one at a time presents it. The others count a claim's time by their own
//! clock from when they first saw it, as Kubernetes' own leader election does: no two clocks need agree,
//! and a claim that does not end is its holder's crash. The new token and the end of the claim are one
//! update.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use uuid::Uuid;

use crate::{
    cause,
    clock::SharedClock,
    token::refresh_store::{
        Kept, KubernetesSecret, Stored, Surroundings,
        error::{SetupFault, StoreError},
        same,
        secret_api::{SecretApi, Update},
        secret_object::SecretObject,
        well_formed,
    },
};

/// One key of one Secret, and who this process is among those that share it.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct KubernetesStore {
    secret: SecretApi,
    key: String,
    clock: SharedClock,
    holder: String,
    sighted: Mutex<Option<Sighting>>,
}

/// This process's claim, with the object that it was written into.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct Mine(SecretObject);

/// Another process's claim, and when it was first seen.
#[derive(Debug)]
struct Sighting {
    claim: String,
    first: Instant,
}

impl KubernetesStore {
    pub(in crate::token::refresh_store) fn new(
        settings: &KubernetesSecret,
        around: Surroundings<'_>,
    ) -> Result<Self, SetupFault> {
        Ok(Self {
            key: settings.key.clone(),
            secret: SecretApi::new(settings, around)?,
            clock: SharedClock::clone(around.clock),
            holder: Uuid::new_v4().to_string(),
            sighted: Mutex::default(),
        })
    }

    pub(in crate::token::refresh_store) async fn look(&self) -> Result<Kept, StoreError> {
        self.kept(&self.secret.read().await?)
    }

    /// Waits for whoever has the right, and tells since when it is ours.
    pub(in crate::token::refresh_store) async fn claim(
        &self,
        stop: &CancellationToken,
    ) -> Result<(Kept, Mine, Instant), StoreError> {
        let began = Instant::now();
        while began.elapsed() < LONGEST_WAIT {
            if stop.is_cancelled() {
                return Err(StoreError::Leaving);
            }
            let mut secret = self.secret.read().await?;
            let kept = self.kept(&secret)?;
            if self.is_free(&secret) {
                let taken = Instant::now();
                secret.set_claim(format!("{}/{}", self.holder, Uuid::new_v4()));
                if let Update::Done(claimed) = self.secret.update(&secret).await? {
                    return Ok((kept, Mine(claimed), taken));
                }
            }
            let jitter = BETWEEN_LOOKS.mul_f64(fastrand::f64());
            tokio::time::sleep(BETWEEN_LOOKS + jitter).await;
        }
        Err(StoreError::Busy)
    }

    pub(in crate::token::refresh_store) async fn keep(
        &self,
        mine: &Mine,
        presented: &SecretString,
        token: &SecretString,
    ) -> Result<Stored, StoreError> {
        let mut secret = mine.0.clone();
        for _ in 0..TRIES {
            secret.put(&self.key, token, self.clock.now());
            secret.end_claim();
            if let Update::Done(_) = self.secret.update(&secret).await? {
                return Ok(Stored::Ours);
            }
            secret = self.secret.read().await?;
            match secret.text(&self.key).as_ref().and_then(trimmed) {
                // An update whose answer was lost.
                Some(there) if same(&there, token) && !same(token, presented) => {
                    return Ok(Stored::Ours);
                }
                // Others changed something else, or emptied it.
                Some(there) if !same(&there, presented) => return Ok(Stored::Another),
                _ => {}
            }
        }
        Err(self.secret.place().contended())
    }

    /// Ends the claim where it still stands; one that cannot be ended runs out.
    pub(in crate::token::refresh_store) async fn release(&self, mine: &Mine) {
        let mut secret = mine.0.clone();
        let claim = secret.claim().map(ToOwned::to_owned);
        let released = async {
            for _ in 0..TRIES {
                secret.end_claim();
                if let Update::Done(_) = self.secret.update(&secret).await? {
                    return Ok(());
                }
                secret = self.secret.read().await?;
                if secret.claim() != claim.as_deref() {
                    return Ok(());
                }
            }
            Err(self.secret.place().contended())
        };
        if let Err(error) = released.await {
            debug!(error = %cause::chain(&error), "claim not ended; it runs out");
        }
    }

    pub(in crate::token::refresh_store) async fn keep_new_consent(
        &self,
        token: &SecretString,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let mut secret = self.secret.read().await?;
            secret.put(&self.key, token, self.clock.now());
            secret.end_claim();
            if let Update::Done(_) = self.secret.update(&secret).await? {
                return Ok(());
            }
        }
        Err(self.secret.place().contended())
    }

    /// Writes the Secret back as it is, which changes nothing and takes the right to change it.
    pub(in crate::token::refresh_store) async fn rehearse(&self) -> Result<(), StoreError> {
        let secret = self.secret.read().await?;
        self.secret.update(&secret).await.map(drop)
    }

    fn kept(&self, secret: &SecretObject) -> Result<Kept, StoreError> {
        let place = self.secret.place();
        let text = secret.text(&self.key);
        let text = text.ok_or_else(|| place.empty())?;
        if text.expose_secret().trim_ascii().is_empty() {
            return Err(place.empty());
        }
        let token = trimmed(&text).ok_or_else(|| place.malformed())?;
        Ok(Kept {
            token,
            renewed: secret.renewed(),
        })
    }

    /// Whether nobody else presents the token: no claim, one of this process whose answer was lost, or
    /// one that has stood for longer than a living holder lets it.
    fn is_free(&self, secret: &SecretObject) -> bool {
        let mut sighted = self.sighted.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = secret.claim().filter(|claim| !self.is_own(claim));
        let Some(claim) = theirs else {
            *sighted = None;
            return true;
        };
        if let Some(seen) = sighted.as_ref().filter(|seen| seen.claim == claim) {
            return seen.first.elapsed() >= CLAIM_LASTS;
        }
        *sighted = Some(Sighting {
            claim: claim.to_owned(),
            first: Instant::now(),
        });
        false
    }

    fn is_own(&self, claim: &str) -> bool {
        let holder = claim.split_once('/').map_or(claim, |(holder, _)| holder);
        holder == self.holder
    }
}

fn trimmed(text: &SecretString) -> Option<SecretString> {
    well_formed(text.expose_secret())
}

/// How long a claim stands before others take its holder for dead. By [`LATEST_PRESENTATION`] the token
/// is presented, twice where an assertion was too old, each time with 5 s for files and 10 s for the
/// token endpoint.
const CLAIM_LASTS: Duration = Duration::from_secs(40);

/// A claim that took longer to write leaves no time to present the token.
pub(in crate::token::refresh_store) const LATEST_PRESENTATION: Duration = Duration::from_secs(8);

/// Longer than a claim stands, so that who waits for a holder that died goes on in its place.
const LONGEST_WAIT: Duration = Duration::from_secs(50);

/// How often a claim of somebody else's is looked at, and as much again by chance.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Others write a Secret of its own hardly ever.
const TRIES: u32 = 8;
