//! A refresh token in a file of the gateway's own.

use std::{fs::File, io, path::Path, time::Duration};

use secrecy::SecretString;
use tokio::time::Instant;

use crate::token::refresh_store::{Kept, Stored, error::StoreError, files::Files, same};

/// The files, worked on in threads meant for it.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct FileStore {
    files: Files,
}

impl FileStore {
    pub(in crate::token::refresh_store) fn new(path: &Path) -> Self {
        Self {
            files: Files::new(path),
        }
    }

    pub(in crate::token::refresh_store) async fn look(&self) -> Result<Kept, StoreError> {
        self.run(Files::read).await
    }

    pub(in crate::token::refresh_store) async fn claim(&self) -> Result<(Kept, File), StoreError> {
        let lock = self.lock().await?;
        let kept = self
            .run(|files| {
                files.roll_forward()?;
                let kept = files.read()?;
                files.rehearse()?;
                Ok(kept)
            })
            .await?;
        Ok((kept, lock))
    }

    /// The caller holds the lock by its claim.
    pub(in crate::token::refresh_store) async fn keep(
        &self,
        presented: &SecretString,
        token: &SecretString,
    ) -> Result<Stored, StoreError> {
        let (presented, token) = (presented.clone(), token.clone());
        self.run(move |files| match files.read() {
            // A person has put another one there by hand.
            Ok(kept) if !same(&kept.token, &presented) && !same(&kept.token, &token) => {
                Ok(Stored::Another)
            }
            _ => {
                files.write_next(&token)?;
                files.put_in_place()?;
                Ok(Stored::Ours)
            }
        })
        .await
    }

    pub(in crate::token::refresh_store) async fn keep_new_consent(
        &self,
        token: &SecretString,
    ) -> Result<(), StoreError> {
        let lock = self.lock().await?;
        let token = token.clone();
        self.run(move |files| {
            files.rehearse()?;
            files.write_next(&token)?;
            files.put_in_place()
        })
        .await?;
        drop(lock);
        Ok(())
    }

    /// Takes the room that a token will need, and leaves what is kept as it is.
    pub(in crate::token::refresh_store) async fn rehearse(&self) -> Result<(), StoreError> {
        let lock = self.lock().await?;
        self.run(|files| {
            files.roll_forward()?;
            files.rehearse()
        })
        .await?;
        drop(lock);
        Ok(())
    }

    async fn lock(&self) -> Result<File, StoreError> {
        let began = Instant::now();
        loop {
            if let Some(lock) = self.run(Files::try_lock).await? {
                return Ok(lock);
            }
            if began.elapsed() >= LONGEST_WAIT {
                return Err(StoreError::Busy);
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    /// A disk that hangs is left behind; what it does later, it does to the same effect.
    async fn run<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Files) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let files = self.files.clone();
        let working = tokio::task::spawn_blocking(move || step(&files));
        let source = match tokio::time::timeout(LONGEST_STEP, working).await {
            Ok(Ok(done)) => return done,
            Ok(Err(gone)) => gone.into(),
            Err(late) => io::Error::from(late),
        };
        Err(self.files.unusable(source))
    }
}

/// Longer than whoever has the right may take to present the token and to keep the new one.
const LONGEST_WAIT: Duration = Duration::from_secs(50);

/// How often a lock is tried that somebody has.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// A disk that takes longer is not there.
const LONGEST_STEP: Duration = Duration::from_secs(10);
