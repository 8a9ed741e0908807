//! Something that an issuer publishes at a URL, and getting it.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{http_client::HttpClient, identity::key_source::KeyError, secret::SecretSource};

/// Something at a URL.
#[derive(Clone, Debug)]
pub struct Published {
    /// The URL.
    pub url: Uri,
    /// A further trust anchor, in PEM.
    pub ca_file: Option<PathBuf>,
    /// What is shown to the host of that URL, and to no other.
    pub bearer_token: Option<SecretSource>,
}

impl Published {
    /// Gets what is at a URL; shows the bearer token only to the host that it is meant for.
    pub(in crate::identity) async fn get(
        &self,
        url: &Uri,
        client: &HttpClient,
        within: Duration,
    ) -> Result<Bytes, KeyError> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, ACCEPTED);
        if let Some(token) = self
            .bearer_token
            .as_ref()
            .filter(|_| same_host(url, &self.url))
        {
            headers.insert(header::AUTHORIZATION, authorization(token).await?);
        }
        let answer = client
            .exchange(request, within, LARGEST_ANSWER_BYTES)
            .await
            .map_err(|source| KeyError::Fetch {
                url: url.clone(),
                source,
            })?;
        if answer.status != StatusCode::OK {
            return Err(KeyError::Status {
                url: url.clone(),
                status: answer.status,
            });
        }
        Ok(answer.body)
    }
}

async fn authorization(token: &SecretSource) -> Result<HeaderValue, KeyError> {
    let token = token.read().await?;
    let value = SecretString::from(format!("Bearer {}", token.expose_secret()));
    let mut value =
        HeaderValue::from_str(value.expose_secret()).map_err(|_| KeyError::BadBearerToken)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether two URLs lead to one host, by one scheme and port.
pub(in crate::identity) fn same_host(one: &Uri, other: &Uri) -> bool {
    one.scheme() == other.scheme() && one.authority() == other.authority()
}

/// Key sets are a few KiB, those with certificates in them some more.
const LARGEST_ANSWER_BYTES: usize = 256 * 1024;

/// Kubernetes answers with the second, most others with the first.
const ACCEPTED: HeaderValue =
    HeaderValue::from_static("application/json, application/jwk-set+json");
