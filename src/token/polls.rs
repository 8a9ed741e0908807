//! Polls with a device code: what the `oauth2` crate asks, and what it may hear.
//!
//! The crate takes every error of a connection for a passing one, and makes its form up once for all
//! polls. So what is final becomes a refusal here, kept aside with all that it says, and each poll shows a
//! proof of its own.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use http::StatusCode;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};

use crate::token::{
    credential::{Credential, Proof},
    endpoint::Endpoint,
    grant::GrantError,
};

/// Carries the crate's polls to the token endpoint, and keeps what it would drop.
#[derive(Debug)]
pub(in crate::token) struct Polls<'a> {
    credential: &'a Credential,
    endpoint: &'a Endpoint,
    setback: Mutex<Option<GrantError>>,
}

/// The crate asks again after this, and does not look at it.
#[derive(Debug, thiserror::Error)]
#[error("no answer that counts")]
pub(in crate::token) struct Passing;

impl<'c> AsyncHttpClient<'c> for Polls<'_> {
    type Error = Passing;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Passing>> + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.poll(request))
    }
}

impl<'a> Polls<'a> {
    pub(in crate::token) fn new(credential: &'a Credential, endpoint: &'a Endpoint) -> Self {
        Self {
            credential,
            endpoint,
            setback: Mutex::default(),
        }
    }

    /// Takes what the latest poll ran into, unless a later one was answered.
    pub(in crate::token) fn setback(&self) -> Option<GrantError> {
        let mut setback = self.setback.lock().unwrap_or_else(PoisonError::into_inner);
        setback.take()
    }

    async fn poll(&self, request: HttpRequest) -> Result<HttpResponse, Passing> {
        let error = match self.ask(request).await {
            Ok(response) => {
                // What an earlier poll ran into explains nothing of what may be wrong with this answer.
                drop(self.setback());
                return Ok(response);
            }
            Err(error) => error,
        };
        if let GrantError::Refused(refusal) = &error
            && let Some(word) = GO_ON.iter().find(|word| **word == refusal.error)
        {
            drop(self.setback());
            return Ok(refused(word));
        }
        let is_final = error.is_permanent() || matches!(error, GrantError::Malformed(_));
        let retry_after = error.retry_after();
        *self.setback.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        if is_final {
            return Ok(refused("access_denied"));
        }
        tokio::time::sleep(retry_after.unwrap_or_default()).await;
        Err(Passing)
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, GrantError> {
        let proof = self.credential.prove().await?;
        self.endpoint.call(showing(&proof, request)).await
    }
}

/// Adds a proof to a form. An assertion is good for one request, and for less time than a code.
fn showing(proof: &Proof, request: HttpRequest) -> HttpRequest {
    request.map(|form| {
        // What is not UTF-8 is no form, and the crate makes none such.
        let form = String::from_utf8(form).unwrap_or_default();
        let mut form = form_urlencoded::Serializer::new(form);
        form.extend_pairs(proof.fields());
        form.finish().into_bytes()
    })
}

/// A refusal in the form that the crate reads, without anything of the real one but its word.
fn refused(word: &str) -> HttpResponse {
    let mut response = HttpResponse::new(format!(r#"{{"error":"{word}"}}"#).into_bytes());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// What the token endpoint says as long as the person has not decided.
const GO_ON: [&str; 2] = ["authorization_pending", "slow_down"];
