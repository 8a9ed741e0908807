//! An answer as it leaves.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;

use crate::{
    front::problem::Forwarded, ids::RecordId, partner_center::wire, transfers::kept::Kept,
};

/// An answer, ready to leave.
#[derive(Clone, Debug)]
pub struct Rendered {
    pub(in crate::front) status: StatusCode,
    pub(in crate::front) headers: HeaderMap,
    pub(in crate::front) body: Bytes,
    pub(in crate::front) outcome: &'static str,
    pub(in crate::front) code: Option<&'static str>,
    pub(in crate::front) forwarded: Forwarded,
    pub(in crate::front) audit: RecordId,
}

impl Rendered {
    /// The status answered.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body answered.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The value of `Gateway-Outcome`.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        self.outcome
    }

    /// What happened upstream.
    #[must_use]
    pub fn forwarded(&self) -> Forwarded {
        self.forwarded
    }

    /// What a repeat under the same idempotency key is to be answered: the same, once Partner Center
    /// has answered, and nothing before.
    #[must_use]
    pub fn to_keep(&self) -> Option<Kept> {
        (self.forwarded == Forwarded::Yes).then(|| Kept {
            status: self.status,
            headers: wire::passed_on(&self.headers),
            body: self.body.clone(),
            code: self.code,
            audit: self.audit,
        })
    }

    /// Hands the answer to the HTTP server.
    #[must_use]
    pub fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
