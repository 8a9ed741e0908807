//! Where an issuer's keys come from: a discovery document, a URL or a file.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{StatusCode, Uri, uri::Scheme};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    http_client::{self, Connect, HttpClient, HttpError, SetupError},
    identity::{
        jwks::{BadKeySet, KeySet},
        published::{Published, same_host},
    },
    secret::SecretError,
};

/// Where an issuer publishes its keys.
#[derive(Clone, Debug)]
pub enum KeySourceSettings {
    /// Where its discovery document says.
    Discovery(Published),
    /// At a URL.
    Url(Published),
    /// In a file.
    File(PathBuf),
}

/// Where keys come from, with the way there.
#[derive(Debug)]
pub(in crate::identity) struct KeySource {
    issuer: Arc<str>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Discovery(Published, HttpClient),
    Url(Published, HttpClient),
    File(PathBuf),
}

/// No keys were had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No whole answer came.
    #[error("fetching {url}")]
    Fetch {
        /// From where.
        url: Uri,
        /// What went wrong.
        source: HttpError,
    },
    /// The answer is not one.
    #[error("fetching {url}: status {status}")]
    Status {
        /// From where.
        url: Uri,
        /// The status; redirects are not followed.
        status: StatusCode,
    },
    /// The discovery document is not one.
    #[error("{url} is not a discovery document")]
    NotDiscovery {
        /// From where.
        url: Uri,
    },
    /// The discovery document is another issuer's.
    #[error("{url} is the discovery document of {found:?}")]
    OtherIssuer {
        /// From where.
        url: Uri,
        /// Whose it is.
        found: String,
    },
    /// The discovery document names no URL that keys may come from.
    #[error("jwks_uri is {found:?}; accepted: an https:// URL, or one of the issuer's own host")]
    BadJwksUri {
        /// What it names.
        found: String,
    },
    /// The file cannot be read.
    #[error("reading the key file {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The token for the issuer cannot be read.
    #[error("reading the bearer token for the issuer")]
    BearerToken(#[from] SecretError),
    /// The token for the issuer is not one.
    #[error("the bearer token for the issuer is not one")]
    BadBearerToken,
    /// What came is no usable key set.
    #[error("reading the key set")]
    KeySet(#[from] BadKeySet),
}

/// How often keys may be asked for.
#[derive(Clone, Copy, Debug)]
pub(in crate::identity) struct Pace {
    /// At least this long between two attempts.
    pub(in crate::identity) cooldown: Duration,
    /// Keys in use that are older than this are asked for anew beside the calls, and when they are twice
    /// as old, before they are believed.
    pub(in crate::identity) refresh: Duration,
    /// For so long a key that is not there is no reason to ask again.
    pub(in crate::identity) remembered: Duration,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl KeySourceSettings {
    /// What the client that goes there is to be like; nothing for a file.
    #[must_use]
    pub fn published(&self) -> Option<&Published> {
        match self {
            Self::Discovery(published) | Self::Url(published) => Some(published),
            Self::File(_) => None,
        }
    }
}

impl KeySource {
    /// # Errors
    ///
    /// When a client that goes there cannot be made.
    pub(in crate::identity) fn new(
        issuer: Arc<str>,
        settings: &KeySourceSettings,
        connect: &Connect,
    ) -> Result<Self, SetupError> {
        let client = |published: &Published| {
            connect(&http_client::Settings {
                connect_timeout: FETCH_TIMEOUT,
                ca_file: published.ca_file.clone(),
                plain_http: published.url.scheme() == Some(&Scheme::HTTP),
            })
        };
        let way = match settings {
            KeySourceSettings::Discovery(at) => Way::Discovery(at.clone(), client(at)?),
            KeySourceSettings::Url(at) => Way::Url(at.clone(), client(at)?),
            KeySourceSettings::File(path) => Way::File(path.clone()),
        };
        Ok(Self { issuer, way })
    }

    /// Whether keys come from the same place as another's, whatever the way there.
    pub(in crate::identity) fn is_where(&self, other: &Self) -> bool {
        match (&self.way, &other.way) {
            (Way::Discovery(here, _), Way::Discovery(there, _))
            | (Way::Url(here, _), Way::Url(there, _)) => here.url == there.url,
            (Way::File(here), Way::File(there)) => here == there,
            _ => false,
        }
    }

    pub(in crate::identity) fn pace(&self) -> Pace {
        match self.way {
            Way::Discovery(..) | Way::Url(..) => FETCHING,
            Way::File(_) => READING,
        }
    }

    /// Gets the keys, in time or not at all.
    ///
    /// # Errors
    ///
    /// When there are none to be had there now.
    pub(in crate::identity) async fn fetch(&self) -> Result<KeySet, KeyError> {
        let jwks = match &self.way {
            Way::Discovery(at, client) => self.discover(at, client).await?,
            Way::Url(at, client) => at.get(&at.url, client, FETCH_TIMEOUT).await?,
            Way::File(path) => read(path).await?,
        };
        Ok(KeySet::parse(&jwks)?)
    }

    async fn discover(&self, at: &Published, client: &HttpClient) -> Result<Bytes, KeyError> {
        let until = Instant::now() + FETCH_TIMEOUT;
        let document = at.get(&at.url, client, FETCH_TIMEOUT).await?;
        let url = || at.url.clone();
        let Discovery { issuer, jwks_uri } =
            serde_json::from_slice(&document).map_err(|_| KeyError::NotDiscovery { url: url() })?;
        if *issuer != *self.issuer {
            return Err(KeyError::OtherIssuer {
                url: url(),
                found: issuer,
            });
        }
        let Some(keys) = jwks_url(&jwks_uri, &at.url) else {
            return Err(KeyError::BadJwksUri { found: jwks_uri });
        };
        at.get(&keys, client, until - Instant::now()).await
    }
}

async fn read(path: &Path) -> Result<Bytes, KeyError> {
    let unreadable = |source| KeyError::File {
        path: path.to_owned(),
        source,
    };
    let reading = path.to_owned();
    let read = tokio::task::spawn_blocking(move || fs::read(reading)).await;
    let content = read
        .unwrap_or_else(|gone| Err(gone.into()))
        .map_err(unreadable)?;
    Ok(content.into())
}

/// Keys come over TLS, or from the very host that the discovery document came from.
fn jwks_url(text: &str, document: &Uri) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let encrypted = url.scheme() == Some(&Scheme::HTTPS) && url.authority().is_some();
    (encrypted || same_host(&url, document)).then_some(url)
}

/// For everything that one attempt takes.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Unknown keys must not turn into a storm of fetches; and a key that an issuer has withdrawn is to be
/// forgotten in good time.
const FETCHING: Pace = Pace {
    cooldown: Duration::from_secs(30),
    refresh: Duration::from_mins(5),
    remembered: Duration::from_mins(1),
};

/// A file is at hand.
const READING: Pace = Pace {
    cooldown: Duration::from_secs(1),
    refresh: Duration::from_secs(1),
    remembered: Duration::from_secs(1),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_keys_over_tls_or_from_the_same_host() {
        let encrypted = Uri::from_static("https://issuer.test/x");
        let plain = Uri::from_static("http://127.0.0.1:8080/x");
        for (text, document, sound) in [
            ("https://issuer.test/jwks", &encrypted, true),
            ("https://10.0.0.1:6443/openid/v1/jwks", &encrypted, true),
            ("http://issuer.test/jwks", &encrypted, false),
            ("https://other.test/jwks", &plain, true),
            ("http://127.0.0.1:8080/jwks", &plain, true),
            ("http://127.0.0.1:8081/jwks", &plain, false),
            ("file:///etc/passwd", &encrypted, false),
            ("/jwks", &encrypted, false),
            ("", &encrypted, false),
        ] {
            assert_eq!(jwks_url(text, document).is_some(), sound, "{text}");
        }
    }
}
