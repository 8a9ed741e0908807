//! Where an issuer's keys come from: a discovery document, a URL or a file.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{StatusCode, Uri, uri::Scheme};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    file::Disk,
    http_client::{Connect, HttpError, SetupError},
    identity::{
        jwks::{BadKeySet, KeySet},
        published::{Published, Publisher, same_host},
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
    Discovery(Publisher),
    Url(Publisher),
    File(PathBuf, Disk),
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
        /// Whose it is, as far as that fits a line.
        found: String,
    },
    /// The discovery document names no URL that keys may come from.
    #[error(
        "jwks_uri is {found:?}; accepted: an https:// URL, or one of the issuer's own host, \
         of at most {LONGEST_URL} bytes"
    )]
    BadJwksUri {
        /// What it names, as far as that fits a line.
        found: String,
    },
    /// The file cannot be read.
    #[error("reading the key file {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Something took too long.
    #[error("no keys within {after:?}")]
    TimedOut {
        /// The time allowed.
        after: Duration,
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

impl KeySource {
    /// # Errors
    ///
    /// When a client that goes there cannot be made.
    pub(in crate::identity) fn new(
        issuer: Arc<str>,
        settings: &KeySourceSettings,
        connect: &Connect,
    ) -> Result<Self, SetupError> {
        let publisher = |at: &Published| Publisher::new(at, connect, FETCH_TIMEOUT);
        let way = match settings {
            KeySourceSettings::Discovery(at) => Way::Discovery(publisher(at)?),
            KeySourceSettings::Url(at) => Way::Url(publisher(at)?),
            KeySourceSettings::File(path) => Way::File(path.clone(), Disk::default()),
        };
        Ok(Self { issuer, way })
    }

    /// Whether keys come from the same place as another's, whatever the way there.
    pub(in crate::identity) fn is_where(&self, other: &Self) -> bool {
        match (&self.way, &other.way) {
            (Way::Discovery(here), Way::Discovery(there)) | (Way::Url(here), Way::Url(there)) => {
                here.url() == there.url()
            }
            (Way::File(here, _), Way::File(there, _)) => here == there,
            _ => false,
        }
    }

    /// Whether what another had from the same place can be believed here as well.
    pub(in crate::identity) fn trusts_like(&self, other: &Self) -> bool {
        match (&self.way, &other.way) {
            (Way::Discovery(here), Way::Discovery(there)) | (Way::Url(here), Way::Url(there)) => {
                here.trusts_like(there)
            }
            (Way::File(..), Way::File(..)) => true,
            _ => false,
        }
    }

    pub(in crate::identity) fn pace(&self) -> Pace {
        match self.way {
            Way::Discovery(..) | Way::Url(..) => FETCHING,
            Way::File(..) => READING,
        }
    }

    /// Gets the keys, in time or not at all.
    ///
    /// # Errors
    ///
    /// When there are none to be had there now.
    pub(in crate::identity) async fn fetch(&self) -> Result<KeySet, KeyError> {
        tokio::time::timeout(FETCH_TIMEOUT, self.obtain())
            .await
            .unwrap_or(Err(KeyError::TimedOut {
                after: FETCH_TIMEOUT,
            }))
    }

    async fn obtain(&self) -> Result<KeySet, KeyError> {
        let jwks = match &self.way {
            Way::Discovery(publisher) => self.discover(publisher).await?,
            Way::Url(publisher) => publisher.get(publisher.url(), FETCH_TIMEOUT).await?,
            Way::File(path, disk) => read(path, disk).await?,
        };
        Ok(KeySet::parse(&jwks)?)
    }

    async fn discover(&self, publisher: &Publisher) -> Result<Bytes, KeyError> {
        let until = Instant::now() + FETCH_TIMEOUT;
        let document = publisher.get(publisher.url(), FETCH_TIMEOUT).await?;
        let url = || publisher.url().clone();
        let Discovery { issuer, jwks_uri } =
            serde_json::from_slice(&document).map_err(|_| KeyError::NotDiscovery { url: url() })?;
        if *issuer != *self.issuer {
            return Err(KeyError::OtherIssuer {
                url: url(),
                found: beginning(&issuer),
            });
        }
        let Some(keys) = jwks_url(&jwks_uri, publisher.url()) else {
            return Err(KeyError::BadJwksUri {
                found: beginning(&jwks_uri),
            });
        };
        publisher.get(&keys, until - Instant::now()).await
    }
}

async fn read(path: &Path, disk: &Disk) -> Result<Bytes, KeyError> {
    let limit_bytes = u64::try_from(KeySet::LARGEST_BYTES).unwrap_or(u64::MAX);
    match disk.read(path.to_owned(), limit_bytes).await {
        Ok(content) => Ok(content.into()),
        Err(source) => Err(KeyError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// As much of a foreign text as goes into a line of the log.
fn beginning(text: &str) -> String {
    text.chars().take(MOST_QUOTED).collect()
}

/// Keys come over TLS, or from the very host that the discovery document came from.
fn jwks_url(text: &str, document: &Uri) -> Option<Uri> {
    let url: Uri = text.parse().ok().filter(|_| text.len() <= LONGEST_URL)?;
    let encrypted = url.scheme() == Some(&Scheme::HTTPS) && url.authority().is_some();
    (encrypted || same_host(&url, document)).then_some(url)
}

/// In characters; enough to see whose text it is.
const MOST_QUOTED: usize = 200;

/// In bytes; it is told whenever keys cannot be had there.
const LONGEST_URL: usize = 2048;

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
    use http::{Request, Response};
    use http_body_util::{BodyExt as _, Full};
    use serde_json::{Value, json};

    use super::*;
    use crate::http_client::{HttpClient, Sending, Transport};

    /// Answers everything with one document.
    #[derive(Debug)]
    struct Answering(Bytes);

    impl Transport for Answering {
        fn send(&self, _: Request<Full<Bytes>>) -> Sending {
            let body = Full::new(self.0.clone()).map_err(|never| match never {});
            Box::pin(async move { Ok(Response::new(body.boxed_unsync())) })
        }
    }

    async fn told_of(document: Value) -> String {
        let document = Bytes::from(document.to_string());
        let settings = KeySourceSettings::Discovery(Published {
            url: Uri::from_static("https://issuer.test/document"),
            ca_file: None,
            bearer_token: None,
        });
        let connect = move |_: &_| Ok(HttpClient::over(Answering(document.clone())));
        let source = KeySource::new("https://issuer.test".into(), &settings, &connect).unwrap();
        source.fetch().await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn quotes_no_more_of_a_document_than_fits_a_line() {
        let foreign = "\u{1b}[m\n".repeat(10_000);
        let quoted = r"\u{1b}[m\n".repeat(50);

        let other = told_of(json!({"issuer": foreign, "jwks_uri": "x"})).await;
        let bad = told_of(json!({"issuer": "https://issuer.test", "jwks_uri": foreign})).await;

        assert_eq!(
            other,
            format!("https://issuer.test/document is the discovery document of \"{quoted}\"")
        );
        assert!(bad.starts_with(&format!("jwks_uri is \"{quoted}\"; accepted")));
    }

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
            (
                &format!("https://issuer.test/{}", "x".repeat(2028)),
                &plain,
                true,
            ),
            (
                &format!("https://issuer.test/{}", "x".repeat(2029)),
                &plain,
                false,
            ),
        ] {
            assert_eq!(jwks_url(text, document).is_some(), sound, "{text}");
        }
    }
}
