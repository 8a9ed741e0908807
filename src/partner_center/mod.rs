//! The upstream: Partner Center.
//!
//! Takes a permit, a plan of identifiers and the account's token cell, sends exactly one kind of
//! request, and tells what came back. [`wire`] is the only place that spells Partner Center's JSON and
//! headers. This room knows nothing of callers' HTTP and nothing of the audit journal.

pub mod account;
pub mod backoff;
pub mod breaker;
pub mod client;
pub mod retry_budget;
pub mod throttle;
pub mod verdict;
pub mod window;
pub mod wire;

use std::{num::NonZeroU8, path::PathBuf, time::Duration};

use http::Uri;

use crate::token;

/// What every account's client has in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sent as `MS-PartnerCenter-Application`.
    pub application_name: http::HeaderValue,
    /// Sent as `X-Locale`.
    pub locale: http::HeaderValue,
    /// How long one attempt may take, from sending to the last byte of the answer.
    pub attempt_timeout: Duration,
    /// How often what a call asks for may be tried; reading back is not counted.
    pub max_attempts: NonZeroU8,
    /// When an account that fails is left alone.
    pub circuit: breaker::Settings,
    /// The largest answer that is read, in bytes.
    pub max_response_bytes: usize,
}

/// What one account needs from the configuration.
#[derive(Clone, Debug)]
pub struct AccountSettings {
    /// The name in the configuration.
    pub name: String,
    /// The partner's tenant.
    pub tenant: String,
    /// Scheme and host of the API, without a trailing slash.
    pub api: Uri,
    /// A further trust anchor for both of the account's endpoints, in PEM.
    pub ca_file: Option<PathBuf>,
    /// How the account's tokens are had.
    pub token: token::Settings,
}
