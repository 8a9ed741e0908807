//! A refresh token in a key-value bucket of the cluster, which replicas share and which never sees it in the clear.
//!
//! A replica writes its claim beside the token before it presents it, under the revision that it has read; so of
//! several, one at a time presents it. The new token and the end of the claim are one write. Only `login` makes the
//! bucket: one that is gone took a token with it, and a gateway that made another would hide that.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    cause,
    clock::SharedClock,
    cluster::{bucket::Bucket, bucket_error::BucketError, entry::Written},
    file::Disk,
    secret::SecretSource,
    token::refresh_store::{
        Kept, Stored, Surroundings,
        claimant::{self, Claimant, LONGEST_WAIT, TRIES},
        encryption_key::Keys,
        envelope::{Content, Unopened},
        error::{SetupFault, StoreError},
        place::Place,
        same,
        settings::NatsKey,
        well_formed,
    },
};

/// One key of one bucket, and who this process is among those that share it.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct NatsStore {
    bucket: Bucket,
    settings: NatsKey,
    place: Place,
    disk: Disk,
    clock: SharedClock,
    claimant: Claimant,
    /// Whether a token was ever found there.
    held: AtomicBool,
}

/// This process's claim: what was written with it, under which revision, and the keys that opened it.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct Sealed {
    content: Content,
    revision: u64,
    keys: Keys,
}

impl NatsStore {
    pub(in crate::token::refresh_store) fn new(
        settings: &NatsKey,
        around: Surroundings<'_>,
    ) -> Result<Self, SetupFault> {
        let cluster = around.cluster.ok_or(SetupFault::NoCluster)?;
        Ok(Self {
            bucket: Bucket::new(Arc::clone(cluster), settings.bucket.clone()),
            place: Place(format!(
                "key {} of NATS bucket {}",
                settings.key, settings.bucket
            )),
            settings: settings.clone(),
            disk: Disk::default(),
            clock: SharedClock::clone(around.clock),
            claimant: Claimant::new(),
            held: AtomicBool::new(false),
        })
    }

    pub(in crate::token::refresh_store) async fn look(&self) -> Result<Kept, StoreError> {
        let sealed = self.read().await?;
        self.kept(&sealed.content)
    }

    /// Waits for whoever has the right, and tells since when it is ours.
    pub(in crate::token::refresh_store) async fn claim(
        &self,
        stop: &CancellationToken,
    ) -> Result<(Kept, Sealed, Instant), StoreError> {
        let began = Instant::now();
        while began.elapsed() < LONGEST_WAIT {
            if stop.is_cancelled() {
                return Err(StoreError::Leaving);
            }
            let mut sealed = self.read().await?;
            let kept = self.kept(&sealed.content)?;
            if self.claimant.may_claim(sealed.content.claim.as_deref()) {
                let taken = Instant::now();
                sealed.content.claim = Some(self.claimant.claim());
                if let Written::At(revision) = self.write(&sealed).await? {
                    sealed.revision = revision;
                    return Ok((kept, sealed, taken));
                }
            }
            claimant::between_looks().await;
        }
        Err(StoreError::Busy)
    }

    pub(in crate::token::refresh_store) async fn keep(
        &self,
        mine: &Sealed,
        presented: &SecretString,
        token: &SecretString,
    ) -> Result<Stored, StoreError> {
        let mut revision = mine.revision;
        for _ in 0..TRIES {
            let new = Sealed {
                content: self.unclaimed(token),
                revision,
                // A file of keys that is gone by now must not keep a token from being kept.
                keys: mine.keys.clone(),
            };
            if let Written::At(_) = self.write(&new).await? {
                return Ok(Stored::Ours);
            }
            let there = self.read_with(mine.keys.clone()).await?;
            match there.content.token.as_ref() {
                // A write whose answer was lost.
                Some(there) if same(there, token) && !same(token, presented) => {
                    return Ok(Stored::Ours);
                }
                Some(there) if !same(there, presented) => return Ok(Stored::Another),
                // Others wrote the same again, or emptied it.
                _ => revision = there.revision,
            }
        }
        Err(self.place.contended())
    }

    /// Ends the claim where it still stands; one that cannot be ended runs out.
    pub(in crate::token::refresh_store) async fn release(&self, mine: &Sealed) {
        let released = async {
            let mut there = Sealed {
                content: mine.content.clone(),
                revision: mine.revision,
                keys: mine.keys.clone(),
            };
            for _ in 0..TRIES {
                there.content.claim = None;
                if let Written::At(_) = self.write(&there).await? {
                    return Ok(());
                }
                there = self.read_with(mine.keys.clone()).await?;
                if there.content.claim != mine.content.claim {
                    return Ok(());
                }
            }
            Err(self.place.contended())
        };
        if let Err(error) = released.await {
            debug!(error = %cause::chain(&error), "claim not ended; it runs out");
        }
    }

    /// Keeps a token in the place of another that the key file opens; one that it does not open stays.
    pub(in crate::token::refresh_store) async fn keep_new_consent(
        &self,
        token: &SecretString,
    ) -> Result<(), StoreError> {
        self.make().await?;
        for _ in 0..TRIES {
            let mut sealed = self.read().await?;
            sealed.content = self.unclaimed(token);
            if let Written::At(_) = self.write(&sealed).await? {
                return Ok(());
            }
        }
        Err(self.place.contended())
    }

    /// Makes the bucket where it is absent, and writes back what is there, which takes the right to write.
    pub(in crate::token::refresh_store) async fn rehearse(&self) -> Result<(), StoreError> {
        self.make().await?;
        let sealed = self.read().await?;
        self.write(&sealed).await.map(drop)
    }

    async fn make(&self) -> Result<(), StoreError> {
        self.bucket
            .make()
            .await
            .map_err(|error| self.unusable(error))
    }

    async fn read(&self) -> Result<Sealed, StoreError> {
        self.read_with(self.keys().await?).await
    }

    async fn read_with(&self, keys: Keys) -> Result<Sealed, StoreError> {
        let entry = self.bucket.read(&self.settings.key).await;
        let entry = entry.map_err(|error| self.unusable(error))?;
        let content = match entry.value {
            Some(envelope) => Content::open(&envelope, &keys, &self.about()),
            None => Ok(Content::default()),
        };
        let content = content.map_err(|why| self.unopened(why))?;
        if content.token.is_some() {
            self.held.store(true, Ordering::Relaxed);
        }
        Ok(Sealed {
            content,
            revision: entry.revision,
            keys,
        })
    }

    async fn write(&self, sealed: &Sealed) -> Result<Written, StoreError> {
        let envelope = sealed.content.seal(&sealed.keys, &self.about());
        let envelope = envelope.map_err(|_| self.place.odd("it cannot be sealed"))?;
        let key = &self.settings.key;
        let written = self.bucket.write(key, envelope.into(), sealed.revision);
        written.await.map_err(|error| self.unusable(error))
    }

    /// The keys as they are in their file now, so that they can be replaced.
    async fn keys(&self) -> Result<Keys, StoreError> {
        let path = self.key_file();
        let text = SecretSource::File(path.clone()).read(&self.disk).await;
        let text = text.map_err(StoreError::EncryptionKey)?;
        Keys::parse(text.expose_secret()).map_err(|source| StoreError::NoKeys { path, source })
    }

    fn unclaimed(&self, token: &SecretString) -> Content {
        Content {
            token: Some(token.clone()),
            renewed: Some(self.clock.now()),
            claim: None,
        }
    }

    fn kept(&self, content: &Content) -> Result<Kept, StoreError> {
        let token = content.token.as_ref().ok_or_else(|| self.place.empty())?;
        let token = well_formed(token.expose_secret()).ok_or_else(|| self.place.malformed())?;
        Ok(Kept {
            token,
            renewed: content.renewed,
        })
    }

    fn unusable(&self, source: BucketError) -> StoreError {
        let place = self.place.0.clone();
        match source {
            BucketError::Absent(_) if self.held.load(Ordering::Relaxed) => {
                StoreError::Gone { place }
            }
            BucketError::Absent(_) => StoreError::Empty { place },
            source => StoreError::Bucket { place, source },
        }
    }

    fn unopened(&self, why: Unopened) -> StoreError {
        let (place, path) = (self.place.0.clone(), self.key_file());
        match why {
            Unopened::Unknown => StoreError::Unsealed { place },
            Unopened::OtherKey => StoreError::OtherKey { place, path },
            Unopened::Changed => StoreError::Tampered { place, path },
        }
    }

    fn key_file(&self) -> PathBuf {
        self.settings.encryption_key.clone()
    }

    fn about(&self) -> [&str; 2] {
        [&self.settings.bucket, &self.settings.key]
    }
}
