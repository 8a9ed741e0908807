//! Real connections: kept alive, bounded while they open, HTTPS unless the settings say otherwise.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tower_service::Service;

use crate::http_client::{BoxError, SendError, Sending, Settings, SetupError, Transport, trust};

/// Kept connections, and how new ones are made.
#[derive(Debug)]
pub(in crate::http_client) struct Pool(legacy::Client<Bounded, Full<Bytes>>);

impl Pool {
    pub(in crate::http_client) fn connecting(settings: &Settings) -> Result<Self, SetupError> {
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION_KEPT)
            .retry_canceled_requests(false)
            .build(connector(settings)?);
        Ok(Self(pool))
    }
}

impl Transport for Pool {
    fn send(&self, request: Request<Full<Bytes>>) -> Sending {
        let sending = self.0.request(request);
        Box::pin(async move {
            match sending.await {
                Ok(answer) => Ok(answer.map(|body| body.map_err(io::Error::other).boxed_unsync())),
                Err(error) if error.is_connect() || never_began(&error) => {
                    Err(SendError::Connect(error.into()))
                }
                Err(error) if is_parse_error(&error) => Err(SendError::NotHttp(error.into())),
                Err(error) => Err(SendError::Exchange(error.into())),
            }
        })
    }
}

fn is_parse_error(error: &legacy::Error) -> bool {
    cause_in_hyper(error).is_some_and(hyper::Error::is_parse)
}

/// A kept connection closed before it took the request, which was handed back unsent.
fn never_began(error: &legacy::Error) -> bool {
    cause_in_hyper(error).is_some_and(hyper::Error::is_canceled)
}

fn cause_in_hyper(error: &legacy::Error) -> Option<&hyper::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Bounds a whole connect: name, TCP and TLS.
#[derive(Clone, Debug)]
struct Bounded {
    inner: HttpsConnector<HttpConnector>,
    within: Duration,
}

impl Service<Uri> for Bounded {
    type Response = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.within, self.inner.call(to));
        Box::pin(async move {
            let late = |_| BoxError::from(io::Error::from(io::ErrorKind::TimedOut));
            connecting.await.map_err(late)?
        })
    }
}

fn connector(settings: &Settings) -> Result<Bounded, SetupError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let tls = tls(settings)?;
    let schemes = HttpsConnectorBuilder::new().with_tls_config(tls);
    let inner = if settings.plain_http {
        schemes.https_or_http().enable_http1().wrap_connector(tcp)
    } else {
        schemes.https_only().enable_http1().wrap_connector(tcp)
    };
    let within = settings.connect_timeout;
    Ok(Bounded { inner, within })
}

fn tls(settings: &Settings) -> Result<ClientConfig, SetupError> {
    let ca_file = settings.ca_file.as_deref();
    if settings.plain_http {
        trust::only(ca_file)
    } else {
        trust::beside_the_machines(ca_file)
    }
}

/// Shorter than the idle timeouts of the load balancers in front of Microsoft's services, so that a
/// request rarely meets a connection that is being closed.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(50);
