//! A person's consent, had by a device code: the device authorization grant over the `oauth2` crate
//! (<https://www.rfc-editor.org/rfc/rfc8628>).
//!
//! It is asked for at version 2 whatever the account's own version is: Microsoft documents device codes
//! for version 2 (<https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code>), and a refresh
//! token is bound to a user and an application, and to nothing else
//! (<https://learn.microsoft.com/entra/identity-platform/refresh-tokens>).

use std::time::Duration;

use oauth2::{
    AuthType, ClientId, DeviceAuthorizationUrl, EndpointNotSet, EndpointSet, ErrorResponse,
    RequestTokenError, Scope, StandardDeviceAuthorizationResponse, StandardRevocableToken,
    TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};

use crate::{
    clock::SharedClock,
    http_client::HttpClient,
    token::{
        Settings, Version,
        consent::Consent,
        credential::Credential,
        endpoint::Endpoint,
        exchange::{BadEndpoint, OFFLINE_ACCESS},
        grant::GrantError,
        polls::Polls,
        response::EntraTokenResponse,
    },
};

/// Asks for one application's device codes, and for what they earn.
#[derive(Debug)]
pub struct DeviceFlow {
    settings: Settings,
    credential: Credential,
    device_url: DeviceAuthorizationUrl,
    token_url: TokenUrl,
    endpoint: Endpoint,
}

/// What a person is asked to do; `Debug` shows no code.
#[derive(Debug)]
pub struct Invitation(StandardDeviceAuthorizationResponse);

/// No consent came of it.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// Entra ID refused, or gave no usable answer.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The code's time is over.
    #[error("the code's time is over")]
    RanOut(#[source] Option<GrantError>),
    /// There is nothing to keep.
    #[error("the token endpoint's answer has no refresh token")]
    NoRefreshToken,
}

impl DeviceFlow {
    /// Prepares the flow; nothing is read or sent yet.
    ///
    /// # Errors
    ///
    /// When authority and tenant do not make a URL.
    pub fn new(
        settings: Settings,
        http: HttpClient,
        clock: SharedClock,
    ) -> Result<Self, BadEndpoint> {
        let settings = Settings {
            version: Version::V2,
            ..settings
        };
        let bad = |_| BadEndpoint::of(&settings);
        Ok(Self {
            device_url: DeviceAuthorizationUrl::new(settings.device_url()).map_err(bad)?,
            token_url: TokenUrl::new(settings.token_url()).map_err(bad)?,
            credential: Credential::of(&settings, SharedClock::clone(&clock)),
            endpoint: Endpoint::new(http, clock),
            settings,
        })
    }

    /// Gets a device code. No proof is shown: none is asked for before a token is.
    ///
    /// # Errors
    ///
    /// Each way in which there is none.
    pub async fn invite(&self) -> Result<Invitation, GrantError> {
        let client = self.client();
        let scopes = [
            self.settings.scope.as_str(),
            OFFLINE_ACCESS,
            "openid",
            "profile",
        ];
        let details: StandardDeviceAuthorizationResponse = client
            .exchange_device_code()
            .add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())))
            .request_async(&self.endpoint)
            .await
            .map_err(|error| match error {
                RequestTokenError::Request(ours) => ours,
                other => unusable(&other),
            })?;
        let code = details.user_code().secret();
        if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(GrantError::Malformed("its user code is not visible ASCII"));
        }
        if details.verification_uri().url().scheme() != "https" {
            return Err(GrantError::Malformed("its page is not an https one"));
        }
        // The crate adds to it without looking.
        if details.interval() > LONGEST {
            return Err(GrantError::Malformed("its interval is over an hour"));
        }
        Ok(Invitation(details))
    }

    /// Waits for the person and takes what their consent earns.
    ///
    /// # Errors
    ///
    /// Each way in which it earns nothing; never with any part of a token or secret in it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves a code that nobody asks for any more.
    pub async fn consent(&self, invitation: &Invitation) -> Result<Consent, ConsentError> {
        let polls = Polls::new(&self.credential, &self.endpoint);
        let client = self.client();
        let asking = client
            .exchange_device_access_token(&invitation.0)
            .request_async(&polls, pause, Some(NEVER));
        let response = match tokio::time::timeout(invitation.lasts(), asking).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                return Err(polls.setback().unwrap_or_else(|| unusable(&error)).into());
            }
            Err(_) => return Err(ConsentError::RanOut(polls.setback())),
        };
        Consent::accept(&response, &self.settings)
    }

    fn client(&self) -> DeviceClient {
        oauth2::Client::new(ClientId::new(self.settings.client_id.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_device_authorization_url(self.device_url.clone())
            .set_token_uri(self.token_url.clone())
    }
}

impl Invitation {
    /// What the person enters.
    #[must_use]
    pub fn user_code(&self) -> &str {
        self.0.user_code().secret()
    }

    /// Where they enter it.
    #[must_use]
    pub fn page(&self) -> &str {
        self.0.verification_uri().url().as_str()
    }

    /// How long they have.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.0.expires_in().min(LONGEST)
    }
}

async fn pause(interval: Duration) {
    tokio::time::sleep(interval.max(SHORTEST_INTERVAL)).await;
}

type DeviceClient = oauth2::Client<
    BasicErrorResponse,
    EntraTokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Drops what the crate made, because its parse error holds the body.
fn unusable<E, T>(error: &RequestTokenError<E, T>) -> GrantError
where
    E: std::error::Error + 'static,
    T: ErrorResponse + 'static,
{
    GrantError::Malformed(match error {
        RequestTokenError::Parse(_, _) => "it is not what was asked for",
        _ => "it is empty or not JSON",
    })
}

/// An answer that names no interval must not turn into a storm.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(200);

/// Entra ID's codes are good for 15 minutes; no person is waited for longer than this.
const LONGEST: Duration = Duration::from_hours(1);

/// The crate counts by the machine's clock, so it is given more time than there ever is.
const NEVER: Duration = Duration::from_hours(24);
