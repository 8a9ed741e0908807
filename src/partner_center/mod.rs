//! The upstream: Partner Center.
//!
//! Takes an admission, asks what it is for, repeats what may be repeated, and tells what came back: an
//! [`account`] has its [`way`], a clear way begins a [`trip`], and a trip is made of [`attempt`]s. A [`look`]
//! is a trip that the gateway makes for itself, and [`activity`] what Partner Center has on record. [`wire`] is the only place that spells Partner Center's JSON and headers. This room knows nothing of callers'
//! HTTP and nothing of the audit journal.

pub mod account;
pub mod activity;
pub mod answer;
pub mod attempt;
pub mod backoff;
pub mod breaker;
mod grounds;
pub mod look;
pub mod plan;
pub mod retry_budget;
mod stock;
pub mod tally;
pub mod throttle;
mod traced;
pub mod trip;
pub mod way;
pub mod window;
pub mod wire;

use std::{num::NonZeroU8, path::PathBuf, time::Duration};

use http::Uri;

use crate::{partner_center::wire::request::Ask, token};

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

impl Settings {
    /// The time without which an attempt is not begun: the deadline would be sure to cut it, and of a
    /// rejection nobody would know what became.
    fn least(&self, ask: Ask) -> Duration {
        match ask {
            Ask::Reject => LEAST_FOR_REJECTING.min(self.attempt_timeout / 4),
            Ask::Read => LEAST_FOR_READING.min(self.attempt_timeout),
        }
    }
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

/// An answer and, without one, a first look at what became of it.
const LEAST_FOR_REJECTING: Duration = Duration::from_secs(1);

/// Partner Center seldom answers faster.
const LEAST_FOR_READING: Duration = Duration::from_millis(100);
