//! Reading files that somebody else keeps: whole, of bounded size, never a pipe, and without holding up
//! whoever waits for something else.
//!
//! This room knows nothing of ours.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::Semaphore;

/// Reads files in threads meant for it, one at a time.
///
/// A read from a mount that hangs cannot be broken off. While one does, others fail at once, so that
/// they neither wait for it nor take up thread after thread.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Semaphore>);

impl Default for Disk {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Disk {
    /// Reads a whole file.
    ///
    /// # Errors
    ///
    /// Those of [`read`], and when the disk does not answer in 5 s, or an earlier read still waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the read under way; what it brings is lost.
    pub async fn read(&self, path: PathBuf, limit_bytes: u64) -> io::Result<Vec<u8>> {
        self.run(move || read(&path, limit_bytes)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let hangs = |_| io::Error::other("an earlier read has not come back");
        let place = Arc::clone(&self.0).try_acquire_owned().map_err(hangs)?;
        let reading = tokio::task::spawn_blocking(move || {
            let content = read();
            drop(place);
            content
        });
        match tokio::time::timeout(LONGEST_READ, reading).await {
            Ok(Ok(content)) => content,
            Ok(Err(gone)) => Err(gone.into()),
            Err(late) => Err(late.into()),
        }
    }
}

/// Reads a whole file; blocks while the disk does.
///
/// # Errors
///
/// When it cannot be read, is a pipe or a device, which could be read for ever, or is too large.
pub fn read(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::other(format!("it is over {limit_bytes} bytes"));
    // Opening a pipe waits for whoever writes to it, so its kind is looked at before.
    let metadata = fs::metadata(path)?;
    if !(metadata.is_file() || metadata.is_dir()) {
        return Err(io::Error::other("it is a pipe or a device"));
    }
    if metadata.len() > limit_bytes {
        return Err(too_large());
    }
    let mut content = Vec::new();
    let file = File::open(path)?;
    // It may have grown since.
    let mut bounded = file.take(limit_bytes.saturating_add(1));
    bounded.read_to_end(&mut content)?;
    match u64::try_from(content.len()) {
        Ok(length) if length <= limit_bytes => Ok(content),
        _ => Err(too_large()),
    }
}

/// 16 MiB, for files that have no closer limit: a policy that names some 400,000 customers.
pub const LARGEST_BYTES: u64 = 16 << 20;

/// A disk that takes longer is not there.
const LONGEST_READ: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_nothing_beside_a_read_that_hangs() {
        let disk = Disk::default();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let hanging = disk.run(move || Ok(wait.recv()));
        let mut hanging = std::pin::pin!(hanging);
        assert!(futures_util::poll!(hanging.as_mut()).is_pending());

        let beside = disk.run(|| Ok(7)).await;

        let told = beside.unwrap_err().to_string();
        assert_eq!(told, "an earlier read has not come back");
        drop(go);
        assert!(hanging.await.unwrap().is_err());
        assert_eq!(disk.run(|| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_no_disk_longer_than_five_seconds() {
        let disk = Disk::default();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let hanging = disk.run(move || Ok(wait.recv()));
        let mut hanging = std::pin::pin!(hanging);

        assert!(futures_util::poll!(hanging.as_mut()).is_pending());
        tokio::time::advance(Duration::from_millis(4999)).await;
        assert!(futures_util::poll!(hanging.as_mut()).is_pending());
        tokio::time::advance(Duration::from_millis(1)).await;

        assert_eq!(hanging.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(go);
    }

    #[tokio::test]
    async fn reads_regular_files_up_to_their_limit() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "12345").unwrap();
        let told = |path: &Path, limit| read(path, limit).unwrap_err().to_string();

        assert_eq!(read(&file, 5).unwrap(), b"12345");
        assert_eq!(
            Disk::default().read(file.clone(), 5).await.unwrap(),
            b"12345"
        );
        assert_eq!(told(&file, 4), "it is over 4 bytes");
        assert_eq!(told(Path::new("/dev/null"), 5), "it is a pipe or a device");
        assert!(told(dir.path(), 1 << 20).starts_with("Is a directory"));
        assert!(told(&dir.path().join("absent"), 5).starts_with("No such file"));
    }
}
