//! What a token is had by: the application's own right, or a user's consent. From there to a token that
//! may be sent.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    http_client::{HttpClient, HttpError},
    token::{
        Flow, Settings,
        access_token::AccessToken,
        credential::CredentialError,
        exchange::{Asking, Exchange},
        mark::Marks,
        refresh::Refresh,
        refresh_store::{
            RefreshStore, Surroundings,
            error::{SetupFault, StoreError},
        },
        refusal::Refusal,
    },
};

/// Fetches tokens for one credential.
#[derive(Debug)]
pub struct Grant {
    exchange: Exchange,
    /// Where tokens are had on behalf of a user.
    refresh: Option<Refresh>,
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
    #[error("the token endpoint answered {}", .0.said())]
    Refused(Box<Refusal>),
    /// The token endpoint answered 200 with something that is not a usable token.
    #[error("the token endpoint's answer is not usable: {0}")]
    Malformed(&'static str),
    /// The token is for somebody or something else.
    #[error("the token received has another {0:?} than asked for")]
    Foreign(&'static str),
    /// The refresh token cannot be read, claimed or kept.
    #[error("using the kept refresh token")]
    Store(#[from] StoreError),
    /// The refresh token is good no more.
    #[error("consent must be renewed with `partner-gateway login`: the token endpoint answered {}", .0.said())]
    ConsentRequired(Arc<Refusal>),
}

impl Grant {
    /// Prepares the grant for one credential.
    ///
    /// # Errors
    ///
    /// When authority and tenant do not make a URL, or the store of the refresh token cannot be set up.
    pub fn new(
        settings: Settings,
        http: HttpClient,
        around: Surroundings<'_>,
    ) -> Result<Self, SetupFault> {
        let refresh = match &settings.flow {
            Flow::App => None,
            Flow::AppUser(store) => {
                let store = RefreshStore::new(store, around)?;
                Some(Refresh::new(store, Arc::clone(around.clock)))
            }
        };
        let exchange = Exchange::new(settings, http, Arc::clone(around.clock))?;
        Ok(Self { exchange, refresh })
    }

    /// Fetches a new token.
    ///
    /// # Errors
    ///
    /// Each way in which there is no usable token; never with any part of a token or secret in it.
    pub async fn mint(&self) -> Result<AccessToken, GrantError> {
        if let Some(refresh) = &self.refresh {
            return refresh.mint(&self.exchange).await;
        }
        let response = self.exchange.ask(Asking::AsApplication).await?;
        self.exchange.accept(&response)
    }

    /// Marks what tokens are had with now; nothing where the credential's files cannot be read.
    pub async fn marks(&self) -> Option<Marks> {
        let credential = self.exchange.credential().mark().await?;
        let consent = match &self.refresh {
            Some(refresh) => refresh.mark().await,
            None => None,
        };
        Some(Marks {
            credential,
            consent,
        })
    }

    /// When the credential expires, as far as it says so: a certificate's end.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.exchange.credential().expires_at()
    }

    /// How long ago the refresh token was last renewed; nothing for the application's own tokens, and
    /// before its store was first read.
    #[must_use]
    pub fn refresh_token_age(&self) -> Option<Duration> {
        self.refresh.as_ref()?.age()
    }

    /// The consent that tokens are had by, where it is a user's.
    pub(in crate::token) fn refresh(&self) -> Option<&Refresh> {
        self.refresh.as_ref()
    }
}

impl GrantError {
    /// Whether Entra ID says that the assertion's time is over, or has not come.
    pub(in crate::token) fn is_about_a_stale_assertion(&self) -> bool {
        self.refusal().is_some_and(Refusal::is_stale_assertion)
    }

    /// Whether what came is another tenant's or application's, and not only for another audience.
    pub(in crate::token) fn is_a_mix_up(&self) -> bool {
        matches!(self, Self::Foreign(claim) if *claim != AUDIENCE)
    }

    /// Whether asking again soon is pointless: a person has to mend something first.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Credential(error) => !error.is_passing(),
            Self::Foreign(_) | Self::ConsentRequired(_) => true,
            Self::Store(error) => error.is_permanent(),
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
            Self::ConsentRequired(refusal) => Some(refusal),
            Self::Credential(_)
            | Self::Unreachable(_)
            | Self::Malformed(_)
            | Self::Foreign(_)
            | Self::Store(_) => None,
        }
    }

    /// Whether the credential's files may hold something better soon.
    pub(in crate::token) fn is_about_the_credential(&self) -> bool {
        matches!(self, Self::Credential(_))
    }

    /// Whether a person must sign in and consent, for the first time or again.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        matches!(
            self,
            Self::ConsentRequired(_) | Self::Store(StoreError::Empty { .. })
        )
    }

    /// How long the token endpoint asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }
}

/// The claim for whom a token is; one consent is good for many.
const AUDIENCE: &str = "aud";
