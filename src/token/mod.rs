//! What the gateway shows Microsoft: access tokens from Entra ID.
//!
//! One [`cell::TokenCell`] per credential is the only way to the token endpoint. This room knows
//! nothing of callers, policy or transfers.

pub mod access_token;
pub mod cell;
pub mod claims;
pub mod endpoint;
pub mod grant;
pub mod response;

use http::Uri;

use crate::secret::SecretSource;

/// What one token cell needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Scheme and host of the authority, without a trailing slash.
    pub authority: Uri,
    /// The partner's tenant: a GUID or a verified domain.
    pub tenant: String,
    /// The application's client ID.
    pub client_id: String,
    /// The scope asked for, `…/.default`.
    pub scope: String,
    /// Where the client secret is read, anew for each grant.
    pub client_secret: SecretSource,
}
