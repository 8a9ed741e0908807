//! The gateway's own HTTP client in the shape the `oauth2` crate wants.
//!
//! The crate drops headers, so every answer but a 200 becomes an error of ours here, before the crate
//! sees it, with as much of it as may be logged.

use std::{pin::Pin, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::Full;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};

use crate::{
    clock::SharedClock,
    http_client::HttpClient,
    token::{grant::GrantError, response::EntraErrorBody},
};

/// What a refusal says, as far as it may be logged.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// How long to stay away.
    pub retry_after: Option<Duration>,
    /// The OAuth error, such as `invalid_client`.
    pub error: String,
    /// A refinement of the error.
    pub suberror: Option<String>,
    /// The AADSTS numbers.
    pub error_codes: Vec<u64>,
    /// Names the refusal in Microsoft's own logs.
    pub trace_id: Option<String>,
    /// Names the exchange in Microsoft's own logs.
    pub correlation_id: Option<String>,
}

/// The way to the token endpoint.
#[derive(Debug)]
pub(in crate::token) struct Endpoint {
    http: HttpClient,
    clock: SharedClock,
}

impl<'c> AsyncHttpClient<'c> for Endpoint {
    type Error = GrantError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, GrantError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}

impl Endpoint {
    pub(in crate::token) fn new(http: HttpClient, clock: SharedClock) -> Self {
        Self { http, clock }
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, GrantError> {
        let mut request = request.map(|body| Full::new(body.into()));
        let id = uuid::Uuid::new_v4().to_string();
        if let Ok(id) = HeaderValue::try_from(id) {
            request.headers_mut().insert("client-request-id", id);
        }
        request
            .headers_mut()
            .insert("return-client-request-id", HeaderValue::from_static("true"));
        let answer = self
            .http
            .exchange(request, TOKEN_TIMEOUT, TOKEN_BODY_LIMIT_BYTES)
            .await
            .map_err(GrantError::Unreachable)?;
        if answer.status != StatusCode::OK {
            let now = self.clock.now();
            let body = serde_json::from_slice::<EntraErrorBody>(&answer.body).unwrap_or_default();
            return Err(GrantError::Refused(Box::new(Refusal {
                status: answer.status,
                retry_after: retry_after(&answer.headers, now),
                error: loggable(body.error),
                suberror: body.suberror.map(loggable),
                error_codes: body.error_codes,
                trace_id: body.trace_id.map(loggable),
                correlation_id: body.correlation_id.map(loggable),
            })));
        }
        let mut response = HttpResponse::new(answer.body.to_vec());
        if let Some(kind) = answer.headers.get(header::CONTENT_TYPE) {
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, kind.clone());
        }
        Ok(response)
    }
}

impl Refusal {
    /// Whether asking again soon is pointless.
    pub(in crate::token) fn is_permanent(&self) -> bool {
        let passing = self.status.is_server_error()
            || self.status == StatusCode::TOO_MANY_REQUESTS
            || self.status.is_redirection()
            || self.error == "temporarily_unavailable"
            || self.error == "server_error"
            || self
                .error_codes
                .iter()
                .any(|code| PASSING_CODES.contains(code));
        !passing
    }
}

/// Reads `Retry-After` as seconds or as a date; unreadable is absent, the past is now.
fn retry_after(headers: &HeaderMap, now: std::time::SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text)
            .ok()?
            .duration_since(now)
            .unwrap_or_default(),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// Keeps a foreign text short and on one line.
fn loggable(text: String) -> String {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    if text.len() <= LOGGABLE_LENGTH && text.chars().all(plain) {
        return text;
    }
    text.chars()
        .filter(|c| plain(*c))
        .take(LOGGABLE_LENGTH)
        .collect()
}

/// AADSTS numbers that Microsoft documents as transient, and 50196, a throttle in disguise.
const PASSING_CODES: [u64; 13] = [
    50196, 90006, 90012, 90024, 90033, 90055, 90090, 50033, 50087, 50088, 40010, 80005, 70012,
];

/// Long enough for a slow sign-in service, short enough to leave time for the call itself.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Token answers are a few KiB; anything near this is not one.
const TOKEN_BODY_LIMIT_BYTES: usize = 256 * 1024;

/// Microsoft's libraries cap `Retry-After` at one hour.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The longest piece of a refusal that goes into the log.
const LOGGABLE_LENGTH: usize = 128;
