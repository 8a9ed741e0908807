//! Where the refresh token of an App+User account is kept between its uses.
//!
//! A strict server withdraws the whole consent when a refresh token is shown twice, so the right to
//! present what is kept is claimed first, and a new token takes its place only while that place still
//! holds the one presented. Who comes second reads again; nothing is deleted, nothing overwritten.
//! This room knows nothing of how a token is presented.

pub mod encryption_key;
pub mod error;
pub mod settings;

mod claimant;
mod envelope;
mod file;
mod files;
mod key_vault;
mod kubernetes;
mod nats;
mod own_file;
mod place;
mod secret_api;
mod secret_object;

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{
    claimant::LATEST_PRESENTATION,
    error::{SetupFault, StoreError},
    file::{FileStore, Locked},
    key_vault::KeyVaultStore,
    kubernetes::{KubernetesStore, Mine},
    nats::{NatsStore, Sealed},
    settings::{KeyVault, KubernetesSecret, NatsKey},
};
use crate::{clock::SharedClock, cluster::Cluster, http_client::Connect};

/// The store of the configuration.
#[derive(Clone, Debug)]
pub enum Settings {
    /// A file of the gateway's own, on a disk that outlives it.
    File(PathBuf),
    /// One key of a Kubernetes Secret that holds nothing else.
    KubernetesSecret(KubernetesSecret),
    /// A secret in Azure Key Vault.
    KeyVault(KeyVault),
    /// One key of a bucket of the cluster.
    Nats(NatsKey),
}

/// The store of one account.
#[derive(Debug)]
pub struct RefreshStore(Keeper);

#[derive(Debug)]
enum Keeper {
    File(FileStore),
    Kubernetes(Arc<KubernetesStore>),
    KeyVault(Arc<KeyVaultStore>),
    Nats(Arc<NatsStore>),
}

/// A refresh token as it is kept; `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The token.
    pub token: SecretString,
    /// When it was last renewed, as far as the store knows.
    pub renewed: Option<SystemTime>,
}

/// The right to present what is kept, for as long as it takes.
#[derive(Debug)]
pub struct Claim {
    kept: Kept,
    taken: Instant,
    hold: Hold,
}

/// What it takes to end a claim, in the store that it is of.
#[derive(Debug)]
enum Hold {
    /// The kernel frees the lock when the file is closed, whoever closes it.
    File(Locked),
    Kubernetes(Arc<KubernetesStore>, Mine),
    KeyVault(Arc<KeyVaultStore>),
    Nats(Arc<NatsStore>, Sealed),
}

/// What came of keeping a new token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is kept.
    Ours,
    /// Another one has taken the presented one's place since, and stays.
    Another,
}

/// What a store needs to reach the one that keeps.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "a function has none")]
pub struct Surroundings<'a> {
    /// Makes the clients that go out.
    pub connect: &'a Connect,
    /// How long a connection may take to open.
    pub connect_timeout: std::time::Duration,
    /// Stamps what is renewed.
    pub clock: &'a SharedClock,
    /// The cluster, where there is one.
    pub cluster: Option<&'a Arc<Cluster>>,
}

impl RefreshStore {
    /// Prepares a store; nothing is read yet.
    ///
    /// # Errors
    ///
    /// When its connections cannot be set up.
    pub fn new(settings: &Settings, around: Surroundings<'_>) -> Result<Self, SetupFault> {
        Ok(Self(match settings {
            Settings::File(path) => Keeper::File(FileStore::new(path)),
            Settings::KubernetesSecret(secret) => {
                Keeper::Kubernetes(KubernetesStore::new(secret, around)?.into())
            }
            Settings::KeyVault(vault) => {
                Keeper::KeyVault(KeyVaultStore::new(vault, around)?.into())
            }
            Settings::Nats(key) => Keeper::Nats(NatsStore::new(key, around)?.into()),
        }))
    }

    /// Reads what is kept without claiming it.
    ///
    /// # Errors
    ///
    /// When nothing is kept, or the store cannot be read.
    pub async fn look(&self) -> Result<Kept, StoreError> {
        match &self.0 {
            Keeper::File(store) => store.look().await,
            Keeper::Kubernetes(store) => store.look().await,
            Keeper::KeyVault(store) => store.look().await,
            Keeper::Nats(store) => store.look().await,
        }
    }

    /// Reads what is kept where no other machine has to be asked; nothing where it cannot be read.
    pub(in crate::token) async fn glance(&self) -> Option<Kept> {
        match &self.0 {
            Keeper::File(store) => store.look().await.ok(),
            Keeper::Kubernetes(_) | Keeper::KeyVault(_) | Keeper::Nats(_) => None,
        }
    }

    /// Takes the right to present what is kept, waiting for whoever has it, until told to stop.
    ///
    /// # Errors
    ///
    /// When nothing is kept, somebody else has the right for too long, or the store cannot be written.
    ///
    /// # Cancel safety
    ///
    /// A claim that was under way may stand in the store; it runs out.
    pub async fn claim(&self, stop: &CancellationToken) -> Result<Claim, StoreError> {
        let taken = Instant::now();
        let (kept, hold, taken) = match &self.0 {
            Keeper::File(store) => {
                let (kept, locked) = store.claim(stop).await?;
                (kept, Hold::File(locked), Instant::now())
            }
            Keeper::Kubernetes(store) => {
                let (kept, mine, taken) = store.claim(stop).await?;
                (kept, Hold::Kubernetes(Arc::clone(store), mine), taken)
            }
            Keeper::KeyVault(store) => {
                let kept = store.look().await?;
                (kept, Hold::KeyVault(Arc::clone(store)), taken)
            }
            Keeper::Nats(store) => {
                let (kept, sealed, taken) = store.claim(stop).await?;
                (kept, Hold::Nats(Arc::clone(store), sealed), taken)
            }
        };
        Ok(Claim { kept, taken, hold })
    }

    /// Tries whether a token could be kept, as far as that can be known without keeping one: of a vault
    /// only whether it can be read.
    ///
    /// # Errors
    ///
    /// When it could not.
    pub async fn rehearse(&self) -> Result<(), StoreError> {
        match &self.0 {
            Keeper::File(store) => store.rehearse().await,
            Keeper::Kubernetes(store) => store.rehearse().await,
            Keeper::KeyVault(store) => match store.look().await {
                Ok(_) | Err(StoreError::Empty { .. } | StoreError::Malformed { .. }) => Ok(()),
                Err(error) => Err(error),
            },
            Keeper::Nats(store) => store.rehearse().await,
        }
    }

    /// Keeps the token of a consent that a person has just given, whatever was kept before.
    ///
    /// # Errors
    ///
    /// When the store cannot be written, or a file is being presented right now.
    pub async fn keep_new_consent(&self, token: &SecretString) -> Result<(), StoreError> {
        match &self.0 {
            Keeper::File(store) => store.keep_new_consent(token).await,
            Keeper::Kubernetes(store) => store.keep_new_consent(token).await,
            Keeper::KeyVault(store) => store.put(token).await,
            Keeper::Nats(store) => store.keep_new_consent(token).await,
        }
    }
}

impl Claim {
    /// The token that may be presented.
    #[must_use]
    pub fn token(&self) -> &SecretString {
        &self.kept.token
    }

    /// The token with its age.
    #[must_use]
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Puts a new token in the place of the one that was presented, and ends the claim on success.
    ///
    /// # Errors
    ///
    /// When the store cannot be written; the claim stands, and the same can be tried again.
    pub async fn keep(&self, token: &SecretString) -> Result<Stored, StoreError> {
        let presented = self.token();
        match &self.hold {
            Hold::File(locked) => locked.keep(presented, token).await,
            Hold::Kubernetes(store, mine) => store.keep(mine, presented, token).await,
            Hold::KeyVault(store) => store.keep(presented, token).await,
            Hold::Nats(store, sealed) => store.keep(sealed, presented, token).await,
        }
    }

    /// Gives the right back with nothing changed; a claim that cannot be ended runs out.
    pub async fn release(self) {
        match &self.hold {
            Hold::File(locked) => locked.release().await,
            Hold::Kubernetes(store, mine) => store.release(mine).await,
            Hold::KeyVault(_) => {}
            Hold::Nats(store, sealed) => store.release(sealed).await,
        }
    }

    /// Whether there is time to present the token before others may think its holder dead.
    #[must_use]
    pub fn leaves_time(&self) -> bool {
        match self.hold {
            Hold::File(_) | Hold::KeyVault(_) => true,
            Hold::Kubernetes(..) | Hold::Nats(..) => self.taken.elapsed() <= LATEST_PRESENTATION,
        }
    }
}

/// Whether two tokens are the same.
pub(in crate::token) fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

/// A refresh token is visible ASCII, of one line
/// (<https://www.rfc-editor.org/rfc/rfc6749#appendix-A.17>).
pub(in crate::token) fn well_formed(text: &str) -> Option<SecretString> {
    let text = text.trim_ascii();
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then(|| text.into())
}
