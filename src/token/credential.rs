//! How the application proves to Entra ID that it is the application.
//!
//! What a credential's files hold is read anew for each request, so that a secret, a certificate or a
//! token can be replaced without a restart.

use std::{
    io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::{
    clock::SharedClock,
    file::{self, Disk},
    secret::{SecretError, SecretSource},
    token::{
        self,
        assertion::{Algorithm, Parties, assertion},
        certificate::{Certificate, Unfit, Untimely, untimely, validity_of},
        mark::Mark,
    },
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
        /// How assertions are signed.
        algorithm: Algorithm,
    },
    /// A token of another issuer that Entra ID trusts for the application: workload identity.
    FederatedToken(SecretSource),
}

/// Proves, once per HTTP request, that the application is the application.
#[derive(Debug)]
pub struct Credential {
    settings: Settings,
    parties: Parties,
    clock: SharedClock,
    disk: Disk,
    marking: Disk,
    expires_at: Mutex<Option<SystemTime>>,
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
    /// A file of the certificate's cannot be read.
    #[error("reading {path:?}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The files do not hold a certificate with its key.
    #[error("reading the certificate {certificate_file:?} and the key {private_key_file:?}")]
    Unfit {
        /// The certificate's file.
        certificate_file: PathBuf,
        /// The key's file.
        private_key_file: PathBuf,
        /// What is wrong with them.
        source: Unfit,
    },
    /// The key does not sign.
    #[error("signing the client assertion failed")]
    Unsigned,
}

impl Settings {
    /// Tells what a person should know of the certificate's dates; it blocks while the disk does.
    #[must_use]
    pub fn untimely(&self, now: SystemTime) -> Option<Untimely> {
        untimely(&self.validity()?, now)
    }

    fn validity(&self) -> Option<RangeInclusive<SystemTime>> {
        let Self::Certificate {
            certificate_file, ..
        } = self
        else {
            return None;
        };
        validity_of(&file::read(certificate_file, LARGEST_BYTES).ok()?)
    }

    fn files(&self) -> Vec<&Path> {
        match self {
            Self::ClientSecret(SecretSource::File(file))
            | Self::FederatedToken(SecretSource::File(file)) => vec![file],
            Self::ClientSecret(SecretSource::Value(_))
            | Self::FederatedToken(SecretSource::Value(_)) => Vec::new(),
            Self::Certificate {
                certificate_file,
                private_key_file,
                algorithm: _,
            } => vec![certificate_file, private_key_file],
        }
    }
}

impl Credential {
    /// Prepares an application's credential; of what it needs, only a certificate's dates are looked at
    /// yet.
    pub(in crate::token) fn of(application: &token::Settings, clock: SharedClock) -> Self {
        let settings = application.credential.clone();
        let expires_at = settings.validity().map(|validity| *validity.end());
        Self {
            settings,
            parties: Parties {
                client_id: application.client_id.clone(),
                audience: application.assertion_audience(),
            },
            clock,
            disk: Disk::default(),
            marking: Disk::default(),
            expires_at: Mutex::new(expires_at),
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
            Settings::FederatedToken(source) => {
                Ok(Proof::Assertion(source.read(&self.disk).await?))
            }
            Settings::Certificate {
                certificate_file,
                private_key_file,
                algorithm,
            } => {
                let files = [certificate_file.as_path(), private_key_file.as_path()];
                let certificate = self.certificate(files).await?;
                let now = self.clock.now();
                self.note_dates(&certificate, now);
                assertion(&certificate, *algorithm, &self.parties, now)
                    .map(Proof::Assertion)
                    .ok_or(CredentialError::Unsigned)
            }
        }
    }

    /// Makes another proof where Entra ID has found the last one too old: a federated token that has
    /// been replaced in its file since. The same token again would only be refused again.
    pub(in crate::token) async fn renewed(&self, refused: &Proof) -> Option<Proof> {
        let (Settings::FederatedToken(source), Proof::Assertion(old)) = (&self.settings, refused)
        else {
            return None;
        };
        let token = source.read(&self.disk).await.ok()?;
        (token.expose_secret() != old.expose_secret()).then_some(Proof::Assertion(token))
    }

    /// Marks what the files hold now; nothing where they cannot be read.
    pub async fn mark(&self) -> Option<Mark> {
        let mut held = Vec::new();
        for file in self.settings.files() {
            let content = self.marking.read(file.to_owned(), LARGEST_BYTES).await;
            held.push(SecretSlice::from(content.ok()?));
        }
        let held: Vec<_> = held.iter().map(ExposeSecret::expose_secret).collect();
        Some(Mark::of(&held))
    }

    /// When the certificate expires that was read last; nothing where there is none.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        let expires_at = self.expires_at.lock();
        *expires_at.unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the certificate with its key, once more where they do not belong together: one of them
    /// may have been replaced between the two readings.
    async fn certificate(&self, files: [&Path; 2]) -> Result<Certificate, CredentialError> {
        match self.certificate_now(files).await {
            Err(CredentialError::Unfit {
                source: Unfit::Mismatch,
                ..
            }) => self.certificate_now(files).await,
            read => read,
        }
    }

    async fn certificate_now(
        &self,
        [certificate_file, private_key_file]: [&Path; 2],
    ) -> Result<Certificate, CredentialError> {
        let certificate = self.read(certificate_file).await?;
        let key = self.read(private_key_file).await?;
        let read = Certificate::read(certificate.expose_secret(), key.expose_secret());
        read.map_err(|source| CredentialError::Unfit {
            certificate_file: certificate_file.to_owned(),
            private_key_file: private_key_file.to_owned(),
            source,
        })
    }

    async fn read(&self, path: &Path) -> Result<SecretSlice<u8>, CredentialError> {
        let read = self.disk.read(path.to_owned(), LARGEST_BYTES).await;
        read.map(SecretSlice::from)
            .map_err(|source| CredentialError::Unreadable {
                path: path.to_owned(),
                source,
            })
    }

    /// Remembers when the certificate expires, and tells a person in time. Whether it is still taken
    /// is for Entra ID to say.
    fn note_dates(&self, certificate: &Certificate, now: SystemTime) {
        let Some(validity) = certificate.validity() else {
            return;
        };
        let mut expires_at = self
            .expires_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *expires_at = Some(*validity.end());
        if let Some(told) = untimely(validity, now) {
            told.log();
        }
    }
}

impl Proof {
    /// The fields of a form that show it (RFC 6749, section 2.3.1; RFC 7521, section 4.2, and RFC 7523,
    /// section 2.2).
    pub(in crate::token) fn fields(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Secret(secret) => vec![("client_secret", secret.expose_secret())],
            Self::Assertion(assertion) => vec![
                ("client_assertion_type", JWT_BEARER),
                ("client_assertion", assertion.expose_secret()),
            ],
        }
    }
}

impl CredentialError {
    /// Whether it may pass without a person: files that are being replaced.
    pub(in crate::token) fn is_passing(&self) -> bool {
        match self {
            Self::Unreadable { .. } => true,
            Self::Unfit { source, .. } => *source == Unfit::Mismatch,
            Self::Secret(error) => error.is_passing(),
            Self::Unsigned => false,
        }
    }
}

/// What kind of assertion a JWT is.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// 1 MiB; no credential comes near it.
const LARGEST_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn looks_for_dates_in_no_file_that_is_too_large_for_a_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("crt");
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["app.test".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        let pem = params.self_signed(&key).unwrap().pem();
        let settings = Settings::Certificate {
            certificate_file: file.clone(),
            private_key_file: dir.path().join("key"),
            algorithm: Algorithm::default(),
        };
        let told = |padding: usize| {
            fs::write(&file, format!("{pem}{}", "\n".repeat(padding))).unwrap();
            settings.untimely(SystemTime::UNIX_EPOCH).is_some()
        };

        assert!(told(1 << 10));
        assert!(!told(1 << 20));
    }
}
