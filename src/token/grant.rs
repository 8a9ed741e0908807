//! What a token is had by: the application's own right. From there to a token that may be sent.

use std::time::{Duration, SystemTime};

use crate::{
    clock::SharedClock,
    http_client::{HttpClient, HttpError},
    token::{
        Settings,
        access_token::AccessToken,
        credential::CredentialError,
        exchange::{Asking, BadEndpoint, Exchange},
        mark::Mark,
        refusal::Refusal,
    },
};

/// Fetches tokens for one credential.
#[derive(Debug)]
pub struct Grant {
    exchange: Exchange,
}

/// No token came of a trip to the token endpoint.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The credential cannot be used.
    #[error("preparing the credential")]
    Credential(#[from] CredentialError),
    /// The token endpoint gave no whole answer.
    #[error("asking the token endpoint")]
    Unreachable(#[source] HttpError),
    /// The token endpoint refused.
    #[error("the token endpoint answered {} {:?} {:?}", .0.status.as_u16(), .0.error, .0.error_codes)]
    Refused(Box<Refusal>),
    /// The token endpoint answered 200 with something that is not a usable token.
    #[error("the token endpoint's answer is not usable: {0}")]
    Malformed(&'static str),
    /// The token is for somebody or something else.
    #[error("the token received has another {0:?} than asked for")]
    Foreign(&'static str),
}

impl Grant {
    /// Prepares the grant for one credential.
    ///
    /// # Errors
    ///
    /// When authority and tenant do not make a URL.
    pub fn new(
        settings: Settings,
        http: HttpClient,
        clock: SharedClock,
    ) -> Result<Self, BadEndpoint> {
        let exchange = Exchange::new(settings, http, clock)?;
        Ok(Self { exchange })
    }

    /// Fetches a new token.
    ///
    /// # Errors
    ///
    /// Each way in which there is no usable token; never with any part of a token or secret in it.
    pub async fn mint(&self) -> Result<AccessToken, GrantError> {
        let response = self.exchange.ask(Asking::AsApplication).await?;
        self.exchange.accept(&response)
    }

    /// Marks what the files of the credential hold now; nothing where they cannot be read.
    pub async fn mark(&self) -> Option<Mark> {
        self.exchange.credential().mark().await
    }

    /// When the credential expires, as far as it says so: a certificate's end.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.exchange.credential().expires_at()
    }
}

impl GrantError {
    /// Whether Entra ID says that the assertion's time is over, or has not come.
    pub(in crate::token) fn is_about_a_stale_assertion(&self) -> bool {
        self.refusal().is_some_and(Refusal::is_stale_assertion)
    }

    /// Whether asking again soon is pointless: a person has to mend something first.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Credential(error) => !error.is_passing(),
            Self::Foreign(_) => true,
            Self::Unreachable(_) | Self::Malformed(_) => false,
            // Whoever writes the file of a federated token is about to.
            Self::Refused(_) if self.is_about_a_stale_assertion() => false,
            Self::Refused(refusal) => refusal.is_permanent(),
        }
    }

    /// What the token endpoint said, where it refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Credential(_) | Self::Unreachable(_) | Self::Malformed(_) | Self::Foreign(_) => {
                None
            }
        }
    }

    /// Whether a person must sign in and consent again.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        self.refusal().is_some_and(Refusal::needs_consent)
    }

    /// How long the token endpoint asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }
}
