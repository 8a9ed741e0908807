//! Who is calling.
//!
//! A caller proves itself by its `Authorization` header or by its connection's certificate; what comes
//! out is a [`caller::Caller`], the only thing later steps know of it. This room knows nothing of
//! policy, of Partner Center or of HTTP beyond one header value.

pub mod authorities;
pub mod caller;
pub mod certificate;
pub mod credential;
pub mod token_file;

use std::time::SystemTime;

use secrecy::ExposeSecret as _;

use crate::identity::{
    caller::{Auth, Caller},
    certificate::ClientCertificate,
    credential::Credential,
};

/// What the room needs from the configuration.
#[derive(Debug, Default)]
pub struct Settings {
    /// Hashed caller tokens, read from `callers.token_file`.
    pub token_file: Option<token_file::TokenFile>,
    /// Whether a caller is known by its connection's certificate.
    pub mtls: bool,
    /// Whether a call without any credential is the caller `anonymous`.
    pub anonymous: bool,
}

/// Tells callers apart by what they present.
#[derive(Debug)]
pub struct Identity(Settings);

/// Nobody is known by what was presented. Says no more than the class of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unidentified {
    /// No credential came with the call.
    #[error("no credential was presented")]
    Missing,
    /// What came is not one bearer credential.
    #[error("the credential is not exactly one bearer token")]
    Malformed,
    /// The credential is nobody's.
    #[error("the credential is not valid")]
    Invalid,
}

impl Identity {
    /// Makes the room ready to tell callers apart.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(settings)
    }

    /// Finds out who calls, at a given time.
    ///
    /// A credential that was presented decides alone, and a certificate counts only without one: a
    /// caller that errs in what it presents is told so, instead of passing for somebody else.
    ///
    /// # Errors
    ///
    /// When the credential is missing, malformed or nobody's.
    pub fn identify(
        &self,
        credential: &Credential,
        certificate: Option<&ClientCertificate>,
        now: SystemTime,
    ) -> Result<Caller, Unidentified> {
        match credential {
            Credential::Absent if let Some(certificate) = certificate.filter(|_| self.0.mtls) => {
                certificate.caller(now).ok_or(Unidentified::Invalid)
            }
            Credential::Absent if self.0.anonymous => Ok(Caller::anonymous()),
            Credential::Absent => Err(Unidentified::Missing),
            Credential::Unreadable => Err(Unidentified::Malformed),
            Credential::Bearer(token) => {
                let tokens = self.0.token_file.as_ref().ok_or(Unidentified::Invalid)?;
                let name = tokens
                    .find(token.expose_secret())
                    .ok_or(Unidentified::Invalid)?;
                Ok(Caller::new(name, None, Auth::TokenFile))
            }
        }
    }
}
