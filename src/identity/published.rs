//! Something that an issuer publishes at a URL, and getting it.

use std::{path::PathBuf, time::Duration};

use aws_lc_rs::digest::{Digest, SHA256, digest};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::Full;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    file::{self, Disk},
    http_client::{self, Connect, HttpClient, SetupError},
    identity::{jwks::KeySet, key_source::KeyError},
    secret::SecretSource,
};

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

/// The way to something at a URL.
#[derive(Debug)]
pub(in crate::identity) struct Publisher {
    published: Published,
    /// The further trust anchor when the way was made, where it could be read.
    anchor: Option<Digest>,
    client: HttpClient,
    disk: Disk,
}

impl Publisher {
    /// # Errors
    ///
    /// When a client that goes there cannot be made.
    pub(in crate::identity) fn new(
        published: &Published,
        connect: &Connect,
        connect_timeout: Duration,
    ) -> Result<Self, SetupError> {
        // Looked at before the client reads it: should it change in between, the client seems to trust
        // what it does not, and nothing is taken over from it.
        let pem = published.ca_file.as_deref();
        let pem = pem.map(|path| file::read(path, file::LARGEST_BYTES));
        let anchor = pem.and_then(Result::ok).map(|pem| digest(&SHA256, &pem));
        let client = connect(&http_client::Settings {
            connect_timeout,
            ca_file: published.ca_file.clone(),
            plain_http: published.url.scheme() == Some(&Scheme::HTTP),
        })?;
        Ok(Self {
            published: published.clone(),
            anchor,
            client,
            disk: Disk::default(),
        })
    }

    /// The URL.
    pub(in crate::identity) fn url(&self) -> &Uri {
        &self.published.url
    }

    /// Whether the host is trusted for the same reasons as another, and is shown the same token.
    pub(in crate::identity) fn trusts_like(&self, other: &Self) -> bool {
        let (here, there) = (&self.published, &other.published);
        let anchors = match (&self.anchor, &other.anchor) {
            (Some(one), Some(two)) => one.as_ref() == two.as_ref(),
            _ => here.ca_file.is_none(),
        };
        let tokens = match (&here.bearer_token, &there.bearer_token) {
            (Some(one), Some(two)) => is_same(one, two),
            (one, two) => one.is_none() && two.is_none(),
        };
        here.ca_file == there.ca_file && anchors && tokens
    }

    /// Gets what is at a URL; shows the bearer token only to the host that it is meant for.
    pub(in crate::identity) async fn get(
        &self,
        url: &Uri,
        within: Duration,
    ) -> Result<Bytes, KeyError> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = url.clone();
        request.headers_mut().insert(header::ACCEPT, ACCEPTED);
        let token = self.published.bearer_token.as_ref();
        if let Some(token) = token.filter(|_| same_host(url, self.url())) {
            let value = self.authorization(token).await?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let answer = self
            .client
            .exchange(request, within, KeySet::LARGEST_BYTES)
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

    async fn authorization(&self, token: &SecretSource) -> Result<HeaderValue, KeyError> {
        let token = token.read(&self.disk).await?;
        let value = SecretString::from(format!("Bearer {}", token.expose_secret()));
        let mut value =
            HeaderValue::from_str(value.expose_secret()).map_err(|_| KeyError::BadBearerToken)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Whether two secrets come from the same place.
fn is_same(one: &SecretSource, other: &SecretSource) -> bool {
    match (one, other) {
        (SecretSource::File(one), SecretSource::File(other)) => one == other,
        (SecretSource::Value(one), SecretSource::Value(other)) => {
            one.expose_secret() == other.expose_secret()
        }
        _ => false,
    }
}

/// Whether two URLs lead to one host, by one scheme and port.
pub(in crate::identity) fn same_host(one: &Uri, other: &Uri) -> bool {
    one.scheme() == other.scheme() && one.authority() == other.authority()
}

/// Kubernetes answers with the second, most others with the first.
const ACCEPTED: HeaderValue =
    HeaderValue::from_static("application/json, application/jwk-set+json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_secrets_apart_by_where_they_come_from() {
        let file = |path: &str| SecretSource::File(path.into());
        let value = |text: &str| SecretSource::Value(text.to_owned().into());

        assert!(is_same(&file("a"), &file("a")));
        assert!(is_same(&value("a"), &value("a")));
        for (one, other) in [
            (file("a"), file("b")),
            (value("a"), value("b")),
            (file("a"), value("a")),
            (value("a"), file("a")),
        ] {
            assert!(!is_same(&one, &other), "{one:?} {other:?}");
        }
    }
}
