//! What one call may do upstream, drawn before anything is sent, and who hears of what it does.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::ids::{CorrelationId, RequestId};

/// What one call may use upstream.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One for the whole call.
    pub correlation: CorrelationId,
    /// When the call must have ended; no wait and no attempt goes beyond it.
    pub until: Instant,
    /// One for each possible attempt, so that the intent record can name them all.
    pub requests: Vec<RequestId>,
}

/// Hears of attempts as they happen, so that a call that is cut short still tells what it did.
pub trait Witness: Sync {
    /// An attempt is about to send its first byte.
    fn sending(&self, departure: Departure);
    /// An attempt has ended.
    fn ended(&self, attempt: Attempt);
}

/// One request upstream as it begins.
#[derive(Clone, Debug)]
pub struct Departure {
    /// The `MS-RequestId` sent.
    pub request: RequestId,
    /// When it began.
    pub started: SystemTime,
    /// The name of the token sent.
    pub token: Arc<str>,
}

/// One request upstream and how it ended.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// How it began.
    pub departure: Departure,
    /// How long it took.
    pub took: Duration,
    /// Whether it may have changed something, for all that came back.
    pub open: bool,
    /// The status answered, where there was one.
    pub status: Option<u16>,
    /// What went wrong, where there was no whole answer.
    pub error: Option<&'static str>,
    /// Partner Center's own code.
    pub error_code: Option<String>,
    /// The transfer's state in the answer, as spelt there.
    pub transfer_status: Option<String>,
}
