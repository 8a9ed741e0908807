//! Where a secret lives, and reading it the moment it is needed.

use std::{
    io,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use crate::file::Disk;

/// A reference to a secret; never the secret in the configuration file itself.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// A file, read anew at each use, so that a rotated secret needs no restart.
    File(PathBuf),
    /// A value taken from the environment when the configuration was loaded.
    Value(SecretString),
}

/// The secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be opened, or is not UTF-8.
    #[error("reading the secret file {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file holds nothing but white space.
    #[error("the secret file {path:?} is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl SecretError {
    /// Whether it may pass without a person: a file that is being replaced, or a disk that hangs.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Read { .. })
    }
}

impl SecretSource {
    /// Reads the secret; line ends at the end of a file are not part of it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is empty.
    pub async fn read(&self, disk: &Disk) -> Result<SecretString, SecretError> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let text = text(path, disk).await.map_err(|source| SecretError::Read {
                    path: path.clone(),
                    source,
                })?;
                trimmed(&text).ok_or_else(|| SecretError::Empty { path: path.clone() })
            }
        }
    }
}

async fn text(path: &Path, disk: &Disk) -> io::Result<SecretString> {
    let content = disk.read(path.to_owned(), LARGEST_BYTES).await?;
    let text = String::from_utf8(content)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))?;
    Ok(text.into())
}

fn trimmed(text: &SecretString) -> Option<SecretString> {
    use secrecy::ExposeSecret as _;

    let secret = text.expose_secret().trim_end_matches(['\r', '\n']);
    (!secret.trim().is_empty()).then(|| SecretString::from(secret))
}

/// 1 MiB; no secret comes near it.
const LARGEST_BYTES: u64 = 1 << 20;
