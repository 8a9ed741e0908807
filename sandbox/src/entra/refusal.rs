//! How Entra ID says no.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    answer::{Answer, json as json_answer},
    time,
};

/// Why no token is given.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    error: &'static str,
    code: u64,
    description: String,
    suberror: Option<&'static str>,
}

pub(crate) fn refusal(status: u16, error: &'static str, code: u64, description: &str) -> Refusal {
    Refusal {
        status,
        error,
        code,
        description: description.to_owned(),
        suberror: None,
    }
}

/// A client that did not prove who it is.
pub(crate) fn invalid_client(code: u64, description: &str) -> Refusal {
    refusal(401, "invalid_client", code, description)
}

/// A refresh token that is good for nothing.
pub(crate) fn invalid_grant(code: u64, description: &str) -> Refusal {
    refusal(400, "invalid_grant", code, description)
}

pub(crate) fn no_such_tenant(tenant: &str) -> Refusal {
    let told = format!("Tenant '{tenant}' not found.");
    refusal(400, "invalid_request", 90_002, &told)
}

impl Refusal {
    /// The same with the finer word that some refusals have.
    pub(crate) fn of_kind(self, suberror: &'static str) -> Self {
        Self {
            suberror: Some(suberror),
            ..self
        }
    }

    pub(crate) fn answer(self, request: &Request<Bytes>) -> Response<Answer> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        no_store(json_answer(status, &self.body(request)))
    }

    fn body(self, request: &Request<Bytes>) -> Value {
        let Self {
            error,
            code,
            description,
            suberror,
            ..
        } = self;
        let correlation = request.headers().get("client-request-id");
        let correlation = correlation
            .and_then(|id| id.to_str().ok())
            .map(ToOwned::to_owned);
        let correlation = correlation.unwrap_or_else(|| Uuid::new_v4().to_string());
        let trace = Uuid::new_v4().to_string();
        let time = time::stamp().replace('T', " ");
        let mut body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {description} Trace ID: {trace} Correlation ID: {correlation} \
                 Timestamp: {time}"
            ),
            "error_codes": [code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        });
        if let (Some(suberror), Some(fields)) = (suberror, body.as_object_mut()) {
            fields.insert("suberror".to_owned(), suberror.into());
        }
        body
    }
}

pub(crate) fn no_store(mut response: Response<Answer>) -> Response<Answer> {
    let value = HeaderValue::from_static("no-store, no-cache");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}
