//! Reading a file that somebody else keeps: whole, of bounded size, and never a pipe.
//!
//! This room knows nothing of ours.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Reads a whole file; blocks while the disk does.
///
/// # Errors
///
/// When it cannot be read, is a pipe or a device, which could be read for ever, or is over 16 MiB.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let refused = |problem| Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    let metadata = fs::metadata(path)?;
    if !(metadata.is_file() || metadata.is_dir()) {
        return refused("it is a pipe or a device; accepted: a file");
    }
    if metadata.len() > LARGEST_BYTES {
        return refused("it is too large; accepted: 16MiB at most");
    }
    fs::read(path)
}

/// Reads a whole file where a disk that hangs holds nobody up.
///
/// # Errors
///
/// Those of [`read`], and when the disk has not answered in 5 s.
pub async fn read_in_time(path: PathBuf) -> io::Result<Vec<u8>> {
    let reading = tokio::task::spawn_blocking(move || read(&path));
    match tokio::time::timeout(LONGEST_READ, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(gone)) => Err(gone.into()),
        Err(late) => Err(late.into()),
    }
}

/// Room for a policy that names some 400,000 customers.
const LARGEST_BYTES: u64 = 16 << 20;

/// A disk that takes longer is not there.
const LONGEST_READ: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::net::UnixListener};

    use super::*;

    #[tokio::test]
    async fn reads_files_and_nothing_that_has_no_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("sound"), "content").unwrap();
        File::create(path("large"))
            .unwrap()
            .set_len(LARGEST_BYTES + 1)
            .unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();

        assert_eq!(read(&path("sound")).unwrap(), b"content");
        assert_eq!(read_in_time(path("sound")).await.unwrap(), b"content");
        for name in ["large", "socket", "absent", "."] {
            assert!(read(&path(name)).is_err(), "{name}");
            assert!(read_in_time(path(name)).await.is_err(), "{name}");
        }
    }
}
