//! Where a secret lives, and reading it the moment it is needed.

use std::{fs, io, path::PathBuf};

use secrecy::SecretString;

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

impl SecretSource {
    /// Reads the secret; line ends at the end of a file are not part of it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is empty.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let text = fs::read_to_string(path).map_err(|source| SecretError::Read {
                    path: path.clone(),
                    source,
                })?;
                let text = SecretString::from(text);
                trimmed(&text).ok_or_else(|| SecretError::Empty { path: path.clone() })
            }
        }
    }
}

fn trimmed(text: &SecretString) -> Option<SecretString> {
    use secrecy::ExposeSecret as _;

    let secret = text.expose_secret().trim_end_matches(['\r', '\n']);
    (!secret.trim().is_empty()).then(|| SecretString::from(secret))
}
