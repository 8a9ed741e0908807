//! Who is calling.
//!
//! A caller proves itself by its `Authorization` header or by its connection's certificate; what comes
//! out is a [`caller::Caller`], the only thing later steps know of it. This room knows nothing of
//! policy, of Partner Center or of HTTP beyond one header value.

pub mod algorithm;
pub mod authorities;
pub mod caller;
pub mod certificate;
mod claims;
pub mod credential;
pub mod credibility;
pub mod issuer;
pub mod issuers;
pub mod jwks;
mod jwt;
pub mod key_source;
pub mod keys;
mod kubernetes;
pub mod published;
pub mod spiffe;
pub mod token_file;

use std::time::{Duration, SystemTime};

use secrecy::ExposeSecret as _;

use crate::{
    http_client::Connect,
    identity::{
        authorities::Bundle,
        caller::{Auth, Caller},
        certificate::ClientCertificate,
        credential::Credential,
        issuer::IssuerSettings,
        issuers::{IssuerSetupError, Issuers},
        key_source::KeyError,
        keys::Fetches,
        token_file::TokenFile,
    },
};

/// What the room needs from the configuration.
#[derive(Debug, Default)]
pub struct Settings {
    /// Issuers whose tokens are taken.
    pub issuers: Vec<IssuerSettings>,
    /// Hashed caller tokens, read from `callers.token_file`.
    pub token_file: Option<TokenFile>,
    /// Whether a caller is known by its connection's certificate.
    pub mtls: bool,
    /// Whether a call without any credential is the caller `anonymous`.
    pub anonymous: bool,
}

/// Tells callers apart by what they present.
#[derive(Debug)]
pub struct Identity {
    issuers: Issuers,
    token_file: Option<TokenFile>,
    mtls: bool,
    vouching: Option<Bundle>,
    anonymous: bool,
}

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
    /// Makes the room ready to tell callers apart. `vouching` are the authorities whose certificates
    /// count; any that the listener let in, where nothing is said.
    ///
    /// # Errors
    ///
    /// When a client that goes to an issuer cannot be made.
    pub fn new(
        settings: Settings,
        vouching: Option<Bundle>,
        connect: &Connect,
    ) -> Result<Self, IssuerSetupError> {
        let Settings {
            issuers,
            token_file,
            mtls,
            anonymous,
        } = settings;
        Ok(Self {
            issuers: Issuers::new(issuers, connect)?,
            token_file,
            mtls,
            vouching,
            anonymous,
        })
    }

    /// Makes the room ready in the place of an older one, with the keys that it has.
    ///
    /// # Errors
    ///
    /// Those of [`Identity::new`].
    pub fn succeeding(
        settings: Settings,
        vouching: Option<Bundle>,
        connect: &Connect,
        old: &Self,
    ) -> Result<Self, IssuerSetupError> {
        let new = Self::new(settings, vouching, connect)?;
        Ok(Self {
            issuers: new.issuers.with_keys_of(&old.issuers),
            ..new
        })
    }

    /// Begins to fetch the keys of the issuers, so that the first call need not wait for them.
    pub fn warm_up(&self) {
        self.issuers.warm_up();
    }

    /// How old the keys of each issuer are that any were had of, by its name.
    pub fn key_ages(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.issuers.key_ages()
    }

    /// How often the keys of each issuer were fetched, and what came of it, by its name.
    pub fn key_fetches(&self) -> impl Iterator<Item = (&str, Fetches)> {
        self.issuers.key_fetches()
    }

    /// Fetches the keys of each issuer, and tells by its name how many there are.
    pub async fn try_keys(&self) -> Vec<(String, Result<usize, KeyError>)> {
        self.issuers.try_keys().await
    }

    /// Finds out who calls, at a given time.
    ///
    /// A credential that was presented decides alone, and a certificate counts only without one: a
    /// caller that errs in what it presents is told so, instead of passing for somebody else.
    ///
    /// # Errors
    ///
    /// When the credential is missing, malformed or nobody's.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn identify(
        &self,
        credential: &Credential,
        certificate: Option<&ClientCertificate>,
        now: SystemTime,
    ) -> Result<Caller, Unidentified> {
        match credential {
            Credential::Absent if let Some(certificate) = certificate.filter(|_| self.mtls) => {
                certificate
                    .caller(now, self.vouching)
                    .ok_or(Unidentified::Invalid)
            }
            Credential::Absent if self.anonymous => Ok(Caller::anonymous()),
            Credential::Absent => Err(Unidentified::Missing),
            Credential::Unreadable => Err(Unidentified::Malformed),
            Credential::Bearer(token) => {
                let token = token.expose_secret();
                if let Some(name) = self.token_file.as_ref().and_then(|file| file.find(token)) {
                    return Ok(Caller::new(name, None, Auth::TokenFile));
                }
                let caller = self.issuers.verify(token, now).await;
                caller.ok_or(Unidentified::Invalid)
            }
        }
    }
}
