//! One trip to the token endpoint: the client credentials grant over the `oauth2` crate.
//!
//! The crate keeps raw bodies in its parse errors, so nothing of those is kept.

use std::time::Duration;

use http::{HeaderValue, Uri};
use oauth2::{
    AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, RequestTokenError, Scope,
    StandardRevocableToken, TokenResponse as _, TokenUrl,
    basic::{
        BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use crate::{
    clock::SharedClock,
    http_client::{HttpClient, HttpError},
    token::{
        Settings,
        access_token::{AccessToken, Life},
        claims,
        credential::{Credential, CredentialError, Proof},
        endpoint::Endpoint,
        mark::Mark,
        refusal::Refusal,
        response::EntraTokenResponse,
    },
};

/// Fetches tokens for one credential.
#[derive(Debug)]
pub struct Grant {
    settings: Settings,
    credential: Credential,
    token_url: TokenUrl,
    endpoint: Endpoint,
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

/// The configured authority and tenant do not make a URL.
#[derive(Debug, thiserror::Error)]
#[error("authority {authority} and tenant {tenant:?} do not make a token endpoint")]
pub struct BadEndpoint {
    authority: Uri,
    tenant: String,
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
        let token_url = TokenUrl::new(settings.token_url()).map_err(|_| BadEndpoint {
            authority: settings.authority.clone(),
            tenant: settings.tenant.clone(),
        })?;
        let credential = Credential::new(settings.credential.clone());
        Ok(Self {
            settings,
            credential,
            token_url,
            endpoint: Endpoint::new(http, clock),
        })
    }

    /// Fetches a new token.
    ///
    /// # Errors
    ///
    /// Each way in which there is no usable token; never with any part of a token or secret in it.
    pub async fn mint(&self) -> Result<AccessToken, GrantError> {
        let proof = self.credential.prove().await?;
        let client = self.client(&proof);
        let response = client
            .exchange_client_credentials()
            .add_scope(Scope::new(self.settings.scope.clone()))
            .request_async(&self.endpoint)
            .await
            .map_err(refusal)?;
        self.accept(&response)
    }

    /// Marks what the files of the credential hold now; nothing where they cannot be read.
    pub async fn mark(&self) -> Option<Mark> {
        self.credential.mark().await
    }

    fn client(&self, proof: &Proof) -> EntraClient {
        let client = oauth2::Client::new(ClientId::new(self.settings.client_id.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.token_url.clone());
        match proof {
            Proof::Secret(secret) => {
                client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
            }
            Proof::Assertion(_) => client,
        }
    }

    fn accept(&self, response: &EntraTokenResponse) -> Result<AccessToken, GrantError> {
        if *response.token_type() != BasicTokenType::Bearer {
            return Err(GrantError::Malformed("its token type is not Bearer"));
        }
        let lasts = response
            .lasts(self.endpoint.now())
            .ok_or(GrantError::Malformed(
                "its life is not told, or under a minute",
            ))?;
        let token = response.access_token().secret();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(GrantError::Malformed("its token is not visible ASCII"));
        }
        let expected = claims::Expected {
            tenant: &self.settings.tenant,
            client_id: &self.settings.client_id,
            audience: self.settings.resource(),
        };
        if let Some(claim) = claims::foreign_claim(token, expected) {
            return Err(GrantError::Foreign(claim));
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| GrantError::Malformed("its token does not fit a header"))?;
        authorization.set_sensitive(true);
        let life = Life {
            lasts,
            refresh_in: response.refresh_in(),
        };
        let name = claims::name(token);
        Ok(AccessToken::new(
            authorization,
            name,
            life,
            Instant::now(),
            fastrand::f64(),
        ))
    }
}

impl GrantError {
    /// Whether asking again soon is pointless: a person has to mend something first.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Credential(_) | Self::Foreign(_) => true,
            Self::Unreachable(_) | Self::Malformed(_) => false,
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

type EntraClient = oauth2::Client<
    BasicErrorResponse,
    EntraTokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Keeps our own error and drops what the crate made itself, because its parse error holds the body.
fn refusal(error: RequestTokenError<GrantError, BasicErrorResponse>) -> GrantError {
    match error {
        RequestTokenError::Request(ours) => ours,
        RequestTokenError::Parse(_, _) => GrantError::Malformed("it is not a token response"),
        RequestTokenError::ServerResponse(_) | RequestTokenError::Other(_) => {
            GrantError::Malformed("it is empty or not JSON")
        }
    }
}
