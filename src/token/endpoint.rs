//! The gateway's own HTTP client in the shape the `oauth2` crate wants.
//!
//! The crate drops headers, so every answer but a 200 becomes an error of ours here, before the crate
//! sees it, with as much of it as may be logged.

use std::{
    pin::Pin,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, StatusCode, header};
use http_body_util::Full;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};

use crate::{
    clock::SharedClock,
    http_client::HttpClient,
    token::{grant::GrantError, refusal::Refusal},
};

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

    /// The wall clock, for dates that the token endpoint names.
    pub(in crate::token) fn now(&self) -> SystemTime {
        self.clock.now()
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
            let refusal = Refusal::read(&answer, self.now());
            return Err(GrantError::Refused(Box::new(refusal)));
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

/// Long enough for a slow sign-in service, short enough to leave time for the call itself.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Token answers are a few KiB; anything near this is not one.
const TOKEN_BODY_LIMIT_BYTES: usize = 256 * 1024;
