//! A refresh token in a file of the gateway's own.

use std::{fs::File, io, path::Path, sync::Arc, time::Duration};

use secrecy::SecretString;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    cause,
    token::refresh_store::{Kept, Stored, error::StoreError, files::Files, same},
};

/// The files, worked on in threads meant for it.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct FileStore {
    files: Files,
}

/// The right to present the token, with the room for its successor.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct Locked {
    held: Held,
    room: Arc<File>,
}

/// The files with their lock, in which each step has a share: one that is left behind on a disk that
/// hangs keeps the lock until it ends, so that nobody works on the files beside it.
#[derive(Debug)]
struct Held {
    files: Files,
    lock: Arc<File>,
}

impl FileStore {
    pub(in crate::token::refresh_store) fn new(path: &Path) -> Self {
        Self {
            files: Files::new(path),
        }
    }

    pub(in crate::token::refresh_store) async fn look(&self) -> Result<Kept, StoreError> {
        let files = self.files.clone();
        in_time(&self.files, move || files.read()).await
    }

    pub(in crate::token::refresh_store) async fn claim(
        &self,
        stop: &CancellationToken,
    ) -> Result<(Kept, Locked), StoreError> {
        let held = self.lock(stop).await?;
        let (kept, room) = held
            .run(|files| {
                files.roll_forward()?;
                Ok((files.read()?, Arc::new(files.rehearse()?)))
            })
            .await?;
        Ok((kept, Locked { held, room }))
    }

    pub(in crate::token::refresh_store) async fn keep_new_consent(
        &self,
        token: &SecretString,
    ) -> Result<(), StoreError> {
        let held = self.lock(&CancellationToken::new()).await?;
        let token = token.clone();
        held.run(move |files| {
            let room = files.rehearse()?;
            files.write_next(&room, &token)?;
            files.put_in_place()
        })
        .await
    }

    /// Tries whether there is the room that a token will need, and leaves everything as it is.
    pub(in crate::token::refresh_store) async fn rehearse(&self) -> Result<(), StoreError> {
        let held = self.lock(&CancellationToken::new()).await?;
        held.run(|files| {
            files.roll_forward()?;
            drop(files.rehearse()?);
            files.give_room_back()
        })
        .await
    }

    async fn lock(&self, stop: &CancellationToken) -> Result<Held, StoreError> {
        let began = Instant::now();
        loop {
            if stop.is_cancelled() {
                return Err(StoreError::Leaving);
            }
            let files = self.files.clone();
            let held = in_time(&self.files, move || Held::try_new(&files)).await?;
            if let Some(held) = held {
                return Ok(held);
            }
            if began.elapsed() >= LONGEST_WAIT {
                return Err(StoreError::Busy);
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
}

impl Locked {
    pub(in crate::token::refresh_store) async fn keep(
        &self,
        presented: &SecretString,
        token: &SecretString,
    ) -> Result<Stored, StoreError> {
        let (presented, token) = (presented.clone(), token.clone());
        let room = Arc::clone(&self.room);
        self.held
            .run(move |files| match files.read() {
                // A person has put another one there by hand.
                Ok(kept) if !same(&kept.token, &presented) && !same(&kept.token, &token) => {
                    files.give_room_back()?;
                    Ok(Stored::Another)
                }
                _ => {
                    files.write_next(&room, &token)?;
                    files.put_in_place()?;
                    Ok(Stored::Ours)
                }
            })
            .await
    }

    /// Gives the room back that was taken for a successor; the lock ends with its last share.
    pub(in crate::token::refresh_store) async fn release(&self) {
        if let Err(error) = self.held.run(Files::give_room_back).await {
            debug!(error = %cause::chain(&error), "room for a refresh token not given back");
        }
    }
}

impl Held {
    fn try_new(files: &Files) -> Result<Option<Self>, StoreError> {
        let files = files.resolved()?;
        let lock = files.try_lock()?;
        Ok(lock.map(|lock| Self {
            files,
            lock: Arc::new(lock),
        }))
    }

    async fn run<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Files) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (files, share) = (self.files.clone(), Arc::clone(&self.lock));
        in_time(&self.files, move || {
            let done = step(&files);
            drop(share);
            done
        })
        .await
    }
}

/// A disk that hangs is left behind.
async fn in_time<T: Send + 'static>(
    files: &Files,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let working = tokio::task::spawn_blocking(work);
    let source = match tokio::time::timeout(LONGEST_STEP, working).await {
        Ok(Ok(done)) => return done,
        Ok(Err(gone)) => gone.into(),
        Err(late) => io::Error::from(late),
    };
    Err(files.unusable(source))
}

/// Longer than whoever has the right may take to present the token and to keep the new one.
const LONGEST_WAIT: Duration = Duration::from_secs(50);

/// How often a lock is tried that somebody has.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// A disk that takes longer is not there.
const LONGEST_STEP: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::mpsc};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_step_that_is_left_behind_keeps_the_lock_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStore::new(&dir.path().join("token"));
        let held = store.lock(&CancellationToken::new()).await.unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let late = {
            let mut hanging = pin!(held.run(move |_| Ok(wait.recv())));
            assert!(futures_util::poll!(hanging.as_mut()).is_pending());
            tokio::time::advance(LONGEST_STEP).await;
            hanging.await
        };

        drop(held);

        assert!(matches!(late, Err(StoreError::Write { .. })), "{late:?}");
        assert!(store.files.try_lock().unwrap().is_none(), "two at a time");
        drop(go);
        assert!(store.lock(&CancellationToken::new()).await.is_ok());
    }

    #[tokio::test]
    async fn leaves_no_room_taken_where_nothing_was_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStore::new(&dir.path().join("token"));
        store.keep_new_consent(&"first".into()).await.unwrap();
        let next = dir.path().join("token.next");

        store.rehearse().await.unwrap();
        assert!(!next.exists(), "after a rehearsal");
        let (kept, locked) = store.claim(&CancellationToken::new()).await.unwrap();
        assert!(next.exists(), "while it is claimed");
        locked.release().await;
        assert!(!next.exists(), "after a release");
        drop(locked);
        let (_, locked) = store.claim(&CancellationToken::new()).await.unwrap();
        std::fs::write(dir.path().join("token"), "by-hand").unwrap();
        let stored = locked.keep(&kept.token, &"second".into()).await.unwrap();

        assert_eq!(stored, Stored::Another);
        assert!(!next.exists(), "beside another token");
    }

    #[tokio::test]
    async fn keeps_what_a_link_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (link, real) = (dir.path().join("link"), dir.path().join("token"));
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let store = FileStore::new(&link);

        store.keep_new_consent(&"first".into()).await.unwrap();
        let (kept, locked) = store.claim(&CancellationToken::new()).await.unwrap();
        locked.keep(&kept.token, &"second".into()).await.unwrap();

        assert_eq!(std::fs::read_link(&link).unwrap(), real);
        assert_eq!(std::fs::read_to_string(&real).unwrap().trim(), "second");
        assert!(!dir.path().join("link.lock").exists());
    }
}
