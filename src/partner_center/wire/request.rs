//! What is asked of Partner Center about a transfer, as it goes over the wire.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;

use crate::{
    command::{OnTransfer, Operation},
    ids::{CorrelationId, CustomerId, RequestId, TransferId},
    partner_center::{Settings, wire::LOCALE},
    token::access_token::AccessToken,
};

/// The header sections of one account's requests, as far as they never change.
#[derive(Clone, Debug)]
pub struct Template {
    api: String,
    headers: HeaderMap,
}

/// What one request asks of Partner Center.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// To reject the transfer.
    Reject,
    /// How the transfer stands.
    Read,
}

impl Ask {
    /// What a command asks.
    #[must_use]
    pub fn of<C: OnTransfer>() -> Self {
        match C::OPERATION {
            Operation::TransfersReject => Self::Reject,
            Operation::TransfersRead | Operation::AuditRead => Self::Read,
        }
    }

    /// The name that those who watch read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Read => "read",
        }
    }

    /// Its method and the form of its path, for who follows the call.
    #[must_use]
    pub fn traced(self) -> (&'static str, &'static str) {
        let method = match self {
            Self::Reject => "PATCH",
            Self::Read => "GET",
        };
        (method, "/v1/customers/{customer}/transfers/{transfer}")
    }
}

/// The transfer that a request is about.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The customer whose subscriptions would move.
    pub customer: CustomerId,
    /// The transfer.
    pub transfer: TransferId,
}

/// The identifiers of one request.
#[derive(Clone, Debug)]
pub struct Labels {
    /// The call's.
    pub correlation: CorrelationId,
    /// The request's own.
    pub request: RequestId,
    /// Where it stands in a trace, where Partner Center is told of that.
    pub parent: Option<HeaderValue>,
}

impl Template {
    /// Prebuilds what all requests to one API have in common.
    #[must_use]
    pub fn new(api: &Uri, settings: &Settings, validate_mfa: bool) -> Self {
        let json = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(header::ACCEPT, json);
        headers.insert(CONTRACT_VERSION, HeaderValue::from_static("v1"));
        headers.insert(APPLICATION, settings.application_name.clone());
        headers.insert(LOCALE, settings.locale.clone());
        if validate_mfa {
            headers.insert(VALIDATE_MFA, HeaderValue::from_static("true"));
        }
        Self {
            api: api.to_string().trim_end_matches('/').to_owned(),
            headers,
        }
    }

    /// The host of the API.
    #[must_use]
    pub fn host(&self) -> String {
        let uri = self.api.parse::<Uri>().unwrap_or_default();
        uri.host().unwrap_or_default().to_owned()
    }

    /// Builds the request that rejects a transfer or reads it.
    ///
    /// Documented at <https://learn.microsoft.com/partner-center/developer/reject-a-transfer> and
    /// <https://learn.microsoft.com/partner-center/developer/get-transfer-by-id>.
    ///
    /// # Errors
    ///
    /// When the API's address and two GUIDs do not make a URI, which the configuration rules out.
    pub fn request(
        &self,
        ask: Ask,
        target: Target,
        token: &AccessToken,
        labels: Labels,
    ) -> http::Result<Request<Full<Bytes>>> {
        let Target { customer, transfer } = target;
        let (method, body) = match ask {
            Ask::Reject => (
                Method::PATCH,
                Bytes::from(format!(r#"{{"id":"{transfer}","status":"reject"}}"#)),
            ),
            Ask::Read => (Method::GET, Bytes::new()),
        };
        let mut out = Request::builder()
            .method(method)
            .uri(self.address(format_args!("/customers/{customer}/transfers/{transfer}")))
            .body(Full::new(body))?;
        let headers = out.headers_mut();
        *headers = self.headers(token, labels)?;
        if ask == Ask::Reject {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
        Ok(out)
    }

    /// The header section of one request, as far as what it asks does not matter.
    pub(super) fn headers(&self, token: &AccessToken, labels: Labels) -> http::Result<HeaderMap> {
        let mut headers = self.headers.clone();
        headers.insert(header::AUTHORIZATION, token.authorization().clone());
        for (name, value) in [
            (CORRELATION_ID, labels.correlation.to_string()),
            (REQUEST_ID, labels.request.to_string()),
        ] {
            headers.insert(name, HeaderValue::try_from(value)?);
        }
        if let Some(parent) = labels.parent {
            headers.insert(TRACE_PARENT, parent);
        }
        Ok(headers)
    }

    /// The address of something at Partner Center, by its path from the version on.
    pub(super) fn address(&self, path: impl fmt::Display) -> String {
        format!("{}/v1{path}", self.api)
    }
}

const CORRELATION_ID: HeaderName = HeaderName::from_static("ms-correlationid");
const REQUEST_ID: HeaderName = HeaderName::from_static("ms-requestid");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const CONTRACT_VERSION: HeaderName = HeaderName::from_static("ms-contract-version");
const APPLICATION: HeaderName = HeaderName::from_static("ms-partnercenter-application");
const VALIDATE_MFA: HeaderName = HeaderName::from_static("validatemfa");

/// The headers of a request, `Host` and `Content-Length` included.
const HEADERS: usize = 12;
