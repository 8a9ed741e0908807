//! An answer of Partner Center, and what can be told from it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{http_client, ids::TransferId, partner_center::wire};

/// A whole answer of Partner Center.
#[derive(Clone, Debug)]
pub struct Answer(http_client::Answer);

/// What of an answer a caller receives.
#[derive(Clone, Debug)]
pub struct PassedOn {
    /// The status as received.
    pub status: StatusCode,
    /// Those headers that callers receive.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl Answer {
    pub(in crate::partner_center) fn of(answer: http_client::Answer) -> Self {
        Self(answer)
    }

    pub(in crate::partner_center) fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status.as_u16()
    }

    /// Whether it proves that the transfer is rejected.
    #[must_use]
    pub fn proves_rejection(&self, transfer: TransferId) -> bool {
        self.0.status == StatusCode::OK && wire::proves_rejection(&self.0.body, transfer)
    }

    /// Whether it tells how the transfer stands.
    #[must_use]
    pub fn tells_of(&self, transfer: TransferId) -> bool {
        self.0.status == StatusCode::OK && wire::is_of_transfer(&self.0.body, transfer)
    }

    /// Whether Partner Center says that the transfer had ended before, one way or another.
    #[must_use]
    pub fn says_it_had_ended(&self) -> bool {
        wire::had_ended(&self.0)
    }

    /// Whether Partner Center says that somebody is at work on the transfer, who may be the sender of the
    /// request before this one.
    #[must_use]
    pub fn says_it_is_in_progress(&self) -> bool {
        wire::is_in_progress(&self.0)
    }

    /// Whether it tells for good that the transfer is not to be rejected: it had ended, or is not there.
    #[must_use]
    pub fn rules_a_rejection_out(&self) -> bool {
        self.0.status == StatusCode::NOT_FOUND || self.says_it_had_ended()
    }

    /// What of it a caller receives.
    #[must_use]
    pub fn passed_on(self) -> PassedOn {
        PassedOn {
            status: self.0.status,
            headers: wire::passed_on(&self.0.headers),
            body: self.0.body,
        }
    }
}
