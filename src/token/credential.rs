//! How the application proves to Entra ID that it is the application.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    file::Disk,
    secret::{SecretError, SecretSource},
    token::mark::Mark,
};

/// The credential of the configuration.
#[derive(Clone, Debug)]
pub enum Settings {
    /// A secret that the application and Entra ID share.
    ClientSecret(SecretSource),
    /// A certificate, whose private key signs an assertion for each request.
    Certificate {
        /// The certificate, in PEM.
        certificate_file: PathBuf,
        /// Its RSA key, in PEM.
        private_key_file: PathBuf,
    },
    /// A token of another issuer that Entra ID trusts for the application: workload identity.
    FederatedToken(SecretSource),
}

/// Proves, once per HTTP request, that the application is the application.
#[derive(Debug)]
pub struct Credential {
    settings: Settings,
    disk: Disk,
}

/// What one request shows.
#[derive(Debug)]
pub enum Proof {
    /// As `client_secret`.
    Secret(SecretString),
    /// As `client_assertion`.
    Assertion(SecretString),
}

/// The credential cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Its file cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It is not there yet.
    #[error("this kind of credential is not available")]
    Unavailable,
}

impl Credential {
    /// Prepares a credential; nothing is read yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            disk: Disk::default(),
        }
    }

    /// Makes what one HTTP request shows; each attempt needs a proof of its own.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or does not hold what it should.
    pub async fn prove(&self) -> Result<Proof, CredentialError> {
        match &self.settings {
            Settings::ClientSecret(source) => Ok(Proof::Secret(source.read(&self.disk).await?)),
            Settings::Certificate { .. } | Settings::FederatedToken(_) => {
                Err(CredentialError::Unavailable)
            }
        }
    }

    /// Marks what the files of the credential hold now; nothing where they cannot be read.
    pub async fn mark(&self) -> Option<Mark> {
        let Settings::ClientSecret(source) = &self.settings else {
            return None;
        };
        let secret = source.read(&self.disk).await.ok()?;
        Some(Mark::of(&[secret.expose_secret().as_bytes()]))
    }
}
