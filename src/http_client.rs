//! The one way out over HTTP: HTTPS, or plain HTTP to loopback; HTTP/1.1 with kept-alive connections;
//! no redirects, no proxies from the environment, no silent replay, answers of bounded size.
//!
//! [`Transport`] is the seam that tests replace. This room knows nothing of ours.

mod pool;
pub mod retry_after;
pub mod trust;

use std::{fmt, io, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, combinators::UnsyncBoxBody};

use self::pool::Pool;

/// Carries requests for the rooms that go out.
#[derive(Clone, Debug)]
pub struct HttpClient(Arc<dyn Transport>);

/// What a client needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a connection may take to open, TLS included.
    pub connect_timeout: Duration,
    /// A further trust anchor, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether plain HTTP is spoken; the configuration grants it to loopback only.
    pub plain_http: bool,
}

/// Makes a client that goes out.
pub type Connect = dyn Fn(&Settings) -> Result<HttpClient, SetupError> + Send + Sync;

/// Carries one request to its host; tests put an in-memory one in its place.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends the request and returns the answer's head with a body still to be read.
    fn send(&self, request: Request<Full<Bytes>>) -> Sending;
}

/// A request on its way.
pub type Sending = Pin<Box<dyn Future<Output = Result<Response<Incoming>, SendError>> + Send>>;

/// An answer's body while it arrives.
pub type Incoming = UnsyncBoxBody<Bytes, io::Error>;

/// Any error of a transport.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status as received.
    pub status: StatusCode,
    /// The header section as received.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// The transport had no answer's head to give.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection could be had, so nothing was sent.
    #[error("connecting to the host")]
    Connect(#[source] BoxError),
    /// The connection broke; the host may have acted.
    #[error("waiting for the answer")]
    Exchange(#[source] BoxError),
    /// What came is not HTTP; the host may have acted.
    #[error("reading the answer's head")]
    NotHttp(#[source] BoxError),
}

/// No whole answer was had.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection could be had, so nothing was sent.
    #[error("connecting to the host")]
    Connect(#[source] BoxError),
    /// The connection broke before an answer's head came.
    #[error("waiting for the answer")]
    NoAnswer(#[source] BoxError),
    /// What came is not HTTP.
    #[error("reading the answer's head")]
    NotHttp(#[source] BoxError),
    /// The answer's body broke off.
    #[error("reading the answer's body")]
    BrokenOff(#[source] BoxError),
    /// The answer's body is larger than allowed.
    #[error("the answer's body is over {limit_bytes} bytes")]
    TooLarge {
        /// The answer's status.
        status: StatusCode,
        /// The largest body that is read.
        limit_bytes: usize,
    },
    /// No whole answer came in time.
    #[error("no whole answer within {after:?}")]
    TimedOut {
        /// The time allowed.
        after: Duration,
    },
}

/// An answer says in two ways how long it is, so that two readers may disagree where the next begins: RFC
/// 9112, section 6.3.
#[derive(Debug, thiserror::Error)]
#[error("the answer has both Content-Length and Transfer-Encoding")]
struct TwoLengths;

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The extra trust anchor cannot be read.
    #[error("reading trust anchors from {path:?}")]
    Anchor {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BoxError,
    },
    /// The machine has no trust anchors, and none were configured.
    #[error("no trust anchors on this machine; install a CA bundle or set `ca_file`")]
    NoAnchors,
    /// The TLS library refuses its own defaults.
    #[error("setting TLS up")]
    Tls(#[from] rustls::Error),
}

impl HttpError {
    /// Whether there is no connection because the host's certificate is not trusted.
    #[must_use]
    pub fn is_distrust(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = match self {
            Self::Connect(source) => Some(&**source),
            _ => None,
        };
        while let Some(error) = cause {
            if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
                return true;
            }
            // An I/O error tells its cause's cause for its own.
            let inside = error.downcast_ref().and_then(io::Error::get_ref);
            cause = inside.map_or_else(|| error.source(), |inside| Some(inside));
        }
        false
    }
}

impl HttpClient {
    /// Makes a client over real connections.
    ///
    /// # Errors
    ///
    /// When trust anchors are missing or unreadable.
    pub fn connecting(settings: &Settings) -> Result<Self, SetupError> {
        Ok(Self::over(Pool::connecting(settings)?))
    }

    /// Makes a client over any transport.
    #[must_use]
    pub fn over(transport: impl Transport + 'static) -> Self {
        Self(Arc::new(transport))
    }

    /// Sends one request and reads its whole answer.
    ///
    /// # Errors
    ///
    /// [`HttpError::Connect`] is the only one after which nothing can have been sent.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection; the host may have acted.
    pub async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        within: Duration,
        limit_bytes: usize,
    ) -> Result<Answer, HttpError> {
        tokio::time::timeout(within, self.converse(request, limit_bytes))
            .await
            .unwrap_or(Err(HttpError::TimedOut { after: within }))
    }

    async fn converse(
        &self,
        request: Request<Full<Bytes>>,
        limit_bytes: usize,
    ) -> Result<Answer, HttpError> {
        let answer = self.0.send(request).await.map_err(|error| match error {
            SendError::Connect(source) => HttpError::Connect(source),
            SendError::Exchange(source) => HttpError::NoAnswer(source),
            SendError::NotHttp(source) => HttpError::NotHttp(source),
        })?;
        let (head, body) = answer.into_parts();
        if head.headers.contains_key(CONTENT_LENGTH) && head.headers.contains_key(TRANSFER_ENCODING)
        {
            return Err(HttpError::NotHttp(TwoLengths.into()));
        }
        let body = Limited::new(body, limit_bytes)
            .collect()
            .await
            .map_err(|source| {
                if source.is::<LengthLimitError>() {
                    HttpError::TooLarge {
                        status: head.status,
                        limit_bytes,
                    }
                } else {
                    HttpError::BrokenOff(source)
                }
            })?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}
