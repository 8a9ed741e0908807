//! What the gateway shows Microsoft: access tokens from Entra ID.
//!
//! One [`cell::TokenCell`] per credential is the only way to the token endpoint. This room knows
//! nothing of callers, policy or transfers.

pub mod access_token;
pub mod assertion;
pub mod cell;
pub mod certificate;
pub mod claims;
pub mod consent;
pub mod credential;
pub mod device;
pub mod endpoint;
pub mod exchange;
pub mod grant;
pub mod keep_alive;
pub mod mark;
mod polls;
mod refresh;
pub mod refresh_store;
pub mod refusal;
pub mod response;
mod setback;
pub mod standing;
mod state;
mod waiting;

use http::Uri;

/// What one token cell needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Scheme and host of the authority, without a trailing slash.
    pub authority: Uri,
    /// The partner's tenant: a GUID or a verified domain.
    pub tenant: String,
    /// The application's client ID.
    pub client_id: String,
    /// The scope asked for, `…/.default`; what stands before it is the resource.
    pub scope: String,
    /// Which of Entra ID's token endpoints is asked.
    pub version: Version,
    /// How the application proves that it is the application.
    pub credential: credential::Settings,
    /// On whose behalf tokens are had.
    pub flow: Flow,
}

/// A version of Entra ID's token endpoint
/// (<https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// `/oauth2/token`, which takes a `resource` and answers with numbers in strings.
    V1,
    /// `/oauth2/v2.0/token`, which takes a `scope`.
    V2,
}

/// On whose behalf tokens are had
/// (<https://learn.microsoft.com/partner-center/developer/partner-center-authentication>).
#[derive(Clone, Debug)]
pub enum Flow {
    /// The application's own: the client credentials grant.
    App,
    /// A user's, who consented once: the refresh token grant.
    AppUser(refresh_store::Settings),
}

impl Settings {
    /// What tokens are for: the scope without its last part, which v1 calls the resource.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.scope.strip_suffix("/.default").unwrap_or(&self.scope)
    }

    /// The token endpoint, from the configuration alone.
    #[must_use]
    pub fn token_url(&self) -> String {
        self.url(match self.version {
            Version::V1 => "oauth2/token",
            Version::V2 => V2_TOKEN,
        })
    }

    /// The audience of a client assertion: the newer endpoint, whichever is asked
    /// (<https://learn.microsoft.com/entra/identity-platform/certificate-credentials#claims-payload>).
    fn assertion_audience(&self) -> String {
        self.url(V2_TOKEN)
    }

    /// The endpoint of device codes, which is version 2's for either version.
    #[must_use]
    pub fn device_url(&self) -> String {
        self.url("oauth2/v2.0/devicecode")
    }

    /// The URL of one of the tenant's endpoints at the authority.
    fn url(&self, path: &str) -> String {
        let authority = self.authority.to_string();
        format!("{}/{}/{path}", authority.trim_end_matches('/'), self.tenant)
    }
}

impl Flow {
    /// The name that audit records carry.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::App => "app",
            Self::AppUser(_) => "app_user",
        }
    }

    /// Whether a user must have signed in with a second factor for the tokens to be taken.
    #[must_use]
    pub fn needs_mfa(&self) -> bool {
        matches!(self, Self::AppUser(_))
    }
}

/// The path of the newer token endpoint under the tenant's.
const V2_TOKEN: &str = "oauth2/v2.0/token";
