//! What became of a command upstream.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::{
    http_client::Answer,
    ids::{CorrelationId, RequestId},
    partner_center::wire::ErrorBody,
    token::cell::TokenUnavailable,
};

/// The identifiers one call may use upstream, drawn before anything is sent, so that the intent
/// record can name them all.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One for the whole call.
    pub correlation: CorrelationId,
    /// When the call must have ended; no wait and no attempt goes beyond it.
    pub until: Instant,
    /// One for each attempt after an answer: the first, and one more after a 401.
    pub requests: [RequestId; 2],
}

/// Hears of attempts as they happen, so that a call that is cut short still tells what it did.
pub trait Witness: Sync {
    /// An attempt is about to send its first byte.
    fn sending(&self, request: RequestId);
    /// An attempt has ended.
    fn ended(&self, attempt: Attempt);
}

/// One request upstream and how it ended.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The `MS-RequestId` sent.
    pub request: RequestId,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// The status answered, where there was one.
    pub status: Option<u16>,
    /// What went wrong, where there was no whole answer.
    pub error: Option<&'static str>,
    /// Partner Center's own code.
    pub error_code: Option<String>,
    /// The transfer's state in the answer, as spelt there.
    pub transfer_status: Option<String>,
    /// The name of the token sent.
    pub token: Arc<str>,
}

/// How a command ended upstream.
#[derive(Debug)]
pub enum Verdict {
    /// Partner Center answered 200 and its body proves the rejection.
    Rejected(Answer),
    /// Partner Center answered something else, which is passed on as it is.
    Answered(Answer),
    /// Partner Center answered 200, but its body does not prove the rejection.
    Unconfirmed,
    /// Partner Center refused the gateway's own token.
    Unauthorized(ErrorBody),
    /// No token could be had; nothing was sent.
    NoToken(TokenUnavailable),
    /// The call's deadline passed before anything was sent.
    OutOfTime,
    /// No connection could be had; nothing was sent.
    Unreachable,
    /// Something was sent and no answer came.
    Unanswered,
    /// Something was sent, and what came back is not a whole answer.
    Invalid,
}
