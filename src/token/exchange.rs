//! One request to the token endpoint, over the `oauth2` crate: the application's proof, and what it
//! asks for.
//!
//! The crate keeps raw bodies in its parse errors, so nothing of those is kept.

use http::{HeaderValue, Uri};
use oauth2::{
    AuthType, ClientId, EndpointNotSet, EndpointSet, RefreshToken, RequestTokenError, Scope,
    StandardRevocableToken, TokenResponse as _, TokenUrl,
    basic::{
        BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::{
    clock::SharedClock,
    http_client::HttpClient,
    token::{
        Settings, Version,
        access_token::{AccessToken, Life},
        claims,
        credential::{Credential, Proof},
        endpoint::Endpoint,
        grant::GrantError,
        response::EntraTokenResponse,
    },
};

/// Asks one tenant's token endpoint as one application.
#[derive(Debug)]
pub(in crate::token) struct Exchange {
    settings: Settings,
    credential: Credential,
    token_url: TokenUrl,
    endpoint: Endpoint,
}

/// On what grounds a token is asked for.
#[derive(Clone, Copy, Debug)]
pub(in crate::token) enum Asking<'a> {
    /// The application's own: the client credentials grant.
    AsApplication,
    /// A user's consent: the refresh token grant.
    ByRefreshToken(&'a SecretString),
}

/// The configured authority and tenant do not make a URL.
#[derive(Debug, thiserror::Error)]
#[error("authority {authority} and tenant {tenant:?} do not make a token endpoint")]
pub struct BadEndpoint {
    authority: Uri,
    tenant: String,
}

impl BadEndpoint {
    pub(in crate::token) fn of(settings: &Settings) -> Self {
        Self {
            authority: settings.authority.clone(),
            tenant: settings.tenant.clone(),
        }
    }
}

impl Exchange {
    /// Prepares requests for what the settings name; nothing is read or sent yet.
    ///
    /// # Errors
    ///
    /// When authority and tenant do not make a URL.
    pub(in crate::token) fn new(
        settings: Settings,
        http: HttpClient,
        clock: SharedClock,
    ) -> Result<Self, BadEndpoint> {
        let token_url =
            TokenUrl::new(settings.token_url()).map_err(|_| BadEndpoint::of(&settings))?;
        let credential = Credential::of(&settings, SharedClock::clone(&clock));
        Ok(Self {
            settings,
            credential,
            token_url,
            endpoint: Endpoint::new(http, clock),
        })
    }

    /// How the application proves itself.
    pub(in crate::token) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Asks with a proof made for the occasion, and once more where Entra ID finds a federated token
    /// too old that has been replaced since.
    ///
    /// # Errors
    ///
    /// Each way in which there is no token response; never with any part of a token or secret in it.
    pub(in crate::token) async fn ask(
        &self,
        asking: Asking<'_>,
    ) -> Result<EntraTokenResponse, GrantError> {
        let proof = self.credential.prove().await?;
        let answered = self.ask_showing(&proof, asking).await;
        match answered {
            Err(error) if error.is_about_a_stale_assertion() => {
                match self.credential.renewed(&proof).await {
                    Some(renewed) => self.ask_showing(&renewed, asking).await,
                    None => Err(error),
                }
            }
            answered => answered,
        }
    }

    /// Takes the access token out of a response, where it is usable and the one asked for.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub(in crate::token) fn accept(
        &self,
        response: &EntraTokenResponse,
    ) -> Result<AccessToken, GrantError> {
        let token = response.access_token().secret();
        if token.is_empty() {
            return Err(GrantError::Malformed("it has no access token"));
        }
        if *response.token_type() != BasicTokenType::Bearer {
            return Err(GrantError::Malformed("its token type is not Bearer"));
        }
        let lasts = response
            .lasts(self.endpoint.now())
            .ok_or(GrantError::Malformed(
                "its life is not told, or under a minute",
            ))?;
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
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

    async fn ask_showing(
        &self,
        proof: &Proof,
        asking: Asking<'_>,
    ) -> Result<EntraTokenResponse, GrantError> {
        let client = self.client();
        let scope = Scope::new(self.settings.scope.clone());
        let resource = self.settings.resource();
        let answered = match asking {
            Asking::AsApplication => {
                let mut request = client.exchange_client_credentials();
                request = match self.settings.version {
                    Version::V1 => request.add_extra_param(RESOURCE, resource),
                    Version::V2 => request.add_scope(scope),
                };
                for (name, value) in proof.fields() {
                    request = request.add_extra_param(name, value);
                }
                request.request_async(&self.endpoint).await
            }
            Asking::ByRefreshToken(token) => {
                let token = RefreshToken::new(token.expose_secret().to_owned());
                let mut request = client.exchange_refresh_token(&token);
                request = match self.settings.version {
                    Version::V1 => request
                        .add_extra_param(RESOURCE, resource)
                        .add_scope(Scope::new(SIGN_IN.to_owned())),
                    Version::V2 => request
                        .add_scope(scope)
                        .add_scope(Scope::new(OFFLINE_ACCESS.to_owned())),
                };
                for (name, value) in proof.fields() {
                    request = request.add_extra_param(name, value);
                }
                request.request_async(&self.endpoint).await
            }
        };
        answered.map_err(refusal)
    }

    fn client(&self) -> EntraClient {
        oauth2::Client::new(ClientId::new(self.settings.client_id.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.token_url.clone())
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

/// What v1 calls the scope, without `/.default`.
const RESOURCE: &str = "resource";

/// The scope with which v1 renews what a user consented to.
const SIGN_IN: &str = "openid";

/// The scope without which v2 hands out no refresh token.
pub(in crate::token) const OFFLINE_ACCESS: &str = "offline_access";
