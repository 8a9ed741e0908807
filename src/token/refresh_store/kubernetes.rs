//! A refresh token in a Kubernetes Secret, which replicas share.
//!
//! A replica writes its claim into the Secret before it presents the token, under the version that it
//! has read; so of several, one at a time presents it. The others count a claim's time by their own
//! clock from when they first saw it, as Kubernetes' own leader election does: no two clocks need agree,
//! and a claim that does not end is its holder's crash. The new token and the end of the claim are one
//! update.

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    cause,
    clock::SharedClock,
    token::refresh_store::{
        Kept, Stored, Surroundings,
        claimant::{self, Claimant, LONGEST_WAIT, TRIES},
        error::{SetupFault, StoreError},
        same,
        secret_api::{SecretApi, Update},
        secret_object::SecretObject,
        settings::KubernetesSecret,
        well_formed,
    },
};

/// One key of one Secret, and who this process is among those that share it.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct KubernetesStore {
    secret: SecretApi,
    key: String,
    clock: SharedClock,
    claimant: Claimant,
}

/// This process's claim, with the object that it was written into.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct Mine(SecretObject);

impl KubernetesStore {
    pub(in crate::token::refresh_store) fn new(
        settings: &KubernetesSecret,
        around: Surroundings<'_>,
    ) -> Result<Self, SetupFault> {
        Ok(Self {
            key: settings.key.clone(),
            secret: SecretApi::new(settings, around)?,
            clock: SharedClock::clone(around.clock),
            claimant: Claimant::new(),
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
            if self.claimant.may_claim(secret.claim()) {
                let taken = Instant::now();
                secret.set_claim(self.claimant.claim());
                if let Update::Done(claimed) = self.secret.update(&secret).await? {
                    return Ok((kept, Mine(claimed), taken));
                }
            }
            claimant::between_looks().await;
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
}

fn trimmed(text: &SecretString) -> Option<SecretString> {
    well_formed(text.expose_secret())
}
