//! How Entra ID says no.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use crate::{
    answer::{Answer, json as json_answer},
    tokens::wall_time,
};

/// Why no token is given.
pub(crate) struct Refusal {
    status: u16,
    error: &'static str,
    code: u64,
    description: String,
}

pub(crate) fn refusal(status: u16, error: &'static str, code: u64, description: &str) -> Refusal {
    Refusal {
        status,
        error,
        code,
        description: description.to_owned(),
    }
}

pub(crate) fn no_such_tenant(tenant: &str) -> Refusal {
    refusal(
        400,
        "invalid_request",
        90_002,
        &format!("Tenant '{tenant}' not found."),
    )
}

impl Refusal {
    pub(crate) fn answer(self, request: &Request<Bytes>) -> Response<Answer> {
        let Self {
            status,
            error,
            code,
            description,
        } = self;
        let correlation = request.headers().get("client-request-id");
        let correlation = correlation
            .and_then(|id| id.to_str().ok())
            .map(ToOwned::to_owned);
        let correlation = correlation.unwrap_or_else(|| Uuid::new_v4().to_string());
        let trace = Uuid::new_v4().to_string();
        let time = humantime::format_rfc3339_seconds(wall_time())
            .to_string()
            .replace('T', " ");
        let body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {description} Trace ID: {trace} Correlation ID: {correlation} \
                 Timestamp: {time}"
            ),
            "error_codes": [code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
        });
        no_store(json_answer(
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
            &body,
        ))
    }
}

pub(crate) fn no_store(mut response: Response<Answer>) -> Response<Answer> {
    let value = HeaderValue::from_static("no-store, no-cache");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}
